"""Trainings in processes of their own: one, or several that train together."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def tf_config(ports, index, role="worker"):
    """What names the processes of a training on this machine."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})


def free_ports(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start(command, count=1, **environment):
    """Start a command of Python in so many processes; their errors go to pipes."""
    ports = free_ports(count)
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    common = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    common |= {"CUDA_VISIBLE_DEVICES": "-1", **environment}
    common.pop("TF_CONFIG", None)
    return [
        subprocess.Popen(
            [sys.executable, *command(index)],
            env=common | ({"TF_CONFIG": tf_config(ports, index)} if count > 1 else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]


def finish(processes, seconds=300):
    """Wait for all; what each wrote as an error."""
    said = [process.communicate(timeout=seconds)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(said), said
    return said


def train_in(folder, count=1, **how: Any):
    """Train a tiny network; weights and losses that each process came to."""

    def command(index):
        out = folder / f"{index}.npz"
        return "-m", "support.tiny_training", str(out), json.dumps(how)

    import numpy as np

    folder.mkdir()
    finish(start(command, count))
    return [dict(np.load(folder / f"{index}.npz")) for index in range(count)]
