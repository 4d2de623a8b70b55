"""The steps to the phone one by one: files in, files out."""

import functools
import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support.tiny_files import network, save_colours

from kerasnets import compression, export, workbench
from kerasnets.analysis import count_madds
from kerasnets.errors import KerasnetsError
from kerasnets.saving import load_model
from kerasnets.training import Checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Networks, and images of three colours."""
    folder = tmp_path_factory.mktemp("workbench")
    save_colours(folder / "colours.npz")
    for name, net in {
        "net": network(),
        "bare": network(norm=False),
        "grey": network((8, 8, 1)),
        "wide": network((8, 12, 3)),
        "open": network((None, None, 3)),
        "four": network((8, 8, 4)),
        "five": network(classes=5),
        "softmax": network(softmax=True),
    }.items():
        net.save(folder / f"{name}.keras")
    return folder


@pytest.fixture(scope="module")
def data(folder) -> str:
    return f"npz:{folder / 'colours.npz'}"


@pytest.fixture(scope="module")
def float_file(folder, data) -> Path:
    path = folder / "float.tflite"
    workbench.export_file(folder / "net.keras", path, data=data)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def remove_channels(folder, data, tmp_path):
    """``compress`` by channels into an empty folder, two epochs."""
    return functools.partial(
        workbench.compress,
        folder / "net.keras",
        tmp_path / "out.keras",
        data=data,
        recipe="channels",
        epochs=2,
    )


def test_channels_go_and_nothing_else_is_left(remove_channels, tmp_path, folder):
    (tmp_path / "out.tflite").write_bytes(b"of before")
    result = remove_channels(madds=0.5, multiple=4, epochs=1)
    assert result.files == (tmp_path / "out.keras",)
    assert names(tmp_path) == ["out.keras", "out.tflite"]
    assert (tmp_path / "out.tflite").read_bytes() == b"of before"
    small = load_model(tmp_path / "out.keras")
    before, after = count_madds(load_model(folder / "net.keras")), count_madds(small)
    assert after <= 0.5 * before
    assert (result.before["madds"], result.after["madds"]) == (before, after)
    # 8 x 8 positions, 9 places, 3 to 16 and 16 to 16 channels, and the logits
    assert before == 64 * 9 * (3 * 16 + 16 * 16) + 16 * 3
    for name in ("first", "second"):
        assert small.get_layer(name).filters % 4 == 0


def test_interrupted_training_goes_on_and_ends_alike(
    remove_channels, tmp_path, monkeypatch
):
    """In the second of two epochs, the checkpoint of the first written at once."""
    always = functools.partial(Checkpoint, seconds=0)
    monkeypatch.setattr(workbench, "Checkpoint", always)
    remove_channels()
    out = tmp_path / "out.keras"
    whole = load_model(out).get_weights()
    out.unlink()
    told = []

    def report(done: int, total: int, note: str = "") -> None:
        told.append((done, total))
        if (done, total) == stop:
            raise KeyboardInterrupt

    stop = (2, 2)
    with pytest.raises(KeyboardInterrupt):
        remove_channels(progress=report)
    assert names(tmp_path) == ["out.checkpoint.npz", "out.data"]
    stop, told = None, []
    remove_channels(progress=report)
    assert told == [(2, 2)]  # no image is decoded again, nothing learned again
    assert names(tmp_path) == ["out.keras"]
    for again, once in zip(load_model(out).get_weights(), whole, strict=True):
        np.testing.assert_array_equal(again, once)


def test_channels_without_batch_norm_and_with_a_teacher(folder, data, tmp_path):
    result = workbench.compress(
        folder / "bare.keras",
        tmp_path / "out.keras",
        data=data,
        recipe="channels",
        epochs=1,
        teacher_path=folder / "net.keras",
    )
    assert result.after["madds"] <= 0.5 * result.before["madds"]
    assert names(tmp_path) == ["out.keras"]


def test_checkpoint_tells_other_images_and_shares_apart(
    remove_channels, tmp_path, folder, monkeypatch
):
    identities = []

    def stop(path: Path, identity: dict) -> Checkpoint:
        identities.append(json.dumps(identity))
        raise KeyboardInterrupt

    monkeypatch.setattr(workbench, "Checkpoint", stop)
    monkeypatch.setattr(workbench, "_figures", lambda *_: {})  # takes time
    own = tmp_path / "images.npz"
    with np.load(folder / "colours.npz") as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    for images, madds in ((x, 0.5), (255 - x, 0.5), (x, 0.6), (x, None)):
        np.savez(own, x_train=images, y_train=y)
        with pytest.raises(KeyboardInterrupt):
            remove_channels(data=f"npz:{own}", madds=madds)
    first, *others, usual = identities
    assert len({first, *others}) == 3
    assert usual == first


def test_quantisation_aware_training_leaves_both_files(folder, data, tmp_path):
    out = tmp_path / "out.keras"
    (tmp_path / "out.data").mkdir()  # as an interrupted call may leave it
    result = workbench.compress(
        folder / "net.keras", out, data=data, recipe="qat", epochs=1
    )
    assert result.files == (out, tmp_path / "out.tflite")
    assert names(tmp_path) == ["out.keras", "out.tflite"]
    inspection = export.inspect(tmp_path / "out.tflite")
    assert inspection.format == "int8"


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("grey", {}, "images of shape (8, 8, 1); square RGB images"),
        ("wide", {}, "images of shape (8, 12, 3); square RGB images"),
        ("open", {}, "images of a fixed size"),
        ("five", {}, "outputs of shape (None, 5); the data have 3 classes"),
        ("softmax", {}, "gives probabilities; logits"),
        ("net", {"teacher": "five"}, "outputs of shape (None, 5)"),
        ("net", {"epochs": 0}, "epochs 0 is not a whole number of 1 or more"),
        ("net", {"seed": -1}, "seed -1 is not a whole number of 0 or more"),
        ("net", {"madds": 0.01}, "madds 0.01 cannot be reached"),
        ("net", {"madds": 0.0}, "madds 0.0: above 0"),
        ("net", {"sparsity": 0.5}, "recipe 'channels' has no sparsity: leave it out"),
        ("net", {"recipe": "qat", "sparsity": 0.5}, "recipe 'qat' has no sparsity"),
        ("net", {"recipe": "qat", "multiple": 4}, "recipe 'qat' has no multiple"),
        ("net", {"recipe": "prune", "clusters": 4}, "'prune' has no clusters"),
        ("net", {"recipe": "squeeze"}, "'squeeze' is unknown: prune, "),
        ("net", {"plugins": ["no_such_module"]}, "'no_such_module' cannot be imported"),
        ("net", {"data": "npz:none.npz"}, "none.npz"),
    ],
)
def test_compress_refuses_and_leaves_nothing(
    folder, data, tmp_path, model, given, message
):
    given = {"data": data, "recipe": "channels", "epochs": 1, **given}
    if teacher := given.pop("teacher", None):
        given["teacher_path"] = folder / f"{teacher}.keras"
    out = tmp_path / "out.keras"
    out.write_bytes(b"of before")
    with pytest.raises(KerasnetsError) as error:
        workbench.compress(folder / f"{model}.keras", out, **given)
    assert message in str(error.value)
    assert names(tmp_path) == ["out.keras"]
    assert out.read_bytes() == b"of before"


def test_folder_of_somebody_else_is_kept(remove_channels, tmp_path):
    (tmp_path / "out.data").mkdir()
    (tmp_path / "out.data" / "thesis.txt").write_text("all of it")
    with pytest.raises(KerasnetsError, match=r"out\.data is needed"):
        remove_channels()
    assert (tmp_path / "out.data" / "thesis.txt").read_text() == "all of it"


def test_plugin_registers_layers_before_the_model_is_read(tmp_path, monkeypatch):
    (tmp_path / "own_layers.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('own_layers')\n"
        "class Twice(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return 2 * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("own_layers")
    net, path = network(), tmp_path / "own.keras"
    keras.Model(net.input, module.Twice()(net.output)).save(path)
    # as in a new process
    monkeypatch.delitem(sys.modules, "own_layers")
    registered = keras.saving.get_custom_objects()
    monkeypatch.delitem(registered, "own_layers>Twice")
    for plugins, message in (([], "Twice"), (["own_layers"], r"none\.npz")):
        with pytest.raises(KerasnetsError, match=message):
            workbench.compress(
                path, tmp_path / "out.keras", data="npz:none.npz", plugins=plugins
            )


def test_settings_replace_those_of_a_recipe():
    steps = workbench._steps(
        "pcqat", {"sparsity": 0.7, "clusters": 6}, {"madds": None}, 3
    )
    assert steps is not None
    prune, cluster, qat = steps
    assert (prune.sparsity, cluster.number_of_clusters) == (0.7, 6)
    assert [step.epochs for step in steps] == [3, 3, 3]
    whole = compression.RECIPES["pcqat"]
    assert qat == compression.QATSettings(epochs=3)
    assert whole[0].sparsity == 0.8  # the table itself stays


def test_export_names_the_classes_of_the_data(folder, data, float_file):
    assert export.read_labels(float_file) == ("0", "1", "2")
    result = workbench.export_file(
        folder / "net.keras", folder / "without.tflite", labels=["a", "b", "c"]
    )
    assert export.read_labels(result.path) == ("a", "b", "c")
    assert result.size == (folder / "without.tflite").stat().st_size
    assert result.calibration is None


@pytest.mark.parametrize("model", ["net", "grey", "wide"])
def test_int8_file_answers_like_its_model(folder, data, tmp_path, model):
    path = folder / f"{model}.keras"
    result = workbench.export_file(
        path, tmp_path / "out.tflite", format="int8", data=data, calibration=20
    )
    assert result.calibration == {
        "images": 20,
        "classes": 3,
        "method": "from the training images, the classes taking turns, the first of"
        " each",
    }
    found = workbench.verify_file(
        result.path, model_path=path, data=data, bounds={"max_abs_difference": 0.05}
    )
    assert found.holds, found.failures
    assert found.examples == 24  # a fifth


@pytest.mark.parametrize(
    "options",
    [
        {"resize_from": (10, 14)},
        {"preprocessing": False, "softmax": False},
        {"io": "float32", "batch": None},
    ],
)
def test_int8_file_of_other_ends_answers_like_its_model(
    folder, data, tmp_path, options
):
    path = folder / "net.keras"
    out = tmp_path / "out.tflite"
    workbench.export_file(
        path, out, format="int8", data=data, calibration=20, options=options
    )
    bounds = {"max_abs_difference": 0.1, "agreement": 0.8}
    found = workbench.verify_file(out, model_path=path, data=data, bounds=bounds)
    assert found.holds, found.failures


@pytest.mark.parametrize("name", ["four", "grey", "wide"])
def test_export_without_data_takes_any_fixed_image(folder, tmp_path, name):
    out = tmp_path / "out.tflite"
    workbench.export_file(folder / f"{name}.keras", out)
    (taken,) = export.LiteRTModel(out).inputs
    shapes = {"four": (8, 8, 4), "grey": (8, 8, 1), "wide": (8, 12, 3)}
    assert taken.shape[1:] == shapes[name]


@pytest.mark.parametrize(
    ("model", "out", "given", "message"),
    [
        ("open", "a.tflite", {}, "(None, None, None, 3)"),
        ("four", "a.tflite", {"format": "int8", "data": True}, "images of 4 channels"),
        ("net", "a.tflite", {"format": "int8"}, "'int8' needs images"),
        ("net", "a.tflite", {"format": "int3"}, "'int3' is unknown: float32, "),
        ("net", "a.tflite", {"labels": ["a"]}, "1 labels were given for 3 classes"),
        ("five", "a.tflite", {"data": True}, "3 labels were given for 5 classes"),
        ("net", "a.tflite", {"texts": {"author": "me"}}, "author would be lost"),
        ("net", "a.tflite", {"seed": -1}, "seed -1 is not"),
        ("net", "a.tflite", {"calibration": 0}, "calibration 0 is not"),
        ("net", "a.keras", {}, "name a .tflite file"),
        ("net", "a.tflite", {"format": "onnx"}, "name a .onnx file"),
        ("net", "a.onnx", {"format": "onnx", "data": True}, "takes no data"),
        (
            "net",
            "a.onnx",
            {"format": "onnx", "options": {"io": "uint8"}},
            "takes no data",
        ),
        ("net", "a", {"format": "saved_model", "labels": ["a"]}, "takes no data"),
        ("net", "no/a", {"format": "saved_model"}, "there is no folder"),
        ("net", "no/a.tflite", {}, "there is no folder"),
        ("net", ".", {}, "name a .tflite file"),
        ("missing", "a.tflite", {}, "missing.keras cannot be read"),
    ],
)
def test_export_refuses_and_keeps_what_is_there(
    folder, data, tmp_path, model, out, given, message
):
    (tmp_path / "a.tflite").write_bytes(b"of before")
    if given.pop("data", False):
        given = {**given, "data": data}
    with pytest.raises(KerasnetsError) as error:
        workbench.export_file(folder / f"{model}.keras", tmp_path / out, **given)
    assert message in str(error.value)
    assert names(tmp_path) == ["a.tflite"]
    assert (tmp_path / "a.tflite").read_bytes() == b"of before"


def test_file_of_another_network_is_out_of_bounds(folder, data, float_file):
    other = folder / "other.keras"
    net = network()
    head = net.get_layer("logits")
    head.kernel.assign(-head.kernel)
    net.save(other)
    found = workbench.verify_file(float_file, model_path=other, data=data)
    assert not found.holds
    assert any("the best class agrees on" in line for line in found.failures)


def test_bounds_replace_the_usual_ones(folder, data, float_file):
    verify = functools.partial(
        workbench.verify_file, float_file, model_path=folder / "net.keras", data=data
    )
    found = verify(images=7)
    assert (found.examples, found.failures) == (7, ())
    found = verify(images=7, bounds={"accuracy": 1.01})
    assert len(found.failures) == 1
    assert "accuracy" in found.failures[0]
    # measured though the file is of float32
    found = verify(images=7, bounds={"sqnr_db": 20})
    assert found.sqnr is not None


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("net", {"images": 0}, "images 0 is not a whole number of 1 or more"),
        ("net", {"images": -5}, "images -5 is not"),
        ("net", {"threads": 0}, "threads 0 is not"),
        ("five", {}, "outputs of shape (3,)"),
        ("missing", {}, "missing.keras cannot be read"),
    ],
)
def test_verify_refuses(folder, data, float_file, model, given, message):
    with pytest.raises(KerasnetsError) as error:
        workbench.verify_file(
            float_file, model_path=folder / f"{model}.keras", data=data, **given
        )
    assert message in str(error.value)


def test_lines_of_a_text_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("kåt\r\ndog\n".encode())
    assert workbench.read_lines(path) == ("kåt", "dog")
    path.write_bytes("kåt".encode("latin-1"))
    with pytest.raises(KerasnetsError, match="not text in UTF-8"):
        workbench.read_lines(path)


def test_grey_is_the_luma_of_the_colours():
    primary = np.eye(3, dtype="uint8")[:, None, None] * np.uint8(255)
    grey = workbench._fitted(primary, (1, 1), 1)
    # 0.299, 0.587 and 0.114 of 255 (ITU-R BT.601)
    assert grey.reshape(-1).tolist() == [76, 150, 29]
