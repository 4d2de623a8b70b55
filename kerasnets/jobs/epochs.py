"""What each epoch of a training came to, written down as it ends."""

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasnets.evaluation import Evaluation
from kerasnets.files import write_text
from kerasnets.reports.scalars import ScalarLog
from kerasnets.runs import HISTORY, read_history
from kerasnets.training import Training

EVENTS = "tensorboard"
_COLUMNS = (
    *("epoch", "loss", "accuracy", "validation_loss", "validation_accuracy"),
    "seconds",
)


class EpochLog:
    """The figures of each epoch, kept in ``history.csv`` and for TensorBoard.

    Args:
        folder: Of the run.
        judge: Evaluates the network as it is, on the validation images.
    """

    def __init__(self, folder: Path, judge: Callable[[], Evaluation]):
        self._path, self._judge = folder / HISTORY, judge
        self.rows = read_history(self._path) if self._path.is_file() else []
        self._begun = time.monotonic()
        self._events: ScalarLog | None = None
        self._folder = folder

    def add(self, epoch: int, training: Training) -> tuple[dict[str, Any], bool]:
        """Write down an epoch; those behind it, which were killed, are forgotten.

        Returns:
            Its figures, and whether it is the best so far on the validation images.
        """
        if self._events is None:
            self._events = ScalarLog(self._folder / EVENTS, epoch)
        found = self._judge()
        earlier = [row for row in self.rows if row["epoch"] < epoch]
        seconds, self._begun = time.monotonic() - self._begun, time.monotonic()
        values = (training.loss, training.accuracy, found.loss, found.accuracy)
        row = dict(zip(_COLUMNS, (epoch, *values, round(seconds, 2)), strict=True))
        best = max((each["validation_accuracy"] for each in earlier), default=-1.0)
        self.rows = [*earlier, row]
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self._path, text.getvalue())
        self._events.add(epoch, {name: row[name] for name in _COLUMNS[1:]})
        return row, found.accuracy > best

    def close(self) -> None:
        """Let go of the files."""
        if self._events is not None:
            self._events.close()
