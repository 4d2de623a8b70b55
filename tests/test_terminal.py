"""What reaches a person while libraries' noise does not."""

import io
import os
import warnings

import pytest
from rich.console import Console

from kerasnets import terminal
from kerasnets.errors import KerasnetsWarning


@pytest.mark.filterwarnings("default")
def test_own_warnings_are_said_others_are_noise(capfd):
    with terminal.quiet(True) as console:
        os.write(2, b"noise\n")
        warnings.warn("of a library", UserWarning, stacklevel=1)
        warnings.warn("stem_conv summed", KerasnetsWarning, stacklevel=1)
        terminal.say(console, "done")
    assert capfd.readouterr().err == "kerasnets: stem_conv summed\ndone\n"


@pytest.fixture
def clock(monkeypatch):
    """The seconds that have passed, which the test sets."""
    now = [1000.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    return now


def lines(console):
    return console.file.getvalue().splitlines()


def test_each_stage_tells_the_time_that_all_of_them_need(clock):
    console = Console(file=io.StringIO(), width=200)
    display = terminal.StageDisplay(console, {"data": 1, "train": 8, "verify": 1})
    with display("data", False) as progress:
        clock[0] += 60
        progress(1, 1, "100 images")
    # a minute for one of ten parts: nine minutes for the others
    assert lines(console)[-1] == "[1/3] data  60 s  100 images; about 9 min left"
    with display("train", False) as progress:
        clock[0] += 480
        progress(3, 3)
    assert lines(console)[-1] == "[2/3] train  480 s; about 60 s left"
    with display("verify", False):
        clock[0] += 61
    assert lines(console)[-1] == "[3/3] verify  61 s"


def test_what_was_done_before_says_nothing_of_the_pace(clock):
    console = Console(file=io.StringIO(), width=200)
    display = terminal.StageDisplay(console, {"data": 1, "train": 8, "verify": 8})
    with display("data", True):
        pass
    assert lines(console)[-1] == "[1/3] data  done before"
    with display("train", False):
        clock[0] += 7200
    assert lines(console)[-1] == "[2/3] train  7200 s; about 2.0 h left"


def test_bar_tells_the_time_of_all_while_a_stage_is_worked_on(clock):
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    display = terminal.StageDisplay(console, {"train": 8, "verify": 2})
    with display("train", False) as progress:
        clock[0] += 60
        progress(1, 4, "epoch")
        # two parts of ten in a minute: four for the others
    assert "of all about 4 min" in console.file.getvalue()
