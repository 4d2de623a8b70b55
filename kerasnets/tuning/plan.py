"""A search as a TOML file: what to try, how often and for how long."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kerasnets.errors import KerasnetsError
from kerasnets.tuning.space import Axes, Value

ORACLES = ("bayesian", "random", "grid")
_SETTINGS = ("oracle", "trials", "epochs")


@dataclass(frozen=True)
class SearchPlan:
    """The settings of a search.

    Attributes:
        axes: The values to try of each hyperparameter, by its name.
        oracle: "bayesian", "random" or "grid", of Keras Tuner.
        trials: The most networks to train.
        epochs: Epochs of each trial.
    """

    axes: Axes
    oracle: str
    trials: int
    epochs: int


def read_plan(path: Path) -> SearchPlan:
    """Read a search file: ``oracle``, ``trials``, ``epochs``, and each axis a list.

    Raises:
        KerasnetsError: The file is missing, no TOML, or a value is out of range.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise KerasnetsError(f"search file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KerasnetsError(f"search file {path} is no TOML: {error}") from error
    _check_settings(path, table)
    return SearchPlan(
        axes={
            name: _values(path, name, values)
            for name, values in table.items()
            if name not in _SETTINGS
        },
        **{name: table[name] for name in _SETTINGS},
    )


def _check_settings(path: Path, table: Mapping) -> None:
    missing = [name for name in _SETTINGS if name not in table]
    if missing:
        raise KerasnetsError(
            f"search file {path} has {sorted(table)}, it lacks {', '.join(missing)}"
        )
    if table["oracle"] not in ORACLES:
        raise KerasnetsError(
            f"search file {path}: oracle {table['oracle']!r} is none of "
            f"{', '.join(ORACLES)}"
        )
    for name in ("trials", "epochs"):
        value = table[name]
        if type(value) is not int or value < 1:
            raise KerasnetsError(
                f"search file {path}: {name} {value!r} is not a whole number above 0"
            )


def _values(path: Path, name: str, values) -> tuple[Value, ...]:
    """The values of an axis: each once, numbers ascending."""
    given = values if isinstance(values, list) else []
    kinds = {type(value) for value in given}
    if given and kinds <= {int, float} and all(map(math.isfinite, given)):
        # as 1 and 0.5 in one list: the oracle wants values of one type
        kind = float if float in kinds else int
        return tuple(sorted({kind(value) for value in given}))
    if kinds in ({str}, {bool}):
        return tuple(dict.fromkeys(given))
    raise KerasnetsError(
        f"search file {path}: {name} {values!r} is not a list of finite numbers, of "
        "texts or of booleans"
    )
