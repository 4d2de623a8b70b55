"""Images read on all cores, in their order."""

import itertools
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from kerasnets.errors import KerasnetsError

# items that a thread gets together: handing over one takes as long as reading a header
_AT_ONCE = 8

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

    def attempt_all(some: list[Item]) -> list[Result | KerasnetsError]:
        return [attempt(item) for item in some]

    workers = os.cpu_count() or 1
    pending: deque[Future] = deque()
    left = iter(items)
    # about damaged EXIF and the like; set here as threads cannot set it each
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(workers) as pool:
        while some := list(itertools.islice(left, _AT_ONCE)):
            pending.append(pool.submit(attempt_all, some))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
