"""Stages by name: what is done again, what is given to whom."""

import contextlib
import json
from dataclasses import dataclass, replace

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.progress import silent
from kerasnets.runs import Stage, run_stages


@dataclass(frozen=True)
class Settings:
    epochs: int = 3
    sizes: tuple[int, ...] = (1, 2)
    unused: str = ""


def train(job):
    (job.folder / "model.txt").write_text(f"{job.settings.epochs} epochs")
    return {"loss": 0.5}


def measure(job):
    text = (job.folder / "model.txt").read_text()
    loss = job.results["train"]["loss"]
    return {"models": {"model": {"loss": loss, "letters": len(text)}}}


STAGES = (
    Stage("train", train, uses=("epochs",), files=("model.txt",), scratch=("work",)),
    Stage("measure", measure, uses=("sizes",)),
)


@pytest.fixture
def run(tmp_path):
    """Run the stages: what they returned, and which were done before."""

    def run(settings=Settings(), fingerprint="data", stages=STAGES, **arguments):
        done = {}

        def display(name, done_before):
            done[name] = done_before
            return contextlib.nullcontext(silent)

        results = run_stages(
            tmp_path,
            stages,
            settings,
            identity={"seed": 0},
            fingerprint=fingerprint,
            display=display,
            **arguments,
        )
        return results, done

    return run


def test_results_go_by_the_names_of_stages(run, tmp_path):
    results, done = run()
    models = {"model": {"loss": 0.5, "letters": 8}}
    assert results == {"train": {"loss": 0.5}, "measure": {"models": models}}
    assert done == {"train": False, "measure": False}
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["models"] == models
    assert [stage["name"] for stage in record["stages"]] == ["train", "measure"]
    assert run() == (results, {"train": True, "measure": True})


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"settings": replace(Settings(), unused="x")}, None),
        ({"settings": replace(Settings(), sizes=(2,))}, "measure"),
        ({"settings": replace(Settings(), epochs=4)}, "train"),
        ({"fingerprint": "other data"}, "train"),
        ({"fresh": True}, "train"),
    ],
)
def test_stage_is_redone_where_what_it_uses_changed_and_all_after_it(
    run, changes, first
):
    run()
    _, done = run(**changes)
    names = list(done)
    again = [] if first is None else names[names.index(first) :]
    assert [name for name in names if not done[name]] == again


def test_stage_is_redone_where_its_file_changed(run, tmp_path):
    run()
    (tmp_path / "model.txt").write_text("other")
    assert run()[1] == {"train": False, "measure": False}


def test_stage_put_between_redoes_those_after_it_only(run):
    run()
    between = Stage("look", lambda _: {}, uses=("sizes",))
    _, done = run(stages=(STAGES[0], between, STAGES[1]))
    assert done == {"train": True, "look": False, "measure": False}


def test_interrupted_run_goes_on_with_the_stage_that_it_was_in(run):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stages=(STAGES[0], replace(STAGES[1], work=interrupt)))
    assert run()[1] == {"train": True, "measure": False}


def test_checkpoint_belongs_to_what_came_before(run, tmp_path):
    identities = []

    def look(job):
        checkpoint = job.checkpoint("student")
        assert checkpoint.path == tmp_path / "work" / "student.npz"
        identities.append(checkpoint.identity)
        return {}

    stages = (STAGES[0], Stage("look", look))
    for epochs in (3, 4):
        run(settings=Settings(epochs=epochs), stages=stages)
    assert len(set(identities)) == 2


def test_run_that_delivers_leaves_nothing_behind(run, tmp_path):
    out = tmp_path.parent / f"{tmp_path.name}.txt"
    results, _ = run(
        deliver=lambda: out.write_text((tmp_path / "model.txt").read_text())
    )
    assert results["train"] == {"loss": 0.5}
    assert out.read_text() == "3 epochs"
    assert not tmp_path.exists()


def test_run_that_delivers_stays_where_a_later_stage_fails(run, tmp_path):
    def fail(_):
        raise KerasnetsError("no")

    for where, left in ((1, {"run.json", "model.txt", ".lock"}), (0, set())):
        stages = [
            replace(s, work=fail) if i == where else s for i, s in enumerate(STAGES)
        ]
        with pytest.raises(KerasnetsError, match="no"):
            run(stages=stages, deliver=lambda: pytest.fail("it delivered"))
        found = (
            {path.name for path in tmp_path.iterdir()} if tmp_path.exists() else set()
        )
        assert found == left
        if left:
            run(deliver=lambda: None)


def test_delivery_that_is_interrupted_is_done_again(run, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(deliver=interrupt)
    _, done = run(deliver=lambda: None)
    assert done == {"train": True, "measure": True}
    assert not tmp_path.exists()


def test_what_is_not_of_the_run_is_not_deleted_with_it(run, tmp_path):
    run()
    (tmp_path / "notes.txt").write_text("mine")
    run(deliver=lambda: None)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["train", "holiday"])
def test_folder_of_somebody_else_is_not_deleted(run, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(KerasnetsError, match="is no run of kerasnets"):
        run(deliver=lambda: pytest.fail("it delivered"))
    assert (tmp_path / name).read_text() == "mine"


def test_file_that_a_stage_leaves_in_some_cases_is_its_own(run, tmp_path):
    def work(job):
        if job.settings.epochs > 2:
            (job.folder / "extra.txt").write_text(f"{job.settings.epochs}")
        return {}

    stages = (Stage("train", work, uses=("epochs",), may_leave=("extra.txt",)),)
    for epochs, left in ((3, "3"), (2, None), (4, "4")):
        assert run(Settings(epochs), stages=stages)[1] == {"train": False}
        extra = tmp_path / "extra.txt"
        assert (extra.read_text() if extra.exists() else None) == left
        assert run(Settings(epochs), stages=stages)[1] == {"train": True}
    extra.write_text("touched")
    assert run(Settings(4), stages=stages)[1] == {"train": False}
    assert extra.read_text() == "4"
