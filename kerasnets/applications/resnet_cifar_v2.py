"""CIFAR ResNets v2: the activations before the weights, 110 to 1001 layers.

He et al. 2016, "Identity Mappings in Deep Residual Networks", section 4 and appendix:
a 3x3 convolution of 16 filters, three stages of n units on maps of 32, 16 and 8
pixels, BN, ReLU, global average pooling and the classifier. 110 layers have units of
two 3x3 convolutions and shortcuts without parameters (option A of He et al. 2015); 164
and 1001 have bottlenecks with the stride on their first 1x1 convolution, and where
the width changes, from 16 to 64 in the first stage too, a 1x1 convolution makes the
shortcut. It has no BN of its own but shares the unit's first BN and ReLU. The
first BN and ReLU of all follow conv1, before the paths of the first unit part.

Printed figures: 10.2M parameters with 1001 layers are the weights of convolutions and
classifier (10.18M); the trainable parameters are 10.33M.

Departures:
    - Weights start uniform, with the variance of the paper's normal distribution, as
      in ``resnet``.
    - Pixels are scaled to [-1, 1]; the paper subtracts the mean image.
"""

from dataclasses import dataclass
from typing import Unpack

import keras

from kerasnets.applications import builder, resnet_v2
from kerasnets.applications.builder import Common, Counterpart, Shape
from kerasnets.applications.residual import (
    Block,
    Convolution,
    Residual,
    basic,
    bottleneck,
    stages,
)

FORM = resnet_v2.Form(
    strided=1, after_stem=resnet_v2.activate, activated=True, shortcut_first=False
)
STEM = Convolution(16, 3)


@dataclass(frozen=True, kw_only=True)
class Variant(resnet_v2.Variant):
    """The stages, the units they are made of, and the shortcuts where shapes change.

    Attributes:
        shortcut: "A": identity, with zeros for new channels; "B": 1x1 convolutions
            where the width changes.
    """

    shortcut: str = "B"
    stem: Convolution = STEM
    family: str = "CIFAR ResNet v2"
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    classes: int = 10
    source: str = "He et al. 2016, section 4"
    counterparts: tuple[Counterpart, ...] = ()


def _resnet_v2(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    stochastic_depth: float = 0.0,
    zero_init_residual: bool = False,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        zero_init_residual: Whether every unit starts as its shortcut: its last
            convolution starts at zero.
    """
    net = builder.start(variant, input_shape, common)
    shortcuts = Residual(variant.shortcut, stochastic_depth, zero_init_residual)
    return resnet_v2.finish(net, variant, FORM, shortcuts)


def _variant(name: str, block: Block, depth: int, shortcut: str = "B"):
    """The depth is that of each stage."""
    rows = stages((depth,) * 3, 16, 16 if block is basic else 64)
    row = Variant(name=name, block=block, stages=rows, shortcut=shortcut)
    return builder.variant(_resnet_v2, row)


ResNet110V2 = _variant("ResNet110V2", basic, 18, shortcut="A")
ResNet164V2 = _variant("ResNet164V2", bottleneck, 18)
ResNet1001V2 = _variant("ResNet1001V2", bottleneck, 111)
