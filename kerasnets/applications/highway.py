"""Highway networks: layers that learn how much of their input to carry on unchanged.

Srivastava et al. 2015, "Training Very Deep Networks", as released in Caffe
(flukeskywalker/highway-networks). A highway layer is H * T + x * (1 - T) with
H = ReLU(conv 3x3) and the gate T = sigmoid(conv 3x3), whose bias starts below zero, so
that at first the input is mostly carried on. Highway19 is the network of Table 3 for
CIFAR-10 and, with ``classes=100``, CIFAR-100; Highway10 that of Table 1 for MNIST, of
width 32 or 16. Pooling rounds up, as Caffe's does.

The figures of Highway19 are those of its release. Highway A, Highway C and the thin
networks of the workshop paper ("Highway Networks") are published without the widths of
their layers and are not built here; nor is the fully connected head of Highway B in
Table 2, whose width is not told.

Departures:
    - Highway19's first convolution is drawn with the standard deviation 0.05 that the
      release means; by a slip in its file Caffe takes 1. Its classifier is drawn as in
      the file for CIFAR-10 for any number of classes.
    - The 8x8 average pooling of Highway19 is that of the whole map, which is the same
      for the paper's images.
    - Global contrast normalisation and the subtracted mean image of CIFAR belong to the
      data, not to the graph.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.layers import HighwayGate
from kerasnets.pretrained import UNIT

XAVIER = "lecun_uniform"  # as Caffe understands it: variance 1 / fan-in


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A plain convolution and ReLU before the highway layers of a stage.

    Attributes:
        kernel_size: Side of the kernels.
        padding: "same" or "valid".
        stddev: Deviation of the initial weights; None is Caffe's "xavier".
    """

    kernel_size: int = 3
    padding: str = "same"
    stddev: float | None = None


@dataclass(frozen=True)
class Stage:
    """Dropout, plain convolution, highway layers, pooling; None or 0 leaves one out.

    Attributes:
        filters: Maps of every layer.
        highways: Number of highway layers.
        convolution: The plain convolution.
        pool_size: Side of the windows of max pooling with stride 2.
        dropout: Rate of the dropout before the stage.
    """

    filters: int
    highways: int
    convolution: Convolution | None = None
    pool_size: int = 0
    dropout: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The stages, and what comes between them and the classes.

    Attributes:
        stages: Stages in their order.
        gate_bias: Initial bias of the gates.
        head_filters: Maps of the 1x1 convolution before global average pooling; 0 has
            neither.
        dropout: Rate before the classifier.
        stddev: Deviation of the classifier's initial weights.
    """

    stages: tuple[Stage, ...]
    gate_bias: float
    head_filters: int = 0
    dropout: float
    stddev: float
    family: str = "Highway"
    year: int = 2015
    classes: int = 10


def _highway(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share of the values dropped in training, before each stage and before
            the classifier; None for the paper's shares.
    """
    net = builder.start(variant, input_shape, common)
    x = net.image
    for i, row in enumerate(variant.stages, start=1):
        rate = row.dropout if dropout is None else dropout
        x = builder.drop(x, rate, name=f"stage{i}_dropout")
        x = _stage(x, row, gate_bias=variant.gate_bias, name=f"stage{i}")
    if net.include_top:
        rate = variant.dropout if dropout is None else dropout
        x = _top(x, variant, rate, net)
    return net.finish(x)


def _highway_of_width(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    width: int = 32,
    dropout: float | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        width: Maps of every layer; the paper has 32 and 16.
        dropout: Share of the values dropped in training, before each stage and before
            the classifier; None for the paper's shares.
    """
    stages = tuple(dataclasses.replace(row, filters=width) for row in variant.stages)
    of_width = dataclasses.replace(variant, stages=stages)
    return _highway(of_width, input_shape, dropout=dropout, **common)


def _stage(x, row: Stage, *, gate_bias: float, name: str):
    """Plain convolution, highway layers and pooling, as far as the row has them."""
    if row.convolution is not None:
        x = layers.Conv2D(
            row.filters,
            row.convolution.kernel_size,
            padding=row.convolution.padding,
            kernel_initializer=_gaussian(row.convolution.stddev),
            activation="relu",
            name=f"{name}_conv",
        )(x)
    for i in range(1, row.highways + 1):
        x = highway(x, gate_bias=gate_bias, name=f"{name}_highway{i}")
    return _pool(x, row.pool_size, name=f"{name}_pool") if row.pool_size else x


def highway(x, *, gate_bias: float, name: str):
    """H = 3x3, ReLU; T = 3x3, sigmoid; H * T + x * (1 - T)."""
    filters = x.shape[-1]
    h = blocks.conv(
        x, filters, 3, initializer=XAVIER, activation="relu", name=f"{name}_plain"
    )
    t = layers.Conv2D(
        filters,
        3,
        padding="same",
        kernel_initializer=XAVIER,
        # (annotated as str only)
        bias_initializer=keras.initializers.Constant(gate_bias),  # type: ignore[arg-type]
        activation="sigmoid",
        name=f"{name}_gate",
    )(x)
    return HighwayGate(name=f"{name}_mix")([h, t, x])


def _pool(x, size: int, *, name: str):
    """Maximum pooling with stride 2 that rounds up: maps are nowhere negative."""
    if size == 3:
        return blocks.ceil_max_pool(x, name=name)
    return layers.MaxPooling2D(size, strides=2, padding="same", name=name)(x)


def _top(x, variant: Variant, rate: float, net: builder.Draft):
    """1x1, ReLU, average of the map; or the map as a vector. Dropout, classifier."""
    initializer = _gaussian(variant.stddev)
    if not variant.head_filters:
        x = builder.drop(builder.flatten(x), rate, name="dropout")
        return net.classify(x, initializer)
    x = blocks.conv(
        x,
        variant.head_filters,
        1,
        initializer=XAVIER,
        activation="relu",
        name="head_conv",
    )
    return net.average_and_classify(x, dropout=rate, initializer=initializer)


def _gaussian(stddev: float | None) -> Any:
    return XAVIER if stddev is None else keras.initializers.RandomNormal(stddev=stddev)


_FIRST_10 = Convolution(kernel_size=5, padding="valid")

Highway19 = builder.variant(
    _highway,
    Variant(
        name="Highway19",
        stages=(
            Stage(32, 4, Convolution(stddev=0.05), pool_size=2),
            Stage(80, 5, Convolution(), pool_size=2),
            Stage(128, 5, Convolution()),
        ),
        gate_bias=-2.0,
        head_filters=100,
        dropout=0.2,
        stddev=0.05,
        input_shape=(32, 32, 3),
        minimum=4,
        source="Srivastava et al. 2015, Table 3",
    ),
)
Highway10 = builder.variant(
    _highway_of_width,
    Variant(
        name="Highway10",
        stages=(
            Stage(32, 2, _FIRST_10, pool_size=3, dropout=0.2),
            Stage(32, 3, pool_size=3, dropout=0.3),
            Stage(32, 3, pool_size=2, dropout=0.4),
        ),
        gate_bias=-1.0,
        dropout=0.5,
        stddev=0.1,
        input_shape=(28, 28, 1),
        minimum=8,
        # pixels over 256, and no border to cut off
        preprocessing=dataclasses.replace(
            UNIT, mean=(0.0,) * 3, std=(256.0,) * 3, crop=1.0
        ),
        source="Srivastava et al. 2015, Table 1",
    ),
)
