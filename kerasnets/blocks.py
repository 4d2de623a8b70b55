"""Building blocks that two or more families share."""

import keras
from keras import layers

# The papers give no batch-norm momentum; 0.9 follows the statistics of short
# trainings too, where Keras's 0.99 still remembers the initial values.
BATCH_NORM_MOMENTUM = 0.9


def conv_bn(
    x,
    filters: int,
    kernel_size: int,
    *,
    strides: int = 1,
    epsilon: float,
    activation: keras.layers.Layer | None,
    initializer: str = "glorot_uniform",
    name: str,
):
    """Convolution without bias, BN, activation (left out when None)."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=initializer,
        name=f"{name}_conv",
    )(x)
    x = batch_norm(x, epsilon=epsilon, name=f"{name}_bn")
    return x if activation is None else activation(x)


def batch_norm(x, *, epsilon: float, name: str):
    """Batch normalisation over the channels with the momentum of all networks."""
    return layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=epsilon, name=name
    )(x)
