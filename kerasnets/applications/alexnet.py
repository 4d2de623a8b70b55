"""AlexNet: the network on two GPUs, on one, and that of "one weird trick".

Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural
Networks", section 3.5 and Figure 2: five convolutions, local response normalisation
after the first two, overlapping 3x3 pooling with stride 2 after the first, second and
fifth, three dense layers. The halves on the two GPUs are groups: convolutions 2, 4 and
5 see the maps of their own GPU only. AlexNetSingleTower has the same widths without
groups. AlexNetOWT is the narrower tower of Krizhevsky 2014, "One weird trick for
parallelizing convolutional neural networks", footnote 1, without normalisation.

Departures:
    - The images have 227 pixels a side: 11x11 with stride 4 and no padding gives the
      paper's 55 with these, not with the printed 224.
    - One value is subtracted for a colour, not the mean image pixel by pixel.
    - AlexNetOWT takes from torchvision what its paper leaves out: two zeros around the
      image, 256 filters in the fourth convolution, dropout before the hidden dense
      layers instead of after them. Its weights start as those of 2012.

The paper says 60 million parameters: 60,965,224 counted, cut off. The 720 million
multiply-adds are as cited by Howard et al. 2017, Table 9.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Counterpart, Shape
from kerasnets.layers import LocalResponseNorm
from kerasnets.pretrained import CAFFE, Preprocessing
from kerasnets.pretrained.names import alexnet as names

HIDDEN = ("fc6", "fc7")
_PIXELS = dataclasses.replace(CAFFE, crop=227 / 256)


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """One convolution, its ReLU and what follows; ``bias`` is the initial one."""

    filters: int
    kernel_size: int = 3
    strides: int = 1
    padding: str = "same"
    zeros: int = 0
    groups: int = 1
    bias: float = 0.0
    normalize: bool = False
    pool: bool = False


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The convolutions, and the layers whose outputs dropout meets."""

    convolutions: tuple[Convolution, ...]
    dropped: tuple[str, ...] = HIDDEN
    family: str = "AlexNet"
    year: int = 2012
    input_shape: tuple[int, int, int] = (227, 227, 3)
    minimum: int = 67
    source: str = "Krizhevsky et al. 2012, section 3.5"
    preprocessing: Preprocessing = _PIXELS
    counterparts: tuple[Counterpart, ...] = names.COUNTERPARTS


def _alexnet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dense_units: int = 4096,
    dropout: float = 0.5,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share of the values dropped in training, twice.
    """
    rates = dict.fromkeys(variant.dropped, dropout)
    net = builder.start(variant, input_shape, common)
    x = net.image
    for i, row in enumerate(variant.convolutions, start=1):
        x = _convolution(x, row, name=f"conv{i}")
    if net.include_top:
        # before Flatten, where Torch has it behind: the same, value by value
        x = builder.drop(x, rates.get("conv5", 0.0), name="conv5_dropout")
        x = builder.flatten(x)
        for layer in HIDDEN:
            x = layers.Dense(
                dense_units,
                kernel_initializer=_gaussian(),
                bias_initializer="ones",
                name=layer,
            )(x)
            x = layers.ReLU(name=f"{layer}_relu")(x)
            x = builder.drop(x, rates.get(layer, 0.0), name=f"{layer}_dropout")
        x = net.classify(x, _gaussian())
    return net.finish(x)


def _convolution(x, row: Convolution, *, name: str):
    """Convolution, ReLU, normalisation and pooling where the row has them."""
    if row.zeros:
        x = layers.ZeroPadding2D(row.zeros, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        row.filters,
        row.kernel_size,
        strides=row.strides,
        padding=row.padding,
        groups=row.groups,
        kernel_initializer=_gaussian(),
        # (annotated as str only)
        bias_initializer=keras.initializers.Constant(row.bias),  # type: ignore[arg-type]
        name=name,
    )(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    if row.normalize:
        x = LocalResponseNorm(
            depth=5, bias=2.0, alpha=1e-4, beta=0.75, name=f"{name}_norm"
        )(x)
    if row.pool:
        x = layers.MaxPooling2D(3, strides=2, name=f"{name}_pool")(x)
    return x


def _gaussian() -> Any:
    """Section 5 of the paper."""
    return keras.initializers.RandomNormal(stddev=0.01)


def _five(
    first: Convolution, widths: tuple[int, ...], groups: int, *, normalize: bool
) -> tuple[Convolution, ...]:
    """The table: ``first`` and, for the rest, the filters."""
    second, third, fourth, fifth = widths
    return (
        dataclasses.replace(first, normalize=normalize, pool=True),
        Convolution(
            filters=second,
            kernel_size=5,
            groups=groups,
            bias=1.0,
            normalize=normalize,
            pool=True,
        ),
        Convolution(filters=third),
        Convolution(filters=fourth, groups=groups, bias=1.0),
        Convolution(filters=fifth, groups=groups, bias=1.0, pool=True),
    )


_FIRST = Convolution(filters=96, kernel_size=11, strides=4, padding="valid")
_WIDTHS = (256, 384, 384, 256)
_GROUPED = _five(_FIRST, _WIDTHS, groups=2, normalize=True)
_UNGROUPED = _five(_FIRST, _WIDTHS, groups=1, normalize=True)
_FIRST_OWT = dataclasses.replace(_FIRST, filters=64, zeros=2)
_OWT = _five(_FIRST_OWT, (192, 384, 256, 256), groups=1, normalize=False)

AlexNet = builder.variant(_alexnet, Variant(name="AlexNet", convolutions=_GROUPED))
AlexNetSingleTower = builder.variant(
    _alexnet,
    Variant(
        name="AlexNetSingleTower",
        convolutions=_UNGROUPED,
        source="Krizhevsky et al. 2012, section 3.5, without groups",
    ),
)
AlexNetOWT = builder.variant(
    _alexnet,
    Variant(
        name="AlexNetOWT",
        convolutions=_OWT,
        dropped=("conv5", "fc6"),
        year=2014,
        input_shape=(224, 224, 3),
        minimum=63,
        preprocessing=CAFFE,
        source="Krizhevsky 2014; torchvision",
    ),
)
