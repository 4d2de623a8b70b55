"""Figures of epochs and of trials as TensorBoard reads them."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ScalarLog:
    """An event file in a folder; a training that goes on writes another one.

    TensorBoard's own writer would import TensorFlow.

    Args:
        folder: Made if it is missing.
        first: The first step that is told; TensorBoard forgets what earlier files say
            of it and of later ones.
    """

    def __init__(self, folder: Path, first: int):
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"events.out.tfevents.{time.time_ns()}.kerasnets"
        self._file = path.open("wb")
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        self._write(step=first, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of a step, by their names."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=name, simple_value=x) for name, x in figures.items()
        ]
        self._write(step=step, summary=Summary(value=values))

    def add_values(self, values: Mapping[str, Any]) -> None:
        """Write the hyperparameters of a trial, for the view HParams."""
        from tensorboard.plugins.hparams import summary_v2

        self._write(step=0, summary=summary_v2.hparams_pb(dict(values)))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())
        self._file.flush()


def write_trial(
    folder: Path, values: Mapping[str, Any], figures: Mapping[str, float]
) -> None:
    """Write a trial of a search, for TensorBoard's view HParams.

    Args:
        folder: Of its own, beside those of the other trials.
        values: Its hyperparameters, by name.
        figures: What it came to, by name.
    """
    with contextlib.closing(ScalarLog(folder, 0)) as log:
        log.add_values(values)
        log.add(0, figures)
