"""``kerasnets tune`` in several processes: the trials of one, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.together import ROOT, free_ports

from kerasnets.saving import load_model

pytestmark = pytest.mark.slow

SEARCH = """
network = "lenet5"
data = "{data}"
resolution = 32
learning_rate = [0.00001, 0.01, 0.02, 0.03, 0.04, 0.05]
oracle = "grid"
trials = 6
epochs = 40
[recipe]
batch_size = 8
"""


@pytest.fixture
def tune(data, tmp_path):
    """Start ``kerasnets tune`` with options; what it writes goes to a file."""
    (tmp_path / "search.toml").write_text(SEARCH.format(data=data))
    started = []

    def tune(log, *options):
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
        with (tmp_path / log).open("wb") as output:
            started.append(
                subprocess.Popen(
                    [
                        *(sys.executable, "-m", "kerasnets", "tune", "search.toml"),
                        *map(str, options),
                    ],
                    cwd=tmp_path,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"},
                )
            )
        return started[-1]

    yield tune
    for process in started:
        process.kill()
        process.wait()


def wait_until(true, what):
    for _ in range(2400):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError(what)


def results(folder):
    search = folder / "search"
    return [path for path in search.glob("*.json") if path.name != "job.json"]


def trials(folder):
    """Of each trial what it came to, without the seconds, and the best weights."""
    run = json.loads((folder / "run.json").read_text())
    (found,) = [x["results"] for x in run["stages"] if x["name"] == "search"]
    told = [{**trial, "seconds": 0.0} for trial in found["trials"]]
    return told, [w.tobytes() for w in load_model(folder / "best.keras").get_weights()]


@pytest.fixture
def alone(tune, tmp_path):
    """What one process comes to."""
    assert tune("alone.txt", "--out", "alone").wait(timeout=300) == 0
    return trials(tmp_path / "alone")


def test_workers_of_this_machine_are_started_again(tune, tmp_path, alone):
    out = tmp_path / "out"
    process = tune("first.txt", "--out", "out", "--workers", 2)
    wait_until(lambda: len(results(out)) >= 1, "no trial is done")
    sign = (out / "search" / "workers" / "worker1").read_text()
    os.kill(int(sign.split()[0]), signal.SIGKILL)
    again = "worker1 ended with status -9, it is started again"
    wait_until(lambda: again in (tmp_path / "first.txt").read_text(), "not started")
    # the chief is killed too: its workers end with it, and nothing is lost
    done = len(results(out))
    process.kill()
    process.wait()
    process = tune("second.txt", "--out", "out", "--workers", 2)
    assert process.wait(timeout=300) == 0, (tmp_path / "second.txt").read_text()
    assert done <= len(results(out)) == 6
    assert trials(out) == alone


def test_worker_of_another_machine_may_die(tune, tmp_path, alone):
    (port,) = free_ports(1)
    out, chief = tmp_path / "out", ("--chief", f"127.0.0.1:{port}", "--out", "out")
    # one that comes early waits
    tune("a.txt", *chief, "--role", "worker", "--name", "a")
    lead = tune("chief.txt", *chief, "--role", "chief", "--silence", 10)
    wait_until(lambda: len(results(out)) >= 1, "no trial is done")
    victim = tune("b.txt", *chief, "--role", "worker", "--name", "b")
    begun = out / "search"
    wait_until(lambda: len(list(begun.glob("*.begun"))) == 2, "b has no trial")
    victim.kill()
    assert lead.wait(timeout=300) == 0, (tmp_path / "chief.txt").read_text()
    assert "b has been silent for 10 s" in (tmp_path / "chief.txt").read_text()
    assert trials(out) == alone
    second = tune("none.txt", *chief, "--role", "worker", "--name", "c")
    wait_until(lambda: "waiting for" in (tmp_path / "none.txt").read_text(), "silent")
    second.kill()
