"""Where in a network numbers stop being finite."""

from typing import Any

import keras
import numpy as np
from keras import ops


def first_overflow(model: keras.Model, images: Any) -> str:
    """Return what of a network is the first to give a number that is not finite.

    Args:
        model: A functional model, as it is before the step.
        images: A batch, as the network takes it.
    """
    if not _finite(images):
        return "the images"
    for layer in model.layers:
        if not all(_finite(x) for x in layer.weights):
            return f"weights of layer {layer.name!r}"
    layers = [x for x in model.layers if not isinstance(x, keras.layers.InputLayer)]
    outputs = [_first(layer.output) for layer in layers]
    answers = keras.Model(model.inputs, outputs)(images, training=True)
    for layer, answer in zip(layers, answers, strict=True):
        if not _finite(answer):
            return f"layer {layer.name!r}"
    return "the loss"


def _finite(values: Any) -> bool:
    array: Any = ops.convert_to_numpy(ops.cast(values, "float32"))
    return bool(np.isfinite(array).all())


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, list | tuple) else output
