"""A search as a TOML file: what to try, how often and for how long."""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

from kerasnets.errors import KerasnetsError

ORACLES = ("bayesian", "random", "grid")


@dataclass(frozen=True)
class SearchPlan:
    """The settings of a search.

    Attributes:
        alpha: width multipliers to try.
        rho: resolution multipliers to try.
        oracle: "bayesian", "random" or "grid", of Keras Tuner.
        trials: the most networks to train.
        epochs: epochs of each trial.
    """

    alpha: tuple[float, ...]
    rho: tuple[float, ...]
    oracle: str
    trials: int
    epochs: int


def read_plan(path: Path) -> SearchPlan:
    """Read a search file.

    Raises:
        KerasnetsError: the file is missing, no TOML, or a value is out of range.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise KerasnetsError(f"search file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KerasnetsError(f"search file {path} is no TOML: {error}") from error
    fields = set(SearchPlan.__dataclass_fields__)
    if set(table) != fields:
        raise KerasnetsError(
            f"search file {path} has {sorted(table)}, it needs {sorted(fields)}"
        )
    plan = SearchPlan(
        alpha=_multipliers(path, "alpha", table["alpha"]),
        rho=_multipliers(path, "rho", table["rho"]),
        oracle=table["oracle"],
        trials=table["trials"],
        epochs=table["epochs"],
    )
    if plan.oracle not in ORACLES:
        raise KerasnetsError(
            f"search file {path}: oracle {plan.oracle!r} is none of "
            f"{', '.join(ORACLES)}"
        )
    for name in ("trials", "epochs"):
        value = getattr(plan, name)
        if type(value) is not int or value < 1:
            raise KerasnetsError(
                f"search file {path}: {name} {value!r} is not a whole number above 0"
            )
    return plan


def _multipliers(path: Path, name: str, values) -> tuple[float, ...]:
    numbers = isinstance(values, list) and all(
        type(value) in (int, float) and 0 < value < math.inf for value in values
    )
    if not numbers or not values:
        raise KerasnetsError(
            f"search file {path}: {name} {values!r} is not a list of numbers above 0"
        )
    return tuple(sorted({float(value) for value in values}))
