"""MobileNet v3: inverted residuals with squeeze-and-excite and hard swish, searched.

Howard et al. 2019, "Searching for MobileNetV3", Tables 1 (Large) and 2 (Small). The
blocks are those of MobileNet v2; some weigh their channels by what the whole map shows
(squeeze-and-excite), and the deeper ones have hard swish, x * ReLU6(x + 3) / 6. The
head pools before its last hidden layer. ``minimalistic`` does without what phones'
accelerators are slow at: 3x3 kernels only, ReLU only, no squeeze-and-excite.

Departures:
    - Sizes are rounded to multiples of 8, stem and hidden layer do not shrink with
      alpha, as in the authors' release (TF-slim) and keras.applications; the paper does
      not say.
    - Table 2 marks squeeze-and-excite at Small's last 1x1 convolution too; the release
      has none there, and with it Small would have 2.7 million parameters, not the 2.5
      that are printed.
    - The two layers after the pooling are dense; the tables have 1x1 convolutions on
      the pooled map, the same product.
    - Images come in [-1, 1]; keras.applications scales pixels of 0 to 255 inside the
      network.
    - Dropout before the classifier is 0.2 as in keras.applications; the paper says 0.8
      for the share that is kept (section 6.1.1).

The minimalistic networks are those of the authors' release, not of the paper. Table 3
prints 219 million multiply-adds for Large, TF-slim 217: the tables' layers have 216.6.
"""

from dataclasses import dataclass, replace
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.applications.mobilenet_v2 import (
    EPSILON,
    divisible,
    drop_rates,
    inverted_residual,
)
from kerasnets.pretrained import trained_shape
from kerasnets.pretrained.names import mobilenet_v3 as names

STEM_FILTERS = 16


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Blocks of equal width.

    Attributes:
        filters: Filters of the stage's output.
        expansions: For each block, how many times wider its inside is than its input.
        kernel_size: Side of the depthwise kernels.
        strides: Strides of the first depthwise convolution.
        excite: Whether squeeze-and-excite follows these.
        hard_swish: Whether the activation is hard swish, or ReLU.
    """

    filters: int
    expansions: tuple[float, ...]
    kernel_size: int
    strides: int
    excite: bool
    hard_swish: bool


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The stages between stem and head, and the width of the last hidden layer."""

    stages: tuple[Stage, ...]
    hidden: int
    family: str = "MobileNet v3"
    year: int = 2019


def _mobilenet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    alpha: float = 1.0,
    rho: float = 1.0,
    minimalistic: bool = False,
    dropout: float = 0.2,
    stochastic_depth: float = 0.0,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        alpha: Width multiplier; filters are rounded to multiples of 8.
        minimalistic: 3x3 kernels and ReLU throughout, no squeeze-and-excite.
        dropout: Share of the last hidden layer dropped in training.
        stochastic_depth: Share of training steps in which the last block is left out,
            0 up to 1; earlier ones in proportion, those without a shortcut never.
    """
    shape = builder.scaled_shape(variant, input_shape, common, rho)
    net = builder.start(variant, shape, common)
    ends = relu if minimalistic else hard_swish
    x = _conv(net.image, STEM_FILTERS, 3, strides=2, activation=ends, name="stem")
    x = _stages(x, variant.stages, alpha, minimalistic, stochastic_depth)
    x = _conv(x, divisible(6 * x.shape[-1]), 1, strides=1, activation=ends, name="head")
    if net.include_top:
        units = divisible(max(alpha, 1) * variant.hidden)
        x = _classify(x, net, units, activation=ends, dropout=dropout)
    kind = "_minimalistic" if minimalistic else ""
    return net.finish(
        x,
        title=f"{variant.name.lower()}{kind}_{alpha:0.2f}_{net.image.shape[1]}",
        counterpart_arguments={
            "alpha": alpha,
            "minimalistic": minimalistic,
            "include_preprocessing": False,
            "input_shape": trained_shape(variant.name, net.image, alpha),
        },
    )


def _stages(
    x, stages: tuple[Stage, ...], alpha: float, minimalistic: bool, last_rate: float
):
    """The blocks of all stages; the drop rate grows to ``last_rate``."""
    depth = sum(len(row.expansions) for row in stages)
    rates = iter(drop_rates(depth, last_rate))
    for stage, row in enumerate(stages, start=1):
        row = _minimal(row) if minimalistic else row
        for block, expansion in enumerate(row.expansions, start=1):
            x = inverted_residual(
                x,
                divisible(alpha * row.filters),
                expanded=divisible(expansion * x.shape[-1]),
                kernel_size=row.kernel_size,
                strides=row.strides if block == 1 else 1,
                activation=hard_swish if row.hard_swish else relu,
                gate=squeeze_excite if row.excite else None,
                drop_rate=next(rates),
                name=f"stage{stage}_block{block}",
            )
    return x


def _minimal(row: Stage) -> Stage:
    """The stage with 3x3 kernels and ReLU, without squeeze-and-excite."""
    return replace(row, kernel_size=3, excite=False, hard_swish=False)


def _classify(x, net: builder.Draft, units: int, *, activation, dropout: float):
    """Average, dense, activation, dropout, dense, activation."""
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = activation("fc1")(layers.Dense(units, name="fc1")(x))
    return net.classify(builder.drop(x, dropout, name="dropout"))


def squeeze_excite(x, *, name: str):
    """Average, 1x1 to a quarter, ReLU, 1x1, hard sigmoid: a factor for each channel."""
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze_pool")(x)
    y = blocks.conv(y, divisible(channels / 4), 1, name=f"{name}_squeeze_conv")
    y = layers.ReLU(name=f"{name}_squeeze_relu")(y)
    y = blocks.conv(y, channels, 1, name=f"{name}_excite_conv")
    y = layers.Activation("hard_sigmoid", name=f"{name}_excite_hard_sigmoid")(y)
    return layers.Multiply(name=f"{name}_excite")([x, y])


def relu(name: str) -> layers.Layer:
    """ReLU, not capped."""
    return layers.ReLU(name=f"{name}_relu")


def hard_swish(name: str) -> layers.Layer:
    """The swish function in pieces of lines: x * ReLU6(x + 3) / 6 (section 5.2)."""
    return layers.Activation("hard_swish", name=f"{name}_hard_swish")


def _conv(x, filters: int, kernel_size: int, *, strides: int, activation, name: str):
    return blocks.conv_bn(
        x,
        filters,
        kernel_size,
        strides=strides,
        epsilon=EPSILON,
        activation=activation(name),
        name=name,
    )


def _stage(filters, expansions, kernel_size, strides, kind: str) -> Stage:
    """A row as the tables write it: ``kind`` is "SE" or "", and "RE" or "HS"."""
    return Stage(
        filters=filters,
        expansions=expansions,
        kernel_size=kernel_size,
        strides=strides,
        excite="SE" in kind,
        hard_swish="HS" in kind,
    )


_LARGE = (
    _stage(16, (1,), 3, 1, "RE"),
    _stage(24, (4, 3), 3, 2, "RE"),
    _stage(40, (3, 3, 3), 5, 2, "SE RE"),
    _stage(80, (6, 2.5, 2.3, 2.3), 3, 2, "HS"),
    _stage(112, (6, 6), 3, 1, "SE HS"),
    _stage(160, (6, 6, 6), 5, 2, "SE HS"),
)
_SMALL = (
    _stage(16, (1,), 3, 2, "SE RE"),
    _stage(24, (72 / 16, 88 / 24), 3, 2, "RE"),
    _stage(40, (4, 6, 6), 5, 2, "SE HS"),
    _stage(48, (3, 3), 5, 1, "SE HS"),
    _stage(96, (6, 6, 6), 5, 2, "SE HS"),
)


def _variant(name: str, stages: tuple[Stage, ...], hidden: int, table: int):
    row = Variant(
        name=name,
        stages=stages,
        hidden=hidden,
        source=f"Howard et al. 2019, Table {table}",
        counterparts=names.counterparts([len(stage.expansions) for stage in stages]),
    )
    return builder.variant(_mobilenet, row)


MobileNetV3Large = _variant("MobileNetV3Large", _LARGE, 1280, 1)
MobileNetV3Small = _variant("MobileNetV3Small", _SMALL, 1024, 2)
