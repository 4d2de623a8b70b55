"""Where in a network numbers stop being finite."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnets.graph import calls


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
    walk = [call for call in calls(model) if call.inputs]
    outputs = [call.outputs[0] for call in walk]
    answers = keras.Model(model.inputs, outputs)(images, training=True)
    for call, answer in zip(walk, answers, strict=True):
        if not _finite(answer):
            return f"layer {call.operation.name!r}"
    return "the loss"


def _finite(values: Any) -> bool:
    array: Any = ops.convert_to_numpy(ops.cast(values, "float32"))
    return bool(np.isfinite(array).all())
