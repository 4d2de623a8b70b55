"""What takes long to make and is only looked at: made once for all workers."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(
    factory: pytest.TempPathFactory,
    worker: str,
    name: str,
    make: Callable[[Path], object],
) -> Path:
    """Give the folder of that name; the first worker that asks fills it.

    Args:
        factory: The fixture ``tmp_path_factory``.
        worker: The fixture ``worker_id``.
        name: Of the folder.
        make: Fills the folder, which is there.
    """
    base = factory.getbasetemp()
    if worker != "master":
        base = base.parent  # of all workers
    folder, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
