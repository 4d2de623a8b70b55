"""PReLU-nets A, B and C: slopes that are learned, and a pyramid of pooled features.

He et al. 2015, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on
ImageNet Classification", Table 3: a 7x7 convolution with stride 2, three stages of 3x3
convolutions, each after 2x2 maximum pooling, spatial pyramid pooling with 7x7, 3x3, 2x2
and 1x1 bins, two dense layers of 4096 units with dropout and the classifier. After each
of these layers but the last stands a PReLU with a slope for every channel, 0.25 at the
start (section 2.1). The pyramid takes maps of any size, so the sides of the input may
be None.

Departures:
    - The first convolution has three zeros on every side; the paper does not say.
    - The dense layers start like the convolutions (equation 15); so does the first
      convolution, which has no rectifier before it.

The paper prints 1.90, 2.32 and 5.30 times 10^10 multiply-adds. Table 3 counts 1.906,
2.322 and 5.346: A and B are cut off, C we cannot explain. It prints no parameters.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.layers import SpatialPyramidPooling
from kerasnets.pretrained import CAFFE, Preprocessing

SLOPE = 0.25
PYRAMID = (7, 3, 2, 1)
HIDDEN = ("fc6", "fc7")


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """For each of the three stages its filters, and how many convolutions all have."""

    filters: tuple[int, int, int]
    depth: int
    family: str = "PReLU-net"
    year: int = 2015
    preprocessing: Preprocessing = CAFFE


def _prelu_net(
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
    x = _convolution(inputs, 96, 7, strides=2, name="stem")  # 1/2
    for i, filters in enumerate(variant.filters, start=1):
        x = layers.MaxPooling2D(2, name=f"stage{i}_pool")(x)  # 1/4, 1/8, 1/16
        for j in range(1, variant.depth + 1):
            x = _convolution(x, filters, 3, strides=1, name=f"stage{i}_conv{j}")
    if include_top:
        x = SpatialPyramidPooling(PYRAMID, name="spp")(x)
        for layer in HIDDEN:
            dense = layers.Dense(
                dense_units, kernel_initializer=_rectified(), name=layer
            )
            x = dense(x)
            x = _prelu(x, name=f"{layer}_prelu")
            if dropout:
                x = layers.Dropout(dropout, name=f"{layer}_dropout")(x)
        x = builder.classify(x, classes, classifier_activation, _rectified())
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _convolution(x, filters: int, kernel_size: int, *, strides: int, name: str):
    """Convolution, PReLU."""
    x = blocks.conv(
        x,
        filters,
        kernel_size,
        strides=strides,
        padding="symmetric",
        initializer=_rectified(),  # type: ignore[arg-type]
        name=name,
    )
    return _prelu(x, name=f"{name}_prelu")


def _prelu(x, *, name: str):
    """A slope for every channel of a map, or for every unit of a vector."""
    return layers.PReLU(
        alpha_initializer=keras.initializers.Constant(SLOPE),  # type: ignore[arg-type]
        shared_axes=[1, 2] if len(x.shape) == 4 else None,
        name=name,
    )(x)


def _rectified() -> Any:
    """Equation 15: variance 2 / ((1 + a^2) n), n inputs of a unit, a the slope."""
    return keras.initializers.VarianceScaling(
        scale=2 / (1 + SLOPE**2), mode="fan_in", distribution="untruncated_normal"
    )


def _variant(letter, depth, filters, params, madds, printed):
    row = Variant(
        name=f"PReLUNet{letter}",
        depth=depth,
        filters=filters,
        params=params,
        madds=madds,
        source=f"He et al. 2015b, Table 3, model {letter}",
        published=printed,
    )
    return builder.variant(_prelu_net, row)


def _printed(madds: float, top1: float | None = None, top5: float | None = None):
    return builder.Published(
        madds=madds,
        top1=top1,
        top5=top5,
        protocol="" if top1 is None else "ImageNet, several scales, dense evaluation",
        source="" if top1 is None else "He et al. 2015b, Tables 6 and 7",
    )


_NARROW, _WIDE = (256, 512, 512), (384, 768, 896)

PReLUNetA = _variant(
    "A", 5, _NARROW, 178_032_072, 19_058_106_368, _printed(1.90e10, 77.03, 93.72)
)
PReLUNetB = _variant("B", 6, _NARROW, 183_343_048, 23_219_904_512, _printed(2.32e10))
PReLUNetC = _variant(
    "C", 6, _WIDE, 330_623_944, 53_463_130_112, _printed(5.30e10, 78.41, 94.29)
)
