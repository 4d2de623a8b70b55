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
from typing import Any, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.layers import SpatialPyramidPooling
from kerasnets.pretrained import CAFFE, Preprocessing

SLOPE = 0.25
PYRAMID = (7, 3, 2, 1)
HIDDEN = ("fc6", "fc7")


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """For each of the three stages its filters, and how many convolutions all have."""

    filters: tuple[int, ...]
    depth: int
    family: str = "PReLU-net"
    year: int = 2015
    preprocessing: Preprocessing = CAFFE


def _prelu_net(
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
    x = _convolution(net.image, 96, 7, strides=2, name="stem")  # 1/2
    for i, filters in enumerate(variant.filters, start=1):
        x = layers.MaxPooling2D(2, name=f"stage{i}_pool")(x)  # 1/4, 1/8, 1/16
        for j in range(1, variant.depth + 1):
            x = _convolution(x, filters, 3, strides=1, name=f"stage{i}_conv{j}")
    if net.include_top:
        x = SpatialPyramidPooling(PYRAMID, name="spp")(x)
        for layer in HIDDEN:
            dense = layers.Dense(
                dense_units, kernel_initializer=_rectified(), name=layer
            )
            x = dense(x)
            x = _prelu(x, name=f"{layer}_prelu")
            x = builder.drop(x, dropout, name=f"{layer}_dropout")
        x = net.classify(x, _rectified())
    return net.finish(x)


def _convolution(x, filters: int, kernel_size: int, *, strides: int, name: str):
    """Convolution, PReLU."""
    x = blocks.conv(
        x,
        filters,
        kernel_size,
        strides=strides,
        padding="symmetric",
        initializer=_rectified(),
        name=name,
    )
    return _prelu(x, name=f"{name}_prelu")


def _prelu(x, *, name: str):
    """A slope for every channel of a map, or for every unit of a vector."""
    return layers.PReLU(
        # (annotated as str only)
        alpha_initializer=keras.initializers.Constant(SLOPE),  # type: ignore[arg-type]
        shared_axes=[1, 2] if len(x.shape) == 4 else None,
        name=name,
    )(x)


def _rectified() -> Any:
    """Equation 15: variance 2 / ((1 + a^2) n), n inputs of a unit, a the slope."""
    return keras.initializers.VarianceScaling(
        scale=2 / (1 + SLOPE**2), mode="fan_in", distribution="untruncated_normal"
    )


def _variant(letter: str, depth: int, *filters: int):
    row = Variant(
        name=f"PReLUNet{letter}",
        depth=depth,
        filters=filters,
        source=f"He et al. 2015b, Table 3, model {letter}",
    )
    return builder.variant(_prelu_net, row)


PReLUNetA = _variant("A", 5, 256, 512, 512)
PReLUNetB = _variant("B", 6, 256, 512, 512)
PReLUNetC = _variant("C", 6, 384, 768, 896)
