"""Keras Tuner over the points of a space; finished trials are never run again."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras_tuner

from kerasnets.files import write_text
from kerasnets.progress import Progress, silent
from kerasnets.tuning.space import Candidate


@dataclass(frozen=True)
class Trial:
    """A candidate and what its short training came to on the validation images."""

    candidate: Candidate
    val_loss: float
    val_accuracy: float


def search(
    candidates: Sequence[Candidate],
    evaluate: Callable[[Candidate], dict[str, float]],
    folder: Path,
    *,
    oracle: str,
    trials: int,
    seed: int,
    settings: dict | None = None,
    progress: Progress = silent,
) -> list[Trial]:
    """Try up to ``trials`` candidates and return them, the best first.

    The result of each trial is kept in ``folder``: the oracle draws the same sequence
    from the same seed, so a search that was stopped and is started again runs only the
    trials that are missing and ends as one that was not stopped.

    Args:
        candidates: the points to choose from; all of them can be built.
        evaluate: trains a candidate; returns ``val_loss`` and ``val_accuracy``.
        folder: where the results of the trials are kept.
        oracle: "bayesian", "random" or "grid".
        trials: the most candidates to train.
        seed: seed of the oracle.
        settings: what a trial's result depends on besides the candidate, as JSON; a
            result with other settings is not used.
        progress: told after each trial.

    Returns:
        The trials by validation loss; of equals, the one with fewer multiply-adds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = min(trials, len(candidates))
    finished: list[Trial] = []

    def run(candidate: Candidate) -> Trial:
        path = folder / f"alpha-{candidate.alpha:g}-rho-{candidate.rho:g}.json"
        key = {"candidate": asdict(candidate), "settings": settings}
        metrics = _kept(path, key)
        if metrics is None:
            metrics = evaluate(candidate)
            _keep(path, key, metrics)
        trial = Trial(candidate, metrics["val_loss"], metrics["val_accuracy"])
        finished.append(trial)
        progress(len(finished), limit, f"{candidate}: {trial.val_accuracy:.1%}")
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


def _rank(trial: Trial) -> tuple[bool, float, int]:
    """By loss, then by cost; a training that diverged comes last."""
    return math.isnan(trial.val_loss), trial.val_loss, trial.candidate.madds


class _Tuner(keras_tuner.Tuner):
    """Runs one candidate a trial."""

    def __init__(self, run, candidates, **kwargs):
        super().__init__(**kwargs)
        self._run = run
        self._by_point = {(c.rho, c.alpha): c for c in candidates}

    def run_trial(self, trial, *args, **kwargs):
        del args, kwargs
        values = trial.hyperparameters.values
        rho = values["rho"]
        candidate = self._by_point[rho, values[_alpha_at(rho)]]
        try:
            return {"val_loss": self._run(candidate).val_loss}
        except Exception as error:
            # Keras Tuner goes on after any other error, as if the trial were bad
            raise keras_tuner.errors.FatalTypeError(str(error)) from error


def _make_oracle(
    name: str, candidates: Sequence[Candidate], trials: int, seed: int
) -> keras_tuner.Oracle:
    """An oracle over rho and, for each rho, the alphas that fit with it."""
    space = keras_tuner.HyperParameters()
    rhos = sorted({candidate.rho for candidate in candidates})
    space.Choice("rho", rhos)
    for rho in rhos:
        with space.conditional_scope("rho", [rho]):
            space.Choice(
                _alpha_at(rho), sorted(c.alpha for c in candidates if c.rho == rho)
            )
    arguments = {
        "objective": keras_tuner.Objective("val_loss", "min"),
        "max_trials": trials,
        "hyperparameters": space,
        "allow_new_entries": False,
        "tune_new_entries": False,
        # Keras Tuner takes 0 for none and draws one
        "seed": seed + 1,
    }
    if name == "bayesian":
        # its default, three random points a dimension, would leave it none to choose
        points = max(1, trials // 2)
        return _Bayesian(num_initial_points=points, **arguments)
    if name == "random":
        return keras_tuner.oracles.RandomSearchOracle(**arguments)
    return keras_tuner.oracles.GridSearchOracle(**arguments)


class _Bayesian(keras_tuner.oracles.BayesianOptimizationOracle):
    """Names no point twice: an untried one instead of a repeat."""

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["values"] is None:
            return response
        space = keras_tuner.HyperParameters()
        for entry in self.hyperparameters.space:
            space.merge([entry])
            if space.is_active(entry):
                space.values[entry.name] = response["values"][entry.name]
        if self._duplicate(space.values):
            return self._random_populate_space()
        return {**response, "values": space.values}


def _alpha_at(rho: float) -> str:
    return f"alpha_at_rho_{rho:g}"


def _kept(path: Path, key: dict) -> dict[str, float] | None:
    """The metrics in ``path`` if they are of this trial."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("key") != json.loads(json.dumps(key)):
        return None
    return record["metrics"]


def _keep(path: Path, key: dict, metrics: dict[str, float]) -> None:
    write_text(path, json.dumps({"key": key, "metrics": metrics}))
