"""DenseNet: every layer sees the maps of all layers before it in its block.

Huang et al. 2016, "Densely Connected Convolutional Networks". For ImageNet, Table 1: a
7x7 convolution and max pooling, four dense blocks, between them transitions that halve
channels (theta = 0.5) and sides, BN, ReLU, global average pooling and the classifier.
A dense layer is BN, ReLU, 1x1 to 4k maps, BN, ReLU, 3x3 to k maps, joined to its input
(DenseNet-BC); k is the growth rate, 32, or 48 in DenseNet-161.

For CIFAR, section 3: a 3x3 convolution and three dense blocks on maps of 32, 16 and 8
pixels. DenseNet-L-k has 16 maps first, layers without the 1x1 convolution, and
transitions that keep the channels; DenseNet-BC-L-k is as above and has 2k maps first.
Dropout, if any, follows each convolution but the first; the rate is 0.2 where the
images are not augmented. It is an argument of these only: the paper has none on
ImageNet.

Departures: initial weights are uniform of He's variance, which is faster to draw than
his Gaussian.

DenseNet-161 is in the authors' release and the first versions of the
paper; the printed depth of DenseNet-264 counts one layer less than the others do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Counterpart, Shape
from kerasnets.pretrained import CIFAR, TORCH, Preprocessing
from kerasnets.pretrained.names import densenet as names

# keras.applications has 1.001e-5, a difference that float32 hardly shows
EPSILON = 1e-5
INITIALIZER = "he_uniform"


def imagenet_stem(x, filters: int):
    """7x7 with stride 2, BN, ReLU, 3x3 max pooling with stride 2."""
    x = blocks.conv_bn(
        x,
        filters,
        7,
        strides=2,
        padding="symmetric",
        epsilon=EPSILON,
        activation=layers.ReLU(name="stem_relu"),
        initializer=INITIALIZER,
        name="stem",
    )
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)


def cifar_stem(x, filters: int):
    """3x3; BN and ReLU belong to the layers that follow."""
    return _conv(x, filters, 3, name="stem")


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """Growth rate and size of the blocks; defaults are those of DenseNet-BC.

    Attributes:
        stages: Number of layers of each dense block.
        growth_rate: Maps that a layer adds.
        stem: The function before the first block.
        stem_filters: Maps that it makes.
        bottleneck: Maps of a layer's 1x1 convolution in growth rates; 0 has none.
        compression: Share of the channels that a transition keeps (theta).
    """

    stages: tuple[int, ...]
    growth_rate: int = 32
    stem: Callable = imagenet_stem
    stem_filters: int = 64
    bottleneck: int = 4
    compression: float = 0.5
    family: str = "DenseNet"
    year: int = 2016
    source: str = "Huang et al. 2016, Table 1"
    preprocessing: Preprocessing = TORCH
    counterparts: tuple[Counterpart, ...] = names.COUNTERPARTS


@dataclass(frozen=True, kw_only=True)
class CifarVariant(Variant):
    """The same for small images; defaults are those of the plain DenseNet."""

    growth_rate: int = 12
    stem: Callable = cifar_stem
    stem_filters: int = 16
    bottleneck: int = 0
    compression: float = 1.0
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    classes: int = 10
    source: str = "Huang et al. 2016, section 3"
    preprocessing: Preprocessing = CIFAR


def _densenet(
    variant: Variant,
    input_shape: Shape | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model."""
    net = builder.start(variant, input_shape, common)
    x = features(net.image, variant)
    x = net.average_and_classify(x, initializer=INITIALIZER)
    return net.finish(x)


def _cifar_densenet(
    variant: CifarVariant,
    input_shape: Shape | None = None,
    *,
    dropout: float = 0.0,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Rate after each convolution but the first; the paper has 0.2 where
            the images are not augmented.
    """
    net = builder.start(variant, input_shape, common)
    x = features(net.image, variant, dropout)
    x = net.average_and_classify(x, initializer=INITIALIZER)
    return net.finish(x)


def features(x, variant: Variant, dropout: float = 0.0):
    """Stem, dense blocks with transitions between them, BN, ReLU."""
    x = variant.stem(x, variant.stem_filters)
    for stage, count in enumerate(variant.stages, start=1):
        if stage > 1:
            filters = int(variant.compression * x.shape[-1])
            x = transition(x, filters, dropout=dropout, name=f"transition{stage - 1}")
        for block in range(1, count + 1):
            x = dense_layer(
                x,
                variant.growth_rate,
                bottleneck=variant.bottleneck * variant.growth_rate,
                dropout=dropout,
                name=f"stage{stage}_block{block}",
            )
    return _activate(x, name="final")


def dense_layer(x, filters: int, *, bottleneck: int, dropout: float, name: str):
    """BN, ReLU, (1x1 to ``bottleneck`` maps, BN, ReLU,) 3x3; joined to the input."""
    y, number = x, 1
    if bottleneck:
        y = _activate_and_convolve(y, bottleneck, 1, dropout, name=f"{name}_1")
        number = 2
    y = _activate_and_convolve(y, filters, 3, dropout, name=f"{name}_{number}")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def transition(x, filters: int, *, dropout: float, name: str):
    """BN, ReLU, 1x1, 2x2 average pooling."""
    x = _activate_and_convolve(x, filters, 1, dropout, name=name)
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def _activate_and_convolve(
    x, filters: int, kernel_size: int, dropout: float, *, name: str
):
    """BN, ReLU, convolution, dropout (where not 0)."""
    x = _conv(_activate(x, name=name), filters, kernel_size, name=name)
    return builder.drop(x, dropout, name=f"{name}_dropout")


def _conv(x, filters: int, kernel_size: int, *, name: str):
    return blocks.conv(
        x,
        filters,
        kernel_size,
        use_bias=False,
        initializer=INITIALIZER,
        name=f"{name}_conv",
    )


def _activate(x, *, name: str):
    """BN ``name``_bn, ReLU ``name``_relu."""
    x = blocks.batch_norm(x, epsilon=EPSILON, name=f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


def _imagenet(name: str, *depths: int, **values):
    return builder.variant(_densenet, Variant(name=name, stages=depths, **values))


def _plain(depth: int, k: int):
    """DenseNet-depth-k."""
    rows = ((depth - 4) // 3,) * 3
    row = CifarVariant(name=f"DenseNet{depth}_{k}", stages=rows, growth_rate=k)
    return builder.variant(_cifar_densenet, row)


def _bc(depth: int, k: int):
    """DenseNet-BC-depth-k; a layer has two convolutions."""
    row = CifarVariant(
        name=f"DenseNetBC{depth}_{k}",
        stages=((depth - 4) // 6,) * 3,
        growth_rate=k,
        stem_filters=2 * k,
        bottleneck=4,
        compression=0.5,
    )
    return builder.variant(_cifar_densenet, row)


DenseNet121 = _imagenet("DenseNet121", 6, 12, 24, 16)
DenseNet161 = _imagenet("DenseNet161", 6, 12, 36, 24, growth_rate=48, stem_filters=96)
DenseNet169 = _imagenet("DenseNet169", 6, 12, 32, 32)
DenseNet201 = _imagenet("DenseNet201", 6, 12, 48, 32)
DenseNet264 = _imagenet("DenseNet264", 6, 12, 64, 48)
DenseNet40_12 = _plain(40, 12)
DenseNet100_12 = _plain(100, 12)
DenseNet100_24 = _plain(100, 24)
DenseNetBC100_12 = _bc(100, 12)
DenseNetBC190_40 = _bc(190, 40)
DenseNetBC250_24 = _bc(250, 24)
