"""``kerasnets train`` in two processes: killed and asked to end, it ends the same."""

import signal
import time

import pytest
from support.together import finish, start

from kerasnets.jobs import train as job
from kerasnets.saving import load_model

pytestmark = pytest.mark.slow

CHANGES = ("epochs=20", "batch_size=8", "learning_rate=0.01")


@pytest.fixture
def begin(data):
    """Start two processes that train LeNet-5 on three colours."""

    def begin(out):
        given = [x for change in CHANGES for x in ("--set", change)]
        how = ("--data", data, "--recipe", "resnet-cifar", "--out", str(out), *given)
        return start(lambda index: ("-m", "kerasnets", "train", "lenet5", *how), 2)

    return begin


def wait_for_epoch(out, epoch, processes):
    for _ in range(3000):
        assert all(process.poll() is None for process in processes)
        history = out / "history.csv"
        if history.is_file() and len(job.read_history(history)) >= epoch:
            return
        time.sleep(0.1)
    raise AssertionError(f"no epoch {epoch} within five minutes")


def ended(processes):
    """Exit status of each, and the last line that it wrote."""
    said = [process.communicate(timeout=120)[1] for process in processes]
    lines = [text.strip().splitlines()[-1:] for text in said]
    return [process.returncode for process in processes], lines


def outcome(out):
    """All bits of what a run leaves, but for dates and seconds."""
    card = (out / "README.md").read_text()
    rows = [{**x, "seconds": 0} for x in job.read_history(out / "history.csv")]
    weights = {
        name: [w.tobytes() for w in load_model(out / name).get_weights()]
        for name in ("model.keras", "best.keras")
    }
    return card, rows, weights


def test_stopped_together_goes_on_together(begin, tmp_path):
    # folders of one name: the card begins with it
    whole, out = tmp_path / "whole" / "run", tmp_path / "stopped" / "run"
    finish(begin(whole))
    for epoch, victim in ((2, 1), (4, 0)):
        processes = begin(out)
        wait_for_epoch(out, epoch, processes)
        processes[victim].kill()
        codes, lines = ended(processes)
        assert codes[victim] == -signal.SIGKILL
        assert codes[1 - victim] == 1
        said = "kerasnets: another of the 2 processes has ended or cannot be reached"
        assert lines[1 - victim][0].startswith(said)
    processes = begin(out)
    wait_for_epoch(out, 6, processes)
    processes[1].send_signal(signal.SIGTERM)
    assert ended(processes)[0] == [143, 143]
    finish(begin(out))
    assert outcome(out) == outcome(whole)
