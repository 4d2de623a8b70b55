"""The search with a made-up training: what is tried, kept and returned."""

import itertools
import math

import pytest

from kerasnets.tuning import Candidate, search

pytestmark = [
    # scikit-learn, of the Gaussian process behind the Bayesian oracle: a few points on
    # a grid leave its length scale open
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

ORACLES = ("bayesian", "random", "grid")
oracles = pytest.mark.parametrize("oracle", ORACLES)


class Stopped(Exception):  # noqa: N818  (no error: it stands for a kill)
    """The process ends here."""


def candidate(alpha, rho):
    size = round(rho * 64)
    madds = round(1000 * alpha * alpha * size * size)
    return Candidate(alpha, rho, size, round(1000 * alpha), madds, round(900 * alpha))


# rho 1 only up to alpha 0.5, as under a budget
CANDIDATES = [
    candidate(alpha, rho)
    for alpha, rho in itertools.product((0.25, 0.5, 0.75, 1.0), (0.5, 0.75, 1.0))
    if alpha * rho <= 0.75 and (alpha, rho) != (0.75, 1.0)
]


def loss_of(point):
    return 1.0 / (point.alpha + 2 * point.rho)


class Training:
    """Counts what is trained; stops when it has trained ``until``."""

    def __init__(self, until=10**6, loss=loss_of):
        self.trained, self.until, self.loss = [], until, loss

    def __call__(self, point):
        if len(self.trained) == self.until:
            raise Stopped
        self.trained.append(point)
        return {"val_loss": self.loss(point), "val_accuracy": 1 - self.loss(point)}


def run(folder, training, oracle="random", trials=3, seed=0, settings=None):
    return search(
        CANDIDATES,
        training,
        folder,
        oracle=oracle,
        trials=trials,
        seed=seed,
        settings=settings or {"epochs": 1},
    )


@oracles
@pytest.mark.parametrize("seed", [0, 3])
def test_feasible_points_are_tried_up_to_the_limit(tmp_path, oracle, seed):
    training = Training()
    trials = run(tmp_path, training, oracle, seed=seed)
    assert len(training.trained) == len(set(training.trained)) == 3
    assert set(training.trained) <= set(CANDIDATES)
    assert {trial.candidate for trial in trials} == set(training.trained)


def test_grid_tries_all_points_where_the_limit_allows(tmp_path):
    training = Training()
    run(tmp_path, training, "grid", trials=50)
    assert len(training.trained) == len(CANDIDATES)
    assert set(training.trained) == set(CANDIDATES)


@oracles
def test_best_comes_first(tmp_path, oracle):
    training = Training()
    trials = run(tmp_path, training, oracle, seed=1)
    ranked = sorted(training.trained, key=lambda p: (loss_of(p), p.madds))
    assert [trial.candidate for trial in trials] == ranked
    assert trials[0].val_loss == loss_of(ranked[0])
    assert trials[0].val_accuracy == 1 - loss_of(ranked[0])


def test_of_equals_the_cheaper_comes_first(tmp_path):
    trials = run(tmp_path, Training(loss=lambda _: 0.5), "grid", trials=50)
    madds = [trial.candidate.madds for trial in trials]
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
        search(
            widths,
            training,
            tmp_path / name,
            oracle="bayesian",
            trials=4,
            seed=1,
            settings={},
        )
        return training.trained

    wide = tried("wide", lambda point: 1 - point.alpha)
    narrow = tried("narrow", lambda point: point.alpha)
    # the first two are random, of the same seed
    assert wide[:2] == narrow[:2]
    assert wide[2:] != narrow[2:]


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
    dearer = [Candidate(0.25, 1.0, 64, 999, points[0].madds, points[0].int8_bytes)]
    search(dearer, training, tmp_path, **arguments)
    assert training.trained == dearer


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "\udcff", '{"key": {}, "metrics": {}}']
)
def test_damaged_result_is_made_anew(tmp_path, content):
    expected = run(tmp_path, Training())
    damaged = expected[0].candidate
    path = tmp_path / f"alpha-{damaged.alpha:g}-rho-{damaged.rho:g}.json"
    assert path.is_file()
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    training = Training()
    assert run(tmp_path, training) == expected
    assert training.trained == [damaged]


@oracles
@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt, MemoryError])
def test_error_in_a_trial_comes_out_as_itself(tmp_path, oracle, error):
    raised, calls = error("in the trial"), []

    def fail(point):
        calls.append(point)
        raise raised

    with pytest.raises(error) as caught:
        run(tmp_path, fail, oracle)
    assert caught.value is raised
    assert len(calls) == 1


# Keras Tuner, which takes the best of one number that is none
@pytest.mark.filterwarnings("ignore:All-NaN axis encountered:RuntimeWarning")
def test_diverged_trial_comes_last(tmp_path):
    def loss(point):
        return float("nan") if point.alpha == 0.5 else loss_of(point)

    trials = run(tmp_path, Training(loss=loss), "grid", trials=50)
    assert len(trials) == len(CANDIDATES)
    losses = [trial.val_loss for trial in trials]
    assert [math.isnan(value) for value in losses[-3:]] == [True] * 3
    assert losses[:-3] == sorted(losses[:-3])


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
    assert all("alpha" in note and note.endswith("%") for _, _, note in told)
