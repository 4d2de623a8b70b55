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
from typing import NamedTuple

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.pretrained import CAFFE, HEAD


class Mlpconv(NamedTuple):
    """A convolution and the 1x1 convolutions on it.

    Attributes:
        filters: of the convolution.
        kernel_size: side of its kernels.
        cccp: filters of the 1x1 convolutions, but for that of the classes.
        std: of the initial kernel of the convolution.
        cccp_std: of those of the 1x1 convolutions.
        strides: of the convolution.
        padding: of the convolution.
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
        mlpconvs: from the image on; pooling between them.
        dropped: numbers of the poolings, from 1, that dropout follows.
        head_std: of the initial kernel of the layer of the classes.
        classes: of the data set.
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
    input_shape: tuple[int | None, int | None, int] | None = None,
    dropout: float = 0.5,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: share of the maps' values dropped in training: after each pooling for
            CIFAR, after the last one for ImageNet.
        classes: number of classes; that of the data set when None. Weights of a file
            keep theirs only if equal.
    """
    builder.check_rate("dropout", dropout)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x, _ = mlpconvs(inputs, variant, dropout)
    if include_top:
        x = class_maps(x, variant, classes)
        x = layers.ReLU(dtype="float32", name=f"{HEAD}_relu")(x)
        x = average(x, classifier_activation)
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def mlpconvs(x, variant: Variant, dropout: float):
    """{k x k, ReLU, {1x1, ReLU} x 1 or 2} x n with pooling and dropout between.

    Returns the last map, and those of the k x k convolutions before their ReLU.
    """
    linear, cccp = [], itertools.count(1)
    for i, row in enumerate(variant.mlpconvs):
        if i:
            x = blocks.ceil_max_pool(x, name=f"pool{i}")
        if dropout and i in variant.dropped:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
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


def class_maps(x, variant: Variant, classes: int | None):
    """A map for each class by a 1x1 convolution in float32."""
    classes = variant.classes if classes is None else classes
    builder.check_count("classes", classes)
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
        kernel_initializer=keras.initializers.RandomNormal(stddev=std),  # type: ignore
        **arguments,
    )(x)


NINCIFAR10 = builder.variant(
    _nin,
    Variant(
        name="NINCIFAR10",
        mlpconvs=CIFAR,
        dropped=(1, 2),
        params=966_986,
        madds=222_486_528,
        published=builder.Published(params=1e6),
    ),
)
NINCIFAR100 = builder.variant(
    _nin,
    Variant(
        name="NINCIFAR100",
        mlpconvs=(CIFAR[0]._replace(std=0.001, cccp_std=0.01), *CIFAR[1:]),
        dropped=(1, 2),
        classes=100,
        params=984_356,
        madds=223_592_448,
    ),
)
NINImageNet = builder.variant(
    _nin,
    Variant(
        name="NINImageNet",
        mlpconvs=IMAGENET,
        dropped=(3,),
        head_std=0.01,
        classes=1000,
        params=7_595_176,
        madds=1_100_188_800,
        year=2014,
        source="the authors' nin_imagenet in Caffe's model zoo",
        published=builder.Published(
            params=7.6e6,
            top1=59.36,
            protocol="ImageNet, single crop",
            source="Caffe model zoo, nin_imagenet, readme",
        ),
        input_shape=(224, 224, 3),
        minimum=39,
        preprocessing=CAFFE,
    ),
)
