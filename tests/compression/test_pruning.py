import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from keras import layers
from PIL import Image

from kerasnets.compression import PruneSettings, compress, sparsity
from kerasnets.data import open_source, prepare
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, carry

SETTINGS = [{"sparsity": 0.7, "frequency": 4}, {"epochs": 4, "batch_size": 128}]


def network(name, filters, side):
    """Convolution, depthwise and dense kernels, batch norm and dropout."""
    image = keras.Input((side, side, 3))
    x = carry(image, UNIT)
    x = layers.Conv2D(filters, 3, strides=2, use_bias=False, name="conv")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(6.0, name="relu")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(image, layers.Dense(10, name="logits")(x), name=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prepared digits of 12 pixels, a student for 8 pixels, a teacher for 12."""
    folder = tmp_path_factory.mktemp("pruning")
    prepare(open_source("digits"), folder / "data", resolution=12, seed=0)
    keras.utils.set_random_seed(0)
    network("student", 8, side=8).save(folder / "student.keras")
    network("teacher", 4, side=12).save(folder / "teacher.keras")
    return folder


# Prunes with a teacher in a process of its own, as a user's script would.
SCRIPT = """
import json, os, sys
from pathlib import Path
import tensorflow as tf
from kerasnets.compression import PruneSettings, compress

folder, out = Path(sys.argv[1]), sys.argv[2]
environment = dict(os.environ)
zeros, recipe = json.loads(sys.argv[3])
compress(
    folder / "student.keras",
    folder / out,
    data=folder / "data",
    recipe=[PruneSettings(**zeros).with_recipe(**recipe)],
    teacher_path=folder / "teacher.keras",
    seed=5,
    checkpoint_seconds=0,
    progress=lambda done, total, note="": print(done, total, note, flush=True),
)
assert dict(os.environ) == environment
assert "tensorflow_model_optimization" not in sys.modules
assert tf.keras.__version__.startswith("3."), tf.keras.__version__
"""


def load(path) -> keras.Model:
    model = keras.saving.load_model(path)
    assert isinstance(model, keras.Model)
    return model


def start(folder, out):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), out, json.dumps(SETTINGS)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def run(folder, out):
    with start(folder, out) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    assert process.returncode == 0
    return lines


@pytest.fixture(scope="module")
def unbroken(folder):
    """Progress lines and the pruned model of a run that nothing disturbed."""
    teacher = (folder / "teacher.keras").read_bytes()
    lines = run(folder, "unbroken.keras")
    assert (folder / "teacher.keras").read_bytes() == teacher
    return lines, load(folder / "unbroken.keras")


def test_zeros_over_all_kernels_by_hand(unbroken, folder):
    lines, model = unbroken
    # conv 3*3*3*8 = 216 and dense 8*10 = 80 prunable, depthwise 72 stay dense:
    # 257.6 zeros asked for among 368, so 258 or more of 296
    arrays = [
        model.get_layer("conv").kernel.numpy(),
        model.get_layer("logits").kernel.numpy(),
        model.get_layer("depthwise").kernel.numpy(),
    ]
    zeros = [int((array == 0).sum()) for array in arrays]
    assert [array.size for array in arrays] == [216, 80, 72]
    assert zeros[2] == 0
    assert sum(zeros) in range(258, 262)
    assert sparsity(model) == sum(zeros) / 368
    assert not any(np.signbit(array[array == 0]).any() for array in arrays)
    assert [line.split()[0] for line in lines] == ["0", "1", "2", "3", "4"]
    assert not list(folder.glob("*checkpoint*"))
    assert not list(folder.glob(".*partial*"))


@pytest.mark.slow
def test_killed_parent_takes_the_child_along_and_the_rerun_ends_alike(unbroken, folder):
    with start(folder, "killed.keras") as process:
        assert process.stdout is not None
        assert any(line.startswith("2 ") for line in process.stdout)
        (child,) = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
        child_ended_by = time.monotonic() + 60
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < child_ended_by
            time.sleep(0.05)
    assert not (folder / "killed.keras").exists()

    lines = run(folder, "killed.keras")
    assert lines[0].startswith(("2 4 continued", "3 4 continued"))
    assert lines[-1] == unbroken[0][-1]
    rerun = load(folder / "killed.keras")
    for ours, theirs in zip(
        rerun.get_weights(), unbroken[1].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_without_a_teacher_the_network_learns(folder):
    notes = []

    def record(done, total, note=""):
        notes.append((done, total, note))

    step = PruneSettings(sparsity=0.5).with_recipe(epochs=3, learning_rate=0.01)
    result = compress(
        folder / "student.keras",
        folder / "alone.keras",
        data=folder / "data",
        recipe=[step],
        seed=0,
        progress=record,
    )
    assert "tensorflow_model_optimization" not in sys.modules
    assert [(done, total) for done, total, _ in notes] == [(i, 3) for i in range(4)]
    first, last = (float(note.split()[1]) for _, _, note in (notes[1], notes[-1]))
    assert last < 0.8 * first
    before, after = result.validation
    assert before < 0.3 < after  # a tenth by chance
    assert sparsity(load(folder / "alone.keras")) >= 0.5


def test_failure_of_the_child_is_one_line_with_its_output_in_the_notes(folder):
    image = keras.Input((8, 8, 3))
    flat = layers.Flatten()(carry(image, UNIT))
    keras.Model(
        image, layers.Dense(10, activation="softmax", name="answer")(flat)
    ).save(folder / "softmax.keras")
    with pytest.raises(KerasnetsError, match="gives probabilities") as caught:
        compress(
            folder / "softmax.keras",
            folder / "out.keras",
            data=folder / "data",
            recipe="prune",
            seed=0,
        )
    assert "\n" not in str(caught.value)
    assert "Traceback" in caught.value.__notes__[0]


@pytest.mark.slow
def test_an_interrupt_ends_the_child(folder):
    children = []

    def interrupt(done, total, note=""):
        del done, total, note
        children.extend(psutil.Process().children())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compress(
            folder / "student.keras",
            folder / "interrupted.keras",
            data=folder / "data",
            recipe="prune",
            seed=0,
            progress=interrupt,
        )
    assert len(children) == 1
    assert not any(child.is_running() for child in children)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"sparsity": 1.0}, "sparsity"),
        ({"sparsity": 0.3, "initial_sparsity": 0.4}, "initial_sparsity 0.4"),
        ({"begin": 0.5, "end": 0.5}, "begin 0.5 and end 0.5"),
    ],
)
def test_settings_are_checked(changed, text):
    with pytest.raises(KerasnetsError, match=text):
        PruneSettings(**changed)


@pytest.mark.parametrize(
    ("settings", "steps", "expected"),
    [
        ({"begin": 0.0, "end": 0.7, "frequency": 10}, 100, range(0, 71, 10)),
        # the last update is at the end, the first moves
        ({"begin": 0.1, "end": 0.5, "frequency": 15}, 100, range(20, 51, 15)),
        # rarer than the training is long: begin and end
        ({"begin": 0.0, "end": 1.0, "frequency": 100}, 8, range(0, 9, 8)),
        ({"begin": 0.0, "end": 0.7, "frequency": 10}, 1, range(0, 2, 1)),
    ],
)
def test_update_steps(settings, steps, expected):
    assert list(PruneSettings(**settings).update_steps(steps)) == list(expected)


def test_missing_files_are_named_before_any_work(tmp_path):
    rest: dict[str, Any] = {"data": tmp_path, "recipe": "prune", "seed": 0}
    with pytest.raises(KerasnetsError, match=r"no_model\.keras' does not exist"):
        compress("no_model.keras", tmp_path / "out.keras", **rest)
    with pytest.raises(KerasnetsError, match=r"name a \.keras file"):
        compress("no_model.keras", tmp_path / "out.h5", **rest)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_one_output_tells_two_classes(tmp_path, activation):
    """Right from the start, and after the pruning: the bright are 1, the dark 0."""
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(10):
            noise = np.random.default_rng(i).integers(-30, 30, (8, 8, 3))
            image = Image.fromarray((level + noise).astype("uint8"))
            image.save(tmp_path / "set" / name / f"{i}.png")
    source = open_source(f"folder:{tmp_path / 'set'}")
    prepare(source, tmp_path / "data", resolution=8, seed=0)
    image = keras.Input((8, 8, 3))
    dense = layers.Dense(1, activation=activation, name="light")
    model = keras.Model(image, dense(layers.Flatten()(carry(image, UNIT))))
    dense.kernel.assign(np.linspace(0.01, 0.1, 192)[:, None])
    model.save(tmp_path / "net.keras")
    step = PruneSettings(sparsity=0.5).with_recipe(epochs=1, batch_size=8)
    result = compress(
        tmp_path / "net.keras",
        tmp_path / "out.keras",
        data=tmp_path / "data",
        recipe=[step],
        teacher_path=tmp_path / "net.keras",
        seed=0,
    )
    assert result.validation == (1.0, 1.0)
    pruned = load(tmp_path / "out.keras")
    assert sparsity(pruned) == 0.5
    assert keras.activations.serialize(pruned.layers[-1].activation) == (
        activation or "linear"
    )
