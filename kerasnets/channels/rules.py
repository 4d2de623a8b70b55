"""What a layer does with the channels that it gets, by the word of its traits.

Convolutions and dense layers make new ids, what treats every channel alike passes them
on, a depthwise convolution repeats them, a sum ties those of its inputs. A rule returns
the ids that come out, or None: where channels are mixed in other ways, or a layer is
not known, those that go in and come out stay for ever.

- Those are quantised convolutions, ``LocalResponseNorm``, layer and group
  normalisation, softmax, ``PartialConv2D``, ``RadialBasis``, everything channels first,
  layers with weights that are called twice, operations of ``keras.ops``, a user's own.
- ``ChannelPad``'s zeros are channels of their own, the pieces of a ``Maxout`` unit go
  together, ``HighwayGate`` ties like a sum, ``SpatialPyramidPooling`` repeats like
  Flatten; the other layers of ``kerasnets.layers`` pass their channels on.
"""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from kerasnets import layers as own
from kerasnets.channels.ties import Call, Cut, Ties
from kerasnets.traits import TABLE, Channels, traits_of


def _pass_on(ties: Ties, call: Call):
    """Every channel on its own: what goes in comes out."""
    del ties
    return call.ids[0]


def _activate(ties: Ties, call: Call):
    return _pass_on(ties, call) if _is_elementwise(call.layer.activation) else None


def _rescale(ties: Ties, call: Call):
    numbers = np.ndim(call.layer.scale) == np.ndim(call.layer.offset) == 0
    return _pass_on(ties, call) if numbers else None


def _weigh(ties: Ties, call: Call):
    """Weights with the channels in their last axis, where they are not shared."""
    (ids,) = call.ids
    ties.cuts[id(call.layer)] = Cut(
        axes=tuple(
            {-1: ids} if weight.shape[-1] == len(ids) else {}
            for weight in call.layer.weights
        )
    )
    return ids


def _normalize(ties: Ties, call: Call):
    if call.layer.axis not in (-1, len(call.output) - 1):
        return None
    if call.layer.scale:
        ties.scales.append((call.layer, call.ids[0]))
    return _weigh(ties, call)


def _convolve(ties: Ties, call: Call):
    """A convolution or dense layer: new channels, each of all that go in.

    The groups of a grouped convolution stay equal: of each the same channels go.
    """
    layer, (ins,) = call.layer, call.ids
    if not _is_plain(layer, kernels=1):
        return None
    key = "units" if isinstance(layer, layers.Dense) else "filters"
    outs = _made(ties, layer, getattr(layer, key))
    groups = getattr(layer, "groups", 1)
    _tie_rows(ties, outs.reshape(groups, -1))
    ins = _tie_rows(ties, ins.reshape(groups, -1))
    row = traits_of(layer)
    (kernel,) = row.kernels
    axes = {kernel.ins: ins, kernel.outs: outs}
    ties.cuts[id(layer)] = Cut({key: outs}, axes=(axes, {-1: outs}))
    window = math.prod(layer.kernel_size) if key == "filters" else 1
    positions = _positions(call.inputs[0] if row.transposed else call.output)
    ties.costs.append((positions * window, ins, outs))
    return outs


def _convolve_depthwise(ties: Ties, call: Call):
    """Each channel gives ``depth_multiplier`` channels, side by side."""
    layer, (ins,) = call.layer, call.ids
    if not _is_plain(layer, kernels=1) or not _is_elementwise(layer.activation):
        return None
    outs = np.repeat(ins, layer.depth_multiplier)
    if layer.depth_multiplier > 1:
        ties.rows.append((layer, ins))
    ties.cuts[id(layer)] = Cut(axes=({-2: ins}, {-1: outs}))
    _cost_of_window(ties, call, outs)
    return outs


def _convolve_separably(ties: Ties, call: Call):
    """A depthwise convolution, and a 1x1 convolution of what it gives."""
    layer, (ins,) = call.layer, call.ids
    if not _is_plain(layer, kernels=2):
        return None
    inside = np.repeat(ins, layer.depth_multiplier)
    if layer.depth_multiplier > 1:
        ties.rows.append((layer, ins))
    outs = _made(ties, layer, layer.filters)
    ties.cuts[id(layer)] = Cut(
        {"filters": outs}, axes=({-2: ins}, {-2: inside, -1: outs}, {-1: outs})
    )
    _cost_of_window(ties, call, inside)
    ties.costs.append((_positions(call.output), inside, outs))
    return outs


def _cost_of_window(ties: Ties, call: Call, outs: np.ndarray) -> None:
    """Multiply-adds that each channel has for itself."""
    one = ties.new(1)
    ties.hold(one, "it stands for a window")
    pair = _positions(call.output) * math.prod(call.layer.kernel_size)
    ties.costs.append((pair, one, outs))


def _made(ties: Ties, layer, count: int) -> np.ndarray:
    """The new channels of a layer with filters."""
    outs = ties.new(count)
    if not _is_elementwise(layer.activation):
        ties.hold(outs, f"the activation of {layer.name!r} mixes them")
    ties.makers.append((layer, outs))
    return outs


def _tie(ties: Ties, call: Call):
    """Element by element; one channel may stand beside many, and then stays."""
    widest = max(call.ids, key=len)
    for ids in call.ids:
        if len(ids) == len(widest):
            ties.tie(ids, widest)
        else:
            ties.hold(ids, f"{call.layer.name!r} lays one on many")
    return widest


def _join(ties: Ties, call: Call):
    """Side by side; along another axis channel must lie on channel."""
    if call.layer.axis in (-1, len(call.output) - 1):
        return np.concatenate(call.ids)
    return _tie(ties, call)


def _tile(ties: Ties, call: Call):
    """A map as a vector, position by position."""
    del ties
    (ids,), length = call.ids, call.output[-1]
    return np.tile(ids, length // len(ids)) if len(ids) and length else None


def _reshape(ties: Ties, call: Call):
    """Other axes before the channels, or a map as a vector."""
    *others, _ = call.layer.target_shape
    alike = call.output[-1] == len(call.ids[0])
    if -1 in others or (others and not alike):
        return None
    ties.cuts[id(call.layer)] = Cut(changes={"target_shape": (*others, -1)})
    return _tile(ties, call)


def _pad_channels(ties: Ties, call: Call):
    extra = ties.new(call.layer.extra)
    ties.cuts[id(call.layer)] = Cut({"extra": extra})
    return np.concatenate([call.ids[0], extra])


def _maximum_of_pieces(ties: Ties, call: Call):
    ties.rows.append((call.layer, call.ids[0]))
    return _tie_rows(ties, call.ids[0].reshape(-1, call.layer.pieces).T)


def _tie_rows(ties: Ties, rows: np.ndarray) -> np.ndarray:
    """Each column goes or stays; the first row."""
    for row in rows[1:]:
        ties.tie(row, rows[0])
    return rows[0]


def _positions(shape: tuple) -> int:
    return math.prod(shape[1:-1])


def _is_plain(layer, kernels: int) -> bool:
    """Whether it has the weights of its class: not quantised, no adapters."""
    return len(layer.weights) == kernels + bool(layer.use_bias)


def _is_elementwise(activation) -> bool:
    """Whether it works on each number for itself; an activation layer may be one."""
    if isinstance(activation, layers.Layer):
        return RULES.get(type(activation)) is _pass_on
    return activation is None or any(
        activation is getattr(keras.activations, name, None) for name in _ELEMENTWISE
    )


_ELEMENTWISE = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu"),
    *("hard_silu", "sigmoid", "hard_sigmoid", "log_sigmoid", "sparse_sigmoid", "tanh"),
    *("hard_tanh", "tanh_shrink", "soft_shrink", "hard_shrink", "softplus", "softsign"),
    *("sparse_plus", "squareplus", "exponential", "mish", "threshold"),
)


_BY_TRAIT: dict[Channels, Callable] = {
    "makes": _convolve,
    "repeats": _convolve_depthwise,
    "separates": _convolve_separably,
    "passes": _pass_on,
    "weighs": _weigh,
    "ties": _tie,
    "joins": _join,
    "tiles": _tile,
}
# what is done at a layer of exactly this class
RULES: dict[type, Callable] = {
    **{
        kind: _BY_TRAIT[row.channels]
        for kind, row in TABLE.items()
        if row.channels in _BY_TRAIT
    },
    layers.Activation: _activate,
    layers.Rescaling: _rescale,
    layers.BatchNormalization: _normalize,
    layers.Reshape: _reshape,
    own.ChannelPad: _pad_channels,
    own.Maxout: _maximum_of_pieces,
}
# the rules that take several inputs
JOINING = (_tie, _join)
