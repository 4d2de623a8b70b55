"""ResNeXt: bottlenecks whose 3x3 convolution works in groups; ImageNet and CIFAR.

Xie et al. 2016, "Aggregated Residual Transformations for Deep Neural Networks",
Table 1 and Fig. 3 (c): ResNet's stages with a grouped 3x3 convolution; "32x4d" has 32
groups (the cardinality) of 4 filters each in the first stage. The stride is on the 3x3
convolution, shortcuts are projections where the shape changes. For CIFAR, section 5.3:
a 3x3 convolution of 64 filters, three stages of three blocks.

Printed figures: 25.0M parameters with 50 layers are the trainable ones (25.03M).
Multiply-adds are printed as aimed at, not counted: 4.2e9 is exactly 4.23e9, 8.0e9
is 7.97e9, and 15.6e9, twice ResNet-101's 7.8e9, is 15.46e9. CIFAR's 34.4M and 68.1M are
the trainable parameters, cut off.

Departures:
    - Weights start uniform, with the variance of the authors' normal distribution, as
      in ``resnet``.
    - The blocks for CIFAR have their activations after the weights, as in the authors'
      code, whose notes find that better than the paper's pre-activation.
"""

from dataclasses import dataclass

from kerasnets.applications import builder, resnet
from kerasnets.applications.builder import Counterpart
from kerasnets.applications.residual import Block, bottleneck, stages
from kerasnets.pretrained import CIFAR, TORCH, Preprocessing


@dataclass(frozen=True, kw_only=True)
class Variant(resnet.Variant):
    """A depth, a cardinality and the width of a group."""

    block: Block = bottleneck
    family: str = "ResNeXt"
    year: int = 2016
    source: str = "Xie et al. 2016, Table 1"
    preprocessing: Preprocessing = TORCH


@dataclass(frozen=True, kw_only=True)
class CifarVariant(Variant):
    """The same for small images."""

    small: bool = True
    source: str = "Xie et al. 2016, section 5.3"
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    classes: int = 10
    preprocessing: Preprocessing = CIFAR
    counterparts: tuple[Counterpart, ...] = ()


def _variant(row: type[Variant], depths: tuple[int, ...], groups: int, width: int):
    """Named after all its layers, the cardinality and the width of a group."""
    rows = stages(depths, groups * width, 256, groups)
    name = f"ResNeXt{3 * sum(depths) + 2}_{groups}x{width}d"
    return builder.variant(resnet.resnet_v1_5, row(name=name, stages=rows))


ResNeXt50_32x4d = _variant(Variant, (3, 4, 6, 3), 32, 4)
ResNeXt101_32x4d = _variant(Variant, (3, 4, 23, 3), 32, 4)
ResNeXt101_64x4d = _variant(Variant, (3, 4, 23, 3), 64, 4)
ResNeXt29_8x64d = _variant(CifarVariant, (3, 3, 3), 8, 64)
ResNeXt29_16x64d = _variant(CifarVariant, (3, 3, 3), 16, 64)
