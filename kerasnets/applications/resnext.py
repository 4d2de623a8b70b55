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

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder, resnet
from kerasnets.pretrained import CIFAR, TORCH, Preprocessing

DEPTHS_50, DEPTHS_101 = (3, 4, 6, 3), (3, 4, 23, 3)


@dataclass(frozen=True, kw_only=True)
class Variant(resnet.Variant):
    """A depth, a cardinality and the width of a group."""

    block: resnet.Block = resnet.bottleneck
    family: str = "ResNeXt"
    year: int = 2016
    source: str = "Xie et al. 2016, Table 1"
    preprocessing: Preprocessing = TORCH


@dataclass(frozen=True, kw_only=True)
class CifarVariant(Variant):
    """Likewise for small images; ``stem_filters`` are those of the 3x3 before all."""

    stem_filters: int = 64
    source: str = "Xie et al. 2016, section 5.3"
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    preprocessing: Preprocessing = CIFAR


def _cifar(
    variant: CifarVariant,
    input_shape: tuple[int | None, int | None, int] | None = None,
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
        zero_init_residual: every block starts as its shortcut: the scale of its last
            batch normalisation starts at 0 (Goyal et al. 2017, section 5.1).
        stochastic_depth: share of training steps that leave out the last block's
            branch, growing linearly from block to block (Huang et al. 2016).
    """
    inputs = builder.image_input(variant, input_shape, input_tensor)
    residual = resnet.Residual(
        zero_init=zero_init_residual, stochastic_depth=stochastic_depth
    )
    form = resnet.FORMS["torch"]
    x = blocks.conv_bn(
        inputs,
        variant.stem_filters,
        3,
        epsilon=form.epsilon,
        activation=layers.ReLU(name="stem_relu"),
        initializer=resnet.INITIALIZER,
        name="stem",
    )
    x = resnet.staged(x, variant, form, residual)
    x = builder.averaged_top(
        x,
        include_top,
        pooling,
        classes,
        classifier_activation,
        initializer=resnet.INITIALIZER,
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _published(madds: float, top1: float, top5=None, params=None, table="Table 4"):
    return builder.Published(
        params=params,
        madds=madds,
        top1=top1,
        top5=top5,
        protocol="ImageNet, single crop",
        source=f"Xie et al. 2016, {table}",
    )


def _published_cifar(params: float, top1: float):
    return builder.Published(
        params=params,
        top1=top1,
        protocol="CIFAR-10, flips and shifts",
        source="Xie et al. 2016, Table 7",
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
ResNeXt29_8x64d = builder.variant(
    _cifar,
    CifarVariant(
        name="ResNeXt29_8x64d",
        stages=_stages((3, 3, 3), 8, 64),
        params=34_484_170,
        madds=5_387_266_048,
        published=_published_cifar(34.4e6, 96.35),
    ),
)
ResNeXt29_16x64d = builder.variant(
    _cifar,
    CifarVariant(
        name="ResNeXt29_16x64d",
        stages=_stages((3, 3, 3), 16, 64),
        params=68_255_690,
        madds=10_688_866_304,
        published=_published_cifar(68.1e6, 96.42),
    ),
)
