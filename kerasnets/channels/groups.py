"""Which channels of a network can only go together, and what they cost.

Every channel that a layer makes has an id; a tensor is the ids along its last axis.
The graph is followed from the inputs to the outputs by the rules of ``rules``:
a group is all channels that are tied, and goes or stays as one. The channels of the
network's inputs and outputs stay.
"""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasnets.analysis.costs import count_madds
from kerasnets.channels.rules import JOINING, RULES
from kerasnets.channels.ties import Call, Ties
from kerasnets.errors import KerasnetsError
from kerasnets.graph import graph_of, replay


@dataclass(frozen=True)
class Channels:
    """The channels of a network.

    Attributes:
        groups: For each channel its group, from 0.
        free: For each group whether it may go.
        ties: What the layers do with the channels.
        names: By the identity of a layer, its name in a network without nested models.
        rest: Multiply-adds of the layers that are not among ``ties.costs``.
    """

    groups: np.ndarray
    free: np.ndarray
    ties: Ties
    names: dict[int, str]
    rest: int

    def madds(self, kept: np.ndarray) -> int:
        """Count multiply-adds of one image with the groups that are kept (booleans)."""
        stays = kept[self.groups]
        return self.rest + sum(
            pair * int(stays[ins].sum()) * int(stays[outs].sum())
            for pair, ins, outs in self.ties.costs
        )


def trace(model: keras.Model, spare: Collection[str] = ()) -> Channels:
    """Follow the channels of a functional model from its inputs to its outputs.

    Args:
        model: Functional, or a built Sequential; nested models are gone through.
        spare: Names of layers whose outputs keep all channels.

    Raises:
        KerasnetsError: There is no graph, its image size is open, or a name is unknown.
    """
    graph = graph_of(model)
    if graph is None:
        raise KerasnetsError(
            f"model {model.name!r} ({type(model).__name__}) is not a functional model "
            "or a built Sequential: its channels cannot be followed"
        )
    total = count_madds(model)
    tracer = _Tracer({operation.name for operation in graph.operations}, set(spare))
    inputs = keras.tree.map_structure(
        lambda spec: tracer.held(spec, "they are the network's inputs"), graph.input
    )
    for tensor in keras.tree.flatten(replay(model, inputs, tracer.visit)):
        tracer.ties.hold(tensor.ids, "they are the network's outputs")
    if unknown := set(spare) - set(tracer.names.values()):
        raise KerasnetsError(
            f"spare names {sorted(unknown)}, which are not layers of {model.name!r}"
        )
    groups, free = tracer.ties.groups()
    channels = Channels(groups, free, tracer.ties, tracer.names, rest=0)
    rest = total - channels.madds(np.ones_like(free))
    return dataclasses.replace(channels, rest=rest)


@dataclass(frozen=True)
class _Tensor:
    """A tensor of the graph: its shape and type, and its channels."""

    spec: Any
    ids: np.ndarray


class _Tracer:
    """Follows the channels from layer to layer."""

    def __init__(self, taken: set[str], spare: set[str]):
        self.ties = Ties()
        self.names: dict[int, str] = {}
        self._taken, self._spare = taken, spare
        # of a layer that changes with its channels, those that it has seen
        self._seen: dict[int, list[np.ndarray]] = {}

    def held(self, spec, why: str) -> _Tensor:
        """Make a tensor whose channels stay."""
        width = spec.shape[-1] if len(spec.shape) > 1 else None
        ids = self.ties.new(width or 0)
        self.ties.hold(ids, why)
        return _Tensor(spec, ids)

    def visit(self, operation, path: tuple, args: tuple, kwargs: dict, training):
        """Give the output tensors of one use of an operation."""
        del training  # what passes on channels does it in both modes
        self._name(operation, "_".join(path))
        tensors = [x for x in keras.tree.flatten((args, kwargs)) if _is_tensor(x)]
        specs: Any = keras.tree.map_structure(
            lambda x: x.spec if _is_tensor(x) else x, (args, kwargs)
        )
        made = operation.compute_output_spec(*specs[0], **specs[1])
        ids = self._followed(operation, tensors, made)
        name = self.names[id(operation)]
        if ids is None:
            kind = type(operation).__name__
            why = f"channels cannot be followed through {name!r} ({kind})"
            for tensor in tensors:
                self.ties.hold(tensor.ids, why)
            return keras.tree.map_structure(lambda spec: self.held(spec, why), made)
        if name in self._spare:
            self.ties.hold(ids, f"{name!r} is spared")
        return _Tensor(made, ids)

    def _name(self, operation, path: str) -> None:
        """The operation's own name, or its path where a layer outside has that."""
        if id(operation) in self.names:
            return
        name = operation.name
        if path != name:
            while name in self._taken:
                name, path = path, f"{path}_"
        self._taken.add(name)
        self.names[id(operation)] = name

    def _followed(self, operation, tensors: list, made) -> np.ndarray | None:
        """The channels that come out; None where they cannot be followed."""
        rule = RULES.get(type(operation))
        first = getattr(operation, "data_format", None) == "channels_first"
        if rule is None or first or not (len(tensors) == 1 or rule in JOINING):
            return None
        if id(operation) in self._seen:  # a second use of the same weights
            why = f"{self.names[id(operation)]!r} is called twice"
            for ids in self._seen[id(operation)]:
                self.ties.hold(ids, why)
            return None
        shapes = [tuple(tensor.spec.shape) for tensor in tensors]
        ids = [tensor.ids for tensor in tensors]
        out = rule(self.ties, Call(operation, ids, shapes, tuple(made.shape)))
        if id(operation) in self.ties.cuts and out is not None:
            self._seen[id(operation)] = [*ids, out]
        return out


def _is_tensor(x) -> bool:
    return isinstance(x, _Tensor)
