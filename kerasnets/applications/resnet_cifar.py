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

from dataclasses import dataclass
from typing import Unpack

import keras

from kerasnets.applications import builder, resnet
from kerasnets.applications.builder import Build, Common, Counterpart, P, Shape
from kerasnets.applications.residual import Block, Form, Residual, basic, stages
from kerasnets.pretrained import CIFAR, UNIT, Preprocessing

FORM = Form(padding="same", initializer="he_normal")


@dataclass(frozen=True, kw_only=True)
class Variant(resnet.Variant):
    """Stages of as many blocks each."""

    block: Block = basic
    stem_filters: int = 16
    small: bool = True
    form: Form = FORM
    family: str = "CIFAR ResNet"
    source: str = "He et al. 2015, section 4.2"
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    classes: int = 10
    preprocessing: Preprocessing = UNIT
    counterparts: tuple[Counterpart, ...] = ()


def _resnet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    shortcut: str = "A",
    stochastic_depth: float = 0.0,
    zero_init_residual: bool = False,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        shortcut: "A": identity, with zeros for new channels; "B": 1x1 convolutions
            where the shape changes.
    """
    builder.check_choice("shortcut", shortcut, ("A", "B"))
    net = builder.start(variant, input_shape, common)
    residual = Residual(shortcut, stochastic_depth, zero_init_residual)
    return resnet.finish(net, variant, FORM, residual)


def _stochastic_depth(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    stochastic_depth: float = 0.5,
    zero_init_residual: bool = False,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        stochastic_depth: Share of training steps that leave out the last block's
            branch, 1 - p_L in the paper, growing linearly from block to block.
    """
    net = builder.start(variant, input_shape, common)
    residual = Residual("average", stochastic_depth, zero_init_residual)
    return resnet.finish(net, variant, FORM, residual)


def _variant(build: Build[Variant, P], kind: str, depth: int, **values):
    rows = stages(((depth - 2) // 6,) * 3, 16, 16)
    return builder.variant(build, Variant(name=f"{kind}{depth}", stages=rows, **values))


def _stochastic(depth: int):
    source = "Huang et al. 2016, section 4"
    values = {"year": 2016, "source": source, "preprocessing": CIFAR}
    return _variant(_stochastic_depth, "StochasticDepthResNet", depth, **values)


ResNet20 = _variant(_resnet, "ResNet", 20)
ResNet32 = _variant(_resnet, "ResNet", 32)
ResNet44 = _variant(_resnet, "ResNet", 44)
ResNet56 = _variant(_resnet, "ResNet", 56)
ResNet110 = _variant(_resnet, "ResNet", 110)
ResNet1202 = _variant(_resnet, "ResNet", 1202)
StochasticDepthResNet110 = _stochastic(110)
StochasticDepthResNet1202 = _stochastic(1202)
Plain20 = _variant(resnet.plain, "Plain", 20)
Plain32 = _variant(resnet.plain, "Plain", 32)
Plain44 = _variant(resnet.plain, "Plain", 44)
Plain56 = _variant(resnet.plain, "Plain", 56)
Plain110 = _variant(resnet.plain, "Plain", 110)
Plain1202 = _variant(resnet.plain, "Plain", 1202)
