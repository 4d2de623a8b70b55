"""A search space: named axes, the points that they span, and what each point costs."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kerasnets.errors import KerasnetsError

Value = bool | int | float | str
Axes = Mapping[str, Sequence[Value]]
# what a search looks for
Objective = Literal["loss", "accuracy", "front"]


@dataclass(frozen=True)
class Cost:
    """What a network costs on a phone, known before it is trained.

    Attributes:
        size: Side of the network's input image in pixels.
        params: Parameters, batch-norm statistics included.
        madds: Multiply-adds of one image.
        int8_bytes: estimated size of its int8 file.
        latency: Milliseconds of one image on one thread, where they were measured.
    """

    size: int
    params: int
    madds: int
    int8_bytes: int
    latency: float | None = None


@dataclass(frozen=True)
class Candidate:
    """One point of a space and what it costs.

    Attributes:
        values: The value on each axis, by the axis's name.
        cost: Of the network with these values.
    """

    values: Mapping[str, Value]
    cost: Cost

    def __hash__(self) -> int:
        return hash((point_key(self.values), self.cost))

    @property
    def digest(self) -> str:
        """A name of its own for each point, whatever characters its values have."""
        point = json.dumps(point_key(self.values))
        return hashlib.sha256(point.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """Its values in words: "alpha 0.25 rho 0.8", "MobileNet alpha 0.25 at 128"."""
        return " ".join(
            _text(value) if name == "network" else f"{name} {_text(value)}"
            for name, value in self.values.items()
        )

    def __str__(self) -> str:
        return f"{self.label} ({self.cost.size}x{self.cost.size})".lstrip()


@dataclass(frozen=True)
class Budget:
    """What a network may cost at most; None for anything.

    Attributes:
        max_madds: Multiply-adds of one image.
        max_bytes: Bytes of the int8 file.
        max_params: Parameters, batch-norm statistics included.
        max_latency: Milliseconds of one image on one thread.
    """

    max_madds: int | None = None
    max_bytes: int | None = None
    max_params: int | None = None
    max_latency: float | None = None

    def admits(self, cost: Cost) -> bool:
        """Whether a network of that cost, as far as it is known, fits the budget."""
        return all(
            getattr(cost, of_cost) is None or getattr(cost, of_cost) <= limit
            for limit, of_cost, _, _ in self._limits
        )

    @property
    def _limits(self) -> list[tuple[float, str, str, str]]:
        """Limit, its name in a cost, its unit, and the option that sets it."""
        names = (
            ("max_madds", "madds", "multiply-adds", "--max-madds"),
            ("max_bytes", "int8_bytes", "bytes", "--max-size"),
            ("max_params", "params", "parameters", "--max-params"),
            ("max_latency", "latency", "ms", "--max-latency"),
        )
        given = [(getattr(self, name), *rest) for name, *rest in names]
        return [limit for limit in given if limit[0] is not None]  # type: ignore[misc]  (four)

    def __str__(self) -> str:
        limits = [f"{limit:,} {unit}" for limit, _, unit, _ in self._limits]
        return " and ".join(limits) or "any budget"

    def options_for(self, cost: Cost) -> str:
        """The options of a command that would let a network of that cost in."""
        return " and ".join(
            f"{option} {getattr(cost, of_cost)}"
            for _, of_cost, _, option in self._limits
        )


def point_key(values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """Make one hashable key of a point, in whatever order its axes come."""
    return tuple(sorted(values.items()))


def points(axes: Axes) -> Iterator[dict[str, Value]]:
    """Give all points of a space: one value of each axis."""
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def within_budget(
    candidates: Sequence[Candidate], budget: Budget, *, what: str
) -> list[Candidate]:
    """Pick the candidates that keep within the budget, the cheapest first.

    The others are struck out before an oracle sees them.

    Args:
        candidates: One or more.
        budget: What they may cost.
        what: The kind of candidates, for the error.

    Raises:
        KerasnetsError: No candidate is cheap enough; it says what the smallest costs.
    """
    feasible = [each for each in candidates if budget.admits(each.cost)]
    if feasible:
        return sorted(feasible, key=lambda c: (c.cost.madds, c.cost.params))
    smallest = min(
        candidates,
        key=lambda c: (c.cost.latency or 0, c.cost.int8_bytes, c.cost.madds),
    )
    raise KerasnetsError(
        f"no {what} of the search fits {budget}: the smallest, {smallest}, needs "
        f"{budget.options_for(smallest.cost)}"
    )


def _text(value: Value) -> str:
    return f"{value:g}" if type(value) is float else str(value)
