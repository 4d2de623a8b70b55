"""A chief and its workers, as threads of this process, with a made-up training."""

import itertools
import math
import os
import socket
import threading
import time
from dataclasses import replace

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.tuning import Candidate, Cost, chief, rungs, search
from kerasnets.tuning.chief import Address, parse_address, serve, wait_for_chief, work

# as single precision does not have them
WIDTHS, SIDES = (0.1, 0.3, 0.7), (0.8, 1.1)
CANDIDATES = [
    Candidate({"width": width, "side": side}, Cost(8, 1, round(1e6 * width * side), 1))
    for width, side in itertools.product(WIDTHS, SIDES)
]
HOW = {"trials": 6, "seed": 0, "objective": "loss", "settings": {"epochs": 1}}


def loss_of(point):
    return point.values["width"] / point.values["side"]


def evaluate(point):
    return {"val_loss": loss_of(point), "val_accuracy": 0.5}


@pytest.fixture
def address(monkeypatch):
    """A free port; all look around more often than processes do."""
    monkeypatch.setattr(chief, "_LOOK", 0.02)
    monkeypatch.setattr(chief, "_BEAT", 0.05)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", free.getsockname()[1])


class Died(BaseException):
    """The process of a worker ends here."""


@pytest.fixture
def hire(address, tmp_path):
    """Begin workers with their trainings; what each says it did."""
    threads, done = [], {}

    def hire(name, training=evaluate):
        def live():
            try:
                how = {"objective": "loss", "settings": HOW["settings"]}
                done[name] = work(CANDIDATES, training, tmp_path, address, name, **how)
            except Died:
                done[name] = "died"

        threads.append(threading.Thread(target=live))
        threads[-1].start()
        time.sleep(0.1)  # the environment, which it reads at first, is that of all
        return done

    yield hire
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()


def alike(trials):
    return [replace(trial, seconds=0.0) for trial in trials]


@pytest.mark.parametrize("oracle", ["grid", "random", "bayesian"])
def test_two_workers_do_the_trials_of_one_process(hire, address, tmp_path, oracle):
    alone = search(CANDIDATES, evaluate, tmp_path / "alone", oracle=oracle, **HOW)
    done, told = hire("a"), []
    hire("b")
    how = {**HOW, "progress": lambda *x: told.append(x)}
    trials = serve(CANDIDATES, tmp_path, address, oracle=oracle, **how)
    assert alike(trials) == alike(alone)
    for _ in range(200):
        if len(done) == 2:
            break
        time.sleep(0.05)
    # each once, whoever did it
    assert sum(done.values()) == len(CANDIDATES)
    assert told[-1][:2] == (6, 6)


def test_trial_of_a_silent_worker_goes_to_another(hire, address, tmp_path):
    begun = []

    def dies(point):
        begun.append(point)
        raise Died

    done, said = hire("short", dies), []

    def then():
        while not begun:
            time.sleep(0.02)
        hire("other")

    hired = threading.Thread(target=then)
    hired.start()
    trials = serve(
        *(CANDIDATES, tmp_path, address),
        oracle="grid",
        silence=3.0,
        say=said.append,
        **HOW,
    )
    hired.join()
    assert begun == CANDIDATES[:1]
    assert done["short"] == "died"
    assert said == [f"short has been silent for 3 s: {begun[0]} is for another worker"]
    assert not any(trial.failure for trial in trials)
    assert len(trials) == 6


def test_long_trial_of_a_worker_that_lives_is_waited_for(hire, address, tmp_path):
    calls = []

    def slow(point):
        calls.append(point)
        time.sleep(5.0 if len(calls) == 1 else 0.0)
        return evaluate(point)

    said = []
    hire("slow", slow)
    how = {"oracle": "grid", "silence": 3.0, "say": said.append}
    serve(CANDIDATES, tmp_path, address, **how, **HOW)
    assert said == []
    assert calls == CANDIDATES


def test_trial_that_fails_is_a_result(hire, address, tmp_path):
    def failing(point):
        if point.values["side"] == 0.8:
            raise MemoryError("no memory")
        return evaluate(point)

    hire("a", failing)
    trials = serve(CANDIDATES, tmp_path, address, oracle="grid", **HOW)
    assert [trial.failure for trial in trials] == ["", "", ""] + ["no memory"] * 3


def test_finished_trials_are_not_done_again(hire, address, tmp_path):
    search(CANDIDATES, evaluate, tmp_path, oracle="grid", **{**HOW, "trials": 4})
    calls = []

    def counted(point):
        calls.append(point)
        return evaluate(point)

    hire("a", counted)
    serve(CANDIDATES, tmp_path, address, oracle="grid", **HOW)
    assert calls == CANDIDATES[4:]


def test_second_chief_at_a_port_is_refused(hire, address, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", address.port))
        other.listen()
        said = f"nothing can listen at {address}: another chief does"
        with pytest.raises(KerasnetsError, match=said):
            serve(CANDIDATES, tmp_path, address, oracle="grid", **HOW)


def test_folder_that_a_worker_does_not_share_is_told(hire, address, tmp_path):
    other = tmp_path / "other"

    def live():
        how = {"objective": "loss", "settings": HOW["settings"]}
        work(CANDIDATES, evaluate, other, address, "far", **how)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    here = tmp_path / "here"
    with pytest.raises(KerasnetsError, match="do all processes see that folder"):
        serve(CANDIDATES, here, address, oracle="grid", silence=0.5, **HOW)


def test_what_watches_can_end_it(address, tmp_path):
    def watch():
        raise KerasnetsError("no worker lives")

    with pytest.raises(KerasnetsError, match="no worker lives"):
        serve(CANDIDATES, tmp_path, address, oracle="grid", watch=watch, **HOW)


def test_chief_that_is_not_there_is_told(address):
    with pytest.raises(KerasnetsError, match=f"no chief at {address} within 0.2 s"):
        wait_for_chief(address, 0.2)


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:0", "host:65536"])
def test_what_is_no_address_is_told(text):
    with pytest.raises(KerasnetsError, match="is no address: HOST:PORT is accepted"):
        parse_address(text)


def test_address_is_read():
    assert parse_address("10.0.0.1:8000") == Address("10.0.0.1", 8000)
    assert str(Address("a", 1)) == "a:1"


def test_other_keras_tuner_is_refused(address, tmp_path, monkeypatch):
    monkeypatch.setattr(chief.keras_tuner, "__version__", "2.0.0")
    with pytest.raises(
        KerasnetsError, match=r"tested with keras-tuner 1\.4, here is 2"
    ):
        serve(CANDIDATES, tmp_path, address, oracle="grid", **HOW)


def test_loss_that_is_no_number_comes_last(hire, address, tmp_path):
    hire("a", lambda _: {"val_loss": math.nan, "val_accuracy": 0.1})
    trials = serve(CANDIDATES, tmp_path, address, oracle="grid", **HOW)
    assert all(trial.failure.startswith("diverged") for trial in trials)


def test_clocks_of_other_machines_do_not_matter(tmp_path, monkeypatch):
    """A sign of life is that the file changes, not when it says that it did."""
    now = [100.0]
    monkeypatch.setattr(chief.time, "monotonic", lambda: now[0])
    heard, sign = chief._Signs(tmp_path, 60.0), tmp_path / "workers" / "far"
    sign.parent.mkdir()
    for number, stamp in enumerate((0, 4e9, 0)):
        sign.write_text(str(number))
        os.utime(sign, (stamp, stamp))
        assert heard.silent(["far"]) == []
        now[0] += 59
        assert heard.silent(["far"]) == []
    now[0] += 2
    assert heard.silent(["far"]) == ["far"]


def test_two_workers_do_the_brackets_of_hyperband(address, tmp_path):
    """Of six points three and one begin with an epoch, two with three at once."""
    points = [
        Candidate({**each.values, "epochs": epochs}, each.cost)
        for each in CANDIDATES
        for epochs in rungs(3)
    ]
    how = {"objective": "loss", "settings": HOW["settings"]}
    threads = [
        threading.Thread(
            target=work, args=(points, evaluate, tmp_path, address, name), kwargs=how
        )
        for name in ("a", "b")
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    how = {**HOW, "oracle": "hyperband", "trials": 99}
    trials = serve(points, tmp_path, address, **how)
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    epochs = sorted(trial.candidate.values["epochs"] for trial in trials)
    assert epochs == [1, 1, 1, 1, 3, 3, 3, 3]
    assert len({trial.candidate.digest for trial in trials}) == 8
