"""Child processes that run this package as it is here, and end with their parent."""

import os
import sys
import threading


def environment() -> dict[str, str]:
    """The environment in which a child finds what this process imports."""
    paths = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": paths}


def end_with_parent() -> None:
    """End this process when its standard input does, however the parent ended.

    The parent gives it a pipe to which it never writes.
    """

    def wait() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
