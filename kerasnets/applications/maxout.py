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
from typing import Any

import keras
from keras import layers

from kerasnets.applications import builder
from kerasnets.layers import CeilMaxPooling2D, Maxout
from kerasnets.pretrained import HEAD

CONVOLUTION_PIECES = 2
DENSE_NORM = 1.9
OUTPUT_NORM = 1.9365


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """Maxout convolution and the pooling after it.

    Attributes:
        filters: units; each has two pieces.
        kernel_size: side of the kernels.
        zeros: around the map.
        pool_size: side of the windows; two pixels lie between them.
        max_norm: of the weights of each piece.
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


def _maxout(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        input_dropout: share of the image's values dropped in training.
        dropout: the same before every layer but the first.
    """
    builder.check_rate("input_dropout", input_dropout)
    builder.check_rate("dropout", dropout)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = inputs
    for i, row in enumerate(variant.convolutions, start=1):
        x = _drop(x, dropout if i > 1 else input_dropout, before=f"conv{i}")
        x = conv_maxout(
            x,
            row.filters,
            row.kernel_size,
            zeros=row.zeros,
            max_norm=row.max_norm,
            name=f"conv{i}",
        )
        x = CeilMaxPooling2D(row.pool_size, 2, name=f"conv{i}_pool")(x)
    if include_top:
        x = builder.flatten(x)
        x = _drop(x, dropout, before="fc1")
        x = dense_maxout(x, variant.units, variant.dense_pieces, name="fc1")
        x = _drop(x, dropout, before=HEAD)
        x = classify(x, classes, classifier_activation)
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _drop(x, rate: float, *, before: str):
    return layers.Dropout(rate, name=f"{before}_dropout")(x) if rate else x


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


def classify(x, classes: int, classifier_activation):
    """``builder.classify`` with a limit on the norm of each class's weights."""
    builder.check_count("classes", classes)
    x = layers.Dense(
        classes,
        kernel_initializer=_uniform(),
        kernel_constraint=_limit(OUTPUT_NORM, axes=[0]),
        dtype="float32",
        name=HEAD,
    )(x)
    return builder.activate(x, classifier_activation)


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
        params=16_247_830,
        madds=732_290_696,
        source="Goodfellow et al. 2013, section 5.2",
        published=builder.Published(
            params=9e6,
            madds=725e6,
            top1=90.62,
            protocol="CIFAR-10, flips and shifts",
            source="Goodfellow et al. 2013, section 5.2",
        ),
    ),
)
