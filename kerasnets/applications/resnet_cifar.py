"""CIFAR ResNets: thin residual networks for 32x32 images, and their plain twins.

He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.2 and
Table 6: a 3x3 convolution, three stages of n basic blocks with 16, 32 and 64 filters
on maps of 32, 16 and 8 pixels, global average pooling and a 10-way classifier; 6n + 2
layers with weights. Shortcuts have no parameters (option A): every other pixel and
zeros for the new channels.

Departures: none. The plain 1202-layer twin is not in the paper; its row completes the
list.
"""

from dataclasses import dataclass

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder

EPSILON = 1e-5
STAGES = (16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """A depth, with shortcuts or without."""

    blocks: int
    residual: bool
    family: str = "CIFAR ResNet"
    year: int = 2015
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    source: str = "He et al. 2015, section 4.2"


def _resnet(
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
    """Build the network as a Keras functional model."""
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = _conv(inputs, STAGES[0], strides=1, relu=True, name="stem")
    for stage, filters in enumerate(STAGES, start=1):
        for block in range(1, variant.blocks + 1):
            x = basic_block(
                x,
                filters,
                strides=2 if stage > 1 and block == 1 else 1,
                residual=variant.residual,
                name=f"stage{stage}_block{block}",
            )
    if include_top:
        x = builder.average_and_classify(
            x,
            classes=classes,
            classifier_activation=classifier_activation,
            initializer="he_normal",
        )
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def basic_block(x, filters: int, *, strides: int, residual: bool, name: str):
    """3x3, BN, ReLU, 3x3, BN, + shortcut where residual, ReLU."""
    y = _conv(x, filters, strides=strides, relu=True, name=f"{name}_1")
    y = _conv(y, filters, strides=1, relu=False, name=f"{name}_2")
    if residual:
        shortcut = blocks.identity_shortcut(x, filters, strides=strides, name=name)
        y = layers.Add(name=f"{name}_add")([y, shortcut])
    return layers.ReLU(name=f"{name}_relu")(y)


def _conv(x, filters: int, *, strides: int, relu: bool, name: str):
    return blocks.conv_bn(
        x,
        filters,
        3,
        strides=strides,
        epsilon=EPSILON,
        activation=layers.ReLU(name=f"{name}_relu") if relu else None,
        initializer="he_normal",
        name=name,
    )


# parameters and multiply-adds by depth; a twin without shortcuts costs the same
_COSTS = {
    20: (271_098, 40_551_040),
    32: (466_426, 68_862_592),
    44: (661_754, 97_174_144),
    56: (857_082, 125_485_696),
    110: (1_736_058, 252_887_680),
    1202: (19_510_906, 2_829_238_912),
}


def _variant(kind: str, depth: int):
    params, madds = _COSTS[depth]
    row = Variant(
        name=f"{kind}{depth}",
        blocks=(depth - 2) // 6,
        residual=kind == "ResNet",
        params=params,
        madds=madds,
    )
    return builder.variant(_resnet, row)


ResNet20 = _variant("ResNet", 20)
ResNet32 = _variant("ResNet", 32)
ResNet44 = _variant("ResNet", 44)
ResNet56 = _variant("ResNet", 56)
ResNet110 = _variant("ResNet", 110)
ResNet1202 = _variant("ResNet", 1202)
Plain20 = _variant("Plain", 20)
Plain32 = _variant("Plain", 32)
Plain44 = _variant("Plain", 44)
Plain56 = _variant("Plain", 56)
Plain110 = _variant("Plain", 110)
Plain1202 = _variant("Plain", 1202)
