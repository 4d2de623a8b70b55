"""Run folders: what is recorded, what is done again, what is never touched."""

import json
import multiprocessing
from pathlib import Path

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.files import sha256, write_bytes
from kerasnets.runs import RUN_FILE, open_run

IDENTITY = {"data": "digits", "seed": 0}
OWNED = ("data", "teacher.keras", "student.keras", "README.md")


class Stopped(Exception):  # noqa: N818  (no error: it stands for a kill)
    """The process ends here."""


def opened(folder, identity=IDENTITY, **arguments):
    return open_run(folder, identity, owned=OWNED, **arguments)


def leave(run, name, content="weights"):
    """Do a stage that leaves one file."""
    file = f"{name}.keras"

    def work():
        (run.folder / file).write_text(content)
        return {"accuracy": 0.5, "shape": (1, 2)}

    return run.do(name, work, settings={"epochs": 3, "sizes": (1, 2)}, files=[file])


def holds(run, name, epochs=3, files=None):
    files = [f"{name}.keras"] if files is None else files
    return run.holds(name, {"epochs": epochs, "sizes": (1, 2)}, files)


@pytest.fixture
def folder(tmp_path):
    """A run with two stages and a file of the user's."""
    folder = tmp_path / "run"
    with opened(folder) as run:
        leave(run, "teacher")
        leave(run, "student")
    (folder / "notes.txt").write_text("mine")
    return folder


def test_new_folder_is_made(tmp_path):
    with opened(tmp_path / "deep" / "run") as run:
        assert run.stages == []
        assert json.loads((run.folder / RUN_FILE).read_text())["identity"] == IDENTITY


def test_stages_are_recorded(folder):
    content = json.loads((folder / RUN_FILE).read_text())
    assert [stage["name"] for stage in content["stages"]] == ["teacher", "student"]
    record = content["stages"][0]
    assert record["results"] == {"accuracy": 0.5, "shape": [1, 2]}
    assert record["settings"] == {"epochs": 3, "sizes": [1, 2]}
    # of "weights", by sha256sum
    assert record["files"] == {
        "teacher.keras": (
            "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
        )
    }


def test_stage_holds_while_settings_and_files_are_the_same(folder):
    with opened(folder) as run:
        assert holds(run, "teacher")
        assert holds(run, "student")
        assert run.results("teacher") == {"accuracy": 0.5, "shape": [1, 2]}
        assert not holds(run, "search")
        assert not holds(run, "teacher", epochs=4)
        assert not holds(run, "teacher", files=[])
        assert not holds(run, "teacher", files=["teacher.keras", "more.keras"])


def test_results_of_no_stage_are_an_error(folder):
    with opened(folder) as run, pytest.raises(KeyError):
        run.results("search")


@pytest.mark.parametrize("change", ["other", "missing", "folder"])
def test_stage_whose_file_changed_does_not_hold(folder, change):
    path = folder / "teacher.keras"
    if change == "other":
        path.write_text("Weights")
    else:
        path.unlink()
    if change == "folder":
        path.mkdir()
    with opened(folder) as run:
        assert not holds(run, "teacher")
        assert holds(run, "student")


def test_stage_that_is_redone_forgets_the_later_ones(folder):
    with opened(folder) as run:
        leave(run, "teacher", "other weights")
        assert [stage["name"] for stage in run.stages] == ["teacher"]
    with opened(folder) as run:
        assert holds(run, "teacher")
        assert not holds(run, "student")


def test_crash_inside_a_stage_leaves_a_valid_record(folder):
    def crash():
        (folder / "teacher.keras").write_text("half")
        raise Stopped

    with pytest.raises(Stopped), opened(folder) as run:
        run.do("teacher", crash, settings={}, files=["teacher.keras"])
    content = json.loads((folder / RUN_FILE).read_text())
    assert content["stages"] == []
    with opened(folder) as run:
        assert not holds(run, "teacher")
        assert not holds(run, "student")
        leave(run, "teacher")
        assert holds(run, "teacher")


def test_crash_in_a_new_stage_keeps_the_earlier_ones(folder):
    def crash():
        raise Stopped

    with pytest.raises(Stopped), opened(folder) as run:
        run.do("prune", crash, settings={}, files=[])
    with opened(folder) as run:
        assert [stage["name"] for stage in run.stages] == ["teacher", "student"]


def test_stage_that_leaves_no_file_is_not_recorded(folder):
    with pytest.raises(FileNotFoundError), opened(folder) as run:
        run.do("prune", dict, settings={}, files=["pruned.keras"])
    with opened(folder) as run:
        assert not holds(run, "prune", files=["pruned.keras"])


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({**IDENTITY, "seed": 1}, "holds a run with seed 0, not 1"),
        ({**IDENTITY, "data": "npz:x"}, "holds a run with data digits, not npz:x"),
        ({**IDENTITY, "more": 1}, "holds a run with more None, not 1"),
    ],
)
def test_run_of_another_identity_is_refused(folder, identity, message):
    before = (folder / RUN_FILE).read_bytes()
    with pytest.raises(KerasnetsError, match=message), opened(folder, identity):
        pytest.fail("it opened")
    assert (folder / RUN_FILE).read_bytes() == before


def damaged(**changes):
    stage = {"name": "teacher", "settings": {}, "results": {}, "files": {}}
    content = {"format": 1, "identity": IDENTITY, "stages": [stage], "models": {}}
    content |= changes
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"format": 1,',
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        damaged(stages=[{"name": "teacher"}]),
        damaged(stages=[3]),
        damaged(stages=None),
        damaged(stages={}),
        damaged(stages="teacher"),
        damaged(stages=[{"name": "t", "settings": {}, "results": {}, "files": []}]),
        damaged(identity=[]),
        damaged(identity=None),
        damaged(models=[]),
    ],
)
def test_damaged_record_is_told_and_left(folder, content):
    path = folder / RUN_FILE
    path.write_bytes(content)
    with (
        pytest.raises(KerasnetsError, match=r"run\.json is damaged") as caught,
        opened(folder) as run,
    ):
        holds(run, "teacher")
    assert "\n" not in str(caught.value)
    assert "--fresh" in str(caught.value)
    assert path.read_bytes() == content
    with opened(folder, fresh=True) as run:
        assert run.stages == []


def test_record_of_another_format_is_refused(folder):
    (folder / RUN_FILE).write_bytes(damaged(format=2))
    with pytest.raises(KerasnetsError, match="has format 2, this kerasnets reads 1"):
        opened(folder).__enter__()


def test_foreign_folder_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    (tmp_path / "README.md").write_text("mine, too")
    for fresh in (False, True):
        with pytest.raises(KerasnetsError, match=r"it holds thesis\.tex"):
            opened(tmp_path, fresh=fresh).__enter__()
    assert {path.name for path in tmp_path.iterdir()} - {".lock"} == {
        "thesis.tex",
        "README.md",
    }
    assert (tmp_path / "README.md").read_text() == "mine, too"


@pytest.mark.parametrize("fresh", [False, True])
def test_folder_of_images_called_data_is_foreign(tmp_path, fresh):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "holiday.jpg").write_text("mine")
    with pytest.raises(KerasnetsError, match="it holds data"):
        opened(tmp_path, fresh=fresh).__enter__()
    assert (tmp_path / "data" / "holiday.jpg").exists()


def test_kill_in_the_very_first_write_does_not_matter(tmp_path):
    # what a process leaves that is killed between opening and renaming
    (tmp_path / ".lock").touch()
    (tmp_path / f"{RUN_FILE}.partial").write_text("{")
    with opened(tmp_path) as run:
        leave(run, "teacher")
    json.loads((tmp_path / RUN_FILE).read_text())


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    path = tmp_path / "run"
    path.write_text("mine")
    with pytest.raises(KerasnetsError, match="run is a file: choose another output"):
        opened(path).__enter__()
    assert path.read_text() == "mine"


def test_fresh_deletes_what_is_owned_and_nothing_else(folder):
    (folder / "data").mkdir()
    (folder / "data" / "train.npy").write_text("ours")
    (folder / "album").mkdir()
    (folder / "album" / "photo.jpg").write_text("mine")
    with opened(folder, fresh=True) as run:
        assert run.stages == []
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert kept == {".lock", RUN_FILE, "notes.txt", "album", "album/photo.jpg"}


def test_kill_while_an_earlier_run_is_deleted_leaves_a_run(folder, monkeypatch):
    def stop(path, missing_ok):
        raise Stopped

    monkeypatch.setattr(Path, "unlink", stop)
    with pytest.raises(Stopped):
        opened(folder, fresh=True).__enter__()
    monkeypatch.undo()
    with opened(folder) as run:
        leave(run, "teacher")


def test_fresh_does_not_follow_a_link(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "photo.jpg").write_text("mine")
    (folder / "data").symlink_to(elsewhere)
    with opened(folder, fresh=True):
        assert not (folder / "data").exists()
    assert (elsewhere / "photo.jpg").exists()


def test_fresh_start_takes_another_identity(folder):
    with opened(folder, {**IDENTITY, "seed": 1}, fresh=True) as run:
        assert run.identity["seed"] == 1


def _try_to_open(folder: Path, answers) -> None:
    try:
        with opened(folder):
            answers.put("opened")
    except KerasnetsError as error:
        answers.put(str(error))


def answer_of_another_process(folder):
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=_try_to_open, args=(folder, answers))
    process.start()
    answer = answers.get()
    process.join()
    return answer


# this process has threads of other tests; the child only opens a file
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_second_process_has_to_wait(folder):
    with opened(folder):
        assert "another kerasnets works in" in answer_of_another_process(folder)
    assert answer_of_another_process(folder) == "opened"


def test_failed_write_leaves_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / "model.tflite"
    write_bytes(path, b"before")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"after")
    assert path.read_bytes() == b"before"


def test_hash_is_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256(path) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
