"""Compressing a saved model: files in, files out."""

import functools
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from support.displays import Told, names
from support.litert import answers as litert_answers
from support.tiny_files import network

from kerasnets import compression, export
from kerasnets.analysis import count_madds
from kerasnets.compression import job as compression_job
from kerasnets.compression.channels import step as channels_step
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import compress
from kerasnets.layers import LocalResponseNorm
from kerasnets.pixels import parse_pixels, pixels_of
from kerasnets.saving import load_model
from kerasnets.training import Checkpoint


@pytest.fixture
def remove_channels(folder, data, tmp_path):
    """``compress`` by channels into an empty folder, two epochs."""
    return functools.partial(
        compress.run,
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


@pytest.mark.slow
def test_interrupted_in_each_stage_goes_on_and_ends_alike(
    remove_channels, tmp_path, monkeypatch
):
    """In the second of two epochs too, the checkpoint of the first written at once."""

    def at_once(path, identity, seconds):
        del seconds
        return Checkpoint(path, identity, 0)

    monkeypatch.setattr(compression_job, "Checkpoint", at_once)
    remove_channels()
    out = tmp_path / "out.keras"
    whole = load_model(out).get_weights()
    out.unlink()
    for stop, again in (
        (("data", 120, 120), ["data"]),
        (("data",), ["data"]),
        (("before",), ["before"]),
        (("compress", 2, 2), ["compress"]),
        (("compress",), ["compress"]),
        (("after",), ["after"]),
    ):
        told = Told(stop)
        with pytest.raises(KeyboardInterrupt):
            remove_channels(display=told)
        assert told.stages == again
        assert names(tmp_path) == ["out.run"]
    with monkeypatch.context() as patched:
        patched.setattr(compress, "write_bytes", stop_writing)
        with pytest.raises(KeyboardInterrupt):
            remove_channels()
    told = Told()
    remove_channels(display=told)
    assert told.stages == []
    assert names(tmp_path) == ["out.keras"]
    for again, once in zip(load_model(out).get_weights(), whole, strict=True):
        np.testing.assert_array_equal(again, once)


def stop_writing(path, content):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_killed_run_goes_on_in_a_new_process(remove_channels, folder, data, tmp_path):
    """By SIGKILL, in the stage that trains."""
    script = (
        "import contextlib, os, signal, sys\n"
        "from pathlib import Path\n"
        "from kerasnets.jobs import compress\n"
        "@contextlib.contextmanager\n"
        "def display(name, done):\n"
        "    print(name, done, flush=True)\n"
        "    def report(done, total, note=''):\n"
        "        if name == sys.argv[4] and done >= 1:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "    yield report\n"
        "model, out = map(Path, sys.argv[1:3])\n"
        "compress.run(model, out, data=sys.argv[3], recipe='channels', epochs=2,\n"
        "    display=display)\n"
    )
    lines = {}
    for stage in ("compress", ""):
        done = subprocess.run(
            [
                *(sys.executable, "-c", script, str(folder / "net.keras")),
                *(str(tmp_path / "killed.keras"), data, stage),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == (-signal.SIGKILL if stage else 0)
        lines[stage] = done.stdout.split()[1::2]
    assert lines == {"compress": ["False"] * 3, "": ["True"] * 2 + ["False"] * 2}
    assert names(tmp_path) == ["killed.keras"]
    remove_channels()
    killed, whole = (load_model(tmp_path / f"{x}.keras") for x in ("killed", "out"))
    for ours, theirs in zip(killed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_other_options_do_again_what_they_change(remove_channels, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        remove_channels(display=Told(("after",)))
    for changes, again in (
        ({"madds": 0.6}, ["compress", "after"]),
        ({"madds": 0.6, "skip_bad_images": True}, [*compress.STAGES]),
        ({"madds": 0.6, "fresh": True}, [*compress.STAGES]),
    ):
        told = Told(("after",))
        with pytest.raises(KeyboardInterrupt):
            remove_channels(display=told, **changes)
        assert told.stages == again
        decoded = ("data", 120, 120) in told.reports
        assert decoded == ("fresh" in changes)
    assert names(tmp_path) == ["out.run"]


def test_channels_without_batch_norm_and_with_a_teacher(folder, data, tmp_path):
    result = compress.run(
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

    def stop(path: Path, identity: dict, seconds: float) -> Checkpoint:
        del path, seconds
        identities.append(json.dumps(identity))
        raise KeyboardInterrupt

    monkeypatch.setattr(compression_job, "Checkpoint", stop)
    monkeypatch.setattr(compress, "_figures", lambda *_: {})  # takes time
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


@pytest.mark.slow
def test_quantisation_aware_training_leaves_both_files(folder, data, tmp_path):
    out = tmp_path / "out.keras"
    (tmp_path / "out.run").mkdir()  # as an interrupted call may leave it
    result = compress.run(folder / "net.keras", out, data=data, recipe="qat", epochs=1)
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
        ("net", {"float_layers": ["a"]}, "recipe 'channels' has no float layers"),
        ("net", {"recipe": "squeeze"}, "'squeeze' is unknown: channels, prune, "),
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
        compress.run(folder / f"{model}.keras", out, **given)
    assert message in str(error.value)
    assert names(tmp_path) == ["out.keras"]
    assert out.read_bytes() == b"of before"


def test_folder_of_somebody_else_is_kept(remove_channels, tmp_path):
    (tmp_path / "out.run" / "data").mkdir(parents=True)
    (tmp_path / "out.run" / "data" / "thesis.txt").write_text("all of it")
    for fresh in (False, True):
        with pytest.raises(KerasnetsError, match=r"out\.run is no run of kerasnets"):
            remove_channels(fresh=fresh)
    assert (tmp_path / "out.run" / "data" / "thesis.txt").read_text() == "all of it"


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
            compress.run(
                path, tmp_path / "out.keras", data="npz:none.npz", plugins=plugins
            )


def test_settings_replace_those_of_a_recipe():
    steps = compress.steps_with(
        "pcqat", {"sparsity": 0.7, "clusters": 6, "madds": None, "epochs": 3}
    )
    prune, cluster, qat = steps
    assert (prune.sparsity, cluster.number_of_clusters) == (0.7, 6)
    assert [step.recipe.epochs for step in steps] == [3, 3, 3]
    whole = compression.RECIPES["pcqat"]
    assert qat == compression.QATSettings().with_recipe(epochs=3)
    assert whole[0].sparsity == 0.8  # the table itself stays
    (channels,) = compress.steps_with("channels", {"madds": 0.3, "multiple": 2})
    assert channels == compression.ChannelSettings(madds=0.3, multiple=2)
    (qat,) = compress.steps_with("qat", {"float_layers": ["first"]})
    assert qat == compression.QATSettings(float_layers=("first",))


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("five", {}, "outputs of shape (None, 5); the data have 3 classes"),
        ("softmax", {}, "gives probabilities; logits"),
        ("net", {"teacher": "five"}, "outputs of shape (None, 5)"),
        ("net", {"madds": 0.01}, "madds 0.01 cannot be reached"),
        ("five", {"recipe": "qat"}, "outputs of shape (None, 5)"),
        ("two_outputs", {"recipe": "qat"}, "has 2 outputs; one is accepted"),
        ("lrn", {"recipe": "qat"}, "TF-MOT cannot quantise: lrn (KerasInside)"),
    ],
)
def test_nothing_is_decoded_before_what_can_be_known_is_checked(
    folder, data, tmp_path, monkeypatch, model, given, message
):
    monkeypatch.setattr(compress, "prepare", lambda *_, **__: pytest.fail("no"))
    given = {"data": data, "recipe": "channels", **given}
    if model == "lrn" and not (folder / "lrn.keras").exists():
        net = network()
        normed = LocalResponseNorm(name="lrn")(net.get_layer("second_relu").output)
        rest = net.layers[net.layers.index(net.get_layer("pool")) :]
        keras.Model(net.input, keras.Sequential(rest)(normed)).save(
            folder / "lrn.keras"
        )
    if teacher := given.pop("teacher", None):
        given["teacher_path"] = folder / f"{teacher}.keras"
    with pytest.raises(KerasnetsError) as error:
        compress.run(folder / f"{model}.keras", tmp_path / "out.keras", **given)
    assert message in str(error.value)
    assert names(tmp_path) == []


def test_decoded_images_stay_where_a_step_fails(remove_channels, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise KerasnetsError("the loss is no longer finite")

    with monkeypatch.context() as patched:
        patched.setattr(channels_step, "train", fail)
        with pytest.raises(KerasnetsError, match="no longer finite"):
            remove_channels()
    assert names(tmp_path) == ["out.run"]
    told = Told()
    remove_channels(epochs=1, display=told)
    assert told.stages == ["compress", "after"]
    assert names(tmp_path) == ["out.keras"]


def test_images_that_cannot_be_decoded_leave_no_folder(folder, tmp_path):
    photos = tmp_path / "photos"
    for name in ("cat", "dog"):
        (photos / name).mkdir(parents=True)
        for i in range(9):
            pixels = np.random.default_rng([i, ord(name[0])]).bytes(192)
            Image.frombytes("RGB", (8, 8), pixels).save(
                photos / name / f"{name}{i}.png"
            )
    damaged = (photos / "cat" / "cat0.png").read_bytes()[:50]
    (photos / "cat" / "cat0.png").write_bytes(damaged)
    network(classes=2).save(tmp_path / "two.keras")
    with pytest.raises(KerasnetsError, match=r"cat0\.png"):
        compress.run(
            tmp_path / "two.keras",
            tmp_path / "out.keras",
            data=f"folder:{photos}",
            recipe="channels",
        )
    assert names(tmp_path) == ["photos", "two.keras"]


@pytest.fixture(scope="module")
def silent(folder) -> Path:
    """A network that says nothing of its pixels."""
    net = network(norm=False)
    own = keras.Sequential([keras.Input((8, 8, 3)), *net.layers[2:]])
    own.save(folder / "silent.keras")
    return folder / "silent.keras"


def test_pixels_that_are_not_known_are_asked_for(silent, data, tmp_path, monkeypatch):
    monkeypatch.setattr(compress, "prepare", lambda *_, **__: pytest.fail("no"))
    given = {"data": data, "recipe": "channels", "epochs": 1}
    with pytest.raises(KerasnetsError, match="say --pixels"):
        compress.run(silent, tmp_path / "out.keras", **given)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["channels", "cluster"])
def test_pixels_that_are_said_travel_with_the_result(silent, data, tmp_path, recipe):
    result = compress.run(
        silent,
        tmp_path / "out.keras",
        data=data,
        recipe=recipe,
        epochs=1,
        pixels=parse_pixels("0..1"),
    )
    found = pixels_of(load_model(result.files[0]))
    assert (set(found.mean), set(found.std)) == ({0.0}, {255.0})
    assert names(tmp_path) == ["out.keras"]


@pytest.mark.slow
def test_one_sigmoid_becomes_two_logits_where_an_int8_file_is_made(tmp_path):
    net = network(classes=1)
    layers = [*net.layers[2:], keras.layers.Activation("sigmoid", name="answer")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    random = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = random.integers(0, 100, (120, 8, 8, 3))
    images[np.arange(120), :, :, labels] += 120
    np.savez(tmp_path / "two.npz", x_train=images.astype("uint8"), y_train=labels)
    model.save(tmp_path / "one.keras")
    result = compress.run(
        tmp_path / "one.keras",
        tmp_path / "out.keras",
        data=f"npz:{tmp_path / 'two.npz'}",
        recipe="qat",
        epochs=1,
        pixels=parse_pixels("-1..1"),  # behind which the model is a nested one
    )
    two = load_model(result.files[0])
    assert two.output_shape == (None, 2)
    given = pixels_of(two)(images)
    expected = np.asarray(keras.ops.softmax(two(given, training=False)))
    answers = litert_answers(result.files[1], images.astype("uint8"))
    assert answers.shape == expected.shape == (120, 2)
    assert np.corrcoef(answers[:, 1], expected[:, 1])[0, 1] > 0.98
