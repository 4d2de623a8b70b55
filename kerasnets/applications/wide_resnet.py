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

import keras

from kerasnets.applications import builder, resnet, resnet_cifar_v2
from kerasnets.pretrained import CIFAR, TORCH, Preprocessing


@dataclass(frozen=True, kw_only=True)
class Variant(resnet_cifar_v2.Variant):
    """A depth and a width for CIFAR."""

    block: resnet.Block = resnet.basic
    family: str = "Wide ResNet"
    source: str = "Zagoruyko and Komodakis 2016, Table 1"
    preprocessing: Preprocessing = CIFAR


def _wide_resnet(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    dropout: float = 0.0,
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
        dropout: rate between the two convolutions of a unit; the paper has 0.3 with
            and 0 without.
        zero_init_residual: start the last convolution of each unit at zero, so that
            the unit starts as its shortcut.
        stochastic_depth: share of training steps that leave out the last unit's
            branch, growing linearly from unit to unit (Huang et al. 2016).
    """
    builder.check_rate("dropout", dropout)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    residual = resnet.Residual(
        shortcut=variant.shortcut,
        zero_init=zero_init_residual,
        stochastic_depth=stochastic_depth,
    )
    x = resnet_cifar_v2.features(inputs, variant, residual, dropout)
    x = builder.averaged_top(
        x,
        include_top,
        pooling,
        classes,
        classifier_activation,
        initializer=resnet.INITIALIZER,
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _wrn(depth: int, k: int, *, params: int, madds: int, published: float, top1=None):
    """WRN-depth-k; ``published`` are the printed parameters."""
    blocks = (depth - 4) // 6
    row = Variant(
        name=f"WideResNet{depth}_{k}",
        stages=resnet.stages((blocks,) * 3, 16 * k, 16 * k),
        params=params,
        madds=madds,
        published=builder.Published(
            params=published,
            top1=top1,
            protocol="CIFAR-10, flips and shifts" if top1 else "",
            source="Zagoruyko and Komodakis 2016, Table 5" if top1 else "",
        ),
    )
    return builder.variant(_wide_resnet, row)


WideResNet16_8 = _wrn(16, 8, params=10_968_570, madds=1_548_145_664, published=11.0e6)
WideResNet16_10 = _wrn(16, 10, params=17_125_626, madds=2_412_173_568, published=17.1e6)
WideResNet22_8 = _wrn(22, 8, params=17_168_890, madds=2_454_115_328, published=17.2e6)
WideResNet28_10 = _wrn(
    28, 10, params=36_497_146, madds=5_243_328_768, published=36.5e6, top1=96.0
)
WideResNet40_1 = _wrn(40, 1, params=566_650, madds=83_280_512, published=0.6e6)
WideResNet40_2 = _wrn(40, 2, params=2_248_954, madds=327_599_360, published=2.2e6)
WideResNet40_4 = _wrn(40, 4, params=8_959_994, madds=1_298_582_016, published=8.9e6)
WideResNet40_8 = _wrn(40, 8, params=35_769_850, madds=5_172_024_320, published=35.7e6)
WideResNet50_2 = builder.variant(
    resnet.late_stride,
    resnet.Variant(
        name="WideResNet50_2",
        family="Wide ResNet",
        year=2016,
        source="Zagoruyko and Komodakis 2016, Table 8",
        block=resnet.bottleneck,
        stages=resnet.stages((3, 4, 6, 3), 2 * 64, 256),
        params=68_951_464,
        madds=11_398_021_120,
        published=builder.Published(
            params=68.9e6,
            top1=78.1,
            top5=93.97,
            protocol="ImageNet, single crop",
            source="Zagoruyko and Komodakis 2016, Table 8",
        ),
        preprocessing=TORCH,
        torch=resnet.torch_twin("torchvision", "wide_resnet50_2"),
    ),
)
