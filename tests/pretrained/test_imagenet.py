"""ImageNet weights of keras.applications: which files, where, and what they hold."""

import inspect
import os
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from support.weights import randomise, rounding, save_as_keras_2

from kerasnets import applications
from kerasnets.applications import MobileNet, MobileNetV2, MobileNetV3Small
from kerasnets.errors import KerasnetsError, KerasnetsWarning
from kerasnets.graph import shapes_only
from kerasnets.pretrained import imagenet_files, trained_shape

GET_FILE = "keras.src.utils.file_utils.get_file"
NETWORKS = sorted(
    builder.network.name
    for builder in applications.BUILDERS.values()
    if builder.network.keras is not None
)
QUARTER = "mobilenet_2_5_128_tf.h5"
HALF = {"alpha": 0.5, "input_shape": (128, 128, 3)}


@pytest.fixture(scope="module")
def quarter(tmp_path_factory):
    """MobileNet of alpha 0.25 with random weights in keras.applications; its file."""
    model = randomise(
        keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None)
    )
    path = tmp_path_factory.mktemp("keras") / QUARTER
    save_as_keras_2(model, path)
    return model, path


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty folder of Keras, which reaches no network."""

    def get_file(*args, **kwargs):
        raise OSError("URL fetch failure:\n no route to host")

    monkeypatch.setattr(GET_FILE, get_file)
    monkeypatch.delenv("KERASNETS_OFFLINE")  # which says so before Keras is asked
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path


# --- which files there are ---------------------------------------------------------


class AskedError(Exception):
    """Keras would look for a file."""


def asked_by_keras(monkeypatch, network, **arguments):
    """Folder, name and hash of the file that keras.applications wants."""

    def get_file(name, *args, cache_subdir, file_hash="", **kwargs):
        raise AskedError(cache_subdir, name, file_hash)

    monkeypatch.setattr(GET_FILE, get_file)
    build = getattr(keras.applications, network)
    with pytest.raises(AskedError) as caught:
        shapes_only(lambda: build(weights="imagenet", **arguments))
    return caught.value.args


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize(
    "network", ["VGG16", "ResNet50V2", *(n for n in NETWORKS if "Mobile" in n)]
)
def test_files_are_those_that_keras_asks_for(network, include_top, monkeypatch, home):
    files = imagenet_files(network, include_top=include_top)
    for file in {files[0].path: files[0], files[-1].path: files[-1]}.values():
        sides = (file.side, file.side, 3)
        asked = asked_by_keras(
            monkeypatch,
            network,
            include_top=include_top,
            input_shape=sides,
            **file.arguments,
        )
        assert asked == ("models", file.path.name, file.md5)
        assert file.path.parent == home / "models"


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_of_keras_has_its_files(network):
    """The hashes stand in Keras's code, all of them in that of the network."""
    build = getattr(keras.applications, network)
    code = inspect.getsource(inspect.getmodule(inspect.unwrap(build)))
    if network.startswith("ResNet"):
        code = inspect.getsource(inspect.getmodule(keras.applications.ResNet50))
    for include_top in (True, False):
        files = imagenet_files(network, include_top=include_top)
        assert files
        assert all(file.md5 in code for file in files)
        # v1 and v2 of MobileNet have none
        assert all(len(file.md5) == 32 for file in files) != (
            network in ("MobileNet", "MobileNetV2")
        )


def test_pairs_of_alpha_and_side():
    pairs = {(f.arguments["alpha"], f.side) for f in imagenet_files("mobilenet")}
    assert pairs == {
        (alpha, side)
        for alpha in (0.25, 0.5, 0.75, 1.0)
        for side in (128, 160, 192, 224)
    }
    assert len(imagenet_files("mobilenet_v2")) == 4 * 5 + 2
    assert imagenet_files("lenet5") == ()


@pytest.mark.parametrize(
    ("network", "sides", "alpha", "side"),
    [
        ("MobileNet", (128, 128), 0.25, 128),
        ("MobileNet", (128, 160), 0.25, 224),
        ("MobileNet", (96, 96), 0.25, 224),
        ("MobileNet", (None, None), 0.25, 224),
        ("MobileNetV2", (96, 96), 1, 96),
        # wider networks learned from one size only
        ("MobileNetV2", (96, 96), 1.4, 224),
        ("MobileNetV3Small", (128, 128), 1.0, 224),
        ("ShallowMobileNet", (128, 128), 1.0, 224),
    ],
)
def test_sides_that_the_nearest_weights_learned_from(network, sides, alpha, side):
    image = keras.Input((*sides, 3))
    assert trained_shape(network, image, alpha) == (side, side, 3)


def test_home_is_where_keras_looks(monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    (file,) = imagenet_files("VGG16")
    assert file.path.parent == Path.home() / ".keras" / "models"


# --- what they hold ----------------------------------------------------------------


def test_cached_file_is_read_and_nothing_fetched(quarter, home):
    source, path = quarter
    shutil.copy(path, home / "models")
    (file,) = (f for f in imagenet_files("mobilenet") if f.is_cached)
    assert (file.arguments, file.side) == ({"alpha": 0.25}, 128)
    model = MobileNet((128, 128, 3), alpha=0.25, weights="imagenet")
    x = np.random.default_rng(1).uniform(-1, 1, (2, 128, 128, 3)).astype("float32")
    ours, theirs = model.predict(x, verbose=0), source.predict(x, verbose=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=10 * rounding(source, x))
    assert model.name == "mobilenet_0.25_128_keras"


def test_body_takes_the_file_with_the_classifier(quarter, home):
    source, path = quarter
    shutil.copy(path, home / "models")
    body = MobileNet(
        (128, 128, 3), alpha=0.25, weights="imagenet", include_top=False, pooling="avg"
    )
    expected = source.get_layer("conv_pw_13_bn").moving_variance
    np.testing.assert_array_equal(body.weights[-1], expected)


def test_file_goes_with_any_side(quarter):
    source, path = quarter
    model = MobileNet((96, 75, 3), alpha=0.25, weights=path)
    for ours, theirs in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, np.reshape(theirs, ours.shape))
    assert model.name == "mobilenet_0.25_96_keras"


def test_file_without_classifier(tmp_path):
    source = keras.applications.MobileNet(
        (128, 128, 3), alpha=0.25, weights=None, include_top=False
    )
    randomise(source)
    path = tmp_path / "body.h5"
    save_as_keras_2(source, path)
    with pytest.warns(UserWarning, match="logits"):
        model = MobileNet((64, 64, 3), alpha=0.25, weights=path, classes=3)
    np.testing.assert_array_equal(model.weights[-3], source.weights[-1])
    body = MobileNet((64, 64, 3), alpha=0.25, weights=str(path), include_top=False)
    np.testing.assert_array_equal(body.weights[-1], source.weights[-1])


def test_layers_may_have_the_names_of_an_older_keras(tmp_path):
    """Keras's files of MobileNet v3 say expanded_conv/depthwise: the order counts."""
    arguments = {"alpha": 0.75, "minimalistic": True, "input_shape": (224, 224, 3)}
    source = keras.applications.MobileNetV3Small(
        weights=None, include_preprocessing=False, **arguments
    )
    randomise(source)
    save_as_keras_2(source, tmp_path / "old.h5", prefix="older/")
    model = MobileNetV3Small(weights=tmp_path / "old.h5", **arguments)
    np.testing.assert_array_equal(
        model.get_layer("fc1").bias, source.get_layer("conv_2").bias
    )


# --- what may be wrong -------------------------------------------------------------


def test_other_alpha_is_told(quarter):
    with pytest.raises(
        KerasnetsError,
        match=r"mobilenet_2_5_128_tf\.h5 holds no weights of MobileNet\(alpha=0\.5\) "
        r"\(by its name it is of MobileNet\(alpha=0\.25\)\)",
    ):
        MobileNet(weights=quarter[1], **HALF)


def test_other_alpha_without_classifier_is_told(tmp_path):
    half = keras.applications.MobileNet(weights=None, include_top=False, **HALF)
    save_as_keras_2(half, tmp_path / "my_body.h5")
    with pytest.raises(
        KerasnetsError,
        match=r"my_body\.h5 holds no .*\(3, 3, 3, 8\)\. Received .* \(3, 3, 3, 16\)$",
    ):
        MobileNet((32, 32, 3), alpha=0.25, weights=tmp_path / "my_body.h5")


def test_file_of_another_network_is_told(quarter):
    with pytest.raises(
        KerasnetsError, match=r"no weights of MobileNetV2\(alpha=0\.5\) \(by its name"
    ):
        MobileNetV2(weights=quarter[1], **HALF)
    with pytest.raises(KerasnetsError, match=r"keras\.applications, .* has no lenet5"):
        applications.LeNet5(weights=quarter[1])


def damaged(kind, path):
    """A file that is no file of weights."""
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:100_000])
    elif kind == "text":
        path.write_text("not found\n")
    else:
        with h5py.File(path, "w") as file:
            file["a"] = np.zeros(3)


@pytest.mark.parametrize("kind", ["truncated", "text", "other"])
def test_damaged_file_is_one_line_with_its_name(kind, quarter, home):
    path = home / "models" / QUARTER
    shutil.copy(quarter[1], path)
    damaged(kind, path)
    for weights in ("imagenet", path):
        with pytest.raises(KerasnetsError) as caught:
            MobileNet((128, 128, 3), alpha=0.25, weights=weights)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["truncated", "text"])
def test_file_without_a_hash_is_opened_to_be_checked(kind, quarter, home):
    path = home / "models" / QUARTER
    shutil.copy(quarter[1], path)
    (file,) = (each for each in imagenet_files("mobilenet") if each.is_cached)
    file.check()
    damaged(kind, path)
    with pytest.raises(KerasnetsError, match="damaged") as caught:
        file.check()
    assert str(path) in str(caught.value)


def test_folder_and_nothing_are_no_files(tmp_path):
    (tmp_path / "folder.h5").mkdir()
    for name in ("folder.h5", "nothing.h5"):
        with pytest.raises(KerasnetsError, match=r"existing \.keras, .*, \.h5,"):
            MobileNet(weights=tmp_path / name)


def test_missing_file_is_named_with_what_could_be_given(quarter, home):
    kept = home / "models" / QUARTER
    shutil.copy(quarter[1], kept)
    with pytest.raises(KerasnetsError) as caught:
        MobileNet((160, 160, 3), alpha=0.25, weights="imagenet")
    assert str(caught.value) == (
        "weights 'imagenet' of MobileNet(alpha=0.25) are not to be had: "
        f"mobilenet_2_5_160_tf.h5 is not in {kept.parent}; weights= may name what is: "
        f"{kept}; URL fetch failure: no route to host"
    )
    with pytest.raises(KerasnetsError) as caught:
        MobileNet(weights="imagenet", **HALF)
    assert "mobilenet_5_0_128_tf.h5 is not in" in str(caught.value)
    assert QUARTER not in str(caught.value)


def test_file_with_another_hash_is_refused_and_kept(home):
    """Keras itself would fetch it anew, and delete it where that fails."""
    (file,) = (f for f in imagenet_files("mobilenetv3small") if "min" in f.path.name)
    file.path.write_bytes(b"my own")
    with pytest.raises(KerasnetsError, match=r"float\.h5 is damaged .* its MD5 is"):
        MobileNetV3Small(minimalistic=True, weights="imagenet")
    assert file.path.read_bytes() == b"my own"


def test_real_weights_are_read_as_keras_reads_them(monkeypatch):
    folder = Path(os.environ.get("KERASNETS_DATA", "")) / "pretrained"
    path = folder / "models" / QUARTER
    if not path.is_file():
        pytest.skip("KERASNETS_DATA does not name a folder with pretrained weights")
    monkeypatch.setenv("KERAS_HOME", str(folder))
    source = keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=path)
    x = np.random.default_rng(1).uniform(-1, 1, (2, 128, 128, 3)).astype("float32")
    expected = source.predict(x, verbose=0)
    for weights in ("imagenet", path):
        model = MobileNet((128, 128, 3), alpha=0.25, weights=weights)
        np.testing.assert_allclose(
            model.predict(x, verbose=0), expected, rtol=0, atol=1e-6
        )
    grey = x[..., :1]
    with pytest.warns(KerasnetsWarning, match="stem_conv summed over 3 channels$"):
        model = MobileNet((128, 128, 1), alpha=0.25, weights="imagenet")
    np.testing.assert_allclose(
        model.predict(grey, verbose=0),
        source.predict(grey.repeat(3, -1), verbose=0),
        rtol=0,
        atol=1e-5,
    )
    other = MobileNet((96, 96, 3), alpha=0.25, weights=path)
    for ours, theirs in zip(other.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, np.reshape(theirs, ours.shape))
