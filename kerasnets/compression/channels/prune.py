"""Structured pruning: whole channels leave the network, which stays an ordinary one.

Li et al. 2017, "Pruning Filters for Efficient ConvNets" (arXiv 1608.08710), scores a
filter by the L1 norm of its weights; Liu et al. 2017, "Learning Efficient Convolutional
Networks through Network Slimming" (arXiv 1708.06519), by the scale that batch
normalisation gives its channel. What is left is smaller and faster in every runtime.

Departures:
    - Scores are divided by the mean of their layer before layers are compared; Liu et
      al. compare the scales themselves, Li et al. choose a share for each layer.
    - Channels that are tied by sums go together by the mean of their scores; Li et al.
      let the shortcut's filters decide.
    - Liu et al. train with an L1 penalty on the scales first; here that is left to the
      training.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import keras
import numpy as np

from kerasnets.channels import Channels, rebuilt, trace
from kerasnets.compression.settings import ChannelSettings
from kerasnets.errors import KerasnetsError
from kerasnets.traits import traits_of

CRITERIA = ("batch_norm", "l1")
_FLOOR = 0.1  # share of the channels of a layer that always stays


def prune_channels(
    model: keras.Model,
    *,
    madds: float = 0.5,
    criterion: str = "batch_norm",
    multiple: int = 1,
    spare: Collection[str] = (),
) -> keras.Model:
    """Remove the least important channels of a network; the other weights stay.

    The lowest scores of the whole network go first, until the multiply-adds are at most
    the share that was asked for; every layer keeps a tenth of its channels and
    ``multiple`` at least. Channels that a sum, a depthwise convolution or the like tie
    go together. Train the result on: it has lost accuracy.

    Args:
        model: Functional, or a built Sequential, of fixed image size; it stays as it
            is. Nested models are flattened; where names collide, a layer is then named
            ``nested_layer``.
        madds: Share of the multiply-adds to keep at most, above 0 up to 1.
        criterion: "batch_norm" scores a channel by the size of the scales (gamma) of
            the batch normalisations that it passes, and by "l1" where it passes none;
            "l1" by the L1 norm of the filters that make it. Each as a multiple of its
            layer's mean.
        multiple: Channels that are tied in the same way are kept in multiples of this
            number, or all of them.
        spare: Names of layers whose outputs keep all channels.

    Returns:
        A functional model with layers of the same names and configurations, but for
        their numbers of channels. It has the name of ``model`` and is not compiled.

    Raises:
        KerasnetsError: An argument is wrong, the model has no graph, an image size that
            is open or no batch normalisation, or so few multiply-adds cannot be
            reached.
    """
    ChannelSettings(madds=madds, multiple=multiple)  # checks them
    if criterion not in CRITERIA:
        raise KerasnetsError(
            f"criterion {criterion!r}: 'batch_norm' or 'l1' is accepted"
        )
    channels = trace(model, spare)
    scores = _scores(channels, criterion)
    kept = _chosen(channels, _units(channels, scores, multiple), madds)
    return rebuilt(model, channels, kept.astype(int))


def _scores(channels: Channels, criterion: str) -> np.ndarray:
    """Of each group, the mean of the scores of its channels."""
    if criterion == "batch_norm" and not channels.ties.scales:
        raise KerasnetsError(
            "criterion 'batch_norm' needs batch normalisation with a scale, of which "
            "the network has none: take criterion='l1'"
        )
    scores, known = _means(
        channels, [(_l1(layer), ids) for layer, ids in channels.ties.makers]
    )
    if criterion == "batch_norm":
        gammas = [
            (np.abs(_numpy(layer.gamma)), ids) for layer, ids in channels.ties.scales
        ]
        by_scale, known = _means(channels, gammas)
        scores = np.where(known, by_scale, scores)
    return scores


def _l1(layer) -> np.ndarray:
    """The L1 norm of each filter; a separable convolution's are its pointwise ones."""
    last = traits_of(layer).kernels[-1]
    filters = np.moveaxis(np.abs(_numpy(getattr(layer, last.name))), last.outs, -1)
    return filters.sum(axis=tuple(range(filters.ndim - 1)))


def _means(channels: Channels, layers: list) -> tuple[np.ndarray, np.ndarray]:
    """The mean score of each group, and whether it has any; layer means are 1."""
    sums, counts = np.zeros((2, len(channels.free)))
    for values, ids in layers:
        relative = values / max(values.mean(), np.finfo("float32").tiny)
        np.add.at(sums, channels.groups[ids], relative)
        np.add.at(counts, channels.groups[ids], 1)
    return sums / np.maximum(counts, 1), counts > 0


def _numpy(variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), "float64")


@dataclass(frozen=True)
class _Unit:
    """Groups that go in one step: as many as keep the number a multiple."""

    score: float
    gone: float  # share of the block that has gone before; decides where scores tie
    block: int
    groups: np.ndarray


def _units(channels: Channels, scores: np.ndarray, multiple: int) -> list[_Unit]:
    """What may go, the least important first.

    A block is the groups that the same layers make: where all blocks keep multiples,
    all layers do.
    """
    units = []
    for number, block in enumerate(_blocks(channels)):
        block = block[np.argsort(scores[block], kind="stable")]
        least = max(multiple, math.ceil(_FLOOR * len(block)))
        least = -(-least // multiple) * multiple
        start, stop = 0, len(block) % multiple or multiple
        while len(block) - stop >= least:
            groups = block[start:stop]
            score = float(scores[groups].mean())
            units.append(_Unit(score, start / len(block), number, groups))
            start, stop = stop, stop + multiple
    return sorted(units, key=lambda unit: (unit.score, unit.gone, unit.block))


def _blocks(channels: Channels) -> list[np.ndarray]:
    """The free groups, those together that the same layers make equally often."""
    makers = defaultdict(list)
    for number, (_, ids) in enumerate(channels.ties.makers):
        for group in channels.groups[ids].tolist():
            makers[group].append(number)
    blocks = defaultdict(list)
    for group in np.flatnonzero(channels.free).tolist():
        blocks[tuple(makers[group])].append(group)
    return [np.array(block) for block in blocks.values()]


def _chosen(channels: Channels, units: list[_Unit], madds: float) -> np.ndarray:
    """Which groups stay, as booleans: most that ``madds`` allows."""

    def without(count: int) -> np.ndarray:
        kept = np.ones(len(channels.free), bool)
        for unit in units[:count]:
            kept[unit.groups] = False
        return kept

    whole = channels.madds(without(0))
    target = math.floor(madds * whole + 1e-6)  # a share is not exact
    least = channels.madds(without(len(units)))
    if least > target:
        raise KerasnetsError(
            f"madds {madds} cannot be reached: {math.ceil(1000 * least / whole) / 1000}"
            " is the least that can, with a tenth of the channels of each layer; those "
            "of inputs and outputs, of layers that mix channels or are not known and "
            "the spared ones stay"
        )
    count = bisect_left(
        range(len(units)), True, key=lambda n: channels.madds(without(n)) <= target
    )
    kept = without(count)
    # the last step overshoots: of each block, what went last may fit again
    last = {unit.block: unit for unit in units[:count]}
    for unit in sorted(last.values(), key=lambda unit: unit.score, reverse=True):
        kept[unit.groups] = True
        if channels.madds(kept) > target:
            kept[unit.groups] = False
    return kept
