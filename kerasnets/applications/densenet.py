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

import re
from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.pretrained import CIFAR, TORCH, Preprocessing, Twin

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
        stages: number of layers of each dense block.
        growth_rate: maps that a layer adds.
        stem: the function before the first block.
        stem_filters: maps that it makes.
        bottleneck: maps of a layer's 1x1 convolution in growth rates; 0 has none.
        compression: share of the channels that a transition keeps (theta).
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


@dataclass(frozen=True, kw_only=True)
class CifarVariant(Variant):
    """Likewise for small images; defaults are those of the plain DenseNet."""

    growth_rate: int = 12
    stem: Callable = cifar_stem
    stem_filters: int = 16
    bottleneck: int = 0
    compression: float = 1.0
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    source: str = "Huang et al. 2016, section 3"
    preprocessing: Preprocessing = CIFAR


def _densenet(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model."""
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = features(inputs, variant)
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer=INITIALIZER
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _cifar_densenet(
    variant: CifarVariant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    dropout: float = 0.0,
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
        dropout: rate after each convolution but the first; the paper has 0.2 where
            the images are not augmented.
    """
    builder.check_rate("dropout", dropout)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = features(inputs, variant, dropout)
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer=INITIALIZER
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


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
    return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x


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


_INNER = re.compile(r"(?:stage(\d)_block(\d+)_(\d)|transition(\d))_(bn|conv)")


def _keras_layer(name: str) -> str:
    """The layer's name in keras.applications, where the first BN of a layer is 0."""
    found = _INNER.fullmatch(name)
    if found is None:
        others = {"stem_conv": "conv1_conv", "stem_bn": "conv1_bn", "final_bn": "bn"}
        return others.get(name, "predictions")
    stage, block, number, between, kind = found.groups()
    if between:
        return f"pool{int(between) + 1}_{kind}"
    part = f"{number}_conv" if kind == "conv" else f"{int(number) - 1}_bn"
    return f"conv{int(stage) + 1}_block{block}_{part}"


def _torch_layer(name: str) -> str:
    """The module's path in torchvision."""
    found = _INNER.fullmatch(name)
    if found is None:
        others = {"stem_conv": "conv0", "stem_bn": "norm0", "final_bn": "norm5"}
        return f"features.{others[name]}" if name in others else "classifier"
    stage, block, number, between, kind = found.groups()
    kind = {"bn": "norm", "conv": "conv"}[kind]
    if between:
        return f"features.transition{between}.{kind}"
    return f"features.denseblock{stage}.denselayer{block}.{kind}{number}"


def _keras(name: str) -> Twin:
    return Twin(library="keras", builder=name, layer=_keras_layer, preprocessing=TORCH)


def _torch(name: str) -> Twin:
    return Twin(
        library="torchvision", builder=name, layer=_torch_layer, preprocessing=TORCH
    )


def _published(top1: float) -> builder.Published:
    return builder.Published(
        top1=top1,
        protocol="ImageNet, single crop",
        source="README of the authors' release, github.com/liuzhuang13/DenseNet",
    )


DenseNet121 = builder.variant(
    _densenet,
    Variant(
        name="DenseNet121",
        stages=(6, 12, 24, 16),
        params=8_062_504,
        madds=2_834_161_664,
        published=_published(75.0),
        keras=_keras("DenseNet121"),
        torch=_torch("densenet121"),
    ),
)
DenseNet161 = builder.variant(
    _densenet,
    Variant(
        name="DenseNet161",
        stages=(6, 12, 36, 24),
        growth_rate=48,
        stem_filters=96,
        params=28_900_936,
        madds=7_727_907_072,
        published=_published(77.8),
        torch=_torch("densenet161"),
    ),
)
DenseNet169 = builder.variant(
    _densenet,
    Variant(
        name="DenseNet169",
        stages=(6, 12, 32, 32),
        params=14_307_880,
        madds=3_359_843_328,
        published=_published(76.4),
        keras=_keras("DenseNet169"),
        torch=_torch("densenet169"),
    ),
)
DenseNet201 = builder.variant(
    _densenet,
    Variant(
        name="DenseNet201",
        stages=(6, 12, 48, 32),
        params=20_242_984,
        madds=4_291_365_888,
        published=_published(77.5),
        keras=_keras("DenseNet201"),
        torch=_torch("densenet201"),
    ),
)
DenseNet264 = builder.variant(
    _densenet,
    Variant(
        name="DenseNet264",
        stages=(6, 12, 64, 48),
        params=33_736_232,
        madds=5_751_653_376,
    ),
)


def _plain(depth: int, k: int, *, params: int, madds: int, printed, top1: float):
    """DenseNet-depth-k; ``printed`` are the parameters in Table 2."""
    row = CifarVariant(
        name=f"DenseNet{depth}_{k}",
        stages=((depth - 4) // 3,) * 3,
        growth_rate=k,
        params=params,
        madds=madds,
        published=_published_cifar(printed, top1),
    )
    return builder.variant(_cifar_densenet, row)


def _bc(depth: int, k: int, *, params: int, madds: int, printed, top1: float):
    """DenseNet-BC-depth-k; a layer has two convolutions."""
    row = CifarVariant(
        name=f"DenseNetBC{depth}_{k}",
        stages=((depth - 4) // 6,) * 3,
        growth_rate=k,
        stem_filters=2 * k,
        bottleneck=4,
        compression=0.5,
        params=params,
        madds=madds,
        published=_published_cifar(printed, top1),
    )
    return builder.variant(_cifar_densenet, row)


def _published_cifar(params: float, top1: float) -> builder.Published:
    return builder.Published(
        params=params,
        top1=top1,
        protocol="CIFAR-10, flips and shifts",
        source="Huang et al. 2016, Table 2",
    )


DenseNet40_12 = _plain(
    40, 12, params=1_037_818, madds=264_812_928, printed=1.0e6, top1=94.76
)
DenseNet100_12 = _plain(
    100, 12, params=7_096_858, madds=1_769_516_448, printed=7.0e6, top1=95.9
)
DenseNet100_24 = _plain(
    100, 24, params=27_480_346, madds=6_889_347_744, printed=27.2e6, top1=96.26
)
DenseNetBC100_12 = _bc(
    100, 12, params=793_150, madds=287_929_692, printed=0.8e6, top1=95.49
)
DenseNetBC190_40 = _bc(
    190, 40, params=25_881_390, madds=9_301_945_740, printed=25.6e6, top1=96.54
)
DenseNetBC250_24 = _bc(
    250, 24, params=15_582_382, madds=5_418_785_724, printed=15.3e6, top1=96.38
)
