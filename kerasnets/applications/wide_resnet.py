"""Wide ResNets: fewer layers, more filters in each; for CIFAR and for ImageNet.

Zagoruyko and Komodakis 2016, "Wide Residual Networks". For CIFAR, Table 1: WRN-d-k is
the pre-activation ResNet of ``resnet_cifar_v2`` with d - 4 convolutions in units of two
3x3 and k times the filters: 16k, 32k, 64k. Projections are 1x1 convolutions on the
unit's activated input where the width changes, from 16 to 16k in the first stage
too. Dropout, if any, is inside a unit, between its convolutions (section 2.4); the
paper's rate is 0.3.

For ImageNet, section 3.4 and Table 8: WRN-50-2-bottleneck, ResNet-50 whose bottlenecks
are twice as wide inside; the filters at their end stay. The stride is on the 3x3
convolution, as in the authors' code and fb.resnet.torch. Table 8 prints 68.9M
parameters: the trainable ones; with the statistics of batch normalisation 68.95M.

Departures:
    - Weights start uniform, with the variance of the authors' normal distribution, as
      in ``resnet``.
    - With k = 1 nothing changes the width in the first stage; the first shortcut of
      WRN-40-1 still starts behind the first BN and ReLU (He et al. 2016, appendix), in
      the authors' code before them.
"""

from dataclasses import dataclass
from typing import Unpack

import keras

from kerasnets.applications import builder, resnet, resnet_cifar_v2, resnet_v2
from kerasnets.applications.builder import Common, Shape
from kerasnets.applications.residual import Block, Residual, basic, bottleneck, stages
from kerasnets.pretrained import CIFAR, TORCH, Preprocessing


@dataclass(frozen=True, kw_only=True)
class Variant(resnet_cifar_v2.Variant):
    """A depth and a width for CIFAR."""

    block: Block = basic
    family: str = "Wide ResNet"
    source: str = "Zagoruyko and Komodakis 2016, Table 1"
    preprocessing: Preprocessing = CIFAR


def _wide_resnet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    zero_init_residual: bool = False,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Rate between the two convolutions of a unit; the paper has 0.3 with
            and 0 without.
        zero_init_residual: Whether every unit starts as its shortcut: its last
            convolution starts at zero.
    """
    net = builder.start(variant, input_shape, common)
    shortcuts = Residual(variant.shortcut, stochastic_depth, zero_init_residual)
    return resnet_v2.finish(net, variant, resnet_cifar_v2.FORM, shortcuts, dropout)


def _wrn(depth: int, k: int):
    """WRN-depth-k."""
    rows = stages(((depth - 4) // 6,) * 3, 16 * k, 16 * k)
    row = Variant(name=f"WideResNet{depth}_{k}", stages=rows)
    return builder.variant(_wide_resnet, row)


WideResNet16_8 = _wrn(16, 8)
WideResNet16_10 = _wrn(16, 10)
WideResNet22_8 = _wrn(22, 8)
WideResNet28_10 = _wrn(28, 10)
WideResNet40_1 = _wrn(40, 1)
WideResNet40_2 = _wrn(40, 2)
WideResNet40_4 = _wrn(40, 4)
WideResNet40_8 = _wrn(40, 8)
WideResNet50_2 = builder.variant(
    resnet.resnet_v1_5,
    resnet.Variant(
        name="WideResNet50_2",
        family="Wide ResNet",
        year=2016,
        source="Zagoruyko and Komodakis 2016, Table 8",
        block=bottleneck,
        stages=stages((3, 4, 6, 3), 2 * 64, 256),
        preprocessing=TORCH,
    ),
)
