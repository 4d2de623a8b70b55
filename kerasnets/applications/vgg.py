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

from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.layers import LocalResponseNorm
from kerasnets.pretrained import CAFFE, Preprocessing
from kerasnets.pretrained.names import vgg as names

EPSILON = 1e-5
FILTERS = (64, 128, 256, 512, 512)
HIDDEN = ("fc1", "fc2")


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """A column of Table 1.

    Attributes:
        stages: For each stage the kernel sizes of its convolutions.
        normalize: Local response normalisation after the first convolution.
        batch_norm: Batch normalisation after every convolution.
    """

    stages: tuple[tuple[int, ...], ...]
    normalize: bool = False
    batch_norm: bool = False
    family: str = "VGG"
    year: int = 2014
    source: str = "Simonyan and Zisserman 2014, Table 1"
    preprocessing: Preprocessing = CAFFE


def _vgg(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dense_units: int = 4096,
    dropout: float = 0.5,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share of the outputs of the hidden dense layers dropped in training.
    """
    net = builder.start(variant, input_shape, common)
    x = net.image
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
    if net.include_top:
        x = builder.flatten(x)
        for layer in HIDDEN:
            x = layers.Dense(dense_units, activation="relu", name=layer)(x)
            x = builder.drop(x, dropout, name=f"{layer}_dropout")
        x = net.classify(x)
    return net.finish(x)


def _convolution(x, filters: int, kernel_size: int, *, batch_norm: bool, name: str):
    """Convolution, BN where the network has it, ReLU."""
    if not batch_norm:
        return blocks.conv(x, filters, kernel_size, activation="relu", name=name)
    x = blocks.conv(x, filters, kernel_size, name=name)
    x = blocks.batch_norm(x, epsilon=EPSILON, name=f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


def _variant(name: str, *stages: tuple[int, ...], batch_norm: bool = False, **values):
    """The kernels of each stage's convolutions."""
    depths = [len(kernels) for kernels in stages]
    row = Variant(
        name=name,
        stages=stages,
        batch_norm=batch_norm,
        counterparts=names.counterparts(depths, batch_norm=batch_norm),
        **values,
    )
    return builder.variant(_vgg, row)


_A = (3,), (3,), (3, 3), (3, 3), (3, 3)
_D = (3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)

VGG11 = _variant("VGG11", *_A)
VGG11LRN = _variant("VGG11LRN", *_A, normalize=True)
VGG13 = _variant("VGG13", (3, 3), (3, 3), (3, 3), (3, 3), (3, 3))
VGG16C = _variant("VGG16C", (3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1))
VGG16 = _variant("VGG16", *_D)
VGG19 = _variant("VGG19", (3, 3), (3, 3), *((3, 3, 3, 3),) * 3)
VGG16BN = _variant("VGG16BN", *_D, batch_norm=True, source="torchvision, vgg16_bn")
