"""What looks at a run from outside."""

import contextlib
import functools
from pathlib import Path


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


class Told:
    """A display that writes down what is done, and interrupts it on the way.

    ``stages`` are those that were done now, ``reports`` what each told. It stops behind
    a stage, (name,), at a report, (name, done, total), or at (name, share done).
    """

    def __init__(self, stop=None):
        self.stop, self.stages, self.reports = stop, [], []

    @contextlib.contextmanager
    def __call__(self, name, done_before):
        if not done_before:
            self.stages.append(name)
        yield functools.partial(self.report, name)
        self.report(name)

    def report(self, name, *told):
        self.reports.append((name, *told[:2]))
        share = (name, told[0] / told[1]) if told else ()
        if self.stop in (self.reports[-1], share):
            raise KeyboardInterrupt
