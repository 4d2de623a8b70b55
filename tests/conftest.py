"""What all tests share: tiers, and workers that stay small."""

import ctypes
import gc
import os
import random
import resource
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

# before TensorFlow is first imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# no test fetches weights
os.environ["KERASNETS_OFFLINE"] = "1"

# what a worker still held after it was last tidied, in GB
_LEFT = pytest.StashKey[list[float]]()

# whose sums depend on the order in which a CPU adds: a tier of their own runs them with
# TensorFlow's own kernels, where all else has oneDNN's
NUMERIC = (
    "applications/test_dense_evaluation",
    "applications/test_dsn",
    "applications/test_keras_counterparts",
    "applications/test_learning",
    "applications/test_torch_counterparts",
    "applications/test_unet",
    "applications/test_zoo",
    "compression/test_bridge",
    "compression/test_channels",
    "compression/test_keras_applications",
    "jobs/test_every_family",
    "jobs/test_phone",
    "pretrained/",
    "test_layers",
    "test_losses",
    "test_pixels",
    "training/",
    "transfer/",
)

# those that take most memory and time: each begins a part of its own
HEAVY = (
    "applications/test_figures.py",
    "applications/test_keras_counterparts.py",
    "applications/test_learning.py",
    "applications/test_zoo.py",
    "compression/test_recipes.py",
    "jobs/test_phone.py",
    "export/test_formats.py",
    "test_package.py",
    "jobs/test_phone_pretrained.py",
)


def pytest_addoption(parser):
    parser.addoption(
        "--memory",
        type=float,
        metavar="GB",
        help="fail the test after which the process or a child of it has taken more",
    )
    parser.addoption(
        "--part",
        default="1/1",
        metavar="K/N",
        help="each N-th of the files: TensorFlow keeps memory that only a new process"
        " has back",
    )


def pytest_ignore_collect(collection_path, config):
    """Leave out the files of the other parts."""
    part, parts = map(int, config.getoption("part").split("/"))
    folder = Path(__file__).parent
    files = sorted(
        folder.rglob("test_*.py"),
        key=lambda path: (path.relative_to(folder).as_posix() not in HEAVY, path),
    )
    if collection_path in files and files.index(collection_path) % parts != part - 1:
        return True
    return None


def pytest_collection_modifyitems(items):
    """Mark the numeric ones; the longest first, no worker is left with them."""

    def path(item) -> str:
        return item.path.relative_to(Path(__file__).parent).as_posix()

    for item in items:
        if path(item).startswith(NUMERIC):
            item.add_marker(pytest.mark.numeric)
    items.sort(
        key=lambda item: (
            item.get_closest_marker("slow") is None,
            path(item) not in HEAVY,
        )
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """Draw the same weights in each run, whichever tests ran before."""
    random.seed(0)  # Keras takes the seeds that it is not given from here
    np.random.seed(0)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(0)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Give back what a file's tests took, or one of them much; hold the limit."""
    yield
    left = item.config.stash.setdefault(_LEFT, [0.0])
    if nextitem is None or nextitem.path != item.path or _resident() > left[0] + 0.3:
        if "keras" in sys.modules:
            sys.modules["keras"].utils.clear_session()
        gc.collect()
        if sys.platform == "linux":  # glibc keeps what is freed
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        left[0] = _resident()
    limit = item.config.getoption("memory")
    if limit is not None:
        assert _peak() <= limit, f"{_peak():.2f} GB: more than --memory {limit}"


def _resident() -> float:
    """What this process takes now, in GB."""
    return psutil.Process().memory_info().rss / 1e9


def _peak() -> float:
    """The most that this process or a child of it has taken so far, in GB."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return max(resource.getrusage(one).ru_maxrss for one in who) * unit / 1e9
