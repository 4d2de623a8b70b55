"""MobileNet v2: inverted residuals with linear bottlenecks.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", Table 2.
A block widens its thin input sixfold, filters each channel and projects to a thin
output without an activation; the shortcut joins the thin ends. ``alpha`` multiplies the
filters, ``rho`` the side of the input image.

Departures:
    - Filters are rounded to multiples of 8, and never down by more than 10 %, as in the
      authors' release (TF-slim) and keras.applications; the paper does not say.
    - The last 1x1 convolution keeps 1280 filters for alpha below 1: section 6.1.
      Above 1 it grows too.
    - The classifier is dense on the pooled vector; Table 2 has a 1x1 convolution on the
      pooled map, the same product.

Table 4 prints 3.4 million parameters and TF-slim 3.47: those are 3,470,760 without
batch normalisation. For alpha 1.4 Table 4 prints 6.9 and 585 million multiply-adds; the
network that the authors released has 6.1 and 582, as this one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Counterpart, Shape
from kerasnets.pretrained import trained_shape
from kerasnets.pretrained.names import mobilenet_v2 as names

EPSILON = 1e-3
STEM_FILTERS = 32
HEAD_FILTERS = 1280


@dataclass(frozen=True)
class Stage:
    """A row of Table 2: t, c, n, s."""

    expansion: int
    filters: int
    blocks: int
    strides: int


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The stages between stem and head."""

    stages: tuple[Stage, ...]
    family: str = "MobileNet v2"
    year: int = 2018
    counterparts: tuple[Counterpart, ...] = names.COUNTERPARTS


def _mobilenet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    alpha: float = 1.0,
    rho: float = 1.0,
    stochastic_depth: float = 0.0,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        alpha: Width multiplier; filters are rounded to multiples of 8.
        stochastic_depth: Share of training steps in which the last block is left out,
            0 up to 1; earlier ones in proportion, those without a shortcut never.
    """
    shape = builder.scaled_shape(variant, input_shape, common, rho)
    net = builder.start(variant, shape, common)
    x = _conv(net.image, divisible(alpha * STEM_FILTERS), 3, strides=2, name="stem")
    depth = sum(row.blocks for row in variant.stages)
    rates = iter(drop_rates(depth, stochastic_depth))
    for stage, row in enumerate(variant.stages, start=1):
        for block in range(1, row.blocks + 1):
            x = inverted_residual(
                x,
                divisible(int(alpha * row.filters)),
                expanded=row.expansion * x.shape[-1],
                kernel_size=3,
                strides=row.strides if block == 1 else 1,
                activation=relu6,
                drop_rate=next(rates),
                name=f"stage{stage}_block{block}",
            )
    x = _conv(x, divisible(max(alpha, 1) * HEAD_FILTERS), 1, strides=1, name="head")
    return net.finish(
        net.average_and_classify(x),
        title=f"{variant.name.lower()}_{alpha:0.2f}_{net.image.shape[1]}",
        counterpart_arguments={
            "alpha": alpha,
            "input_shape": trained_shape(variant.name, net.image, alpha),
        },
    )


def divisible(filters: float) -> int:
    """The nearest multiple of 8, at least 8, and not below 90 % of ``filters``."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def drop_rates(depth: int, last: float) -> list[float]:
    """The drop rate of each of ``depth`` blocks, growing linearly to ``last``."""
    return [last * block / depth for block in range(1, depth + 1)]


def inverted_residual(
    x,
    filters: int,
    *,
    expanded: int,
    kernel_size: int,
    strides: int,
    activation: Callable[[str], layers.Layer],
    gate: Callable | None = None,
    drop_rate: float,
    name: str,
):
    """1x1 to ``expanded``, depthwise, gate where given, linear 1x1; + x if it fits.

    BN after each convolution, ``activation`` after the first two; no first 1x1 where it
    would widen nothing.
    """
    y = x
    if expanded != x.shape[-1]:
        y = blocks.conv_bn(
            y,
            expanded,
            1,
            epsilon=EPSILON,
            activation=activation(f"{name}_expand"),
            name=f"{name}_expand",
        )
    y = layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        name=f"{name}_depthwise_conv",
    )(y)
    y = blocks.batch_norm(y, epsilon=EPSILON, name=f"{name}_depthwise_bn")
    y = activation(f"{name}_depthwise")(y)
    if gate is not None:
        y = gate(y, name=name)
    y = blocks.conv_bn(
        y, filters, 1, epsilon=EPSILON, activation=None, name=f"{name}_project"
    )
    if strides > 1 or x.shape[-1] != filters:
        return y
    y = blocks.drop_branch(y, drop_rate, name=f"{name}_drop")
    return layers.Add(name=f"{name}_add")([x, y])


def relu6(name: str) -> layers.Layer:
    """ReLU capped at 6, which keeps its precision in few bits (section 6.1)."""
    return layers.ReLU(6.0, name=f"{name}_relu")


def _conv(x, filters: int, kernel_size: int, *, strides: int, name: str):
    return blocks.conv_bn(
        x,
        filters,
        kernel_size,
        strides=strides,
        epsilon=EPSILON,
        activation=relu6(name),
        name=name,
    )


_STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)


MobileNetV2 = builder.variant(
    _mobilenet,
    Variant(name="MobileNetV2", stages=_STAGES, source="Sandler et al. 2018, Table 2"),
)
