"""GoogLeNet: Inception modules, four branches of different reach joined.

Szegedy et al. 2014, "Going Deeper with Convolutions", Table 1: a stem, nine modules on
maps of 28, 14 and 7 pixels, global average pooling and the classifier. The two
auxiliary classifiers of section 5 look at modules 4a and 4d.

What the paper leaves open follows the authors' replication in Caffe (BVLC GoogLeNet):
the local response normalisation of Figure 3 has k = 1, n = 5, beta = 0.75 and an alpha
of 1e-4, which Caffe divides by n: 2e-5 where the squares are summed as here; pooling
rounds the size of its map up. The mean pixel to subtract is that of VGG.

``GoogLeNetBN`` is the network that torchvision calls GoogLeNet.

Departures:
    - GoogLeNet: none. Initial values are He's, as the paper gives none.
    - GoogLeNetBN, as torchvision has it: batch normalisation after every convolution,
      no biases and no response normalisation; the convolutions of the "5x5" branch are
      3x3 (their layers keep the name of the table's column); the last max pooling is
      2x2; dropout of 0.2 instead of 0.4; auxiliary classifiers average to 4x4 whatever
      the size of their map.

Published figures: the columns of Table 1 add up to 6.80M parameters and 1502M
multiply-adds, without biases and with figures in rows 4a to 5b that its own widths
contradict; its first row (2.7K, 34M) fits a separable convolution instead of the 7x7
that it names. The rows here count what the widths say. The accuracy of GoogLeNet is
that of the Caffe replication. In torchvision's published weights the auxiliary
classifiers are not trained.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Counterpart, Shape
from kerasnets.errors import KerasnetsError
from kerasnets.layers import LocalResponseNorm
from kerasnets.pretrained import CAFFE, Preprocessing
from kerasnets.pretrained.names import googlenet as names

EPSILON = 1e-3
INITIALIZER = "he_uniform"


class Widths(NamedTuple):
    """Filters of a module: a row of Table 1."""

    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pool_proj: int


# a stage starts with max pooling
STAGES = {
    3: {
        "a": Widths(64, 96, 128, 16, 32, 32),
        "b": Widths(128, 128, 192, 32, 96, 64),
    },
    4: {
        "a": Widths(192, 96, 208, 16, 48, 64),
        "b": Widths(160, 112, 224, 24, 64, 64),
        "c": Widths(128, 128, 256, 24, 64, 64),
        "d": Widths(112, 144, 288, 32, 64, 64),
        "e": Widths(256, 160, 320, 32, 128, 128),
    },
    5: {
        "a": Widths(256, 160, 320, 32, 128, 128),
        "b": Widths(384, 192, 384, 48, 128, 128),
    },
}
# the modules that auxiliary classifiers look at, and the dropout of these
AUXILIARY_MODULES = ("4a", "4d")
AUXILIARY_DROPOUT = 0.7


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """What the two networks do in different ways.

    Attributes:
        conv: The function that adds a convolution and its ReLU.
        norm: The function that adds the stem's normalisation, or None.
        five: Side of the kernels in the branch of the 5x5 column.
        last_pool: The function that adds the max pooling before stage 5.
        dropout: Share of the pooled features dropped in training.
        auxiliary_pool: The function that averages the map of an auxiliary classifier.
        auxiliary_minimum: The smallest side of an image whose map it can average.
    """

    conv: Callable
    norm: Callable | None
    five: int
    last_pool: Callable
    dropout: float
    auxiliary_pool: Callable
    auxiliary_minimum: int
    family: str = "GoogLeNet"
    year: int = 2014
    source: str = "Szegedy et al. 2014, Table 1"
    counterparts: tuple[Counterpart, ...] = names.COUNTERPARTS


def _googlenet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    auxiliary: bool = False,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        auxiliary: Add the two classifiers on modules 4a and 4d, for training; the
            model then has three outputs, the main one first. Needs the top, and
            sides that are known.
    """
    net = builder.start(variant, input_shape, common)
    if auxiliary:
        _check_auxiliary(variant, net.image.shape[1:3], net.include_top)
    maps = _modules(_stem(net.image, variant), variant)
    x = net.average_and_classify(
        maps["5b"], dropout=variant.dropout, initializer=INITIALIZER
    )
    heads = [
        _auxiliary_head(maps[module], variant, net, name=f"auxiliary{number}")
        for number, module in enumerate(AUXILIARY_MODULES if auxiliary else (), 1)
    ]
    return net.finish([x, *heads] if heads else x)


def _check_auxiliary(variant: Variant, sides: tuple, include_top: bool) -> None:
    """Raise where there is no place for auxiliary classifiers."""
    if not include_top:
        raise KerasnetsError("auxiliary True: without top there are no classifiers")
    if any(side is None or side < variant.auxiliary_minimum for side in sides):
        raise KerasnetsError(
            f"auxiliary True needs sides of {variant.auxiliary_minimum} pixels or "
            f"more, not {sides}: its dense layers see a map of fixed size"
        )


def _stem(x, variant: Variant):
    """7x7 with stride 2, pool, norm or none, 1x1, 3x3, norm or none."""
    x = variant.conv(x, 64, 7, strides=2, name="conv1")
    x = blocks.ceil_max_pool(x, name="pool1")
    if variant.norm:
        x = variant.norm(x, name="norm1")
    x = variant.conv(x, 64, 1, name="conv2_reduce")
    x = variant.conv(x, 192, 3, name="conv2")
    return variant.norm(x, name="norm2") if variant.norm else x


def _modules(x, variant: Variant) -> dict:
    """The output of every module by its name in the table."""
    maps = {}
    for stage, modules in STAGES.items():
        pool = variant.last_pool if stage == 5 else blocks.ceil_max_pool
        x = pool(x, name=f"pool{stage - 1}")
        for letter, widths in modules.items():
            x = inception_module(x, widths, variant, name=f"inception{stage}{letter}")
            maps[f"{stage}{letter}"] = x
    return maps


def inception_module(x, widths: Widths, variant: Variant, *, name: str):
    """1x1 | 1x1, 3x3 | 1x1, 5x5 | 3x3 max pooling, 1x1: joined."""
    conv = variant.conv
    one = conv(x, widths.one, 1, name=f"{name}_1x1")
    three = conv(x, widths.three_reduce, 1, name=f"{name}_3x3_reduce")
    three = conv(three, widths.three, 3, name=f"{name}_3x3")
    five = conv(x, widths.five_reduce, 1, name=f"{name}_5x5_reduce")
    five = conv(five, widths.five, variant.five, name=f"{name}_5x5")
    pool = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    pool = conv(pool, widths.pool_proj, 1, name=f"{name}_pool_proj")
    return layers.Concatenate(name=f"{name}_concat")([one, three, five, pool])


def _auxiliary_head(x, variant: Variant, net: builder.Draft, *, name: str):
    """Average pooling, 1x1, dense, ReLU, dropout, dense, activation."""
    x = variant.auxiliary_pool(x, name=f"{name}_pool")
    x = variant.conv(x, 128, 1, name=name)
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(
        1024, activation="relu", kernel_initializer=INITIALIZER, name=f"{name}_fc"
    )(x)
    x = layers.Dropout(AUXILIARY_DROPOUT, name=f"{name}_dropout")(x)
    return net.classify(x, INITIALIZER, prefix=f"{name}_")


def conv_relu(x, filters: int, kernel_size: int, *, strides: int = 1, name: str):
    """Convolution with biases, ReLU."""
    x = blocks.conv(
        x,
        filters,
        kernel_size,
        strides=strides,
        padding="symmetric",
        initializer=INITIALIZER,
        name=f"{name}_conv",
    )
    return layers.ReLU(name=f"{name}_relu")(x)


def conv_bn_relu(x, filters: int, kernel_size: int, *, strides: int = 1, name: str):
    """Convolution, BN, ReLU."""
    return blocks.conv_bn(
        x,
        filters,
        kernel_size,
        strides=strides,
        padding="symmetric",
        epsilon=EPSILON,
        activation=layers.ReLU(name=f"{name}_relu"),
        initializer=INITIALIZER,
        name=name,
    )


def response_norm(x, *, name: str):
    """Local response normalisation with Caffe's constants."""
    return LocalResponseNorm(5, bias=1.0, alpha=1e-4 / 5, beta=0.75, name=name)(x)


def small_max_pool(x, *, name: str):
    """2x2 max pooling with stride 2 whose output size is rounded up."""
    return layers.MaxPooling2D(2, strides=2, padding="same", name=name)(x)


def average_5x5(x, *, name: str):
    """5x5 average pooling with stride 3: 4x4 pixels of 14x14."""
    return layers.AveragePooling2D(5, strides=3, name=name)(x)


def average_to_4x4(x, *, name: str):
    """Average pooling to 4x4 pixels."""
    return layers.AdaptiveAveragePooling2D(4, name=name)(x)


GoogLeNet = builder.variant(
    _googlenet,
    Variant(
        name="GoogLeNet",
        conv=conv_relu,
        norm=response_norm,
        five=5,
        last_pool=blocks.ceil_max_pool,
        dropout=0.4,
        auxiliary_pool=average_5x5,
        auxiliary_minimum=79,
        minimum=31,
        preprocessing=Preprocessing(CAFFE.mean[::-1], CAFFE.std),
    ),
)
GoogLeNetBN = builder.variant(
    _googlenet,
    Variant(
        name="GoogLeNetBN",
        conv=conv_bn_relu,
        norm=None,
        five=3,
        last_pool=small_max_pool,
        dropout=0.2,
        auxiliary_pool=average_to_4x4,
        auxiliary_minimum=31,
        source="torchvision, models/googlenet.py",
        minimum=15,
    ),
)
