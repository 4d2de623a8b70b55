"""Images read on all cores, in their order."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from kerasnets.errors import KerasnetsError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    read: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result | KerasnetsError]:
    """What ``read`` makes of each item, or the error it ends with; a few ahead."""

    def attempt(item: Item) -> Result | KerasnetsError:
        try:
            return read(item)
        except KerasnetsError as error:
            return error

    workers = os.cpu_count() or 1
    pending: deque[Future] = deque()
    # about damaged EXIF and the like; set here as threads cannot set it each
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(workers) as pool:
        for item in items:
            pending.append(pool.submit(attempt, item))
            if len(pending) > 4 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
