"""A training that is asked to end, as job schedulers do it: SIGTERM."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Asked:
    """Whether the process was asked to end.

    Attributes:
        to_end: So it was.
    """

    def __init__(self):
        self.to_end = False


@contextlib.contextmanager
def heeding_sigterm() -> Iterator[Asked]:
    """Let work end in order when the process gets SIGTERM, inside.

    In other threads than the main one, which gets the signals, nothing changes.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def heed(number, frame):
        del number, frame
        asked.to_end = True

    before = signal.signal(signal.SIGTERM, heed)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
