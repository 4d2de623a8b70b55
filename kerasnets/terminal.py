"""What a person sees while work goes on, and what is kept from them."""

import contextlib
import math
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as RichProgress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from kerasnets.errors import KerasnetsWarning
from kerasnets.progress import Progress


@contextlib.contextmanager
def quiet(enabled: bool) -> Iterator[Console]:
    """Keep what libraries write to standard error off the terminal, where enabled.

    TensorFlow and LiteRT greet on the file descriptor itself, past Python. Yields a
    console that still writes to the person.
    """
    sys.stderr.flush()
    with os.fdopen(os.dup(2), "w") as person:
        if enabled:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        console = Console(file=person)
        try:
            with _own_warnings_said(console):
                yield console
        finally:
            sys.stderr.flush()
            os.dup2(person.fileno(), 2)


@contextlib.contextmanager
def _own_warnings_said(console: Console) -> Iterator[None]:
    """Print what the package itself warns of, a line each; leave other warnings be."""
    with warnings.catch_warnings():
        show_other = warnings.showwarning

        def show(message, category, *where, **more):
            if issubclass(category, KerasnetsWarning):
                say(console, f"kerasnets: {message}")
            else:
                show_other(message, category, *where, **more)

        warnings.showwarning = show
        yield


def show(content: str | Table) -> None:
    """Print a result to standard output, whole lines where that is a file."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(content, markup=False, highlight=False, soft_wrap=True)


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


# seconds after which the pace of a run tells something
_PACE = 5.0


class _Clock:
    """How long the rest of a run takes, by the pace of what is done."""

    def __init__(self):
        self.shares, self.seconds, self.started = 0.0, 0.0, time.monotonic()

    def worked(self, share: float, seconds: float) -> None:
        """A stage was worked on to its end."""
        self.shares += share
        self.seconds += seconds
        self.started = time.monotonic()

    def left(self, share: float, done: float, to_come: float) -> float | None:
        """Seconds left, or None as long as there is no pace.

        Args:
            share: Of the stage that is worked on.
            done: How much of it is done, 0 to 1.
            to_come: Shares of the stages after it.
        """
        worked = self.shares + share * done
        seconds = self.seconds
        if share:
            seconds += time.monotonic() - self.started
        if seconds < _PACE or not worked:
            return None
        return seconds / worked * (share * (1 - done) + to_come)


def _about(seconds: float) -> str:
    """A span of time, as exact as a guess is."""
    if seconds < 90:
        return f"about {math.ceil(seconds / 10) * 10} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


class StageDisplay:
    """A line for each stage of a run, with a bar and the time left on a terminal.

    Args:
        console: Where it shows.
        stages: How long each stage takes beside the others, by its name.
    """

    def __init__(self, console: Console, stages: Mapping[str, float]):
        self.console, self.stages, self._shown = console, stages, 0
        self._clock = _Clock()

    @classmethod
    def one(
        cls, console: Console, name: str
    ) -> contextlib.AbstractContextManager[Progress]:
        """Show work of one stage."""
        return cls(console, {name: 1.0})(name, False)

    @contextlib.contextmanager
    def __call__(self, name: str, done_before: bool) -> Iterator[Progress]:
        """Show a stage while it is worked on, or that it was done before."""
        self._shown += 1
        title = f"[{self._shown}/{len(self.stages)}] {name}"
        started = time.monotonic()
        to_come = sum(list(self.stages.values())[self._shown :])
        with self._bar() as bar:
            if not self.console.is_terminal:
                say(self.console, f"{title} ...")
            task = bar.add_task(title, total=None, note="", whole="")
            last_note = ""

            def report(done: int, total: int, note: str = "") -> None:
                nonlocal last_note
                last_note = note
                seconds = self._clock.left(
                    self.stages[name], done / max(total, 1), to_come
                )
                whole = f"of all {_about(seconds)}" if to_come and seconds else ""
                bar.update(task, completed=done, total=total, note=note, whole=whole)

            yield report
        if done_before:
            say(self.console, f"{title}  done before")
        else:
            taken = time.monotonic() - started
            self._clock.worked(self.stages[name], taken)
            left = self._clock.left(0, 0, to_come)
            line = f"{title}  {taken:.0f} s  {last_note}".rstrip()
            say(self.console, f"{line}; {_about(left)} left" if left else line)

    def _bar(self) -> RichProgress:
        return RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[whole]}"),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
