"""Networks that end in a sigmoid or a softmax, trained and judged by their logits."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from kerasnets.graph import maker, output_index

_PROBABILITIES = (keras.activations.sigmoid, keras.activations.softmax)


@contextlib.contextmanager
def answering_logits(model: keras.Model) -> Iterator[bool]:
    """Let a model's last layers give what goes into their sigmoid or softmax, inside.

    Yields:
        Whether a layer gives something else than before.
    """
    last = [last_layer(output) for output in getattr(model, "outputs", None) or ()]
    activated = {
        id(layer): (layer, layer.activation)
        for layer in last
        if getattr(layer, "activation", None) in _PROBABILITIES
    }
    plain = {layer for layer in last if isinstance(layer, keras.layers.Softmax)}
    for layer, _ in activated.values():
        layer.activation = keras.activations.linear
    for layer in plain:
        layer.call = _as_it_is
    try:
        yield bool(activated or plain)
    finally:
        for layer, activation in activated.values():
            layer.activation = activation
        for layer in plain:
            del layer.call


def _as_it_is(inputs, mask=None):
    del mask
    return inputs


def last_layer(tensor: Any) -> Any:
    """Give the layer or operation that makes an output, in nested models too."""
    operation = maker(tensor).operation
    if isinstance(operation, keras.Model):
        return last_layer(operation.outputs[output_index(tensor)])
    return operation
