"""What a person sees while work goes on, and what is kept from them."""

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator
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


class StageDisplay:
    """A line for each stage of a run, with a bar and the time left on a terminal."""

    def __init__(self, console: Console, stages: int = 0):
        self.console, self.stages, self._shown = console, stages, 0

    @contextlib.contextmanager
    def __call__(self, name: str, done_before: bool) -> Iterator[Progress]:
        """Show a stage while it is worked on, or that it was done before."""
        self._shown += 1
        title = f"[{self._shown}/{self.stages}] {name}"
        started = time.monotonic()
        with self._bar() as bar:
            if not self.console.is_terminal:
                say(self.console, f"{title} ...")
            task = bar.add_task(title, total=None, note="")
            last_note = ""

            def report(done: int, total: int, note: str = "") -> None:
                nonlocal last_note
                last_note = note
                bar.update(task, completed=done, total=total, note=note)

            yield report
        if done_before:
            say(self.console, f"{title}  done before")
        else:
            seconds = time.monotonic() - started
            say(self.console, f"{title}  {seconds:.0f} s  {last_note}".rstrip())

    def _bar(self) -> RichProgress:
        return RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
