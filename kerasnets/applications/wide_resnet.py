"""Wide ResNet for ImageNet: ResNet-50 whose bottlenecks are twice as wide inside.

Zagoruyko and Komodakis 2016, "Wide Residual Networks", section 3.4 and Table 8
(WRN-50-2-bottleneck): the 1x1 and 3x3 convolutions inside a block have twice the
filters, those at its end stay. The stride is on the 3x3 convolution, as in the authors'
code and fb.resnet.torch. Table 8 prints 68.9M parameters: the trainable ones; with the
statistics of batch normalisation 68.95M.

Departures: weights start uniform, with the variance of the authors' normal
distribution, as in ``resnet``.
"""

from kerasnets.applications import builder, resnet
from kerasnets.pretrained import TORCH

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
