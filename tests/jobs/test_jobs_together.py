"""The commands that train, in two processes: they end like one."""

import json
from pathlib import Path

import numpy as np
import pytest
from support import tiny_run
from support.together import finish, start

from kerasnets.saving import load_model

pytestmark = pytest.mark.slow


def call(out, *command, count):
    """Run a command in so many processes; the file that they leave."""
    out.parent.mkdir()
    finish(start(lambda _: ("-m", "kerasnets", *map(str, command)), count))
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    return load_model(out)


def gap(ours, theirs):
    pairs = zip(ours.get_weights(), theirs.get_weights(), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def test_fine_tuning_in_two_processes_is_that_in_one(folder, data, tmp_path):
    """A few steps at a small rate: later ones grow the rounding."""

    def tune(name, count):
        out = tmp_path / name / "out.keras"
        how = ("--data", data, "--epochs", 2, "--rate", 1e-3)
        return call(out, "finetune", folder / "five.keras", out, *how, count=count)

    one, two = tune("one", 1), tune("two", 2)
    assert gap(one, two) <= 1e-5
    assert gap(one, load_model(folder / "net.keras")) > 1e-3


def test_channels_are_removed_in_two_processes(folder, data, tmp_path):
    def compress(name, count):
        out = tmp_path / name / "out.keras"
        how = ("--recipe", "channels", "--multiple", 1, "--epochs", 1)
        how += ("--data", data, "--teacher", folder / "net.keras")
        return call(out, "compress", folder / "net.keras", out, *how, count=count)

    one, two = compress("one", 1), compress("two", 2)
    assert gap(one, two) <= 1e-5


def test_phone_job_in_two_processes(tmp_path):
    """From scratch: teacher, search, student and distillation train in both."""
    models = []
    for count in (1, 2):
        out = tmp_path / str(count)
        finish(start(lambda _, out=out: (tiny_run.__file__, str(out)), count))
        run = json.loads(Path(out / "run.json").read_text())
        models.append(run["models"])
    one, two = models
    assert one.keys() == two.keys()
    for name in one:
        assert one[name]["madds"] == two[name]["madds"]
        # an epoch of rounding
        assert two[name]["accuracy"] == pytest.approx(one[name]["accuracy"], abs=0.05)
