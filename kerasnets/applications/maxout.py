"""The maxout network for CIFAR-10: units that take the largest of linear functions.

Goodfellow et al. 2013, "Maxout Networks", section 5.2, as released in pylearn2
(scripts/papers/maxout/cifar10.yaml): three convolutions of 8x8, 8x8 and 5x5 with two
pieces a unit, each with overlapping max pooling that rounds up (maps of 16, 7 and 5
pixels), 500 dense units of five pieces and the classifier. Dropout is on the image and
before every later layer. The norm of each piece's weights is limited: 0.9 in the first
convolution, 1.9 in the dense units, 1.9365 elsewhere.

Departures:
    - Dropout on the image divides what is kept by 0.8; the release leaves it as it is.
    - The release learns the convolutions at a twentieth of the learning rate, and
      prepares images by global contrast normalisation and ZCA whitening: neither is
      part of the graph.

Romero et al. 2015, Table 5, print 9 million parameters and 725 million multiply-adds of
this network, their teacher: its weights without biases and with two pieces in the
dense units.
"""

from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.layers import CeilMaxPooling2D, Maxout
from kerasnets.pretrained import HEAD

CONVOLUTION_PIECES = 2
DENSE_NORM = 1.9
OUTPUT_NORM = 1.9365


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """Maxout convolution and the pooling after it.

    Attributes:
        filters: Units; each has two pieces.
        kernel_size: Side of the kernels.
        zeros: Zeros around the map.
        pool_size: Side of the windows; two pixels lie between them.
        max_norm: Largest norm of the weights of each piece.
    """

    filters: int
    kernel_size: int
    zeros: int
    pool_size: int
    max_norm: float


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The convolutions, and the dense units with their pieces."""

    convolutions: tuple[Convolution, ...]
    units: int = 500
    dense_pieces: int = 5
    family: str = "Maxout"
    year: int = 2013
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 8
    classes: int = 10
    source: str = "Goodfellow et al. 2013, section 5.2"


def _maxout(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        input_dropout: Share of the image's values dropped in training.
        dropout: The same before every layer but the first.
    """
    net = builder.start(variant, input_shape, common)
    x = net.image
    for i, row in enumerate(variant.convolutions, start=1):
        x = builder.drop(
            x, dropout if i > 1 else input_dropout, name=f"conv{i}_dropout"
        )
        x = conv_maxout(
            x,
            row.filters,
            row.kernel_size,
            zeros=row.zeros,
            max_norm=row.max_norm,
            name=f"conv{i}",
        )
        x = CeilMaxPooling2D(row.pool_size, 2, name=f"conv{i}_pool")(x)
    if net.include_top:
        x = builder.flatten(x)
        x = builder.drop(x, dropout, name="fc1_dropout")
        x = dense_maxout(x, variant.units, variant.dense_pieces, name="fc1")
        x = builder.drop(x, dropout, name=f"{HEAD}_dropout")
        x = classify(x, net)
    return net.finish(x)


def conv_maxout(
    x, filters: int, kernel_size: int, *, zeros: int, max_norm: float, name: str
):
    """Zeros around the map, convolution of two pieces a unit, their maximum."""
    same = 2 * zeros == kernel_size - 1
    if not same:
        x = layers.ZeroPadding2D(zeros, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        CONVOLUTION_PIECES * filters,
        kernel_size,
        padding="same" if same else "valid",
        kernel_initializer=_uniform(),
        kernel_constraint=_limit(max_norm, axes=[0, 1, 2]),
        name=name,
    )(x)
    return Maxout(CONVOLUTION_PIECES, name=f"{name}_maxout")(x)


def dense_maxout(x, units: int, pieces: int, *, name: str):
    """Dense layer of ``pieces`` a unit, their maximum."""
    x = layers.Dense(
        pieces * units,
        kernel_initializer=_uniform(),
        kernel_constraint=_limit(DENSE_NORM, axes=[0]),
        name=name,
    )(x)
    return Maxout(pieces, name=f"{name}_maxout")(x)


def classify(x, net: builder.Draft):
    """``Draft.classify`` with a limit on the norm of each class's weights."""
    x = layers.Dense(
        net.classes,
        kernel_initializer=_uniform(),
        kernel_constraint=_limit(OUTPUT_NORM, axes=[0]),
        dtype="float32",
        name=HEAD,
    )(x)
    return builder.activate(x, net.classifier_activation)


def _uniform() -> Any:
    return keras.initializers.RandomUniform(-0.005, 0.005)


def _limit(norm: float, *, axes: list[int]) -> Any:
    """One norm for all weights that lead to an output."""
    # (annotated as int only)
    return keras.constraints.MaxNorm(norm, axis=axes)  # type: ignore[arg-type]


MaxoutCIFAR10 = builder.variant(
    _maxout,
    Variant(
        name="MaxoutCIFAR10",
        convolutions=(
            Convolution(filters=96, kernel_size=8, zeros=4, pool_size=4, max_norm=0.9),
            Convolution(
                filters=192, kernel_size=8, zeros=3, pool_size=4, max_norm=1.9365
            ),
            Convolution(
                filters=192, kernel_size=5, zeros=3, pool_size=2, max_norm=1.9365
            ),
        ),
    ),
)
