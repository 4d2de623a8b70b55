"""Real processes that are killed, and asked to end."""

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


def start(path: Path) -> subprocess.Popen:
    """A process that trains, and says its steps and the hash of its weights."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )


def lines(process: subprocess.Popen):
    """What it says, a line at a time, as (step, hash)."""
    assert process.stdout is not None
    for line in process.stdout:
        what, value = line.split()
        yield (int(value), None) if what == "step" else (None, value)


def test_killed_at_twenty_steps_it_ends_with_the_same_weights(tmp_path):
    """Augmented, with dropout, stochastic depth, averages and mixed precision."""
    *steps, (_, expected) = lines(start(tmp_path / "whole.npz"))
    assert [step for step, _ in steps] == [*range(1, 61)]
    draw = random.Random(0)
    path, done, kills = tmp_path / "broken.npz", 0, 0
    last_steps = sorted(draw.sample(range(1, 60), 20))
    for last in last_steps:
        process = start(path)
        for step, _ in lines(process):
            assert step is None or step <= max(done + 1, last)
            if step is not None and step >= last:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
        process.communicate()
        done = last
    assert kills == 20
    *steps, (_, found) = lines(start(path))
    assert steps[0][0] in (done, done + 1)
    assert found == expected


def test_asked_to_end_it_keeps_its_state_and_says_so(tmp_path):
    process = start(tmp_path / "state.npz")
    for step, _ in lines(process):
        if step == 5:
            process.send_signal(signal.SIGTERM)
        assert step is not None
    _, said = process.communicate()
    assert process.returncode == 143, said
    (first, _), *_ = lines(start(tmp_path / "state.npz"))
    assert first > 5
