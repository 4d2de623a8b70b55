"""Trainings on JAX: without TensorFlow, along the same curve, stopped and gone on."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kerasnets import applications
from kerasnets.saving import save_model

pytestmark = pytest.mark.peers

# a finder that knows no TensorFlow, as where it is not installed
PROGRAM = """
import json, sys
from pathlib import Path

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_keras"):
            raise ModuleNotFoundError(name)

folder, blocked, stop = Path(sys.argv[1]), sys.argv[2] == "blocked", int(sys.argv[3])
if blocked:
    sys.meta_path.insert(0, Nowhere())
from kerasnets.jobs import train as job
from kerasnets.training import checkpoint, trainer

if stop:
    trainer._LOOK = 0.0
    saved = checkpoint.Checkpoint.save

    def save(self, done, variables, *, now=False):
        saved(self, done, variables, now=True)
        if done == stop:
            sys.exit(9)

    checkpoint.Checkpoint.is_due = True
    checkpoint.Checkpoint.save = save
job.run(
    "lenet5",
    folder,
    data=sys.argv[4],
    recipe="lenet5",
    changes={"epochs": "3", "batch_size": "16", "augment.border": "mirror"}
    | {"normalise": "pixels", "learning_rate": "0.02"},
    initialise_from=Path(sys.argv[5]),
)
assert not blocked or "tensorflow" not in sys.modules
print(json.dumps(job.read_history(folder / "history.csv")))
"""


def train(backend, folder, data, start, *, stop=0):
    """The rows of a training's history, in a process with another backend."""
    blocked = "blocked" if backend == "jax" else "as it is"
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, blocked, str(stop), data, start],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == (9 if stop else 0), result.stderr[-2000:]
    return [] if stop else json.loads(result.stdout.splitlines()[-1])


def test_jax_learns_as_tensorflow_does(tmp_path):
    draw = np.random.default_rng(0)
    labels = np.arange(240) % 4
    images = draw.integers(0, 120, (240, 28, 28)) + 40 * labels[:, None, None]
    images[:, 8:20, 8:20] -= 30 * (labels % 2)[:, None, None]
    data, start = f"npz:{tmp_path / 'set.npz'}", tmp_path / "start.keras"
    images = np.clip(images, 0, 255).astype("uint8")
    np.savez(
        *(tmp_path / "set.npz",),
        x_train=images[:160],
        y_train=labels[:160],
        x_test=images[160:],
        y_test=labels[160:],
    )
    # backends draw other numbers from the same seed
    save_model(
        applications.build("lenet5", classes=4, classifier_activation=None), start
    )
    ours = train("tensorflow", tmp_path / "tensorflow", data, start)
    theirs = train("jax", tmp_path / "jax", data, start)
    for row, other in zip(ours, theirs, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], abs=1e-3)
        assert row["validation_loss"] == pytest.approx(
            other["validation_loss"], abs=1e-3
        )
    assert ours[-1]["loss"] < 0.9 * ours[0]["loss"]
    # stopped in the middle of the second epoch it ends alike
    train("jax", tmp_path / "broken", data, start, stop=13)
    again = train("jax", tmp_path / "broken", data, start)
    assert [row["loss"] for row in again] == [row["loss"] for row in theirs]
