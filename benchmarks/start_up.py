"""How long ``kerasnets train`` takes to its first step, and where the time goes.

    python benchmarks/start_up.py [NETWORK] [--runs N]

The network learns the built-in digits by the recipe ``resnet-cifar``, in a process of
its own each time. Printed are median seconds: the imports, the images read and split,
the network built and its state kept, and the first step, most of which is tracing.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# as the command line sets it
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

STAGES = ("imports", "images", "network", "first step")


class Done(BaseException):
    """The first step is done."""


def child(network: str, started: float, folder: str) -> None:
    """Train until the first step is done, and print when each stage was."""
    import contextlib
    from pathlib import Path

    from kerasnets.jobs import train as job
    from kerasnets.training import trainer

    times = [time.time()]
    fit = trainer.Learner.fit

    def timed(learner, *args, **kwargs):
        times.append(time.time())
        return fit(learner, *args, **kwargs)

    trainer.Learner.fit = timed
    trainer._LOOK = 0.0

    @contextlib.contextmanager
    def display(name: str, done: bool):
        del done
        if name == "train":
            times.append(time.time())

        def progress(done: int, total: int, note: str = "") -> None:
            del done, total, note
            if name == "train":
                times.append(time.time())
                raise Done

        yield progress

    with contextlib.suppress(Done):
        job.run(
            network,
            Path(folder) / "run",
            data="digits",
            recipe="resnet-cifar",
            display=display,
        )
    stamps = [started, *times]
    print(json.dumps([b - a for a, b in itertools.pairwise(stamps)]))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Time the start of a training.")
    parser.add_argument("network", nargs="?", default="resnet20")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.started:
        child(options.network, options.started, options.folder)
        return
    found = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, options.network, "--folder", folder]
            result = subprocess.run(
                [*command, "--started", str(time.time())],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        found.append(json.loads(result.stdout.splitlines()[-1]))
    medians = [statistics.median(each) for each in zip(*found, strict=True)]
    for name, seconds in zip(
        (*STAGES, "in all"), (*medians, sum(medians)), strict=True
    ):
        print(f"{name:12}{seconds:6.1f} s")


if __name__ == "__main__":
    main()
