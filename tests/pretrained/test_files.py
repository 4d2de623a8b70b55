"""Weights from files and from the hub; nothing is fetched, nothing is unpickled."""

import hashlib
import json
import pickle
import zipfile

import h5py
import huggingface_hub
import keras
import numpy as np
import pytest
from goldens import seeded
from safetensors.numpy import save_file
from support.weights import randomise, rounding, save_as_keras_2

from kerasnets import applications
from kerasnets.applications import LeNet5, MobileNet, ResNet18, ResNet20, ResNet50
from kerasnets.errors import KerasnetsError, KerasnetsWarning
from kerasnets.pretrained import TORCH
from kerasnets.pretrained.carry import assign

SMALL = {"input_shape": (32, 32, 3), "classes": 10}


def equal_weights(one, other, but=()):
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        if not ours.path.startswith(but):
            np.testing.assert_array_equal(ours, theirs)
    return True


@pytest.fixture(params=["own.keras", "own.weights.h5"])
def own_file(request, tmp_path):
    """A network with random weights and statistics, and a file of its weights."""
    model = ResNet20()
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.5, 1, w.shape) for w in model.weights])
    path = tmp_path / request.param
    model.save(path) if path.suffix == ".keras" else model.save_weights(path)
    return model, path


def test_own_file_is_read(own_file):
    model, path = own_file
    assert equal_weights(ResNet20(weights=path), model)
    assert equal_weights(ResNet20(weights=str(path)), model)


def test_classifier_for_other_classes_is_new_and_says_so(own_file):
    model, path = own_file
    with pytest.warns(UserWarning, match=r": logits newly initialised \(3 classes\)$"):
        other = ResNet20(weights=path, classes=3)
    np.testing.assert_array_equal(
        other.get_layer("stem_conv").kernel, model.get_layer("stem_conv").kernel
    )
    assert other.output_shape == (None, 3)


def test_network_without_top_leaves_the_top_in_the_file(own_file):
    model, path = own_file
    headless = ResNet20(weights=path, include_top=False)
    np.testing.assert_array_equal(headless.weights[-1], model.weights[-3])


@pytest.mark.parametrize("build", [applications.ResNet32, applications.Plain56])
def test_deeper_network_misses_tensors(build, own_file):
    with pytest.raises(KerasnetsError, match="stage1_block4_1_conv/kernel is missing"):
        build(weights=own_file[1])


def test_shallower_network_has_no_place_for_tensors(own_file):
    path = own_file[1].with_name("deep.weights.h5")
    applications.ResNet32().save_weights(path)
    with pytest.raises(KerasnetsError, match="stage1_block4_1_bn/0 has no place"):
        ResNet20(weights=path)


def test_other_shapes_are_named(tmp_path):
    path = tmp_path / "half.weights.h5"
    MobileNet(alpha=0.5, **SMALL).save_weights(path)
    message = (
        r"stem_conv/kernel is \(3, 3, 3, 16\), stem_conv wants \(3, 3, 3, 32\).*"
        r" and \d+ more"
    )
    with pytest.raises(KerasnetsError, match=message):
        MobileNet(weights=path, **SMALL)


def torch_state(build, **changes):
    """A state dict of the network's counterpart, drawn by name."""
    from applications.test_torch_counterparts import drawn_state

    model = build(**{**SMALL, "classifier_activation": None, **changes})
    return drawn_state(model, build.network.torch)


peers = pytest.mark.peers


@pytest.fixture(params=["model.safetensors", pytest.param("model.pth", marks=peers)])
def torch_file(request, tmp_path):
    """A state dict of ResNet-18 in a file, as torchvision and timm save it."""
    state = torch_state(ResNet18)
    path = tmp_path / request.param
    if path.suffix == ".pth":
        import torch

        tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        tensors["bn1.num_batches_tracked"] = torch.tensor(3)
        torch.save(tensors, path)
    else:
        save_file(state, path)
    return state, path


def test_torch_file_is_read(torch_file):
    state, path = torch_file
    model = ResNet18(weights=path, **SMALL)
    np.testing.assert_array_equal(
        model.get_layer("stem_conv").kernel, state["conv1.weight"].transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(
        model.get_layer("logits").kernel, state["fc.weight"].T
    )
    assert applications.preprocessing(model) == TORCH.fitted(32)
    assert model.name == "resnet18_torch"


def test_torch_file_of_another_network_is_refused(torch_file):
    with pytest.raises(
        KerasnetsError, match=r"do not fit resnet50_torch: layer1\.0\.conv"
    ):
        ResNet50(weights=torch_file[1], **SMALL)


def test_torch_file_gives_its_body_to_other_classes(torch_file):
    state, path = torch_file
    with pytest.warns(KerasnetsWarning, match="but for: logits newly initialised"):
        model = ResNet18((32, 32, 3), weights=path, classes=3)
    np.testing.assert_array_equal(model.get_layer("stem_bn").gamma, state["bn1.weight"])
    assert ResNet18(weights=path, include_top=False).output_shape[-1] == 512


def test_network_without_counterpart_refuses_torch_files(torch_file):
    with pytest.raises(KerasnetsError, match="no counterpart in torchvision or"):
        ResNet20(weights=torch_file[1])


class Evil:
    def __reduce__(self):
        return print, ("this must never run",)


@peers
def test_pickled_code_is_refused_and_not_run(tmp_path, capsys):
    import torch

    path = tmp_path / "evil.pth"
    torch.save({"conv1.weight": Evil()}, path)
    with pytest.raises(KerasnetsError, match="without running code"):
        ResNet18(weights=path, **SMALL)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(KerasnetsError, match="without running code"):
        ResNet18(weights=path, **SMALL)
    assert "never run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        *("no.keras", "no.weights.h5", "no.safetensors"),
        pytest.param("no.pth", marks=pytest.mark.peers),
    ],
)
def test_file_of_another_kind_is_refused(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"nonsense" * 9)
    with pytest.raises(KerasnetsError, match=str(path)):
        ResNet18(weights=path, **SMALL)
    if name == "no.keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model.weights.h5", b"nonsense")
        with pytest.raises(KerasnetsError, match=r"holds model\.weights\.h5; exactly"):
            ResNet18(weights=path, **SMALL)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_weights_that_reach_out_of_the_file_are_refused(suffix, tmp_path):
    path = tmp_path / f"evil{suffix}"
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        group = file.create_group("layers/stem_conv/vars")
        group.attrs["name"] = "stem_conv"
        group["0"] = h5py.ExternalLink("/etc/passwd", "x")
    content = (tmp_path / "weights.h5").read_bytes()
    path.write_bytes(content)
    if suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            for name in "metadata.json", "config.json", "model.weights.h5":
                archive.writestr(name, content)
    with pytest.raises(KerasnetsError, match=r"vars/0 \(ExternalLink\)"):
        ResNet18(weights=path, **SMALL)


@peers
def test_torch_bombs_are_refused(tmp_path):
    import torch

    path = tmp_path / "evil.pth"
    torch.save({"conv1.weight": torch.zeros(1).expand(1 << 40)}, path)
    with pytest.raises(
        KerasnetsError, match=r"conv1\.weight declares more than it sto"
    ):
        ResNet18(weights=path, **SMALL)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data/0", bytes(65 << 20))
    with pytest.raises(KerasnetsError, match=r"'archive/data/0', which is .* a bomb"):
        ResNet18(weights=path, **SMALL)


@pytest.mark.parametrize("weights", ["imagnet", "missing.keras", "weights.txt"])
def test_unknown_weights_are_told_what_is_known(weights):
    with pytest.raises(KerasnetsError, match="give None, 'imagenet', 'timm:NAME'"):
        LeNet5(weights=weights)


# --- images of other channels ------------------------------------------------------


def grey(path, body):
    """What networks for grey images and for RGB make of the same grey ones."""
    pixels = np.random.default_rng(2).uniform(0, 255, (2, 40, 40, 1))
    with pytest.warns(KerasnetsWarning, match="stem_conv summed over 3 channels$"):
        one = body(weights=path, input_shape=(40, 40, 1))
    three = body(weights=path, input_shape=(40, 40, 3))
    images = [np.asarray(applications.preprocessing(one)(pixels))]
    images.append(np.asarray(applications.preprocessing(three)(pixels.repeat(3, -1))))
    return [
        model.predict(x, verbose=0)
        for model, x in zip((one, three), images, strict=True)
    ]


@pytest.mark.parametrize("file", ["own.keras", "keras.h5"])
def test_grey_images_are_seen_as_in_rgb(file, tmp_path):
    path = tmp_path / file
    if file == "own.keras":
        randomise(MobileNet((40, 40, 3), alpha=0.25)).save(path)
    else:
        source = keras.applications.MobileNet(alpha=0.25, weights=None)
        save_as_keras_2(randomise(source), path)

    def body(**arguments):
        return MobileNet(alpha=0.25, include_top=False, pooling="avg", **arguments)

    ours, theirs = grey(path, body)
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_torch_kernel_is_summed(torch_file):
    state, path = torch_file
    with pytest.warns(KerasnetsWarning, match="stem_conv summed"):
        model = ResNet18((32, 32, 1), weights=path, classes=10)
    expected = state["conv1.weight"].transpose(2, 3, 1, 0).sum(2, keepdims=True)
    np.testing.assert_allclose(model.get_layer("stem_conv").kernel, expected, atol=1e-6)
    assert len(applications.preprocessing(model).mean) == 1


@pytest.mark.parametrize(
    ("channels", "takes", "said"),
    [
        (4, [0, 1, 2, 0], "repeated from 3 to 4"),
        (7, [0, 1, 2, 0, 1, 2, 0], "repeated from 3 to 7"),
        (2, [0, 1], "cut from 3 to 2"),
    ],
)
def test_kernel_is_repeated_and_rescaled(channels, takes, said, own_file):
    """As timm does it: RGB in turn, times 3 by the number of channels."""
    source, path = own_file
    with pytest.warns(KerasnetsWarning, match=f"but for: stem_conv {said} channels$"):
        model = ResNet20((32, 32, channels), weights=path)
    kernel = np.asarray(source.get_layer("stem_conv").kernel)
    np.testing.assert_allclose(
        model.get_layer("stem_conv").kernel,
        kernel[:, :, takes] * 3 / channels,
        rtol=1e-6,
    )


def test_grey_network_gives_its_kernel_to_rgb(tmp_path):
    path = tmp_path / "grey.weights.h5"
    source = LeNet5()
    source.save_weights(path)
    with pytest.warns(KerasnetsWarning, match="from 1 to 3 channels"):
        model = LeNet5((32, 32, 3), weights=path)
    ours, theirs = (np.asarray(m.weights[0]) for m in (model, source))
    np.testing.assert_allclose(ours, np.repeat(theirs, 3, 2) / 3, rtol=1e-6)


def test_kernel_that_learned_blue_first_is_turned():
    """Images of four channels come as they are, red first."""
    source = applications.VGG16((32, 32, 3), classes=10)
    model = applications.VGG16((32, 32, 4), classes=10, weights=None)
    tensors = {f"{v.path}": np.asarray(v) for v in source.weights}
    with pytest.warns(KerasnetsWarning, match="repeated from 3 to 4"):
        assign(model, tensors, "{}/{}".format, colours="BGR")
    ours, theirs = (np.asarray(m.weights[0]) for m in (model, source))
    np.testing.assert_allclose(ours, theirs[:, :, [2, 1, 0, 2]] * 0.75, rtol=1e-6)


def test_other_widths_are_no_matter_of_channels(tmp_path):
    path = tmp_path / "half.weights.h5"
    MobileNet(alpha=0.5, **SMALL).save_weights(path)
    with pytest.raises(KerasnetsError, match=r"stem_conv wants \(3, 3, 1, 32\)"):
        MobileNet((32, 32, 1), classes=10, weights=path)


# --- keras.applications: its builder stands in for the download --------------------


@pytest.fixture
def imagenet(monkeypatch, tmp_path):
    """keras.applications.MobileNet with random weights; what it was asked."""
    original, asked = keras.applications.MobileNet, []
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))  # where nothing is cached

    def build(weights, **arguments):
        assert weights == "imagenet"
        model = randomise(original(weights=None, **arguments))
        asked.append((arguments, model))
        return model

    monkeypatch.setattr(keras.applications, "MobileNet", build)
    monkeypatch.delenv("KERASNETS_OFFLINE")  # the network is a stand-in
    return asked


def test_imagenet_weights_are_those_of_the_width_and_resolution(imagenet):
    model = MobileNet(alpha=0.5, rho=160 / 224, weights="imagenet")
    ((arguments, source),) = imagenet
    assert arguments["alpha"] == 0.5
    assert arguments["input_shape"] == (160, 160, 3)
    assert arguments["include_top"]
    x = np.random.default_rng(1).uniform(-1, 1, (1, 160, 160, 3)).astype("float32")
    ours, theirs = model.predict(x, verbose=0), source.predict(x, verbose=0)
    assert 2 / 1000 < theirs.max() < 0.9  # neither flat nor saturated
    # another order of the sums costs a few times what rounding the weights does
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=10 * rounding(source, x))
    assert model.name == "mobilenet_0.50_160_keras"


def test_imagenet_classifier_is_left_behind_for_other_classes(imagenet):
    with pytest.warns(KerasnetsWarning, match="but for: logits newly initialised"):
        MobileNet(alpha=0.25, weights="imagenet", classes=10)
    assert imagenet[0][0]["include_top"]


def test_imagenet_body_takes_any_size(imagenet):
    model = MobileNet((75, 50, 3), alpha=0.25, weights="imagenet", include_top=False)
    assert not imagenet[0][0]["include_top"]
    np.testing.assert_array_equal(model.weights[-1], imagenet[0][1].weights[-1])


def test_all_that_does_not_fit_is_said_once(imagenet):
    with pytest.warns(KerasnetsWarning) as told:
        MobileNet((64, 64, 1), alpha=0.25, weights="imagenet", classes=5)
    (warning,) = told
    assert str(warning.message) == (
        "the weights 'imagenet' fit mobilenet_0.25_64_keras but for: stem_conv summed "
        "over 3 channels, logits newly initialised (5 classes)"
    )


def test_no_network_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def fail(*args, **kwargs):
        raise OSError("URL fetch failure:\n no route to host")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fail)
    monkeypatch.delenv("KERASNETS_OFFLINE")  # what fetches is a stand-in
    with pytest.raises(
        KerasnetsError, match=r"MobileNet\(alpha=1\.0\) are .* URL fetch"
    ):
        MobileNet(weights="imagenet")


def test_network_that_keras_lacks_has_no_imagenet_weights():
    with pytest.raises(KerasnetsError, match=r"keras\.applications has no lenet5"):
        LeNet5(weights="imagenet")


# --- the hub: huggingface_hub stands in for itself ---------------------------------

CONFIG = {
    "architecture": "resnet18",
    "pretrained_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "input_size": [3, 224, 224],
        "crop_pct": 0.95,
    },
}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub with one model; returns its folder."""
    save_file(torch_state(ResNet18), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    content = (tmp_path / "model.safetensors").read_bytes()
    etag = hashlib.sha256(content).hexdigest()

    def download(repository, name):
        if repository != "timm/resnet18.a1_in1k":
            raise OSError(f"404: {repository}\nnot found")
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(
        huggingface_hub,
        "get_hf_file_metadata",
        lambda url: type("Metadata", (), {"etag": etag}),
    )
    return tmp_path


def test_hub_model_brings_weights_and_preprocessing(hub):
    model = ResNet18(weights="timm:resnet18.a1_in1k", **SMALL)
    expected = seeded.tensor("conv1.weight", (64, 3, 7, 7)).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.get_layer("stem_conv").kernel, expected)
    told = applications.preprocessing(model)
    assert (told.mean, told.std, told.crop) == ((127.5,) * 3, (63.75,) * 3, 0.95)


def test_hub_file_with_another_hash_is_refused(hub):
    with (hub / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(KerasnetsError, match=r"SHA-256 .* the hub says"):
        ResNet18(weights="timm:resnet18.a1_in1k", **SMALL)


def test_unknown_hub_model_is_one_line(hub):
    with pytest.raises(
        KerasnetsError, match=r"timm:resnet18\.zz': 404: timm/resnet18\.zz"
    ):
        ResNet18(weights="timm:resnet18.zz", **SMALL)


def test_missing_library_says_how_to_get_it(monkeypatch, tmp_path):
    import sys

    path = tmp_path / "model.pth"
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(KerasnetsError, match=r"a \.pth file needs torch: pip install"):
        ResNet18(weights=path, **SMALL)
