"""DenseNet: every layer sees the maps of all layers before it in its block.

Huang et al. 2016, "Densely Connected Convolutional Networks", Table 1: a 7x7
convolution and max pooling, four dense blocks, between them transitions that halve
channels (theta = 0.5) and sides, BN, ReLU, global average pooling and the classifier.
A dense layer is BN, ReLU, 1x1 to 4k maps, BN, ReLU, 3x3 to k maps, joined to its input
(DenseNet-BC); k is the growth rate, 32, or 48 in DenseNet-161.

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
from kerasnets.pretrained import TORCH, Preprocessing, Twin

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
    x = variant.stem(inputs, variant.stem_filters)
    for stage, count in enumerate(variant.stages, start=1):
        if stage > 1:
            filters = int(variant.compression * x.shape[-1])
            x = transition(x, filters, name=f"transition{stage - 1}")
        for block in range(1, count + 1):
            x = dense_layer(
                x,
                variant.growth_rate,
                bottleneck=variant.bottleneck * variant.growth_rate,
                name=f"stage{stage}_block{block}",
            )
    x = _activate(x, name="final")
    if include_top:
        x = builder.average_and_classify(
            x,
            classes=classes,
            classifier_activation=classifier_activation,
            initializer=INITIALIZER,
        )
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def dense_layer(x, filters: int, *, bottleneck: int, name: str):
    """BN, ReLU, (1x1 to ``bottleneck`` maps, BN, ReLU,) 3x3; joined to the input."""
    y, number = x, 1
    if bottleneck:
        y = _activate_and_convolve(y, bottleneck, 1, name=f"{name}_1")
        number = 2
    y = _activate_and_convolve(y, filters, 3, name=f"{name}_{number}")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def transition(x, filters: int, *, name: str):
    """BN, ReLU, 1x1, 2x2 average pooling."""
    x = _activate_and_convolve(x, filters, 1, name=name)
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def _activate_and_convolve(x, filters: int, kernel_size: int, *, name: str):
    return blocks.conv(
        _activate(x, name=name),
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
