"""Building blocks that two or more families share."""

import keras
from keras import layers

from kerasnets.layers import ChannelPad, StochasticDepth

# The papers give no batch-norm momentum; 0.9 follows the statistics of short
# trainings too, where Keras's 0.99 still remembers the initial values.
BATCH_NORM_MOMENTUM = 0.9


def conv(
    x,
    filters: int,
    kernel_size: int | tuple[int, int],
    *,
    strides: int = 1,
    padding: str = "same",
    groups: int = 1,
    use_bias: bool = True,
    initializer: str = "glorot_uniform",
    activation: str | None = None,
    name: str,
):
    """Convolution, and the activation within the layer.

    ``padding`` is "same" or "valid" as in Keras, or "symmetric": (k - 1) / 2 zeros on
    every side, as Caffe and Torch do it. With stride 1 that is "same"; with stride 2 on
    an even side Keras's "same" puts its zeros at the end only.
    """
    if padding == "symmetric":
        x, padding = symmetric_padding(x, kernel_size, strides=strides, name=name)
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        groups=groups,
        use_bias=use_bias,
        kernel_initializer=initializer,
        activation=activation,
        name=name,
    )(x)


def symmetric_padding(x, kernel_size, *, strides: int, name: str):
    """The map with its zeros, and the padding that remains for the layer ``name``."""
    height, width = (
        kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 2
    )
    if strides == 1 or (height, width) == (1, 1):
        return x, "same"
    zeros = ((height - 1) // 2, (width - 1) // 2)
    return layers.ZeroPadding2D(zeros, name=f"{name}_pad")(x), "valid"


def conv_bn(
    x,
    filters: int,
    kernel_size: int | tuple[int, int],
    *,
    strides: int = 1,
    padding: str = "same",
    groups: int = 1,
    use_bias: bool = False,
    epsilon: float,
    scale: bool = True,
    gamma: str = "ones",
    activation: keras.layers.Layer | None,
    initializer: str = "glorot_uniform",
    name: str,
):
    """Convolution ``name``_conv, BN ``name``_bn, activation (left out when None).

    ``gamma`` initialises the batch normalisation's scale; ``scale=False`` has none.
    """
    x = conv(
        x,
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        groups=groups,
        use_bias=use_bias,
        initializer=initializer,
        name=f"{name}_conv",
    )
    x = batch_norm(x, epsilon=epsilon, scale=scale, gamma=gamma, name=f"{name}_bn")
    return x if activation is None else activation(x)


def batch_norm(
    x, *, epsilon: float, scale: bool = True, gamma: str = "ones", name: str
):
    """Batch normalisation over the channels with the momentum of all networks."""
    return layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=epsilon,
        scale=scale,
        gamma_initializer=gamma,
        name=name,
    )(x)


def ceil_max_pool(x, *, name: str):
    """3x3 maximum pooling with stride 2 whose output size is rounded up, as Caffe's.

    For maps that are nowhere negative: after ReLU the zero at the end changes nothing.
    On even sides Keras's "same" is Caffe's rounding, on odd ones "valid" fits exactly.
    """
    sides = x.shape[1:3]
    if None not in sides and sides[0] % 2 == sides[1] % 2:
        padding = "valid" if sides[0] % 2 else "same"
    else:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
        padding = "valid"
    return layers.MaxPooling2D(3, strides=2, padding=padding, name=name)(x)


def identity_shortcut(x, filters: int, *, strides: int, name: str):
    """Every ``strides``-th pixel, zeros for the channels that are new.

    The shortcut without parameters of He et al. 2015, section 3.3 (option A).
    """
    if strides > 1:
        x = layers.AveragePooling2D(
            1, strides=strides, padding="same", name=f"{name}_subsample"
        )(x)
    if x.shape[-1] != filters:
        x = ChannelPad(filters - x.shape[-1], name=f"{name}_pad")(x)
    return x


def drop_branch(x, rate: float, *, name: str):
    """The branch with stochastic depth, or as it is where ``rate`` is 0."""
    return StochasticDepth(rate, name=name)(x) if rate else x
