"""Keras Tuner over the points of a space; finished trials are never run again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_tuner

from kerasnets.progress import Progress, silent
from kerasnets.tuning.oracles import DIGEST, SCORE, keras_tuner_told, make_oracle
from kerasnets.tuning.space import Candidate, Objective
from kerasnets.tuning.trials import (
    Evaluate,
    Trial,
    progress_note,
    ranked,
    score,
    tried,
)


def search(
    candidates: Sequence[Candidate],
    evaluate: Evaluate,
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
        oracle: "bayesian", "random", "grid", or "hyperband", for which each point has
            an axis "epochs" of ``rungs``.
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
    chosen: Any = make_oracle(oracle, candidates, trials, seed, objective)
    finished: list[Trial] = []

    def run(candidate: Candidate) -> float:
        finished.append(tried(candidate, evaluate, folder, settings))
        progress(len(finished), chosen.limit, progress_note(finished))
        return score(finished[-1], objective)

    # it is alone, whatever Keras Tuner's variables say
    with keras_tuner_told():
        tuner = _Tuner(
            run=run,
            candidates=candidates,
            oracle=chosen,
            directory=str(folder),
            project_name="keras_tuner",
            overwrite=True,
        )
        try:
            tuner.search(verbose=0)
        except keras_tuner.errors.FatalTypeError as error:
            raise error.__cause__ or error from None
    return ranked(finished, objective)


class _Tuner(keras_tuner.Tuner):
    """Runs one candidate a trial."""

    def __init__(self, run, candidates, **kwargs):
        super().__init__(**kwargs)
        self._run = run
        self._by_digest = {each.digest: each for each in candidates}

    def run_trial(self, trial, *args, **kwargs):
        del args, kwargs
        candidate = self._by_digest[trial.hyperparameters.values[DIGEST]]
        try:
            # not NaN: Keras Tuner ends a search after three of them in a row
            return {SCORE: self._run(candidate)}
        except Exception as error:
            # of the search, a full disk: Keras Tuner takes any other for a bad trial
            raise keras_tuner.errors.FatalTypeError(str(error)) from error
