"""A network once more, with each of its channels as often as is said."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasnets.channels.groups import Channels
from kerasnets.channels.ties import Cut
from kerasnets.graph import deep_graphs, graph_of, input_like, replay, takes_training
from kerasnets.traits import traits_of


def rebuilt(
    model: keras.Model,
    channels: Channels,
    copies: np.ndarray,
    behind: Mapping[str, Callable[[Any], Any]] | None = None,
) -> keras.Model:
    """Return a network with fewer or more channels, and the weights of those it had.

    Copies of a channel stand side by side and have its weights. What adds them up takes
    each of them divided by their number, so that copies alone change no output.

    Args:
        model: The network; it stays as it is. Nested models are flattened.
        channels: Its own, as ``trace`` follows them.
        copies: How often each group of channels is there; 0 for those that go.
        behind: By the name of a layer, what makes of its output what goes on.
    """
    times = copies[channels.groups]
    layers: dict[int, tuple[Any, Any]] = {}

    def call(operation, path: tuple, args: tuple, kwargs: dict, training):
        del path
        if training is not None and takes_training(operation):
            kwargs["training"] = training
        if not isinstance(operation, keras.Layer):
            return operation(*args, **kwargs)
        if id(operation) not in layers:
            cut = channels.ties.cuts.get(id(operation), Cut())
            copy = _copy(operation, cut, channels.names[id(operation)], times)
            layers[id(operation)] = operation, copy
        copy = layers[id(operation)][1]
        outputs = copy(*args, **kwargs)
        return (behind or {}).get(copy.name, lambda x: x)(outputs)

    inputs = keras.tree.map_structure(input_like, graph_of(model).input)
    with deep_graphs():
        other = keras.Model(inputs, replay(model, inputs, call), name=model.name)
    for operation, copy in layers.values():
        cut = channels.ties.cuts.get(id(operation), Cut())
        copy.set_weights(_weights(operation, cut, times))
    return other


def _copy(layer, cut: Cut, name: str, times: np.ndarray):
    """A layer of the same configuration for so many channels."""
    counts = {key: int(times[ids].sum()) for key, ids in cut.counts.items()}
    config = {**layer.get_config(), **cut.changes, **counts, "name": name}
    return type(layer).from_config(config)


def _weights(layer, cut: Cut, times: np.ndarray) -> list[np.ndarray]:
    """The weights of a layer for so many channels."""
    weights = layer.get_weights()
    # the axis along which each kernel adds up
    summed = [None if x.depthwise else x.ins for x in traits_of(layer).kernels]
    summed += [None] * (len(weights) - len(summed))
    for i, axes in enumerate(cut.axes[: len(weights)]):
        for axis, ids in axes.items():
            weights[i] = np.repeat(weights[i], times[ids], axis=axis)
            if axis == summed[i]:
                shares = np.repeat(times[ids], times[ids])
                shape = [1] * weights[i].ndim
                shape[axis] = -1
                weights[i] = weights[i] / shares.reshape(shape).astype(weights[i].dtype)
    return weights
