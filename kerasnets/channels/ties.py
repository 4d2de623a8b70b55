"""The channels of a network by number, and which of them can only go together."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Cut:
    """How a layer is changed when channels go; channels are arrays of ids.

    Attributes:
        counts: Entries of its configuration that are the number of some channels.
        changes: Entries that take another value.
        axes: For each of its weights, the channels along some of its axes.
    """

    counts: dict[str, np.ndarray] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    axes: tuple[dict[int, np.ndarray], ...] = ()


class Ties:
    """Gives channels their ids, ties them, and holds what the layers do with them.

    Attributes:
        makers: (layer, its channels) of convolutions and dense layers.
        scales: (layer, its channels) of batch normalisations with a scale.
        cuts: By the identity of a layer.
        costs: (multiply-adds of a pair, channels in, channels out) of each use of a
            layer.
        rows: (layer, channels) where channels of one group stand side by side, and
            copies of each would be taken for those of its neighbour.
    """

    def __init__(self):
        self.makers: list[tuple[Any, np.ndarray]] = []
        self.scales: list[tuple[Any, np.ndarray]] = []
        self.cuts: dict[int, Cut] = {}
        self.costs: list[tuple[int, np.ndarray, np.ndarray]] = []
        self.rows: list[tuple[Any, np.ndarray]] = []
        self._parent: list[int] = []  # of each id: the trees of union-find
        self._held: list[tuple[np.ndarray, str]] = []

    def new(self, count: int) -> np.ndarray:
        """Give ids that no other channel has."""
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def tie(self, ours: np.ndarray, theirs: np.ndarray) -> None:
        """Tie channel by channel: what goes from one goes from the other."""
        for a, b in zip(ours.tolist(), theirs.tolist(), strict=True):
            self._parent[self._root(a)] = self._root(b)

    def hold(self, ids: np.ndarray, why: str) -> None:
        """Let these channels stay, with all that are tied to them now or later."""
        self._held.append((ids, why))

    def groups(self) -> tuple[np.ndarray, np.ndarray]:
        """Give for each channel its group, from 0; for each group whether it may go."""
        roots = [self._root(i) for i in range(len(self._parent))]
        _, groups = np.unique(roots, return_inverse=True)
        free = np.ones(groups.max() + 1, bool)
        free[groups[np.concatenate([ids for ids, _ in self._held])]] = False
        return groups, free

    def reasons(self, ids: np.ndarray) -> list[str]:
        """Tell why channels stay, each reason once."""
        roots = {self._root(i) for i in ids.tolist()}
        held = [
            why for kept, why in self._held if any(self._root(i) in roots for i in kept)
        ]
        return list(dict.fromkeys(held))

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes:
        layer: The layer.
        ids: The channels of each input.
        inputs: Shapes of the inputs, batch first.
        output: Shape of the output, likewise.
    """

    layer: Any
    ids: list[np.ndarray]
    inputs: list[tuple]
    output: tuple
