"""Figures of each epoch as TensorBoard reads them."""

import time
from collections.abc import Mapping
from pathlib import Path


class ScalarLog:
    """Event files in a folder: those of a training that goes on take the place.

    Args:
        folder: Made if it is missing.
        first: The first step that is told; TensorBoard forgets what earlier files say
            of it and of later ones.
    """

    def __init__(self, folder: Path, first: int):
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))
        begins = SessionLog(status=SessionLog.START)
        self._writer.add_event(
            Event(wall_time=time.time(), step=first, session_log=begins)
        )

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of a step, by their names."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=name, simple_value=x) for name, x in figures.items()
        ]
        self._writer.add_event(
            Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        )
        self._writer.flush()

    def close(self) -> None:
        """Write what is left, and let the file go."""
        self._writer.close()
