"""What the main job reaches on this machine: the figures that the README states.

    python benchmarks/phone.py [--seeds 0 1 2 3 4] [--out FOLDER]

Runs ``kerasnets phone`` at its defaults once a seed, some minutes each on two
cores, and prints accuracy, gain, sizes, latency, time and peak memory; folders of runs
that are finished are only read.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from kerasnets import phone


def main() -> None:
    """Run the seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp(prefix="kerasnets-"))
    help_seconds = min(_seconds_of_help() for _ in range(5))
    rows = [_figures(seed, out / f"seed-{seed}") for seed in arguments.seeds]
    for name in rows[0]:
        values = [row[name] for row in rows]
        each = "  ".join(f"{value:9.3f}" for value in values)
        mean = statistics.mean(values)
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name:38} {each}   mean {mean:9.3f}   sd {spread:7.3f}")
    print(f"{'kerasnets --help, s':38} {help_seconds:9.3f}")
    print(f"runs are in {out}")


def _figures(seed: int, folder: Path) -> dict[str, float]:
    """The figures of one run, by the names they are printed under."""
    seconds, peak = _timed("phone", "--seed", str(seed), "--out", str(folder))
    run = json.loads((folder / "run.json").read_text())
    models = run["models"]
    teacher, int8 = models["teacher"], models["int8"]
    points = {name: 100 * models[name]["accuracy"] for name in phone.MODELS}
    return {
        **{f"{name} accuracy, %": points[name] for name in phone.MODELS},
        "gain of distilling, points": points["distilled"] - points["student"],
        "loss from distilled to int8, points": points["distilled"] - points["int8"],
        "int8 sparsity, %": 100 * int8["sparsity"],
        "int8 bytes": int8["bytes"],
        "int8 / teacher bytes": int8["bytes"] / teacher["bytes"],
        "int8 / teacher latency": int8["latency_ms"] / teacher["latency_ms"],
        "whole job, s": seconds,
        "its stages, s": sum(stage["seconds"] for stage in run["stages"]),
        "peak memory, MB": peak / 1e6,
    }


def _seconds_of_help() -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "kerasnets", "--help"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _timed(*arguments: str) -> tuple[float, int]:
    """Seconds and peak memory of a command and its children."""
    started, peak = time.perf_counter(), 0
    process = psutil.Popen(
        [sys.executable, "-m", "kerasnets", *arguments], stdout=subprocess.DEVNULL
    )
    while process.poll() is None:
        peak = max(peak, _memory(process))
        time.sleep(0.2)
    if process.returncode:
        sys.exit(f"kerasnets {' '.join(arguments)} failed")
    return time.perf_counter() - started, peak


def _memory(process: psutil.Process) -> int:
    """Bytes of a process and its children; what they share counts once."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        for each in [process, *process.children(recursive=True)]:
            total += each.memory_full_info().pss
    return total


if __name__ == "__main__":
    main()
