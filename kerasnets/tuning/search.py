"""Keras Tuner over the points of a space; finished trials are never run again."""

import hashlib
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras_tuner
import numpy as np

from kerasnets.files import write_text
from kerasnets.progress import Progress, silent
from kerasnets.tuning.space import Candidate, point_key


@dataclass(frozen=True)
class Trial:
    """A candidate and what its short training came to on the validation images.

    Attributes:
        candidate: What was trained.
        val_loss: None where the training diverged: its loss was no finite number.
        val_accuracy: Share of the validation images.
        diverged: Whether the training diverged.
    """

    candidate: Candidate
    val_loss: float | None
    val_accuracy: float
    diverged: bool


def search(
    candidates: Sequence[Candidate],
    evaluate: Callable[[Candidate], Mapping[str, float]],
    folder: Path,
    *,
    oracle: str,
    trials: int,
    seed: int,
    settings: dict | None = None,
    progress: Progress = silent,
) -> list[Trial]:
    """Try up to ``trials`` candidates and return them, the best first.

    No candidate is tried twice, so as many trials as candidates try all of them. A
    trial that diverges counts as the worst.

    The result of each trial is kept in ``folder``: the oracle draws the same sequence
    from the same seed, so a search that was stopped and is started again runs only the
    trials that are missing and ends as one that was not stopped.

    Args:
        candidates: The points to choose from, all with the same axes; all of them can
            be built.
        evaluate: Trains a candidate; returns ``val_loss`` and ``val_accuracy``.
        folder: Where the results of the trials are kept.
        oracle: "bayesian", "random" or "grid".
        trials: The most candidates to train.
        seed: Seed of the oracle.
        settings: What a trial's result depends on besides the candidate, as JSON; a
            result with other settings is not used.
        progress: Told after each trial.

    Returns:
        The trials by validation loss; of equals, the one with fewer multiply-adds.
        Those that diverged come last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = min(trials, len(candidates))
    finished: list[Trial] = []

    def run(candidate: Candidate) -> Trial:
        path = folder / _file_name(candidate)
        key = {"candidate": asdict(candidate), "settings": settings}
        result = _kept(path, key)
        if result is None:
            result = _result(evaluate(candidate))
            _keep(path, key, result)
        trial = Trial(candidate, **result)
        finished.append(trial)
        note = "diverged" if trial.diverged else f"{trial.val_accuracy:.1%}"
        progress(len(finished), limit, f"{candidate}: {note}")
        return trial

    tuner = _Tuner(
        run=run,
        candidates=candidates,
        oracle=_make_oracle(oracle, candidates, limit, seed),
        directory=str(folder),
        project_name="keras_tuner",
        overwrite=True,
    )
    try:
        tuner.search(verbose=0)
    except keras_tuner.errors.FatalTypeError as error:
        raise error.__cause__ or error from None
    return sorted(finished, key=_rank)


def _result(metrics: Mapping[str, float]) -> dict:
    """What a trial came to, as JSON can hold it."""
    loss = float(metrics["val_loss"])
    diverged = not math.isfinite(loss)
    return {
        "val_loss": None if diverged else loss,
        "val_accuracy": float(metrics["val_accuracy"]),
        "diverged": diverged,
    }


def _rank(trial: Trial) -> tuple[float, int]:
    """By loss, then by cost; a training that diverged comes last."""
    loss = math.inf if trial.val_loss is None else trial.val_loss
    return loss, trial.candidate.cost.madds


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
            loss = self._run(candidate).val_loss
        except Exception as error:
            # Keras Tuner goes on after any other error, as if the trial were bad
            raise keras_tuner.errors.FatalTypeError(str(error)) from error
        # not NaN: Keras Tuner ends a search after three of them in a row
        return {"val_loss": math.inf if loss is None else loss}


def _make_oracle(
    name: str, candidates: Sequence[Candidate], trials: int, seed: int
) -> keras_tuner.Oracle:
    """An oracle whose space has the axes of the candidates."""
    space = keras_tuner.HyperParameters()
    for axis in candidates[0].values:
        space.Choice(axis, sorted({each.values[axis] for each in candidates}))
    oracle = {"bayesian": _Bayesian, "random": _Random, "grid": _Grid}[name](
        objective=keras_tuner.Objective("val_loss", "min"),
        max_trials=trials,
        hyperparameters=space,
        allow_new_entries=False,
        tune_new_entries=False,
        # Keras Tuner takes 0 for none and draws one
        seed=seed + 1,
    )
    oracle.points = [dict(candidate.values) for candidate in candidates]
    return oracle


class _Oracle(keras_tuner.Oracle):
    """Names each of ``points`` once.

    The oracles of Keras Tuner know only products of axes, may name a point twice and
    may stop early.
    """

    points: list[dict]

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
        losses = [trial.metrics.get_best_value("val_loss") for trial in trials]
        finite = [loss for loss in losses if math.isfinite(loss)]
        if len(trials) < (self.max_trials or 0) // 2 or not finite:
            return super()._choose(left)
        tried = self._scaled([trial.hyperparameters.values for trial in trials])
        # a training that diverged counts as the worst of the others
        self.gpr.fit(tried, [min(loss, max(finite)) for loss in losses])
        mean, deviation = self.gpr.predict(self._scaled(left), return_std=True)
        return left[int(np.argmin(mean - self.beta * deviation))]

    def _scaled(self, points: list[dict]) -> np.ndarray:
        """The points, a row each, every axis from 0 to 1 in steps of one size."""
        axes = self.hyperparameters.space
        return np.array([[x.value_to_prob(p[x.name]) for x in axes] for p in points])


def _file_name(candidate: Candidate) -> str:
    """A name of its own for each point, whatever characters its values have."""
    point = json.dumps(point_key(candidate.values))
    return f"{hashlib.sha256(point.encode()).hexdigest()[:16]}.json"


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
