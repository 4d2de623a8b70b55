"""Keras Tuner's oracles, which choose among points of a space, each once."""

import contextlib
import json
import math
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np

from kerasnets.tuning.front import hypervolume
from kerasnets.tuning.space import Candidate, Objective, point_key

# what they are told of a trial
SCORE = "score"
# beside the values of a trial: which candidate it is. Numbers change on their way to
# another process, which has them in single precision
DIGEST = "digest"
# the axis of Hyperband, which trains many for a short time and the best of them longer
EPOCHS = "epochs"
# of as many that are trained as long, one is trained this many times as long
_HALVING = 3

# which process it is, and where its chief is: as Keras Tuner reads it when asked
_VARIABLES = tuple(
    f"KERASTUNER_{name}" for name in ("TUNER_ID", "ORACLE_IP", "ORACLE_PORT")
)


@contextlib.contextmanager
def keras_tuner_told(*values: str) -> Iterator[None]:
    """Tell Keras Tuner's environment variables inside; without values none is set."""
    before = {name: os.environ.pop(name, None) for name in _VARIABLES}
    os.environ |= dict(zip(_VARIABLES, values, strict=False))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def make_oracle(
    name: str,
    candidates: Sequence[Candidate],
    trials: int,
    seed: int,
    objective: Objective,
) -> keras_tuner.Oracle:
    """Return an oracle whose space has the axes of the candidates.

    The arguments are those of ``search``. Its ``limit`` is the number of trials that it
    will name.
    """
    space = keras_tuner.HyperParameters()
    for axis in candidates[0].values:
        space.Choice(axis, sorted({each.values[axis] for each in candidates}))
    oracle = _KINDS[name](
        {each.digest: dict(each.values) for each in candidates},
        trials,
        objective=keras_tuner.Objective(SCORE, "min"),
        hyperparameters=space,
        allow_new_entries=False,
        tune_new_entries=False,
        # Keras Tuner takes 0 for none and draws one
        seed=seed + 1,
    )
    if objective == "front":
        oracle.costs = {each.digest: each.cost.madds for each in candidates}
    return oracle


class _Oracle(keras_tuner.Oracle):
    """Names each of ``points`` once.

    The oracles of Keras Tuner know only products of axes, may name a point twice and
    may stop early.
    """

    # multiply-adds of the candidates, by their digests, where the front is looked for
    costs: Mapping[str, int] | None = None

    def __init__(self, points: Mapping[str, dict], limit: int, **kwargs):
        self.points = points
        self.limit = min(limit, len(points))
        super().__init__(**kwargs)
        # ``populate_space`` counts: it knows of those that wait
        self.max_trials = None

    def populate_space(self, trial_id):
        tried = {trial.hyperparameters.values[DIGEST] for trial in self.trials.values()}
        left = [digest for digest in self.points if digest not in tried]
        if len(tried) < self.limit:
            return self._named(trial_id, left)
        # a trial whose worker ends is for another one
        waits = self.ongoing_trials or self._retry_queue
        return {"status": "IDLE" if waits else "STOPPED", "values": None}

    def _named(self, trial_id: str, left: list[str]) -> dict[str, Any]:
        """What Keras Tuner wants to know of the next trial."""
        del trial_id
        chosen = self._choose(left)
        return {"status": "RUNNING", "values": {**self.points[chosen], DIGEST: chosen}}

    def _choose(self, left: list[str]) -> str:
        raise NotImplementedError

    @keras_tuner.synchronized
    def end_trial(self, trial):
        # another worker may have been given it, and been faster
        if any(x.trial_id == trial.trial_id for x in self.ongoing_trials.values()):
            super().end_trial(trial)

    @keras_tuner.synchronized
    def give_up(self, tuner_id: str) -> str | None:
        """Let another worker have the trial of one; the candidate, if it has any."""
        trial = self.ongoing_trials.pop(tuner_id, None)
        self.tuner_ids.discard(tuner_id)
        if trial is None:
            return None
        self._retry_queue.append(trial.trial_id)
        return trial.hyperparameters.values[DIGEST]


class _Grid(_Oracle):
    """One after another."""

    def _choose(self, left: list[str]) -> str:
        return left[0]


class _Random(_Oracle):
    """At random."""

    def _choose(self, left: list[str]) -> str:
        return random.Random(f"{self.seed} {len(self.trials)}").choice(left)


class _Bayesian(_Random, keras_tuner.oracles.BayesianOptimizationOracle):
    """Half at random, then where Keras Tuner's Gaussian process expects the best.

    Its bound is taken at the points themselves, not searched for between them.
    """

    def _choose(self, left: list[str]) -> str:
        # others may be with workers
        ended = [x for x in self.trials.values() if x.metrics.exists(SCORE)]
        scores = [trial.metrics.get_best_value(SCORE) for trial in ended]
        finite = [score for score in scores if math.isfinite(score)]
        if len(self.trials) < self.limit // 2 or not finite:
            return super()._choose(left)
        tried = [trial.hyperparameters.values[DIGEST] for trial in ended]
        # a trial that failed counts as the worst of the others
        scores = [min(score, max(finite)) for score in scores]
        self.gpr.fit(self._scaled(tried), scores)
        mean, deviation = self.gpr.predict(self._scaled(left), return_std=True)
        hoped = mean - self.beta * deviation
        if self.costs is not None:
            hoped = -self._gains(tried, scores, left, hoped)
        return left[int(np.argmin(hoped))]

    def _gains(
        self, tried: list[str], scores: list[float], left: list[str], hoped: Any
    ) -> np.ndarray:
        """What the front would cover if a point came to what is hoped of it."""
        assert self.costs is not None
        most = max(self.costs.values()) + 1
        known = [
            (self.costs[digest], 1.0 - score)
            for digest, score in zip(tried, scores, strict=True)
        ]
        volumes = [
            hypervolume([*known, (self.costs[digest], 1.0 - score)], most)
            for digest, score in zip(left, hoped.tolist(), strict=True)
        ]
        return np.array(volumes)

    def _scaled(self, digests: list[str]) -> np.ndarray:
        """Their points, a row each, every axis from 0 to 1 in steps of one size."""
        axes = self.hyperparameters.space
        points = [self.points[digest] for digest in digests]
        return np.array([[x.value_to_prob(p[x.name]) for x in axes] for p in points])


class _Hyperband(_Random, keras_tuner.oracles.HyperbandOracle):
    """Many at random for a short time, the best third of them for three times as long.

    Each point is offered for each number of epochs, its axis "epochs", and is in one of
    Keras Tuner's brackets. Where Keras Tuner trains a network on, it is trained anew
    here: a schedule that ends at few epochs cannot be gone on with. Brackets follow one
    another until all trials are named or each point has been in one.
    """

    def __init__(self, points: Mapping[str, dict], limit: int, **kwargs):
        # digests of each point, by their epochs
        self._of_point: dict[str, dict[int, str]] = {}
        for digest, values in points.items():
            same = json.dumps(point_key({**values, EPOCHS: 0}))
            self._of_point.setdefault(same, {})[values[EPOCHS]] = digest
        self._same = {
            digest: digests
            for digests in self._of_point.values()
            for digest in digests.values()
        }
        self.max_epochs = max(values[EPOCHS] for values in points.values())
        self.min_epochs, self.factor = 1, _HALVING
        self._plan = self._planned()
        how = {"max_epochs": self.max_epochs, "factor": self.factor}
        super().__init__(points, limit, **how, **kwargs)
        self.limit = min(limit, sum(size for x in self._plan for size, _ in x))

    def _named(self, trial_id: str, left: list[str]) -> dict[str, Any]:
        del left
        oracle: Any = keras_tuner.oracles.HyperbandOracle
        found = oracle.populate_space(self, trial_id)
        if found["status"] == "RUNNING":
            values: dict[str, Any] = found["values"]
            digest = self._same[values[DIGEST]][values["tuner/epochs"]]
            values |= {**self.points[digest], DIGEST: digest}
        return found

    def _random_values(self):
        """A point that is in no bracket yet, of any epochs."""
        drawn = {trial.hyperparameters.values[DIGEST] for trial in self.trials.values()}
        left = [
            min(digests.values())
            for digests in self._of_point.values()
            if not drawn & set(digests.values())
        ]
        chosen = self._choose(left)
        return {**self.points[chosen], DIGEST: chosen}

    def _planned(self) -> list[list[tuple[int, int]]]:
        """The brackets until no point is left, the last first, as Keras Tuner counts.

        Of each its rounds: how many trials, of how many epochs. What there is too
        little of for a whole bracket makes a smaller one.
        """
        kinds, left = super()._get_num_brackets(), len(self._of_point)
        brackets: list[list[tuple[int, int]]] = []
        while left:
            kind = kinds - 1 - len(brackets) % kinds
            first = size = min(left, super()._get_size(kind, 0))
            rounds = []
            for number in range(super()._get_num_rounds(kind)):
                size = min(size, super()._get_size(kind, number))
                rounds.append((size, super()._get_epochs(kind, number)))
                size = math.ceil(size / self.factor)
            brackets.insert(0, rounds)
            left -= first
        return brackets

    def _get_num_brackets(self):
        return len(self._plan)

    def _get_size(self, bracket_num, round_num):
        return self._plan[bracket_num][round_num][0]

    def _get_epochs(self, bracket_num, round_num):
        return self._plan[bracket_num][round_num][1]

    def _get_num_rounds(self, bracket_num):
        return len(self._plan[bracket_num])


def rungs(epochs: int) -> list[int]:
    """List for how many epochs Hyperband trains, up to ``epochs``: each a third."""
    found, left = {epochs}, float(epochs)
    while left >= _HALVING:
        left /= _HALVING
        found.add(math.ceil(left))
    return sorted(found)


_KINDS = {
    "bayesian": _Bayesian,
    "random": _Random,
    "grid": _Grid,
    "hyperband": _Hyperband,
}
