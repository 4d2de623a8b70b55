"""VGG: stacks of 3x3 convolutions, eleven to nineteen layers with weights.

Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", Table 1: five stages of convolutions with ReLU, each ended by 2x2 maximum
pooling, then two dense layers of 4096 units with dropout and the classifier. VGG11 is
column A, VGG11LRN A-LRN, VGG13 B, VGG16C C (the third convolution of stages 3 to 5 is
1x1), VGG16 D and VGG19 E. VGG16BN is torchvision's: batch normalisation between each
convolution, which keeps its bias, and its ReLU.

Departures:
    - Weights start after Glorot and Bengio, which the paper found to do without the
      pre-training of a shallower net (section 3.1).
    - Blue comes first, as in the authors' Caffe models; the paper does not say.

Table 2 rounds parameters to millions. The 15,300 million multiply-adds of VGG16 in
Howard et al. 2017, Table 8, are those of the convolutions: the dense layers add 124.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.layers import LocalResponseNorm
from kerasnets.pretrained import CAFFE, TORCH, Preprocessing, Twin

EPSILON = 1e-5
FILTERS = (64, 128, 256, 512, 512)
HIDDEN = ("fc1", "fc2")


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """A column of Table 1.

    Attributes:
        stages: for each stage the kernel sizes of its convolutions.
        normalize: local response normalisation after the first convolution.
        batch_norm: batch normalisation after every convolution.
    """

    stages: tuple[tuple[int, ...], ...]
    normalize: bool = False
    batch_norm: bool = False
    family: str = "VGG"
    year: int = 2014
    preprocessing: Preprocessing = CAFFE


def _vgg(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    dense_units: int = 4096,
    dropout: float = 0.5,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dense_units: units of each of the two hidden dense layers.
        dropout: share of the outputs of the hidden dense layers dropped in training.
    """
    builder.check_rate("dropout", dropout)
    builder.check_count("dense_units", dense_units)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = inputs
    for i, (filters, kernels) in enumerate(
        zip(FILTERS, variant.stages, strict=True), start=1
    ):
        for j, kernel_size in enumerate(kernels, start=1):
            x = _convolution(
                x,
                filters,
                kernel_size,
                batch_norm=variant.batch_norm,
                name=f"stage{i}_conv{j}",
            )
            if variant.normalize and (i, j) == (1, 1):
                x = LocalResponseNorm(name="stage1_norm")(x)
        x = layers.MaxPooling2D(2, name=f"stage{i}_pool")(x)
    if include_top:
        x = builder.flatten(x)
        for layer in HIDDEN:
            x = layers.Dense(dense_units, activation="relu", name=layer)(x)
            if dropout:
                x = layers.Dropout(dropout, name=f"{layer}_dropout")(x)
        x = builder.classify(x, classes, classifier_activation)
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _convolution(x, filters: int, kernel_size: int, *, batch_norm: bool, name: str):
    """Convolution, BN where the network has it, ReLU."""
    if not batch_norm:
        return blocks.conv(x, filters, kernel_size, activation="relu", name=name)
    x = blocks.conv(x, filters, kernel_size, name=name)
    x = blocks.batch_norm(x, epsilon=EPSILON, name=f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


def _keras_layer(name: str) -> str:
    """stage1_conv2 is block1_conv2 there."""
    return "predictions" if name == "logits" else name.replace("stage", "block")


def _torch_layer(stages, *, batch_norm: bool) -> Callable[[str], str]:
    """Torchvision numbers all modules in order, those without weights too."""
    names = {"fc1": "classifier.0", "fc2": "classifier.3", "logits": "classifier.6"}
    index = 0
    for i, kernels in enumerate(stages, start=1):
        for j in range(1, len(kernels) + 1):
            names[f"stage{i}_conv{j}"] = f"features.{index}"
            names[f"stage{i}_conv{j}_bn"] = f"features.{index + 1}"
            index += 3 if batch_norm else 2
        index += 1
    return lambda name: names.get(name, name)


def _keras_twin(name: str) -> Twin:
    return Twin(library="keras", builder=name, layer=_keras_layer, preprocessing=CAFFE)


def _torch_twin(name: str, layer: Callable[[str], str]) -> Twin:
    return Twin(library="torchvision", builder=name, layer=layer, preprocessing=TORCH)


def _variant(
    name: str,
    stages: tuple[tuple[int, ...], ...],
    params: int,
    madds: int,
    *,
    published: builder.Published | None = None,
    source: str = "Simonyan and Zisserman 2014, Table 1",
    keras: str | None = None,
    torch: str | None = None,
    normalize: bool = False,
    batch_norm: bool = False,
):
    """The builder of a column; ``keras`` and ``torch`` are its names there."""
    layer = _torch_layer(stages, batch_norm=batch_norm)
    row = Variant(
        name=name,
        stages=stages,
        normalize=normalize,
        batch_norm=batch_norm,
        params=params,
        madds=madds,
        source=source,
        published=published or builder.Published(),
        keras=None if keras is None else _keras_twin(keras),
        torch=None if torch is None else _torch_twin(torch, layer),
    )
    return builder.variant(_vgg, row)


def _published(
    params: float, top1: float, top5: float, *, madds: float | None = None
) -> builder.Published:
    """Tables 2 and 3; where a net was trained at two scales, the better one."""
    return builder.Published(
        params=params,
        madds=madds,
        top1=top1,
        top5=top5,
        protocol="ImageNet, one test scale, dense evaluation",
        source="Simonyan and Zisserman 2014, Table 3",
    )


_A = ((3,), (3,), (3, 3), (3, 3), (3, 3))
_B = ((3, 3),) * 5
_C = ((3, 3),) * 2 + ((3, 3, 1),) * 3
_D = ((3, 3),) * 2 + ((3, 3, 3),) * 3
_E = ((3, 3),) * 2 + ((3, 3, 3, 3),) * 3

VGG11 = _variant(
    "VGG11",
    _A,
    132_863_336,
    7_609_090_048,
    published=_published(133e6, 70.4, 89.6),
    torch="vgg11",
)
VGG11LRN = _variant(
    "VGG11LRN",
    _A,
    132_863_336,
    7_609_090_048,
    published=_published(133e6, 70.3, 89.5),
    normalize=True,
)
VGG13 = _variant(
    "VGG13",
    _B,
    133_047_848,
    11_308_466_176,
    published=_published(133e6, 71.3, 90.1),
    torch="vgg13",
)
VGG16C = _variant(
    "VGG16C",
    _C,
    133_638_952,
    11_770_888_192,
    published=_published(134e6, 72.7, 91.2),
)
VGG16 = _variant(
    "VGG16",
    _D,
    138_357_544,
    15_470_264_320,
    published=_published(138e6, 74.4, 91.9, madds=15_300e6),
    keras="VGG16",
    torch="vgg16",
)
VGG19 = _variant(
    "VGG19",
    _E,
    143_667_240,
    19_632_062_464,
    published=_published(144e6, 74.5, 92.0),
    keras="VGG19",
    torch="vgg19",
)
VGG16BN = _variant(
    "VGG16BN",
    _D,
    138_374_440,
    15_470_264_320,
    source="torchvision, vgg16_bn",
    torch="vgg16_bn",
    batch_norm=True,
)
