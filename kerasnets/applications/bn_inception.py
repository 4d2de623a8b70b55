"""BN-Inception: GoogLeNet with batch normalisation, two 3x3 in place of a 5x5.

Ioffe & Szegedy 2015, "Batch Normalization: Accelerating Deep Network Training by
Reducing Internal Covariate Shift", Figure 5: a stem, ten Inception modules on maps of
28, 14 and 7 pixels, global average pooling and the classifier. Modules 3c and 4e halve
the map and hand their input on through a max pooling; 5b has max pooling, too, the
others average. Every convolution is followed by BN and ReLU. Also called Inception-v2.

Figure 5 contradicts itself in modules 4c and 4d: branches of together 608 maps, with a
pool projection of 128, but an output of 576. ``BNInception`` takes the branches at
their word, ``BNInceptionSlim`` the output, with a projection of 96, as the authors'
release (TF-slim). Both start with the separable convolution that the figure's footnote
describes, ``BNInceptionPlain`` with a plain 7x7, as the networks in Caffe and MXNet do.

Departures:
    - Borders are padded as in TF-slim ("same") and batch normalisation has its epsilon;
      the paper does not say.
    - BNInceptionSlim has scales (gamma) in batch normalisation as the paper asks, which
      TF-slim leaves out by default, and no dropout, which section 4.2.1 removes.

Published figures: the text's 13.6M parameters fit no reading of Figure 5; all of them
give 11.2M or 11.3M.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder

EPSILON = 1e-3
PRINTED = builder.Published(params=13.6e6)
AVERAGE = layers.AveragePooling2D
MAX = layers.MaxPooling2D


class Widths(NamedTuple):
    """A module: filters of its branches, and its pooling; 0 has no such layer.

    A module without projection hands its pooled input on and halves the map.
    """

    one: int
    three: tuple[int, int]
    double: tuple[int, int]
    pool: Callable
    pool_proj: int


MODULES = {
    "3a": Widths(64, (64, 64), (64, 96), AVERAGE, 32),
    "3b": Widths(64, (64, 96), (64, 96), AVERAGE, 64),
    "3c": Widths(0, (128, 160), (64, 96), MAX, 0),
    "4a": Widths(224, (64, 96), (96, 128), AVERAGE, 128),
    "4b": Widths(192, (96, 128), (96, 128), AVERAGE, 128),
    "4c": Widths(160, (128, 160), (128, 160), AVERAGE, 128),
    "4d": Widths(96, (128, 192), (160, 192), AVERAGE, 128),
    "4e": Widths(0, (128, 192), (192, 256), MAX, 0),
    "5a": Widths(352, (192, 320), (160, 224), AVERAGE, 128),
    "5b": Widths(352, (192, 320), (192, 224), MAX, 128),
}
SLIM_MODULES = MODULES | {
    name: MODULES[name]._replace(pool_proj=96) for name in ("4c", "4d")
}


def separable_conv1(x):
    """7x7 depthwise with stride 2, 8 filters a channel, 1x1, BN, ReLU."""
    x = layers.DepthwiseConv2D(
        7,
        strides=2,
        padding="same",
        depth_multiplier=8,
        use_bias=False,
        name="conv1_depthwise_conv",
    )(x)
    return _conv(x, 64, 1, name="conv1")


def plain_conv1(x):
    """7x7 with stride 2, BN, ReLU."""
    return _conv(x, 64, 7, strides=2, name="conv1")


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """A reading of Figure 5.

    Attributes:
        conv1: the function that adds the first convolution.
        modules: the Inception modules by name, in their order.
    """

    conv1: Callable
    modules: Mapping[str, Widths]
    family: str = "BN-Inception"
    year: int = 2015
    # a smaller image would leave module 4e a single pixel to halve
    minimum: int = 17
    published: builder.Published = PRINTED


def _bn_inception(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model."""
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = variant.conv1(inputs)
    x = _pool(x, MAX, 2, name="pool1")
    x = _conv(x, 64, 1, name="conv2_reduce")
    x = _conv(x, 192, 3, name="conv2")
    x = _pool(x, MAX, 2, name="pool2")
    for module, widths in variant.modules.items():
        x = inception_module(x, widths, name=f"inception{module}")
    x = builder.averaged_top(x, include_top, pooling, classes, classifier_activation)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def inception_module(x, widths: Widths, *, name: str):
    """1x1 | 1x1, 3x3 | 1x1, 3x3, 3x3 | 3x3 pooling, 1x1: joined."""
    strides = 1 if widths.pool_proj else 2
    branches = []
    if widths.one:
        branches.append(_conv(x, widths.one, 1, name=f"{name}_1x1"))
    reduced, filters = widths.three
    three = _conv(x, reduced, 1, name=f"{name}_3x3_reduce")
    branches.append(_conv(three, filters, 3, strides=strides, name=f"{name}_3x3"))
    reduced, filters = widths.double
    double = _conv(x, reduced, 1, name=f"{name}_double_reduce")
    double = _conv(double, filters, 3, name=f"{name}_double_1")
    branches.append(_conv(double, filters, 3, strides=strides, name=f"{name}_double_2"))
    pool = _pool(x, widths.pool, strides, name=f"{name}_pool")
    if widths.pool_proj:
        pool = _conv(pool, widths.pool_proj, 1, name=f"{name}_pool_proj")
    return layers.Concatenate(name=f"{name}_concat")([*branches, pool])


def _conv(x, filters: int, kernel_size: int, *, strides: int = 1, name: str):
    return blocks.conv_bn(
        x,
        filters,
        kernel_size,
        strides=strides,
        epsilon=EPSILON,
        activation=layers.ReLU(name=f"{name}_relu"),
        name=name,
    )


def _pool(x, kind: Callable, strides: int, *, name: str):
    return kind(3, strides=strides, padding="same", name=name)(x)


BNInception = builder.variant(
    _bn_inception,
    Variant(
        name="BNInception",
        conv1=separable_conv1,
        modules=MODULES,
        params=11_298_560,
        madds=1_948_605_440,
        source="Ioffe & Szegedy 2015, Figure 5",
    ),
)
BNInceptionPlain = builder.variant(
    _bn_inception,
    Variant(
        name="BNInceptionPlain",
        conv1=plain_conv1,
        modules=MODULES,
        params=11_305_256,
        madds=2_032_600_064,
        source="Ioffe & Szegedy 2015, Figure 5, with a plain 7x7",
    ),
)
BNInceptionSlim = builder.variant(
    _bn_inception,
    Variant(
        name="BNInceptionSlim",
        conv1=separable_conv1,
        modules=SLIM_MODULES,
        params=11_208_192,
        madds=1_934_857_216,
        source="TF-slim, nets/inception_v2.py",
    ),
)
