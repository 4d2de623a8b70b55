"""Several devices and processes against one: the same training, to rounding."""

import numpy as np
import pytest
from support.together import train_in

pytestmark = pytest.mark.slow


def gap(ours, theirs, name="weight"):
    """The largest difference of the arrays that are called so."""
    names = [each for each in ours if each.startswith(name)]
    assert names
    assert [each for each in theirs if each.startswith(name)] == names
    return max(float(np.abs(ours[each] - theirs[each]).max()) for each in names)


@pytest.mark.parametrize(("floatx", "most"), [("float32", 1e-5), ("float64", 1e-10)])
def test_two_processes_are_one(tmp_path, floatx, most):
    """Five steps: later ones grow the rounding."""
    (one,) = train_in(tmp_path / "one", floatx=floatx)
    first, second = train_in(tmp_path / "two", 2, floatx=floatx)
    assert gap(one, first) <= most
    # losses are float32 in either case
    assert gap(one, first, "loss") <= 1e-5
    assert gap(first, second) == gap(first, second, "loss") == 0.0
    assert one["labels"] == first["labels"] == second["labels"] == 80
    # the first alone is told each epoch
    assert [len(each["told"]) for each in (one, first, second)] == [1, 1, 0]


@pytest.mark.parametrize(
    "recipe",
    [
        {"ema": 0.9, "clip_norm": 0.1},
        {"optimizer": "adamw", "weight_decay": 1e-3},
        {"decay": "l2", "weight_decay": 1e-3, "nesterov": True},
    ],
    ids=["averaged and clipped", "adamw", "l2"],
)
def test_two_devices_of_a_machine_are_one(tmp_path, recipe):
    (one,) = train_in(tmp_path / "one", recipe=recipe)
    (two,) = train_in(tmp_path / "two", recipe=recipe, virtual=2, devices="all")
    assert gap(one, two) <= 1e-5
    assert gap(one, two, "loss") <= 1e-5


def test_replicas_draw_their_own_random_numbers_and_repeat(tmp_path):
    how = {"dropout": 0.5, "epochs": 2}
    (once,) = train_in(tmp_path / "once", virtual=2, devices="2", **how)
    (again,) = train_in(tmp_path / "again", virtual=2, devices="2", **how)
    assert gap(once, again) == 0.0
    # those of two processes are the same: it is the number of the replica that counts
    first, second = train_in(tmp_path / "processes", 2, **how)
    assert gap(once, first) <= 1e-5
    assert gap(first, second) == 0.0


def test_half_precision_leaves_out_the_same_steps_everywhere(tmp_path):
    first, second = train_in(tmp_path / "two", 2, policy="mixed_float16", epochs=2)
    assert gap(first, second) == 0.0
    assert np.isfinite(first["loss"])
