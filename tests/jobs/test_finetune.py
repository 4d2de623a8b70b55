"""Fine-tuning as a job: a network and images in, a network out."""

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.displays import Told, names
from support.tiny_files import network

from kerasnets import applications
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.jobs import finetune
from kerasnets.pixels import UNIT, parse_pixels, pixels_of
from kerasnets.progress import silent
from kerasnets.runs import engine
from kerasnets.saving import load_model
from kerasnets.training import Checkpoint


@pytest.fixture
def tune(folder, data, tmp_path):
    """``finetune`` of a network of five other classes into an empty folder."""
    return functools.partial(
        finetune.run,
        str(folder / "five.keras"),
        tmp_path / "out.keras",
        data=data,
        epochs=2,
        rate=0.02,
    )


def test_the_network_of_the_better_way_is_written(tune, tmp_path, monkeypatch):
    kept = []
    look = finetune.load_prepared
    monkeypatch.setattr(
        finetune, "load_prepared", lambda path: kept.append(look(path)) or kept[0]
    )
    result = tune()
    assert result.path == tmp_path / "out.keras"
    assert names(tmp_path) == ["out.keras"]
    assert list(result.ways) == ["linear", "tuned"]
    assert result.ways[result.taken] == max(result.ways.values())
    assert set(result.test) == {"linear", result.taken}
    assert result.images == {"validation": 12, "test": 24}
    assert result.notes == ()
    net = load_model(result.path)
    assert net.output_shape == (None, 3)
    assert pixels_of(net).mean == UNIT.mean
    for part, told in (("validation", result.ways), ("test", result.test)):
        found = evaluate(net, getattr(kept[0], part)).accuracy
        assert found == told[result.taken]


@pytest.mark.slow
def test_interrupted_in_each_stage_goes_on_and_ends_alike(tune, tmp_path, monkeypatch):
    monkeypatch.setattr(
        engine,
        "Checkpoint",
        lambda path, identity: Checkpoint(path, identity, seconds=0),
    )
    tune()
    out = tmp_path / "out.keras"
    whole = load_model(out).get_weights()
    out.unlink()
    for stop, again in (
        (("data", 120, 120), ["data"]),
        (("data",), ["data"]),
        (("linear", 1, 1), ["linear"]),
        (("linear",), ["linear"]),
        (("tune", 0.5), ["tune"]),  # behind the first of two epochs
        (("tune",), ["tune"]),
    ):
        told = Told(stop)
        with pytest.raises(KeyboardInterrupt):
            tune(display=told)
        assert told.stages == again
        assert names(tmp_path) == ["out.run"]
    told = Told()
    tune(display=told)
    assert told.stages == []
    assert names(tmp_path) == ["out.keras"]
    for ours, theirs in zip(load_model(out).get_weights(), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_killed_run_goes_on_in_a_new_process(tune, folder, data, tmp_path):
    """By SIGKILL, in the stage that tunes."""
    script = (
        "import contextlib, os, signal, sys\n"
        "from pathlib import Path\n"
        "from kerasnets.jobs import finetune\n"
        "from kerasnets.runs import engine\n"
        "from kerasnets.training import Checkpoint\n"
        "engine.Checkpoint = lambda path, key: Checkpoint(path, key, seconds=0)\n"
        "@contextlib.contextmanager\n"
        "def display(name, done):\n"
        "    print(name, done, flush=True)\n"
        "    def report(done, total, note=''):\n"
        "        if name == sys.argv[4] and done >= 2:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "    yield report\n"
        "finetune.run(sys.argv[1], Path(sys.argv[2]), data=sys.argv[3], epochs=2,\n"
        "    rate=0.02, display=display)\n"
    )
    lines = {}
    for stage in ("tune", ""):
        done = subprocess.run(
            [
                *(sys.executable, "-c", script, str(folder / "five.keras")),
                *(str(tmp_path / "killed.keras"), data, stage),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == (-signal.SIGKILL if stage else 0)
        lines[stage] = done.stdout.split()[1::2]
    assert lines == {"tune": ["False"] * 3, "": ["True"] * 2 + ["False"]}
    assert names(tmp_path) == ["killed.keras"]
    tune()
    killed, whole = (load_model(tmp_path / f"{x}.keras") for x in ("killed", "out"))
    for ours, theirs in zip(killed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_other_options_do_again_what_they_change(tune):
    tune = functools.partial(tune, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        tune(display=Told(("tune",)))
    for changes, again in (
        ({"decay": 0.9}, ["tune"]),
        ({"decay": 0.9, "rate": 0.01}, ["linear", "tune"]),
        ({"decay": 0.9, "rate": 0.01, "size": 12}, [*finetune.STAGES]),
    ):
        told = Told(("tune",))
        with pytest.raises(KeyboardInterrupt):
            tune(display=told, **changes)
        assert told.stages == again


@pytest.mark.slow
def test_auto_measures_what_is_recommended(tune):
    result = tune(auto=True, epochs=1, pixels=parse_pixels("0..1"))
    assert {"linear", "top", "all"} <= set(result.ways) <= {*result.ways, "earlier"}
    assert result.ways[result.taken] == max(result.ways.values())
    stages, said = result.notes
    assert stages.startswith("right in cross-validation by the codes of each stage: ")
    assert said.startswith("recommended is ")
    # what is stated is carried
    assert pixels_of(load_model(result.path)).std == (255.0,) * 3


@pytest.mark.slow
def test_network_of_the_zoo_with_weights_of_a_file(data, tmp_path):
    pretrained = applications.build(
        "mobilenet", input_shape=(32, 32, 3), alpha=0.25, classes=4
    )
    pretrained.save_weights(tmp_path / "own.weights.h5")
    result = finetune.run(
        "mobilenet",
        tmp_path / "out.keras",
        data=data,
        alpha=0.25,
        size=32,
        weights=str(tmp_path / "own.weights.h5"),
        start="logits",
        epochs=1,
    )
    net = load_model(result.path)
    assert net.input_shape == (None, 32, 32, 3)
    np.testing.assert_array_equal(
        net.get_layer("stem_conv").get_weights()[0],
        pretrained.get_layer("stem_conv").get_weights()[0],
    )


@pytest.mark.parametrize(
    ("network", "given", "message"),
    [
        ("five.keras", {"start": "secnd"}, "no layer 'secnd'; near it are second"),
        ("five.keras", {"start": "pool", "auto": True}, "leave start 'pool' out"),
        ("five.keras", {"alpha": 0.5}, "has its width and its weights: leave alpha"),
        ("five.keras", {"weights": "imagenet"}, "leave weights imagenet out"),
        ("five.keras", {"epochs": 0}, "epochs 0 is not a whole number"),
        ("five.keras", {"rate": 0.0}, "learning_rate is 0.0; above 0"),
        ("five.keras", {"decay": 0.0}, "decay 0.0: above 0"),
        ("five.keras", {"unfreeze": 10}, "would begin to learn after"),
        ("five.keras", {"batch_norm": "frozen"}, "'frozen' is unknown: batch, infer"),
        ("five.keras", {"size": 0}, "size 0 is not"),
        ("five.keras", {"data": "npz:none.npz"}, "none.npz"),
        ("wide.keras", {}, "square RGB images"),
        ("open.keras", {}, "takes images of (None, None, 3)"),
        ("none.keras", {}, "none.keras"),
        ("mobilnet", {}, "'mobilnet' is unknown: did you mean mobilenet"),
        ("unet", {"weights": "none.h5"}, "classifies the pixels of an image"),
        ("resnet50", {"alpha": 0.5}, "network 'resnet50' has no alpha"),
        ("mobilenet", {"weights": "none.h5"}, "weights 'none.h5': give"),
    ],
)
def test_what_cannot_be_is_told_before_an_image_is_decoded(
    folder, data, tmp_path, monkeypatch, network, given, message
):
    monkeypatch.setattr(finetune, "prepare", lambda *_, **__: pytest.fail("no"))
    path = folder / network if network.endswith(".keras") else network
    with pytest.raises(KerasnetsError) as error:
        finetune.run(str(path), tmp_path / "out.keras", **{"data": data, **given})
    assert message in str(error.value)
    assert names(tmp_path) == []


def test_a_class_of_one_training_image_is_refused(folder, tmp_path):
    with np.load(folder / "colours.npz") as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    few = np.concatenate([np.flatnonzero(y != 2), np.flatnonzero(y == 2)[:3]])
    np.savez(tmp_path / "few.npz", x_train=x[few], y_train=y[few])
    with pytest.raises(
        KerasnetsError, match="class '2' has too few training images: 1; two"
    ):
        finetune.run(
            str(folder / "five.keras"),
            tmp_path / "out.keras",
            data=f"npz:{tmp_path / 'few.npz'}",
        )
    assert names(tmp_path) == ["few.npz"]


@pytest.mark.parametrize(
    ("images", "given", "epochs", "batch"),
    [
        # at least 300 steps: 1 and 3 an epoch
        (20, None, 300, 20),
        (100, None, 100, 32),
        # 100 of them, and ten epochs are the usual number
        (3200, None, 10, 32),
        (20, 4, 4, 20),
    ],
)
def test_few_images_are_seen_more_often(images, given, epochs, batch, monkeypatch):
    class Seen(Exception):  # noqa: N818  (no error: the settings are known)
        pass

    def stop(folder, stages, settings, **rest):
        del folder, stages, rest
        raise Seen(settings)

    monkeypatch.setattr(finetune, "run_stages", stop)
    monkeypatch.setattr(finetune, "_network", lambda _: network())
    with pytest.raises(Seen) as seen:
        finetune.run("net", Path("out.keras"), data="digits", epochs=given)
    (settings,) = seen.value.args
    results = {"linear": {"flip": False}}
    job = engine.Job(Path("run"), settings, "key", results, silent)
    recipe = finetune._recipe(job, images)
    assert (recipe.epochs, recipe.batch_size) == (epochs, batch)
