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
from typing import NamedTuple, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape

EPSILON = 1e-3
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
        conv1: The function that adds the first convolution.
        modules: The Inception modules by name, in their order.
    """

    conv1: Callable
    modules: Mapping[str, Widths]
    family: str = "BN-Inception"
    year: int = 2015
    # a smaller image would leave module 4e a single pixel to halve
    minimum: int = 17
    source: str = "Ioffe & Szegedy 2015, Figure 5"


def _bn_inception(
    variant: Variant,
    input_shape: Shape | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model."""
    net = builder.start(variant, input_shape, common)
    x = variant.conv1(net.image)
    x = _pool(x, MAX, 2, name="pool1")
    x = _conv(x, 64, 1, name="conv2_reduce")
    x = _conv(x, 192, 3, name="conv2")
    x = _pool(x, MAX, 2, name="pool2")
    for module, widths in variant.modules.items():
        x = inception_module(x, widths, name=f"inception{module}")
    x = net.average_and_classify(x)
    return net.finish(x)


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


def _variant(name: str, conv1: Callable, modules: Mapping[str, Widths], **values):
    row = Variant(name=name, conv1=conv1, modules=modules, **values)
    return builder.variant(_bn_inception, row)


_PLAIN = "Ioffe & Szegedy 2015, Figure 5, with a plain 7x7"
_SLIM = "TF-slim, nets/inception_v2.py"

BNInception = _variant("BNInception", separable_conv1, MODULES)
BNInceptionPlain = _variant("BNInceptionPlain", plain_conv1, MODULES, source=_PLAIN)
BNInceptionSlim = _variant(
    "BNInceptionSlim", separable_conv1, SLIM_MODULES, source=_SLIM
)
