"""CIFAR ResNets: thin residual networks for 32x32 images, and their plain twins.

He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.2 and
Table 6: a 3x3 convolution, three stages of n basic blocks with 16, 32 and 64 filters
on maps of 32, 16 and 8 pixels, global average pooling and a 10-way classifier; 6n + 2
layers with weights. Shortcuts have no parameters (option A): every other pixel and
zeros for the new channels.

Huang et al. 2016, "Deep Networks with Stochastic Depth", section 4: the same with 110
and 1202 layers, trained with blocks left out; where the size changes, the shortcut is
the average of 2x2 pixels, as in the authors' code.

Departures:
    - The plain 1202-layer twin is not in the paper; its row completes the list.
    - Pixels are scaled to [-1, 1]; He et al. subtract the mean image.
    - A 3x3 convolution with stride 2 has its zeros at the end of an even side, as
      Keras's "same" has them; He et al. do not say, Huang et al.'s code has them on
      both sides.
    - Huang et al. multiply a branch by its survival rate at inference, here it is
      divided by it in training: the same expectation.
    - The convolutions of Huang et al.'s code have biases, which batch normalisation
      takes away again; here they have none.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import CIFAR, UNIT, Preprocessing

EPSILON = 1e-5
STAGES = (16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """A depth: the number of blocks of each stage."""

    blocks: int
    family: str = "CIFAR ResNet"
    year: int = 2015
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    source: str = "He et al. 2015, section 4.2"
    preprocessing: Preprocessing = UNIT


@dataclass(frozen=True, kw_only=True)
class Residual:
    """What the shortcuts are and how the branches beside them are trained."""

    shortcut: Callable
    zero_init: bool
    stochastic_depth: float

    def __post_init__(self):
        builder.check_rate("stochastic_depth", self.stochastic_depth)


def _resnet(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    shortcut: str = "A",
    zero_init_residual: bool = False,
    stochastic_depth: float = 0.0,
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
        shortcut: "A": identity, with zeros for new channels; "B": 1x1 convolutions
            where the shape changes.
        zero_init_residual: every block starts as its shortcut: the scale of its last
            batch normalisation starts at 0 (Goyal et al. 2017, section 5.1).
        stochastic_depth: share of training steps that leave out the last block's
            branch, growing linearly from block to block (Huang et al. 2016).
    """
    if shortcut not in SHORTCUTS:
        raise KerasnetsError(f"shortcut {shortcut!r} is unknown: 'A' or 'B'")
    inputs = builder.image_input(variant, input_shape, input_tensor)
    residual = Residual(
        shortcut=SHORTCUTS[shortcut],
        zero_init=zero_init_residual,
        stochastic_depth=stochastic_depth,
    )
    x = features(inputs, variant, residual)
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer="he_normal"
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _stochastic_depth(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    zero_init_residual: bool = False,
    stochastic_depth: float = 0.5,
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
        zero_init_residual: every block starts as its shortcut: the scale of its last
            batch normalisation starts at 0 (Goyal et al. 2017, section 5.1).
        stochastic_depth: share of training steps that leave out the last block's
            branch, 1 - p_L in the paper, growing linearly from block to block.
    """
    inputs = builder.image_input(variant, input_shape, input_tensor)
    residual = Residual(
        shortcut=averaged,
        zero_init=zero_init_residual,
        stochastic_depth=stochastic_depth,
    )
    x = features(inputs, variant, residual)
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer="he_normal"
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _plain(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network, which has no shortcuts, as a Keras functional model."""
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = features(inputs, variant, None)
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer="he_normal"
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def features(x, variant: Variant, residual: Residual | None):
    """3x3 and the stages: to the last map; plain where ``residual`` is None."""
    x = _conv(x, STAGES[0], strides=1, relu=True, name="stem")
    total, number = len(STAGES) * variant.blocks, itertools.count(1)
    for stage, filters in enumerate(STAGES, start=1):
        for block in range(1, variant.blocks + 1):
            x = basic_block(
                x,
                filters,
                strides=2 if stage > 1 and block == 1 else 1,
                residual=residual,
                depth=next(number) / total,
                name=f"stage{stage}_block{block}",
            )
    return x


def basic_block(
    x, filters: int, *, strides: int, residual: Residual | None, depth: float, name: str
):
    """3x3, BN, ReLU, 3x3, BN, + shortcut where residual, ReLU.

    ``depth`` is the block's number as a share of all blocks.
    """
    gamma = "zeros" if residual and residual.zero_init else "ones"
    y = _conv(x, filters, strides=strides, relu=True, name=f"{name}_1")
    y = _conv(y, filters, strides=1, relu=False, gamma=gamma, name=f"{name}_2")
    if residual:
        rate = depth * residual.stochastic_depth
        y = blocks.drop_branch(y, rate, name=f"{name}_drop")
        shortcut = residual.shortcut(x, filters, strides=strides, name=name)
        y = layers.Add(name=f"{name}_add")([y, shortcut])
    return layers.ReLU(name=f"{name}_relu")(y)


def projected(x, filters: int, *, strides: int, name: str):
    """1x1, BN where the shape changes (option B)."""
    if strides == 1 and x.shape[-1] == filters:
        return x
    return _conv(x, filters, 1, strides=strides, relu=False, name=f"{name}_shortcut")


def averaged(x, filters: int, *, strides: int, name: str):
    """2x2 average pooling where there is a stride, zeros for the new channels."""
    if strides > 1:
        # "same" where a side is odd: the pixels at the end have no partner
        x = layers.AveragePooling2D(strides, padding="same", name=f"{name}_average")(x)
    return blocks.identity_shortcut(x, filters, strides=1, name=name)


SHORTCUTS = {"A": blocks.identity_shortcut, "B": projected}


def _conv(
    x,
    filters: int,
    kernel_size: int = 3,
    *,
    strides: int,
    relu: bool,
    gamma: str = "ones",
    name: str,
):
    return blocks.conv_bn(
        x,
        filters,
        kernel_size,
        strides=strides,
        epsilon=EPSILON,
        gamma=gamma,
        activation=layers.ReLU(name=f"{name}_relu") if relu else None,
        initializer="he_normal",
        name=name,
    )


# parameters and multiply-adds by depth; they do not hang on shortcuts without weights
_COSTS = {
    20: (271_098, 40_551_040),
    32: (466_426, 68_862_592),
    44: (661_754, 97_174_144),
    56: (857_082, 125_485_696),
    110: (1_736_058, 252_887_680),
    1202: (19_510_906, 2_829_238_912),
}


def _row(kind: str, depth: int, **fields) -> Variant:
    params, madds = _COSTS[depth]
    return Variant(
        name=f"{kind}{depth}",
        blocks=(depth - 2) // 6,
        params=params,
        madds=madds,
        **fields,
    )


def _published(params: float, top1: float, source: str = "He et al. 2015, Table 6"):
    return builder.Published(
        params=params, top1=top1, protocol="CIFAR-10, flips and shifts", source=source
    )


def _residual(depth: int, params: float, top1: float):
    row = _row("ResNet", depth, published=_published(params, top1))
    return builder.variant(_resnet, row)


def _stochastic(depth: int, params: float, top1: float):
    row = _row(
        "StochasticDepthResNet",
        depth,
        year=2016,
        source="Huang et al. 2016, section 4",
        preprocessing=CIFAR,
        published=_published(params, top1, "Huang et al. 2016, Table 1"),
    )
    return builder.variant(_stochastic_depth, row)


ResNet20 = _residual(20, 0.27e6, 91.25)
ResNet32 = _residual(32, 0.46e6, 92.49)
ResNet44 = _residual(44, 0.66e6, 92.83)
ResNet56 = _residual(56, 0.85e6, 93.03)
ResNet110 = _residual(110, 1.7e6, 93.57)
ResNet1202 = _residual(1202, 19.4e6, 92.07)
StochasticDepthResNet110 = _stochastic(110, 1.7e6, 94.75)
StochasticDepthResNet1202 = _stochastic(1202, 19.4e6, 95.09)
Plain20 = builder.variant(_plain, _row("Plain", 20))
Plain32 = builder.variant(_plain, _row("Plain", 32))
Plain44 = builder.variant(_plain, _row("Plain", 44))
Plain56 = builder.variant(_plain, _row("Plain", 56))
Plain110 = builder.variant(_plain, _row("Plain", 110))
Plain1202 = builder.variant(_plain, _row("Plain", 1202))
