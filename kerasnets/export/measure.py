"""How fast a LiteRT file answers here, and how much it weighs."""

import gzip
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import read_bytes
from kerasnets.export.runtime import open_interpreter


def measure_latency(
    paths: Mapping[str, Path],
    *,
    runs: int = 300,
    warmup: int = 5,
    seconds: float = 3.0,
    threads: int = 1,
) -> dict[str, float]:
    """Measure how long each file takes for one image on this machine.

    The files take turns within one loop, so that whatever else the machine does slows
    all of them alike, and ratios stay true on a busy one.

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
        KerasnetsError: A file is not an image classifier, or ``runs`` is below 1.
    """
    if runs < 1:
        raise KerasnetsError(f"runs is {runs}; it must be 1 or more")
    interpreters = {name: open_interpreter(paths[name], threads) for name in paths}
    random = np.random.default_rng(0)
    for interpreter in interpreters.values():
        pixels = interpreter.get_input_details()[0]
        image = random.integers(0, 256, pixels["shape"]).astype(pixels["dtype"])
        interpreter.set_tensor(pixels["index"], image)
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
    return {name: 1e3 * float(np.median(each)) for name, each in times.items()}


def file_sizes(path: Path | str) -> tuple[int, int]:
    """Return the bytes of a LiteRT file, plain and gzipped (what a download weighs).

    Raises:
        KerasnetsError: There is no such file, or it is not a LiteRT file.
    """
    buffer = read_bytes(path)
    return len(buffer), len(gzip.compress(buffer, mtime=0))
