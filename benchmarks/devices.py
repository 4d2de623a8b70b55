"""Images a second of a training in one process and in two on this machine.

    python benchmarks/devices.py [--network resnet20] [--batch 128] [--steps 40]

ResNet-20 learns from random images of 32x32 pixels, in float32 by the loop of
``kerasnets train``; the global batch is the same in either case. The cores are shared
out: a process of two has half of them. Two processes talk over loopback. The first
epoch compiles and does not count; printed is the median of those behind it.
"""

import argparse
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

EPOCHS, SIDE, CLASSES = 4, 32, 10


def main() -> None:
    """Measure one process and two, one after the other."""
    parser = argparse.ArgumentParser(
        description="Images a second in one process and in two."
    )
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--batch", type=int, default=128, help="Images of all.")
    parser.add_argument("--steps", type=int, default=40, help="An epoch.")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        train_here(options.network, options.batch, options.steps, options.child)
        return
    for processes in (1, 2):
        rate = measured(processes)
        print(f"{processes} process{'es' * (processes > 1)}: {rate:,.0f} images/s")


def measured(processes: int) -> float:
    """Images a second of so many processes together, as the first tells it."""
    ports = free_ports(processes)
    workers = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    started = []
    for index in range(processes):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": workers, "task": task})
        started.append(
            subprocess.Popen(
                [sys.executable, *sys.argv, "--child", str(processes)],
                env={**os.environ, "TF_CONFIG": config},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    told = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit(f"a training of {processes} failed")
    return float(told[0])


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def train_here(network: str, batch: int, steps: int, processes: int) -> None:
    """Train in this process, with others in ``TF_CONFIG``; print images a second."""
    import numpy as np
    import tensorflow as tf

    from kerasnets import applications
    from kerasnets.data import Split, batches
    from kerasnets.pixels import pixels_of
    from kerasnets.training import Recipe, find_devices, seed_everything, train

    cores = len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // processes))
    devices = find_devices()
    seed_everything(0)
    model = applications.build(
        network,
        input_shape=(SIDE, SIDE, 3),
        classes=CLASSES,
        classifier_activation=None,
    )
    draws = np.random.default_rng(0)
    count = batch * steps
    split = Split(
        draws.integers(0, 256, (count, SIDE, SIDE, 3)).astype("uint8"),
        draws.integers(0, CLASSES, count),
        tuple(map(str, range(count))),
    )
    ends: list[float] = []
    train(
        model,
        batches(
            split, size=SIDE, batch_size=batch, seed=0, preprocessing=pixels_of(model)
        ),
        Recipe(epochs=EPOCHS, learning_rate=0.01, batch_size=batch),
        devices=devices,
        each_epoch=lambda *_: ends.append(time.monotonic()),
    )
    if devices.is_first:
        seconds = statistics.median(b - a for a, b in itertools.pairwise(ends))
        print(count / seconds)


if __name__ == "__main__":
    main()
