"""Real processes that are killed, and asked to end."""

import contextlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import hashlib, sys
from pathlib import Path
from training.test_courses import *

STEPS = 4 * EVERYTHING.epochs
state = Checkpoint(Path(sys.argv[1]), IDENTITY, seconds=0)
trainer._LOOK = 0.0
model = with_everything()
train(
    model,
    feed_of(dark_and_bright(), augment=Augment(translate=0.2, elastic=2.0, flip=True)),
    EVERYTHING,
    checkpoint=state,
    each_epoch=lambda *_: 0.5,
    progress=lambda done, total, note: print(f"step {done}", flush=True),
)
weights = b"".join(x.tobytes() for x in weights(model))
print("hash", hashlib.sha256(weights).hexdigest(), flush=True)
"""


@contextlib.contextmanager
def training(path: Path):
    """A process that trains, and says its steps and the hash of its weights."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    with process:
        yield process


def lines(process: subprocess.Popen):
    """What it says, a line at a time, as (step, hash)."""
    assert process.stdout is not None
    for line in process.stdout:
        what, value = line.split()
        yield (int(value), None) if what == "step" else (None, value)


def all_lines(path: Path):
    """What a training says that nobody stops."""
    with training(path) as process:
        return list(lines(process))


def test_killed_at_twenty_steps_it_ends_with_the_same_weights(tmp_path):
    """Augmented, with dropout, stochastic depth, averages and mixed precision."""
    *steps, (_, expected) = all_lines(tmp_path / "whole.npz")
    assert [step for step, _ in steps] == [*range(1, 61)]
    path, done = tmp_path / "broken.npz", 0
    last_steps = sorted(random.Random(0).sample(range(1, 60), 20))
    for last in last_steps:
        with training(path) as process:
            for step, _ in lines(process):
                assert step is not None
                assert step in range(done, last + 2)
                if step >= last:
                    process.send_signal(signal.SIGKILL)
                    break
        assert process.returncode == -signal.SIGKILL
        done = last
    *steps, (_, found) = all_lines(path)
    assert steps[0][0] in (done, done + 1)
    assert found == expected


def test_asked_to_end_it_keeps_its_state_and_says_so(tmp_path):
    path, last = tmp_path / "state.npz", 0
    with training(path) as process:
        for step, found in lines(process):
            assert found is None
            last = step
            if step == 5:
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 143
    (first, _), *_ = all_lines(path)
    # of an epoch that has ended the state is kept before it is told
    assert first in (last, last + 1)
    assert first > 5
