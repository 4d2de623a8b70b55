"""A search space: named axes, the points that they span, and what each point costs."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kerasnets.errors import KerasnetsError

Value = bool | int | float | str
Axes = Mapping[str, Sequence[Value]]


@dataclass(frozen=True)
class Cost:
    """What a network costs on a phone, known before it is trained.

    Attributes:
        size: Side of the network's input image in pixels.
        params: Parameters, batch-norm statistics included.
        madds: Multiply-adds of one image.
        int8_bytes: estimated size of its int8 file.
    """

    size: int
    params: int
    madds: int
    int8_bytes: int


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
    """What a network may cost at most.

    Attributes:
        max_madds: Multiply-adds of one image.
        max_bytes: Bytes of the int8 file.
    """

    max_madds: int
    max_bytes: int

    def admits(self, cost: Cost) -> bool:
        """Whether a network of that cost keeps within the budget."""
        return cost.madds <= self.max_madds and cost.int8_bytes <= self.max_bytes


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
    smallest = min(candidates, key=lambda c: (c.cost.int8_bytes, c.cost.madds))
    raise KerasnetsError(
        f"no {what} of the search fits {budget.max_madds:,} multiply-adds and "
        f"{budget.max_bytes:,} bytes: the smallest, {smallest}, needs --max-madds "
        f"{smallest.cost.madds} and --max-size {smallest.cost.int8_bytes}"
    )


def _text(value: Value) -> str:
    return f"{value:g}" if type(value) is float else str(value)
