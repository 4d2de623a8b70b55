"""What all processes of a run do at once, with a list for the wire."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.progress import silent
from kerasnets.runs import Job, Stage, follow, in_all_processes, run_stages
from kerasnets.training import DivergedError, Recipe


@dataclass(frozen=True)
class Settings:
    data: Path
    recipe: Recipe


RECIPE = Recipe(epochs=1, learning_rate=0.1)
SETTINGS = Settings(Path("photos"), RECIPE)
DONE = []


@in_all_processes
def train(job, name, *, widths=()):
    """Write down who did it, and with what."""
    DONE.append((job.devices.is_first, job.key, dict(job.results), name, list(widths)))
    if name == "diverges":
        raise DivergedError(float("nan"), 1, job.settings.recipe)
    return name


@pytest.fixture
def wire():
    """What the first process told; the others hear it from its beginning."""
    DONE.clear()
    told = []
    first = SimpleNamespace(is_first=True, tell=told.append)
    other = SimpleNamespace(is_first=False, hear=lambda: told.pop(0))
    return first, other, told


def test_others_do_what_the_first_does(wire, tmp_path):
    first, other, told = wire

    def work(job):
        # what is not marked the first does alone
        assert job.devices is first
        return {"taken": train(job, "student", widths=(1, 2))}

    results = run_stages(
        tmp_path,
        [Stage("data", lambda _: {"images": 3}), Stage("tune", work)],
        SETTINGS,
        identity={},
        fingerprint="",
        devices=first,  # type: ignore[arg-type]
    )
    assert results["tune"] == {"taken": "student"}
    assert told[-1] == ""  # the run is over
    follow(tmp_path, SETTINGS, other)  # type: ignore[arg-type]
    assert not told
    (ours, *mine), (theirs, *others) = DONE
    assert (ours, theirs) == (True, False)
    assert mine == others
    assert mine[1:] == [{"data": {"images": 3}}, "student", [1, 2]]


def job_of(devices, settings=SETTINGS):
    return Job(Path("run"), settings, "key", {}, silent, devices)


def test_training_that_diverges_is_the_first_ones_affair(wire):
    first, other, told = wire
    with pytest.raises(DivergedError):
        train(job_of(first), "diverges")
    train(job_of(first), "next")
    told.append("")
    follow(Path("run"), SETTINGS, other)  # type: ignore[arg-type]
    assert [each[3] for each in DONE[2:]] == ["diverges", "next"]


@pytest.mark.parametrize(
    "theirs",
    [
        Settings(Path("others"), RECIPE),
        Settings(Path("photos"), replace(RECIPE, epochs=2)),
    ],
    ids=["data", "epochs"],
)
def test_others_with_other_settings_end(wire, theirs):
    first, other, _ = wire
    train(job_of(first), "student")
    with pytest.raises(KerasnetsError, match="started with other arguments"):
        follow(Path("run"), theirs, other)  # type: ignore[arg-type]
    assert len(DONE) == 1


def test_what_is_told_is_plain_text(wire):
    first, _, told = wire
    train(job_of(first), "student", widths=[0.5])
    said = json.loads(told[0])
    assert said["given"] == [["student"], {"widths": [0.5]}]
    assert said["work"].endswith("test_together.train")
