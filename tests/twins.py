"""Weights to compare two forms of one network with."""

import keras
import numpy as np


def randomise(model: keras.Model, *, gain: float = 2.0, seed: int = 0) -> keras.Model:
    """Weights and batch-norm statistics as after some training, biases too.

    They hang on the order of the variables only, whatever the backend.

    Args:
        model: changed in place.
        gain: variance of a kernel times its fan-in; 2 keeps the size of the values
            behind ReLUs, where sums of branches grow less is needed.
        seed: other weights for another seed.

    Returns:
        The model.
    """
    random = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 1.5, shape)
        elif variable.name.endswith("kernel"):
            # depthwise kernels, (rows, columns, channels, 1), see one channel each
            depthwise = len(shape) == 4 and shape[-1] == 1
            fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
            value = random.normal(0, np.sqrt(gain / fan_in), shape)
        else:
            value = random.normal(0, 0.2, shape)
        variable.assign(value.astype("float32"))
    return model
