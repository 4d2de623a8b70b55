"""How fast a LiteRT file answers here, and how much it weighs."""

import gzip
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import read_bytes
from kerasnets.export.runtime.interpreter import open_interpreter
from kerasnets.progress import Progress, silent


@dataclass(frozen=True)
class Interval:
    """A median and where that of endless runs lies, with a confidence of 95 %.

    Attributes:
        median: Of the measured values.
        low: Lower end of the interval.
        high: Upper end.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Latency:
    """How long a file takes for one run.

    Attributes:
        name: Of the file.
        threads: How many threads it could use.
        runs: How many runs were timed.
        ms: Milliseconds of a run.
        ratio: Its time divided by that of the reference in the same turn; None without
            a reference, and for the reference itself.
    """

    name: str
    threads: int
    runs: int
    ms: Interval
    ratio: Interval | None


def bench(
    paths: Mapping[str, Path],
    *,
    reference: str | None = None,
    threads: Sequence[int] = (1,),
    runs: int = 100,
    warmup: int = 5,
    seconds: float = 10.0,
    progress: Progress = silent,
) -> tuple[Latency, ...]:
    """Measure how long files take for one run on this machine.

    The files take turns within one loop, so that whatever else the machine does slows
    all of them alike; the ratio to the reference is taken turn by turn.

    Args:
        paths: LiteRT files by name.
        reference: The name of the file that the others are compared with.
        threads: Numbers of threads, one after another.
        runs: Most timed turns for each number of threads.
        warmup: Untimed turns before them.
        seconds: Time for all turns of a number of threads; when it is over, the turn
            that is under way is the last. Each file gets one timed turn at least.
        progress: Told how many numbers of threads are done.

    Returns:
        The figures, by number of threads, then in the order of ``paths``.

    Raises:
        KerasnetsError: A file cannot be used, ``runs``, ``warmup`` or ``threads`` is
            out of range, or there is no file of the reference's name.
    """
    if reference is not None and reference not in paths:
        raise KerasnetsError(
            f"the reference {reference!r} is none of the files: {', '.join(paths)}"
        )
    if not threads or min(threads) < 1:
        raise KerasnetsError(f"threads is {list(threads)}; each must be 1 or more")
    found = []
    for done, count in enumerate(threads):
        progress(done, len(threads), f"{count} threads")
        times = _take_turns(paths, runs, warmup, seconds, count, trusted=done > 0)
        for name, own in times.items():
            ratio = None
            if reference is not None and name != reference:
                ratio = median_interval(own / times[reference])
            found.append(
                Latency(name, count, len(own), median_interval(1e3 * own), ratio)
            )
    progress(len(threads), len(threads), "bench")
    return tuple(found)


def median_interval(values: Sequence[float] | np.ndarray) -> Interval:
    """Return the median and a 95 % interval of it from order statistics.

    The number of values below the true median is binomial with probability 1/2, so
    the interval from the k-th smallest to the k-th largest value holds it with
    probability 1 - 2 P(B < k), whatever the distribution (Conover, Practical
    Nonparametric Statistics, 3.2). k is the largest with 95 %; of five values or fewer
    none has, and the interval is all of them.

    Args:
        values: One or more numbers.
    """
    ranked = np.sort(np.asarray(values, np.float64))
    count = len(ranked)
    rank, ways, tail = 0, 1, 1
    # tail / 2^count is P(B < rank + 1)
    while 40 * tail <= 2**count:
        ways = ways * (count - rank) // (rank + 1)
        rank, tail = rank + 1, tail + ways
    rank = max(rank, 1)
    return Interval(
        float(np.median(ranked)), float(ranked[rank - 1]), float(ranked[count - rank])
    )


def measure_latency(
    paths: Mapping[str, Path],
    *,
    runs: int = 300,
    warmup: int = 5,
    seconds: float = 3.0,
    threads: int = 1,
) -> dict[str, float]:
    """Measure the medians of ``bench`` alone.

    Args:
        paths: Files by name.
        runs: Most timed turns each.
        warmup: Untimed turns before them.
        seconds: Time for all turns together; when it is over, the turn that is under
            way is the last. Each file gets one timed turn at least.
        threads: Threads each file may use.

    Returns:
        Medians in milliseconds, by name.

    Raises:
        KerasnetsError: A file cannot be used, or ``runs`` is below 1.
    """
    times = _take_turns(paths, runs, warmup, seconds, threads)
    return {name: 1e3 * float(np.median(each)) for name, each in times.items()}


def _take_turns(
    paths: Mapping[str, Path],
    runs: int,
    warmup: int,
    seconds: float,
    threads: int,
    *,
    trusted: bool = False,
) -> dict[str, np.ndarray]:
    """Return the seconds of each timed run of each file."""
    if runs < 1:
        raise KerasnetsError(f"runs is {runs}; it must be 1 or more")
    if warmup < 0:
        raise KerasnetsError(f"warmup is {warmup}; it must be 0 or more")
    interpreters = {
        name: open_interpreter(path, threads, trusted=trusted)
        for name, path in paths.items()
    }
    for interpreter in interpreters.values():
        _fill(interpreter)
    times: dict[str, list[float]] = {name: [] for name in paths}
    deadline = time.perf_counter() + seconds
    for turn in range(warmup + runs):
        for name, interpreter in interpreters.items():
            start = time.perf_counter()
            interpreter.invoke()
            if turn >= warmup:
                times[name].append(time.perf_counter() - start)
        if turn >= warmup and time.perf_counter() > deadline:
            break
    return {name: np.array(each) for name, each in times.items()}


def _fill(interpreter: Interpreter) -> None:
    """Give every input noise: an image of it, or numbers between 0 and 1."""
    random = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        shape, dtype = details["shape"], np.dtype(details["dtype"])
        if dtype == np.uint8 or (dtype == np.float32 and len(shape) == 4):
            values = random.integers(0, 256, shape)
        elif dtype.kind == "f":
            values = random.random(shape)
        else:
            values = np.zeros(shape)  # an index, say, that must exist
        interpreter.set_tensor(details["index"], values.astype(dtype))


def file_sizes(path: Path | str) -> tuple[int, int]:
    """Return the bytes of an exported file, plain and gzipped (what a download weighs).

    Of a SavedModel, those of all its files.

    Raises:
        KerasnetsError: There is no such file, or it is neither ONNX nor LiteRT.
    """
    path = Path(path)
    if path.is_dir():
        contents = [
            file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()
        ]
    else:
        contents = [path.read_bytes() if path.suffix == ".onnx" else read_bytes(path)]
    zipped = (len(gzip.compress(content, mtime=0)) for content in contents)
    return sum(map(len, contents)), sum(zipped)
