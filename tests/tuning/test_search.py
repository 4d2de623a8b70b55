"""The search with a made-up training: what is tried, kept and returned."""

import itertools
import json
import math
import os
from dataclasses import asdict, replace

import pytest

from kerasnets.tuning import (
    Candidate,
    Cost,
    front_of,
    oracles as oracles_file,
    plan as plan_file,
    rungs,
    search,
    trials as trials_file,
)

pytestmark = [
    # scikit-learn, of the Gaussian process behind the Bayesian oracle: a few points on
    # a grid leave its length scale open
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

ORACLES = ("bayesian", "random", "grid")
oracles = pytest.mark.parametrize("oracle", ORACLES)


class Stopped(BaseException):  # no error: it stands for a kill
    """The process ends here."""


def candidate(width, side, **others):
    madds = round(1000 * width * width * side * side)
    cost = Cost(round(64 * side), round(1000 * width), madds, round(900 * width))
    return Candidate({"width": width, "side": side, **others}, cost)


# side 1 only up to width 0.5, as under a budget
CANDIDATES = [
    candidate(width, side)
    for width, side in itertools.product((0.25, 0.5, 0.75, 1.0), (0.5, 0.75, 1.0))
    if width * side <= 0.75 and (width, side) != (0.75, 1.0)
]


def loss_of(point):
    return 1.0 / (point.values["width"] + 2 * point.values["side"])


class Training:
    """Counts what is trained; stops when it has trained ``until``."""

    def __init__(self, until=10**6, loss=loss_of):
        self.trained, self.until, self.loss = [], until, loss

    def __call__(self, point):
        if len(self.trained) == self.until:
            raise Stopped
        self.trained.append(point)
        loss = self.loss(point)
        return {"val_loss": loss, "val_accuracy": 1 - loss if loss < 1 else 0.1}


def run(
    folder,
    training,
    oracle="random",
    trials=3,
    seed=0,
    settings=None,
    candidates=CANDIDATES,
    objective="loss",
):
    """The trials, without the seconds that they took."""
    found = search(
        candidates,
        training,
        folder,
        oracle=oracle,
        trials=trials,
        seed=seed,
        objective=objective,
        settings=settings or {"epochs": 1},
    )
    return [replace(trial, seconds=0.0) for trial in found]


@oracles
@pytest.mark.parametrize("seed", [0, 3])
def test_feasible_points_are_tried_up_to_the_limit(tmp_path, oracle, seed):
    training = Training()
    trials = run(tmp_path, training, oracle, seed=seed)
    assert len(training.trained) == len(set(training.trained)) == 3
    assert set(training.trained) <= set(CANDIDATES)
    assert {trial.candidate for trial in trials} == set(training.trained)


@oracles
@pytest.mark.parametrize("seed", [0, 1])
def test_as_many_trials_as_points_try_each_once(tmp_path, oracle, seed):
    training = Training()
    run(tmp_path, training, oracle, trials=len(CANDIDATES), seed=seed)
    assert len(training.trained) == len(CANDIDATES)
    assert set(training.trained) == set(CANDIDATES)


@oracles
def test_any_axes_of_any_values_are_searched(tmp_path, oracle):
    mixed = [
        candidate(width, 1.0, depth=depth, pad=pad, twice=twice)
        for width, depth, pad, twice in itertools.product(
            (0.5, 1.0), (1, 2), ("same", "a/b c"), (False, True)
        )
        if (depth, twice) != (2, True)
    ]
    training = Training(
        loss=lambda point: point.values["width"] / point.values["depth"]
    )
    trials = run(tmp_path, training, oracle, trials=50, candidates=mixed)
    assert len(training.trained) == len(mixed) == 12
    assert set(training.trained) == set(mixed)
    best = trials[0].candidate.values
    assert (best["width"], best["depth"]) == (0.5, 2)
    values = [type(value) for value in best.values()]
    assert values == [float, float, int, str, bool]


@oracles
def test_space_of_one_point_without_axes_is_tried(tmp_path, oracle):
    only = Candidate({}, Cost(32, 1, 1, 1))
    training = Training(loss=lambda _: 0.5)
    trials = run(tmp_path, training, oracle, candidates=[only])
    assert training.trained == [trial.candidate for trial in trials] == [only]


@oracles
def test_best_comes_first(tmp_path, oracle):
    training = Training()
    trials = run(tmp_path, training, oracle, seed=1)
    ranked = sorted(training.trained, key=lambda p: (loss_of(p), p.cost.madds))
    assert [trial.candidate for trial in trials] == ranked
    assert trials[0].val_loss == loss_of(ranked[0])
    assert trials[0].val_accuracy == 1 - loss_of(ranked[0]) > 0.1


def test_of_equals_the_cheaper_comes_first(tmp_path):
    trials = run(tmp_path, Training(loss=lambda _: 0.5), "grid", trials=50)
    madds = [trial.candidate.cost.madds for trial in trials]
    assert len(trials) == len(CANDIDATES)
    assert madds == sorted(madds)


@oracles
def test_stopped_search_ends_like_an_unbroken_one(tmp_path, oracle):
    unbroken = Training()
    expected = run(tmp_path / "unbroken", unbroken, oracle)
    first, rest = Training(until=2), Training()
    with pytest.raises(Stopped):
        run(tmp_path / "stopped", first, oracle)
    assert run(tmp_path / "stopped", rest, oracle) == expected
    assert first.trained + rest.trained == unbroken.trained
    finished = Training()
    assert run(tmp_path / "stopped", finished, oracle) == expected
    assert not finished.trained


def test_random_search_follows_its_seed(tmp_path):
    tried = [Training(), Training(), Training()]
    for index, (training, seed) in enumerate(zip(tried, (0, 0, 1), strict=True)):
        run(tmp_path / str(index), training, seed=seed)
    assert tried[0].trained == tried[1].trained != tried[2].trained


def test_bayesian_search_learns_from_its_trials(tmp_path):
    widths = [candidate(index / 16, 1.0) for index in range(1, 17)]

    def tried(name, loss):
        training = Training(loss=loss)
        run(tmp_path / name, training, "bayesian", 6, seed=1, candidates=widths)
        return [point.values["width"] for point in training.trained]

    wide = tried("wide", lambda point: 1 - point.values["width"])
    narrow = tried("narrow", lambda point: point.values["width"])
    # the first three are random, of the same seed
    assert wide[:3] == narrow[:3]
    assert max(wide[3:]) > max(wide[:3])
    assert min(narrow[3:]) < min(narrow[:3])


def test_trials_of_other_settings_are_not_used(tmp_path):
    run(tmp_path, Training())
    other, again = Training(), Training()
    run(tmp_path, other, settings={"epochs": 2})
    assert len(other.trained) == 3
    run(tmp_path, again, settings={"epochs": 1})
    assert len(again.trained) == 3


def test_trial_of_a_candidate_that_costs_otherwise_is_not_used(tmp_path):
    points = [candidate(0.25, 1.0)]
    arguments = {"oracle": "grid", "trials": 1, "seed": 0, "settings": {}}
    search(points, Training(), tmp_path, **arguments)
    training = Training()
    dearer = [replace(points[0], cost=replace(points[0].cost, params=999))]
    search(dearer, training, tmp_path, **arguments)
    assert training.trained == dearer


def result_of(folder, point):
    """The file that keeps the result of a point's trial."""
    for path in folder.glob("*.json"):
        if json.loads(path.read_text())["key"]["candidate"]["values"] == point.values:
            return path
    raise AssertionError(point)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "\udcff", '{"key": {}, "result": {}}']
)
def test_damaged_result_is_made_anew(tmp_path, content):
    expected = run(tmp_path, Training())
    damaged = expected[0].candidate
    path = result_of(tmp_path, damaged)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    training = Training()
    assert run(tmp_path, training) == expected
    assert training.trained == [damaged]


@oracles
@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt, SystemExit])
def test_interruption_in_a_trial_comes_out_as_itself(tmp_path, oracle, error):
    raised, calls = error("in the trial"), []

    def fail(point):
        calls.append(point)
        raise raised

    for _ in range(5):  # none of which the trial is to blame for
        with pytest.raises(error) as caught:
            run(tmp_path, fail, oracle)
        assert caught.value is raised
    assert len(calls) == 5
    training = Training()
    assert not any(trial.failure for trial in run(tmp_path, training, oracle))
    assert training.trained[0] == calls[0]


@oracles
@pytest.mark.parametrize("error", [ValueError, MemoryError])
def test_error_in_a_trial_is_its_result(tmp_path, oracle, error):
    """More in a row than the three after which Keras Tuner gives up."""

    def fail(point):
        if point.values["side"] < 1.0:
            raise error("no memory\nfor this one")
        return Training()(point)

    trials = run(tmp_path, fail, oracle, trials=50)
    assert {trial.candidate for trial in trials} == set(CANDIDATES)
    failed = [trial for trial in trials if trial.failure]
    assert len(failed) == len(trials) - 2
    assert trials[-len(failed) :] == failed
    assert {x.failure for x in failed} == {"no memory for this one"}
    assert {(x.val_loss, x.val_accuracy) for x in failed} == {(None, 0.0)}
    # nor is one tried again
    again = Training()
    assert run(tmp_path, again, oracle, trials=50) == trials
    assert not again.trained


def test_full_disk_is_told_as_itself(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(trials_file, "write_text", full)
    with pytest.raises(OSError, match="No space left on device"):
        run(tmp_path, Training())


def test_trial_that_ends_the_process_is_given_up(tmp_path):
    """As a killed process leaves it: begun, and no more."""
    point = CANDIDATES[0]
    begun = tmp_path / f"{point.digest}.begun"
    training = Training()
    begun.write_text("2")
    assert not run(tmp_path, training, "grid", trials=1)[0].failure
    assert not begun.exists()
    (tmp_path / f"{point.digest}.json").unlink()
    begun.write_text("3")
    trials = run(tmp_path, training, "grid", trials=2)
    assert trials[-1].candidate == point
    assert trials[-1].failure == "the process ended in it 3 times"
    assert training.trained == [point, CANDIDATES[1]]


@oracles
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_diverged_trials_come_last_and_end_no_search(tmp_path, oracle, bad):
    def loss(point):
        # more in a row than the three failures after which Keras Tuner gives up
        return loss_of(point) if point.values["side"] == 1.0 else bad

    trials = run(tmp_path, Training(loss=loss), oracle, trials=50)
    assert {trial.candidate for trial in trials} == set(CANDIDATES)
    good, diverged = trials[:2], trials[2:]
    assert [trial.val_loss for trial in good] == sorted(
        loss_of(point) for point in CANDIDATES if point.values["side"] == 1.0
    )
    assert not any(trial.failure for trial in good)
    assert {trial.failure for trial in diverged} == {f"diverged: its loss is {bad}"}
    assert all(trial.val_loss is None for trial in diverged)
    madds = [trial.candidate.cost.madds for trial in diverged]
    assert madds == sorted(madds)
    json.dumps([asdict(trial) for trial in trials], allow_nan=False)


@oracles
def test_search_ends_where_all_trials_diverge(tmp_path, oracle):
    training = Training(loss=lambda _: math.nan)
    trials = run(tmp_path, training, oracle, trials=50)
    assert len(trials) == len(CANDIDATES)
    assert all(trial.failure for trial in trials)
    finished = Training()
    assert run(tmp_path, finished, oracle, trials=50) == trials
    assert not finished.trained


def test_bayesian_search_keeps_away_from_trials_that_diverged(tmp_path):
    widths = [candidate(index / 16, 1.0) for index in range(1, 17)]

    def loss(point):
        width = point.values["width"]
        return math.inf if width > 0.5 else width

    training = Training(loss=loss)
    run(tmp_path, training, "bayesian", 10, seed=1, candidates=widths)
    chosen = [point.values["width"] for point in training.trained[5:]]
    # the best of all is among them; to Keras Tuner a loss of inf is one of 0
    assert min(chosen) == 1 / 16
    assert sum(width > 0.5 for width in chosen) < len(chosen) / 2


def test_progress_counts_the_trials(tmp_path):
    told = []
    search(
        CANDIDATES,
        Training(),
        tmp_path,
        oracle="random",
        trials=3,
        seed=0,
        settings={},
        progress=lambda *report: told.append(report),
    )
    assert [report[:2] for report in told] == [(1, 3), (2, 3), (3, 3)]
    assert all("width" in note and note.endswith("%") for _, _, note in told)


def test_progress_says_what_diverged(tmp_path):
    told = []
    search(
        CANDIDATES,
        Training(loss=lambda _: math.nan),
        tmp_path,
        oracle="grid",
        trials=1,
        seed=0,
        progress=lambda *report: told.append(report[-1]),
    )
    assert told == [f"{CANDIDATES[0]}: diverged: its loss is nan"]


def test_highest_accuracy_comes_first(tmp_path):
    """Where the loss says otherwise; of equals the one of the smaller loss."""
    figures = {0.25: (0.3, 0.8), 0.5: (0.9, 0.9), 0.75: (0.8, 0.9)}
    points = [candidate(width, 1.0) for width in figures]

    def evaluate(point):
        loss, accuracy = figures[point.values["width"]]
        return {"val_loss": loss, "val_accuracy": accuracy}

    def widths(objective):
        trials = run(tmp_path, evaluate, "grid", candidates=points, objective=objective)
        return [trial.candidate.values["width"] for trial in trials]

    assert widths("accuracy") == widths("front") == [0.75, 0.5, 0.25]
    assert widths("loss") == [0.25, 0.75, 0.5]


def test_front_of_trials(tmp_path):
    """Wider is better but for 0.5, which is worse than what is cheaper."""
    points = [candidate(width, 1.0) for width in (0.25, 0.5, 0.75, 1.0)]
    right = {0.25: 0.7, 0.5: 0.6, 0.75: 0.8, 1.0: math.nan}

    def evaluate(point):
        share = right[point.values["width"]]
        return {"val_loss": 1 - share, "val_accuracy": share}

    trials = run(tmp_path, evaluate, "grid", trials=4, candidates=points)
    front = front_of(trials)
    assert [trial.candidate.values["width"] for trial in front] == [0.25, 0.75]


def test_search_for_a_front_looks_at_cheap_networks_too(tmp_path):
    """Accuracy grows with the width: the best alone would be sought among the wide."""
    points = [candidate(index / 16, 1.0) for index in range(1, 17)]

    def tried(objective):
        training = Training(loss=lambda point: 1 - 0.9 * point.values["width"] ** 0.1)
        run(
            *(tmp_path / objective, training, "bayesian", 10, 2),
            candidates=points,
            objective=objective,
        )
        return [point.values["width"] for point in training.trained]

    best, front = tried("accuracy"), tried("front")
    assert best[:5] == front[:5]  # at random, of the same seed
    assert min(front[5:]) < min(best[5:])


def test_search_is_alone_whatever_keras_tuner_is_told(tmp_path, monkeypatch):
    """As within a pod of somebody's own searches: it would wait for their chief."""
    for name, value in (("TUNER_ID", "a"), ("ORACLE_IP", "b"), ("ORACLE_PORT", "1")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    assert len(run(tmp_path, Training())) == 3
    assert os.environ["KERASTUNER_ORACLE_IP"] == "b"


def with_epochs(points, epochs):
    return [
        replace(point, values={**point.values, "epochs": number})
        for point in points
        for number in epochs
    ]


WIDTHS = [candidate(index / 32, 1.0) for index in range(1, 33)]


def test_hyperband_trains_many_shortly_and_the_best_longer(tmp_path):
    """Brackets as Li et al. 2018, Hyperband, have them for R = 9 and eta = 3."""
    assert rungs(9) == [1, 3, 9]
    training = Training(loss=lambda point: 1 - point.values["width"])
    points = with_epochs(WIDTHS, rungs(9))
    run(tmp_path, training, "hyperband", trials=17 + 6, candidates=points)
    epochs = [point.values["epochs"] for point in training.trained]
    assert epochs == [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] * 2 + [9] * 3
    widths = [point.values["width"] for point in training.trained]
    assert set(widths[9:12]) == set(sorted(widths[:9])[-3:])
    assert widths[12] == max(widths[:9])
    assert set(widths[18:20]) == set(sorted(widths[13:18])[-2:])
    # a point is in one bracket alone
    assert len(set(widths)) == 9 + 5 + 3


def test_hyperband_ends_when_each_point_has_been_in_a_bracket(tmp_path):
    """Of four points one bracket is made, however many trials there may be."""
    training = Training(loss=lambda point: 1 - point.values["width"])
    points = with_epochs(WIDTHS[:4], rungs(9))
    trials = run(tmp_path, training, "hyperband", trials=50, candidates=points)
    epochs = [point.values["epochs"] for point in training.trained]
    assert epochs == [1, 1, 1, 1, 3, 3, 9]
    assert trials[0].candidate.values["width"] == 4 / 32


def test_hyperband_goes_on_and_keeps_to_its_limit(tmp_path):
    points = with_epochs(WIDTHS, rungs(3))
    whole = run(tmp_path / "whole", Training(), "hyperband", 8, candidates=points)
    first, rest = Training(until=5), Training()
    with pytest.raises(Stopped):
        run(tmp_path / "cut", first, "hyperband", 8, candidates=points)
    assert run(tmp_path / "cut", rest, "hyperband", 8, candidates=points) == whole
    assert (len(first.trained), len(rest.trained)) == (5, 3)


def test_hyperband_does_not_promote_what_failed(tmp_path):
    def fail(point):
        if point.values["width"] > 0.5:
            raise MemoryError("no memory")
        return Training(loss=lambda point: 1 - point.values["width"])(point)

    points = with_epochs(WIDTHS, rungs(3))
    trials = run(tmp_path, fail, "hyperband", 30, candidates=points)
    longest = [x for x in trials if x.candidate.values["epochs"] == 3]
    assert not trials[0].failure
    assert any(not trial.failure for trial in longest)


def test_oracles_of_plans_are_those_that_there_are():
    assert {*oracles_file._KINDS, "shared"} == set(plan_file.ORACLES)
