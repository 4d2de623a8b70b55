"""Figures of each epoch as TensorBoard reads them."""

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

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())
        self._file.flush()
