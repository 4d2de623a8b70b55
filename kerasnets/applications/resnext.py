"""ResNeXt for ImageNet: bottlenecks whose 3x3 convolution works in groups.

Xie et al. 2016, "Aggregated Residual Transformations for Deep Neural Networks",
Table 1 and Fig. 3 (c): ResNet's stages with a grouped 3x3 convolution; "32x4d" has 32
groups (the cardinality) of 4 filters each in the first stage. The stride is on the 3x3
convolution, shortcuts are projections where the shape changes.

Printed figures: 25.0M parameters with 50 layers are the trainable ones (25.03M).
Multiply-adds are printed as aimed at, not counted: 4.2e9 is exactly 4.23e9, 8.0e9
is 7.97e9, and 15.6e9, twice ResNet-101's 7.8e9, is 15.46e9.

Departures: weights start uniform, with the variance of the authors' normal
distribution, as in ``resnet``.
"""

from dataclasses import dataclass

from kerasnets.applications import builder, resnet
from kerasnets.pretrained import TORCH, Preprocessing

DEPTHS_50, DEPTHS_101 = (3, 4, 6, 3), (3, 4, 23, 3)


@dataclass(frozen=True, kw_only=True)
class Variant(resnet.Variant):
    """A depth, a cardinality and the width of a group."""

    block: resnet.Block = resnet.bottleneck
    family: str = "ResNeXt"
    year: int = 2016
    source: str = "Xie et al. 2016, Table 1"
    preprocessing: Preprocessing = TORCH


def _published(madds: float, top1: float, top5=None, params=None, table="Table 4"):
    return builder.Published(
        params=params,
        madds=madds,
        top1=top1,
        top5=top5,
        protocol="ImageNet, single crop",
        source=f"Xie et al. 2016, {table}",
    )


def _stages(depths: tuple[int, ...], cardinality: int, width: int):
    return resnet.stages(depths, cardinality * width, 256, groups=cardinality)


ResNeXt50_32x4d = builder.variant(
    resnet.late_stride,
    Variant(
        name="ResNeXt50_32x4d",
        stages=_stages(DEPTHS_50, 32, 4),
        params=25_097_128,
        madds=4_230_479_872,
        published=_published(4.2e9, 77.8, params=25.0e6, table="Table 3"),
        torch=resnet.torch_twin("torchvision", "resnext50_32x4d"),
    ),
)
ResNeXt101_32x4d = builder.variant(
    resnet.late_stride,
    Variant(
        name="ResNeXt101_32x4d",
        stages=_stages(DEPTHS_101, 32, 4),
        params=44_315_560,
        madds=7_969_996_800,
        published=_published(8.0e9, 78.8, table="Table 3"),
        torch=resnet.torch_twin("timm", "resnext101_32x4d"),
    ),
)
ResNeXt101_64x4d = builder.variant(
    resnet.late_stride,
    Variant(
        name="ResNeXt101_64x4d",
        stages=_stages(DEPTHS_101, 64, 4),
        params=83_658_152,
        madds=15_460_270_080,
        published=_published(15.6e9, 79.6, 94.7),
        torch=resnet.torch_twin("torchvision", "resnext101_64x4d"),
    ),
)
