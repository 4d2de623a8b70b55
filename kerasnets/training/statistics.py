"""Batch normalisation that learns, and keeps the statistics that it has."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from kerasnets.graph import all_layers
from kerasnets.training.replacing import replaced


@contextlib.contextmanager
def kept_statistics(model: keras.Model) -> Iterator[None]:
    """Let batch norms normalise by their moving statistics in training too, inside.

    The statistics stay as they are; scale and offset learn as before. A network that is
    tuned on few images or in small batches keeps what it knows of many.
    """
    with replaced(batch_norms(model), "call", _by_moving_statistics):
        yield


def batch_norms(model: keras.Model) -> list[Any]:
    """List the batch norms of a model, nested ones too."""
    return [
        layer
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.built
    ]


def _by_moving_statistics(layer, inputs, training=None, mask=None):
    """What the layer's own ``call`` does in inference."""
    del training
    return type(layer).call(layer, inputs, training=False, mask=mask)
