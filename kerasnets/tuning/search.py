"""Keras Tuner over the points of a space; finished trials are never run again."""

import contextlib
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from kerasnets.errors import reason
from kerasnets.files import write_text
from kerasnets.progress import Progress, silent
from kerasnets.tuning.front import hypervolume, pareto_front
from kerasnets.tuning.space import Candidate, Objective, point_key

# what Keras Tuner is told
_SCORE = "score"
# a trial in which the process ends as often is to blame for it
_MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Trial:
    """A candidate and what its short training came to on the validation images.

    Attributes:
        candidate: What was trained.
        val_loss: None where the trial failed.
        val_accuracy: Share of the validation images; 0 where it failed.
        failure: Why it failed, a line; "" where it did not.
        seconds: That it took.
    """

    candidate: Candidate
    val_loss: float | None
    val_accuracy: float
    failure: str
    seconds: float


def search(
    candidates: Sequence[Candidate],
    evaluate: Callable[[Candidate], Mapping[str, float]],
    folder: Path,
    *,
    oracle: str,
    trials: int,
    seed: int,
    objective: Objective = "accuracy",
    settings: dict | None = None,
    progress: Progress = silent,
) -> list[Trial]:
    """Try up to ``trials`` candidates and return them, the best first.

    No candidate is tried twice, so as many trials as candidates try all of them. A
    trial that fails, by an error, a loss that is no number, or the end of the process
    three times over, counts as the worst and ends nothing.

    The result of each trial is kept in ``folder``: the oracle draws the same sequence
    from the same seed, so a search that was stopped and is started again runs only the
    trials that are missing and ends as one that was not stopped.

    Args:
        candidates: The points to choose from, all with the same axes; all of them can
            be built.
        evaluate: Trains a candidate; returns ``val_loss`` and ``val_accuracy``, or
            raises.
        folder: Where the results of the trials are kept.
        oracle: "bayesian", "random" or "grid".
        trials: The most candidates to train.
        seed: Seed of the oracle.
        objective: What comes first: the smallest loss or the highest accuracy; "front"
            is the latter, and the Bayesian oracle looks for what raises the front of
            accuracy and multiply-adds.
        settings: What a trial's result depends on besides the candidate, as JSON; a
            result with other settings is not used.
        progress: Told after each trial.

    Returns:
        The trials by the objective; of equals, the one with fewer multiply-adds. Those
        that failed come last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = min(trials, len(candidates))
    finished: list[Trial] = []

    def run(candidate: Candidate) -> float:
        trial = _tried(candidate, evaluate, folder, settings)
        finished.append(trial)
        best = max(each.val_accuracy for each in finished)
        note = trial.failure or f"{trial.val_accuracy:.1%}, best so far {best:.1%}"
        progress(len(finished), limit, f"{candidate}: {note}")
        return _score(trial, objective)

    tuner = _Tuner(
        run=run,
        candidates=candidates,
        oracle=_make_oracle(oracle, candidates, limit, seed, objective),
        directory=str(folder),
        project_name="keras_tuner",
        overwrite=True,
    )
    try:
        tuner.search(verbose=0)
    except keras_tuner.errors.FatalTypeError as error:
        raise error.__cause__ or error from None
    return ranked(finished, objective)


def ranked(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Put trials in order, the best first: see ``search``."""

    def place(trial: Trial) -> tuple[float, float, int]:
        loss = math.inf if trial.val_loss is None else trial.val_loss
        return _score(trial, objective), loss, trial.candidate.cost.madds

    return sorted(trials, key=place)


def front_of(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that none is better than, by accuracy and multiply-adds.

    The cheapest comes first; what failed is none of them.
    """
    done = [trial for trial in trials if not trial.failure]
    points = [(x.candidate.cost.madds, x.val_accuracy) for x in done]
    return [done[number] for number in pareto_front(points)]


def _tried(
    candidate: Candidate,
    evaluate: Callable[[Candidate], Mapping[str, float]],
    folder: Path,
    settings: dict | None,
) -> Trial:
    """The trial of a candidate, as it is kept or done now."""
    path = folder / f"{candidate.digest}.json"
    key = {"candidate": asdict(candidate), "settings": settings}
    result = _kept(path, key)
    if result is None:
        begun = time.monotonic()
        with _attempt(path.with_suffix(".begun")) as number:
            if number > _MOST_ATTEMPTS:
                result = _failed(f"the process ended in it {_MOST_ATTEMPTS} times")
            else:
                result = _result(evaluate, candidate)
        result["seconds"] = round(time.monotonic() - begun, 2)
        _keep(path, key, result)
        path.with_suffix(".begun").unlink(missing_ok=True)
    return Trial(candidate, **result)


@contextlib.contextmanager
def _attempt(path: Path) -> Iterator[int]:
    """Count how often something was begun, and not ended but by a person."""
    try:
        number = int(path.read_text("utf-8")) + 1
    except (OSError, ValueError):
        number = 1
    write_text(path, str(number))
    try:
        yield number
    except BaseException:  # an interruption: errors are results
        write_text(path, str(number - 1))
        raise


def _result(
    evaluate: Callable[[Candidate], Mapping[str, float]], candidate: Candidate
) -> dict[str, Any]:
    """What a trial came to, as JSON can hold it."""
    try:
        metrics = evaluate(candidate)
    except Exception as error:
        return _failed(reason(error))
    loss = float(metrics["val_loss"])
    if not math.isfinite(loss):
        return _failed(f"diverged: its loss is {loss}")
    accuracy = float(metrics["val_accuracy"])
    return {"val_loss": loss, "val_accuracy": accuracy, "failure": ""}


def _failed(why: str) -> dict[str, Any]:
    return {"val_loss": None, "val_accuracy": 0.0, "failure": why}


def _score(trial: Trial, objective: Objective) -> float:
    """What the oracle makes small."""
    if trial.val_loss is None:
        return math.inf
    return trial.val_loss if objective == "loss" else 1.0 - trial.val_accuracy


class _Tuner(keras_tuner.Tuner):
    """Runs one candidate a trial."""

    def __init__(self, run, candidates, **kwargs):
        super().__init__(**kwargs)
        self._run = run
        self._by_point = {point_key(each.values): each for each in candidates}

    def run_trial(self, trial, *args, **kwargs):
        del args, kwargs
        candidate = self._by_point[point_key(trial.hyperparameters.values)]
        try:
            # not NaN: Keras Tuner ends a search after three of them in a row
            return {_SCORE: self._run(candidate)}
        except Exception as error:
            # of the search, a full disk: Keras Tuner takes any other for a bad trial
            raise keras_tuner.errors.FatalTypeError(str(error)) from error


def _make_oracle(
    name: str,
    candidates: Sequence[Candidate],
    trials: int,
    seed: int,
    objective: Objective,
) -> keras_tuner.Oracle:
    """An oracle whose space has the axes of the candidates."""
    space = keras_tuner.HyperParameters()
    for axis in candidates[0].values:
        space.Choice(axis, sorted({each.values[axis] for each in candidates}))
    oracle = {"bayesian": _Bayesian, "random": _Random, "grid": _Grid}[name](
        objective=keras_tuner.Objective(_SCORE, "min"),
        max_trials=trials,
        hyperparameters=space,
        allow_new_entries=False,
        tune_new_entries=False,
        # Keras Tuner takes 0 for none and draws one
        seed=seed + 1,
    )
    oracle.points = [dict(candidate.values) for candidate in candidates]
    if objective == "front":
        oracle.costs = {point_key(x.values): x.cost.madds for x in candidates}
    return oracle


class _Oracle(keras_tuner.Oracle):
    """Names each of ``points`` once.

    The oracles of Keras Tuner know only products of axes, may name a point twice and
    may stop early.
    """

    points: list[dict]
    # multiply-adds by ``point_key``, where the front is looked for
    costs: Mapping[tuple, int] | None = None

    def populate_space(self, trial_id):
        del trial_id
        tried = {point_key(t.hyperparameters.values) for t in self.trials.values()}
        left = [point for point in self.points if point_key(point) not in tried]
        if not left:
            return {"status": "STOPPED", "values": None}
        return {"status": "RUNNING", "values": self._choose(left)}

    def _choose(self, left: list[dict]) -> dict:
        raise NotImplementedError


class _Grid(_Oracle):
    """One after another."""

    def _choose(self, left: list[dict]) -> dict:
        return left[0]


class _Random(_Oracle):
    """At random."""

    def _choose(self, left: list[dict]) -> dict:
        return random.Random(f"{self.seed} {len(self.trials)}").choice(left)


class _Bayesian(_Random, keras_tuner.oracles.BayesianOptimizationOracle):
    """Half at random, then where Keras Tuner's Gaussian process expects the best.

    Its bound is taken at the points themselves, not searched for between them.
    """

    def _choose(self, left: list[dict]) -> dict:
        trials = list(self.trials.values())
        scores = [trial.metrics.get_best_value(_SCORE) for trial in trials]
        finite = [score for score in scores if math.isfinite(score)]
        if len(trials) < (self.max_trials or 0) // 2 or not finite:
            return super()._choose(left)
        points = [trial.hyperparameters.values for trial in trials]
        # a trial that failed counts as the worst of the others
        scores = [min(score, max(finite)) for score in scores]
        self.gpr.fit(self._scaled(points), scores)
        mean, deviation = self.gpr.predict(self._scaled(left), return_std=True)
        hoped = mean - self.beta * deviation
        if self.costs is not None:
            hoped = -self._gains(points, scores, left, hoped)
        return left[int(np.argmin(hoped))]

    def _gains(
        self, tried: list[dict], scores: list[float], left: list[dict], hoped: Any
    ) -> np.ndarray:
        """What the front would cover if a point came to what is hoped of it."""
        assert self.costs is not None
        most = max(self.costs.values()) + 1
        known = [
            (self.costs[point_key(point)], 1.0 - score)
            for point, score in zip(tried, scores, strict=True)
        ]
        volumes = [
            hypervolume([*known, (self.costs[point_key(point)], 1.0 - score)], most)
            for point, score in zip(left, hoped.tolist(), strict=True)
        ]
        return np.array(volumes)

    def _scaled(self, points: list[dict]) -> np.ndarray:
        """The points, a row each, every axis from 0 to 1 in steps of one size."""
        axes = self.hyperparameters.space
        return np.array([[x.value_to_prob(p[x.name]) for x in axes] for p in points])


def _kept(path: Path, key: dict) -> dict | None:
    """The result in ``path`` if it is of this trial."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("key") != json.loads(json.dumps(key)):
        return None
    return record["result"]


def _keep(path: Path, key: dict, result: dict) -> None:
    write_text(path, json.dumps({"key": key, "result": result}))
