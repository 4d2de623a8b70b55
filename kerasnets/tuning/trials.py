"""What a candidate came to: tried once, and kept in a file of its own."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasnets.errors import reason
from kerasnets.files import write_text
from kerasnets.tuning.front import pareto_front
from kerasnets.tuning.space import Candidate, Objective

Evaluate = Callable[[Candidate], Mapping[str, float]]
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


def ranked(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Put trials in order, the best first: see ``search``."""

    def place(trial: Trial) -> tuple[float, float, int]:
        loss = math.inf if trial.val_loss is None else trial.val_loss
        return score(trial, objective), loss, trial.candidate.cost.madds

    return sorted(trials, key=place)


def front_of(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that none is better than, by accuracy and multiply-adds.

    The cheapest comes first; what failed is none of them.
    """
    done = [trial for trial in trials if not trial.failure]
    points = [(x.candidate.cost.madds, x.val_accuracy) for x in done]
    return [done[number] for number in pareto_front(points)]


def progress_note(trials: Sequence[Trial]) -> str:
    """Tell of the last trial, and of the best so far, in a line."""
    trial, best = trials[-1], max(each.val_accuracy for each in trials)
    found = trial.failure or f"{trial.val_accuracy:.1%}, best so far {best:.1%}"
    return f"{trial.candidate}: {found}"


def score(trial: Trial, objective: Objective) -> float:
    """Return what an oracle makes small."""
    if trial.val_loss is None:
        return math.inf
    return trial.val_loss if objective == "loss" else 1.0 - trial.val_accuracy


def tried(
    candidate: Candidate, evaluate: Evaluate, folder: Path, settings: dict | None
) -> Trial:
    """Return the trial of a candidate, as it is kept or done now.

    Args:
        candidate: The network.
        evaluate: As for ``search``.
        folder: Where results are kept.
        settings: As for ``search``.
    """
    kept = kept_trial(candidate, folder, settings)
    if kept is not None:
        return kept
    path = folder / f"{candidate.digest}.json"
    begun = time.monotonic()
    with _attempt(path.with_suffix(".begun")) as number:
        if number > _MOST_ATTEMPTS:
            result = _failed(f"the process ended in it {_MOST_ATTEMPTS} times")
        else:
            result = _result(evaluate, candidate)
    result["seconds"] = round(time.monotonic() - begun, 2)
    record = {"key": _key(candidate, settings), "result": result}
    write_text(path, json.dumps(record))
    path.with_suffix(".begun").unlink(missing_ok=True)
    return Trial(candidate, **result)


def kept_trial(
    candidate: Candidate, folder: Path, settings: dict | None
) -> Trial | None:
    """Return the trial of a candidate that is done; None where it is not."""
    try:
        path = folder / f"{candidate.digest}.json"
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("key") != _key(candidate, settings):
        return None
    return Trial(candidate, **record["result"])


def _key(candidate: Candidate, settings: dict | None) -> Any:
    """What a result is of, as JSON has it."""
    return json.loads(
        json.dumps({"candidate": asdict(candidate), "settings": settings})
    )


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


def _result(evaluate: Evaluate, candidate: Candidate) -> dict[str, Any]:
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
