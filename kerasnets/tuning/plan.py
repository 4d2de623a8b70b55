"""A search as a TOML file: what to try, how often, and what it may cost."""

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasnets.errors import KerasnetsError
from kerasnets.tuning.space import Axes, Budget, Objective, Value
from kerasnets.units import parse_bytes, parse_count, parse_ms

ORACLES = ("bayesian", "random", "grid", "hyperband", "shared")
OBJECTIVES: tuple[Objective, ...] = ("accuracy", "front", "loss")
SCALES = ("linear", "log")
_NEEDED = ("oracle", "trials", "epochs")
STARTS = ("scratch", "imagenet", "grown")
_SETTINGS = (
    *(*_NEEDED, "network", "data", "resolution", "objective", "start"),
    *("budget", "recipe"),
)
_RANGE = {"from", "to", "steps", "scale"}
# of a budget: what reads it, and how it is written
_BUDGET = {
    "max_madds": (parse_count, 'a count, as 2_000_000 or "2M"'),
    "max_params": (parse_count, 'a count, as 200_000 or "200k"'),
    "max_size": (parse_bytes, 'bytes with their unit, as "350kB"'),
    "max_latency": (parse_ms, 'a time with its unit, as "5ms"'),
}


@dataclass(frozen=True)
class SearchPlan:
    """The settings of a search.

    Attributes:
        axes: The values to try of each hyperparameter, by its name.
        oracle: One of ``ORACLES``: of Keras Tuner, or "shared", for which one training
            of all networks ranks them.
        trials: The most networks to train.
        epochs: Epochs of each trial; with Hyperband of those that go furthest.
        network: Name of the network, of several the first: all of them are an axis,
            "network". None where the search does not say.
        data: Its images, as ``kerasnets.data.open_source`` names them; likewise.
        resolution: Side at which they are kept, in pixels; likewise.
        objective: "accuracy" under the budget, the "front" of accuracy and
            multiply-adds, or the "loss".
        start: "scratch", random weights; "imagenet": networks whose ImageNet weights
            are here, which are tuned; or "grown": each begins as the widest of lower
            alpha, else alike, that was tried before it.
        budget: What a network may cost.
        recipe: Name of the paper's recipe by which a trial is trained; None for the
            usual one.
        changes: Of the recipe, as ``training.changed_recipe`` takes them.
    """

    axes: Axes
    oracle: str
    trials: int
    epochs: int
    network: str | None = None
    data: str | None = None
    resolution: int | None = None
    objective: Objective = "accuracy"
    start: str = "scratch"
    budget: Budget = Budget()  # noqa: RUF009  (frozen)
    recipe: str | None = None
    changes: Mapping[str, str] = field(default_factory=dict)


def read_plan(path: Path) -> SearchPlan:
    """Read a search file.

    ``oracle``, ``trials`` and ``epochs`` are needed; ``network``, ``data``,
    ``resolution``, ``objective``, ``start`` and the tables ``budget`` (max_madds,
    max_params, max_size, max_latency) and ``recipe`` (``paper`` and keys of the recipe)
    may be there. All else is an axis: a list of values, or a range of ``from``, ``to``,
    ``steps`` and ``scale``.

    Raises:
        KerasnetsError: The file is missing, no TOML, or a value is out of range.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise KerasnetsError(f"search file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KerasnetsError(f"search file {path} is no TOML: {error}") from error
    try:
        return _plan(table)
    except KerasnetsError as error:
        raise KerasnetsError(f"search file {path}: {error}") from error


def _plan(table: Mapping[str, Any]) -> SearchPlan:
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        raise KerasnetsError(f"it has {sorted(table)}, it lacks {', '.join(missing)}")
    _check_one("oracle", table["oracle"], ORACLES)
    _check_one("objective", table.get("objective", "accuracy"), OBJECTIVES)
    _check_one("start", table.get("start", "scratch"), STARTS)
    for name in ("trials", "epochs", "resolution"):
        value = table.get(name, 1)
        if type(value) is not int or value < 1:
            raise KerasnetsError(f"{name} {value!r} is not a whole number above 0")
    networks = table.get("network", "")
    networks = networks if isinstance(networks, list) else [networks]
    for name, values in (("network", networks), ("data", [table.get("data", "")])):
        if not values or not all(isinstance(value, str) for value in values):
            raise KerasnetsError(f"{name} {table[name]!r} is not a name")
    changes = {
        name: _text(name, value) for name, value in _flat(table, "recipe").items()
    }
    axes = {name: table[name] for name in table if name not in _SETTINGS}
    if len(networks) > 1:
        axes = {"network": networks, **axes}
    plain = ("data", "resolution", "objective", "start")
    return SearchPlan(
        axes={name: _values(name, x) for name, x in _spread(axes).items()},
        budget=_budget(_flat(table, "budget")),
        network=networks[0] or None,
        recipe=changes.pop("paper", None),
        changes=changes,
        **{name: table[name] for name in (*_NEEDED, *plain) if name in table},
    )


def _flat(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The entries of a table in the file; those of tables in it with a dot."""
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise KerasnetsError(f"{name} {found!r} is not a table")
    return _spread(found)


def _spread(table: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of tables with a dot between the names; ranges stay as they are."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict) and not set(value) & _RANGE:
            flat |= {f"{name}.{key}": x for key, x in value.items()}
        else:
            flat[name] = value
    return flat


def _budget(table: Mapping[str, Any]) -> Budget:
    limits: dict[str, Any] = {}
    for name, value in table.items():
        if name not in _BUDGET:
            raise KerasnetsError(
                f"there is no budget {name!r}, the nearest is "
                f"{_nearest(name, tuple(_BUDGET))!r}; {', '.join(_BUDGET)} are accepted"
            )
        read, accepted = _BUDGET[name]
        whole = read is parse_count and type(value) is int and value > 0
        unit = isinstance(value, str) and (read is parse_count or value[-1:].isalpha())
        try:
            if not whole and not unit:
                raise KerasnetsError(repr(value))
            limits[name] = value if whole else read(value)
        except KerasnetsError as error:
            raise KerasnetsError(
                f"budget {name} {value!r} is not {accepted}"
            ) from error
    if "max_size" in limits:
        limits["max_bytes"] = limits.pop("max_size")
    return Budget(**limits)


def _text(name: str, value: Any) -> str:
    """A value of the recipe as it would be typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, int | float | str):
        return str(value)
    raise KerasnetsError(f"recipe {name} {value!r} is no value")


def _check_one(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise KerasnetsError(f"{name} {value!r} is none of {', '.join(known)}")


def _nearest(name: str, known: Sequence[str]) -> str:
    (near,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return near


def _values(name: str, values: Any) -> tuple[Value, ...]:
    """The values of an axis: each once, numbers ascending."""
    if isinstance(values, dict):
        return _range(name, values)
    given = values if isinstance(values, list) else []
    kinds = {type(value) for value in given}
    if given and kinds <= {int, float} and all(map(math.isfinite, given)):
        # as 1 and 0.5 in one list: the oracle wants values of one type
        kind = float if float in kinds else int
        return tuple(sorted({kind(value) for value in given}))
    if kinds in ({str}, {bool}):
        return tuple(dict.fromkeys(given))
    raise KerasnetsError(
        f"{name} {values!r} is not a list of finite numbers, of texts or of booleans, "
        "nor { from, to, steps } and perhaps scale"
    )


def _range(name: str, given: Mapping[str, Any]) -> tuple[Value, ...]:
    """Numbers from one to another, evenly spread, of four digits."""
    unknown = set(given) - _RANGE
    if unknown or not {"from", "to", "steps"} <= set(given):
        raise KerasnetsError(
            f"{name} {dict(given)} is no range: {{ from, to, steps }} and perhaps scale"
        )
    low, high, steps = given["from"], given["to"], given["steps"]
    scale = given.get("scale", "linear")
    _check_one(f"{name} scale", scale, SCALES)
    numbers = all(type(x) in (int, float) and math.isfinite(x) for x in (low, high))
    if not numbers or low >= high or type(steps) is not int or steps < 2:
        raise KerasnetsError(
            f"{name} {dict(given)}: from a number to a larger one in 2 or more steps"
        )
    if scale == "log" and low <= 0:
        raise KerasnetsError(f"{name} from {low} on a log scale: above 0 is accepted")
    shares = [step / (steps - 1) for step in range(steps)]
    if scale == "log":
        values = [low * (high / low) ** share for share in shares]
    else:
        values = [low + (high - low) * share for share in shares]
    return tuple(float(f"{value:.4g}") for value in values)
