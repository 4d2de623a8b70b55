"""Network in Network: convolutions whose filters are small networks.

Lin et al. 2013, "Network In Network", section 3, and the authors' files for
cuda-convnet, which the paper leaves the sizes to. A mlpconv layer is a convolution and
two 1x1 convolutions on it, "cccp" in these files: cascaded cross-channel parametric
pooling. Three such layers for CIFAR, 3x3 maximum pooling with stride 2 and dropout
between them; the last one has a map for each class, whose averages are the logits. The
networks for CIFAR-10 and CIFAR-100 differ in their initial weights too.

``NINImageNet`` is the authors' model in Caffe's zoo, four mlpconv layers; it is not in
the paper.

A ReLU stands between the maps of the classes and the average, as in the authors' files,
so that the "logits" are nowhere negative; an image at which all are 0 teaches nothing.

Departures:
    - The paper normalises the contrast of CIFAR's images and whitens them: that belongs
      to the data; here pixels are scaled to [-1, 1].
    - NINImageNet: one value is subtracted for a colour, not the mean image pixel by
      pixel.

In the authors' files biases learn twice as fast as kernels and the last layer for CIFAR
a tenth as fast as the others: that is training, and not part of the graph.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.pretrained import CAFFE, HEAD


class Mlpconv(NamedTuple):
    """A convolution and the 1x1 convolutions on it.

    Attributes:
        filters: Filters of the convolution.
        kernel_size: Side of its kernels.
        cccp: Filters of the 1x1 convolutions, but for that of the classes.
        std: Deviation of the convolution's initial kernel.
        cccp_std: Deviation of the initial 1x1 kernels.
        strides: Strides of the convolution.
        padding: Padding of the convolution.
    """

    filters: int
    kernel_size: int
    cccp: tuple[int, ...]
    std: float = 0.05
    cccp_std: float = 0.05
    strides: int = 1
    padding: str = "same"


CIFAR = (
    Mlpconv(192, 5, (160, 96)),
    Mlpconv(192, 5, (192, 192)),
    Mlpconv(192, 3, (192,)),
)
IMAGENET = (
    Mlpconv(96, 11, (96, 96), std=0.01, strides=4, padding="valid"),
    Mlpconv(256, 5, (256, 256)),
    Mlpconv(384, 3, (384, 384), std=0.01),
    Mlpconv(1024, 3, (1024,)),
)


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The mlpconv layers of a data set.

    Attributes:
        mlpconvs: Layers from the image on; pooling between them.
        dropped: Numbers of the poolings, from 1, that dropout follows.
        head_std: Deviation of the class layer's initial kernel.
    """

    mlpconvs: tuple[Mlpconv, ...]
    dropped: tuple[int, ...]
    head_std: float = 0.05
    classes: int = 10
    family: str = "NIN"
    year: int = 2013
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    source: str = "Lin et al. 2013, section 4; the authors' files for cuda-convnet"


def _nin(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float = 0.5,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share of the maps' values dropped in training: after each pooling for
            CIFAR, after the last one for ImageNet.
    """
    net = builder.start(variant, input_shape, common)
    x, _ = mlpconvs(net.image, variant, dropout)
    if net.include_top:
        x = class_maps(x, variant, net.classes)
        x = layers.ReLU(dtype="float32", name=f"{HEAD}_relu")(x)
        x = average(x, net.classifier_activation)
    return net.finish(x)


def mlpconvs(x, variant: Variant, dropout: float):
    """{k x k, ReLU, {1x1, ReLU} x 1 or 2} x n with pooling and dropout between.

    Returns the last map, and those of the k x k convolutions before their ReLU.
    """
    linear, cccp = [], itertools.count(1)
    for i, row in enumerate(variant.mlpconvs):
        if i:
            x = blocks.ceil_max_pool(x, name=f"pool{i}")
        if i in variant.dropped:
            x = builder.drop(x, dropout, name=f"dropout{i}")
        name = f"conv{i + 1}"
        x = _conv(
            x,
            row.filters,
            row.kernel_size,
            std=row.std,
            strides=row.strides,
            padding=row.padding,
            name=f"{name}_conv",
        )
        linear.append(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        for filters in row.cccp:
            name = f"cccp{next(cccp)}"
            x = _conv(x, filters, 1, std=row.cccp_std, name=f"{name}_conv")
            x = layers.ReLU(name=f"{name}_relu")(x)
    return x, linear


def class_maps(x, variant: Variant, classes: int):
    """A map for each class by a 1x1 convolution in float32."""
    return _conv(x, classes, 1, std=variant.head_std, dtype="float32", name=HEAD)


def average(x, classifier_activation):
    """Global average pooling and activation in float32."""
    x = layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x)
    return builder.activate(x, classifier_activation)


def _conv(
    x, filters: int, kernel_size: int, *, std: float, padding="same", **arguments
):
    return layers.Conv2D(
        filters,
        kernel_size,
        padding=padding,
        # (annotated as str only)
        kernel_initializer=keras.initializers.RandomNormal(stddev=std),  # type: ignore
        **arguments,
    )(x)


def _variant(name: str, mlpconvs: tuple[Mlpconv, ...], dropped=(1, 2), **values):
    row = Variant(name=name, mlpconvs=mlpconvs, dropped=dropped, **values)
    return builder.variant(_nin, row)


_CIFAR100 = (CIFAR[0]._replace(std=0.001, cccp_std=0.01), *CIFAR[1:])

NINCIFAR10 = _variant("NINCIFAR10", CIFAR)
NINCIFAR100 = _variant("NINCIFAR100", _CIFAR100, classes=100)
NINImageNet = _variant(
    "NINImageNet",
    IMAGENET,
    dropped=(3,),
    head_std=0.01,
    classes=1000,
    year=2014,
    source="the authors' nin_imagenet in Caffe's model zoo",
    input_shape=(224, 224, 3),
    minimum=39,
    preprocessing=CAFFE,
)
