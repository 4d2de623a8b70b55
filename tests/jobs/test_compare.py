"""Trainings side by side, from run folders written by hand."""

import io
import json
import sys

import pytest
from PIL import Image
from support.runs import EPOCHS, write_run

from kerasnets import cli
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import compare as job


@pytest.fixture
def two(tmp_path):
    moves = {"pad": 4, "flip": True, "zoom": 0.0}
    return [
        write_run(tmp_path / "first"),
        write_run(tmp_path / "second", seed=1, learning_rate=0.5, augment=moves),
    ]


def test_figures_and_what_differs(two):
    first, second = job.run(two)
    # nothing of what both were told alike, nor a change of size 0
    assert first.differs == {"seed": 0, "learning_rate": 0.1}
    assert second.differs == {
        "seed": 1,
        "learning_rate": 0.5,
        "augment.pad": 4,
        "augment.flip": True,
    }
    assert (first.params, first.madds, first.epochs) == (61_706, 416_520, 3)
    # the best epoch's, not the last one's
    assert first.validation_accuracy == 0.75
    assert first.test is not None
    assert first.test["accuracy"] == 0.9
    assert first.seconds == 6.0


def test_unfinished_is_shown_as_far_as_it_is(tmp_path, two):
    begun = write_run(tmp_path / "begun", network="lenet4", stages=1, epochs=2)
    bare = write_run(tmp_path / "bare", stages=0, epochs=0)
    whole, _, begun, bare = job.run([*two, begun, bare])
    assert whole.finished
    assert not begun.finished
    assert (begun.epochs, begun.validation_accuracy, begun.test) == (2, 0.75, None)
    # what it was told besides is not recorded yet
    assert begun.differs == {"seed": 0}
    assert (bare.epochs, bare.validation_accuracy, bare.params) == (0, None, None)


def test_picture_in_both_forms_with_a_line_for_each(tmp_path, two):
    job.run(two, out=tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_bytes()
    assert drawn.startswith(b"<?xml")
    job.run(two, out=tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_bytes() == drawn
    job.run(two, out=tmp_path / "curves.PNG")
    with Image.open(io.BytesIO((tmp_path / "curves.PNG").read_bytes())) as picture:
        assert picture.format == "PNG"
        colours = {rgb for _, rgb in picture.convert("RGB").getcolors(10**6) or ()}
    assert {(0, 114, 178), (213, 94, 0)} <= colours


def test_command_prints_a_row_each_or_json(two, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    line = ["kerasnets", "compare", *(run.name for run in two)]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code
    first, second = capfd.readouterr().out.splitlines()[2:]
    # Wilson's interval of 45 of 50
    for part in ("lenet5", "61,706", "416.5k", "75.00%", "90.00% (78.6-95.7)"):
        assert part in first
    assert "seed 1, learning_rate 0.5, augment.pad 4, augment.flip true" in second
    monkeypatch.setattr(sys, "argv", [*line, "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    told = json.loads(capfd.readouterr().out)
    assert [len(run["history"]) for run in told] == [3, 3]


def test_what_cannot_be_compared(tmp_path, two):
    other = write_run(tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**record, "identity": {"seed": 0}}))
    damaged = write_run(tmp_path / "damaged")
    (damaged / "run.json").write_text("{")
    cut = write_run(tmp_path / "cut")
    (cut / "history.csv").write_text(EPOCHS + "4,1.0,0.")
    bare = [write_run(tmp_path / name, epochs=0) for name in ("b1", "b2")]
    for folders, out, message in (
        ([], None, "two or more .* none was given"),
        (two[:1], None, "two or more different runs"),
        ([two[0], two[0]], None, "two or more different runs"),
        ([two[0], tmp_path], None, "has no run.json"),
        ([two[0], other], None, "other is no run of kerasnets train"),
        ([two[0], damaged], None, "run.json is damaged"),
        ([two[0], cut], None, "history.csv is damaged"),
        (two, tmp_path / "curves.gif", "ends in .svg or .png is accepted"),
        (bare, tmp_path / "curves.svg", "no epoch of any run"),
    ):
        with pytest.raises(KerasnetsError, match=message):
            job.run(folders, out=out)
