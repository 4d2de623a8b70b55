"""LeNet-1, LeNet-4 and LeNet-5, as drawn and as they are built today.

LeNet-1: LeCun et al. 1990, "Handwritten Digit Recognition with a Back-Propagation
Network", Table 1. LeNet-4 and LeNet-5: LeCun et al. 1998, "Gradient-Based Learning
Applied to Document Recognition", sections III.C.8 and II.B, Figure 2 and Table I: two
pairs of 5x5 convolution and 2x2 subsampling; from LeNet-4 on a convolution C5 that sees
its whole input, in LeNet-5 a layer F6 of 84 units before the ten outputs.

The originals have trainable subsampling, partial connections in the second convolution
(20 links in LeNet-1, the 60 of Table I in LeNet-5) and the squashing function
1.7159 tanh(2x/3). LeNet-5 ends in squared distances of F6 to fixed 7x12 bitmaps
(equation 7): 60,000 parameters. The modern forms connect the second convolution in
full, pool without parameters and end in a softmax. There is no original LeNet-4: its
table of connections was never published, and its "about 17,000" parameters cannot be
had with a C5 that alone has 48,120.

Departures of the originals:
    - LeNet-5's output layer gives the distances with their sign turned, so that the
      largest output is the answer as in every other network; the softmax of these
      logits with the cross-entropy loss is equation 9 without its constant term.
    - The paper shows the bitmaps as a picture only; the digits here are drawn anew in
      its manner. With other than ten classes the codes are random signs.
    - LeNet-1's ten outputs are logits; the paper squashes them and compares them with
      targets of +-1.
Departures of the modern forms: they have no paper; ReLU, and maximum (LeNet-5) or
average pooling.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Unpack

import keras
import numpy as np
from keras import layers

from kerasnets.applications import builder
from kerasnets.applications.builder import Build, Common, P, Shape
from kerasnets.layers import (
    PartialConv2D,
    RadialBasis,
    ScaledTanh,
    Subsampling,
    fan_in_uniform,
)

# Which maps of the first pair each map of the second convolution sees.
H3_TABLE = (
    *((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1)),
    *((2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3)),
)
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5)),
    *((0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """Widths and connections.

    Attributes:
        maps: Maps of the two convolutions.
        hidden: Units of C5 and F6, as far as the network has them.
        table: For each map of an original's second convolution the maps that it sees.
        pool: What a modern form pools with.
    """

    maps: tuple[int, int]
    hidden: tuple[int, ...] = ()
    table: tuple[tuple[int, ...], ...] = ()
    pool: Callable[..., layers.Layer] = layers.MaxPooling2D
    family: str = "LeNet"
    year: int = 1998
    classes: int = 10
    input_shape: tuple[int, int, int] = (32, 32, 1)


def _original(
    variant: Variant, input_shape: Shape | None = None, **common: Unpack[Common]
) -> keras.Model:
    """Build the network as a Keras functional model.

    On an image larger than the paper's, the top takes the mean over the map of C5.
    """
    net = builder.start(variant, input_shape, common)
    x = _squashed_conv(net.image, variant.maps[0], name="c1")
    x = trainable_subsampling(x, name="s2")
    x = PartialConv2D(variant.table, 5, name="c3")(x)
    x = ScaledTanh(name="c3_squash")(x)
    x = trainable_subsampling(x, name="s4")
    if variant.hidden:
        x = _squashed_conv(x, variant.hidden[0], name="c5")
    if not net.include_top:
        return net.finish(x)
    if not variant.hidden:
        return net.finish(net.classify(builder.flatten(x)))
    x = layers.GlobalAveragePooling2D(name="c5_pool")(x)
    initializer: Any = fan_in_uniform(x.shape[-1])
    x = layers.Dense(variant.hidden[1], kernel_initializer=initializer, name="f6")(x)
    return net.finish(_distances(ScaledTanh(name="f6_squash")(x), net))


def _modern(
    variant: Variant, input_shape: Shape | None = None, **common: Unpack[Common]
) -> keras.Model:
    """Build the network as a Keras functional model.

    On an image larger than the paper's, the top takes the mean over the map of C5.
    """
    net = builder.start(variant, input_shape, common)
    x = net.image
    for filters, conv, pool in zip(
        variant.maps, ("c1", "c3"), ("s2", "s4"), strict=True
    ):
        x = layers.Conv2D(filters, 5, name=conv)(x)
        x = layers.ReLU(name=f"{conv}_squash")(x)
        x = variant.pool(2, name=pool)(x)
    if variant.hidden:
        x = layers.Conv2D(variant.hidden[0], 5, name="c5")(x)
        x = layers.ReLU(name="c5_squash")(x)
    if not net.include_top:
        return net.finish(x)
    pool = layers.GlobalAveragePooling2D(name="c5_pool")
    x = pool(x) if variant.hidden else builder.flatten(x)
    for units in variant.hidden[1:]:
        x = layers.Dense(units, name="f6")(x)
        x = layers.ReLU(name="f6_squash")(x)
    return net.finish(net.classify(x))


def _squashed_conv(x, filters: int, *, name: str):
    """5x5 valid convolution that sees all maps, 1.7159 tanh(2x/3)."""
    initializer: Any = fan_in_uniform(25 * x.shape[-1])
    x = layers.Conv2D(filters, 5, kernel_initializer=initializer, name=name)(x)
    return ScaledTanh(name=f"{name}_squash")(x)


def trainable_subsampling(x, *, name: str):
    """2x2 sum, coefficient and bias of the map, squashing."""
    return ScaledTanh(name=f"{name}_squash")(Subsampling(name=name)(x))


def _distances(x, net: builder.Draft):
    """Minus the squared distance to each class's code, activation."""
    codes = class_codes(net.classes).tolist()
    distances = RadialBasis(codes, dtype="float32", name="rbf")(x)
    logits = layers.Rescaling(-1.0, dtype="float32", name="logits")(distances)
    return builder.activate(logits, net.classifier_activation)


def class_codes(classes: int) -> np.ndarray:
    """The fixed codes (classes, 84) of +-1: the digits' bitmaps for ten classes."""
    if classes == len(_DIGITS):
        pixels = [list(digit.replace(" ", "")) for digit in _DIGITS]
        return np.where(np.array(pixels) == "#", 1.0, -1.0)
    return np.random.default_rng(1998).choice([-1.0, 1.0], size=(classes, 84))


# 7x12 pixels each, row by row; the last two rows are room for descenders
_DIGITS = (
    "..###.. .##.##. ##...## ##...## ##...## ##...## ##...## ##...## .##.##. ..###..",
    "...##.. ..###.. .####.. ...##.. ...##.. ...##.. ...##.. ...##.. ...##.. .######",
    ".#####. ##...## ##...## .....## ....##. ...##.. ..##... .##.... ##..... #######",
    ".#####. ##...## .....## .....## ..####. .....## .....## .....## ##...## .#####.",
    "....##. ...###. ..####. .##.##. ##..##. ##..##. ####### ....##. ....##. ....##.",
    "####### ##..... ##..... ##..... ######. .....## .....## .....## ##...## .#####.",
    "..####. .##.... ##..... ##..... ######. ##...## ##...## ##...## ##...## .#####.",
    "####### .....## .....## ....##. ....##. ...##.. ...##.. ..##... ..##... ..##...",
    ".#####. ##...## ##...## ##...## .#####. ##...## ##...## ##...## ##...## .#####.",
    ".#####. ##...## ##...## ##...## ##...## .###### .....## .....## ....##. .####..",
)
_DIGITS = tuple(f"{digit} ....... ......." for digit in _DIGITS)


def _variant(
    build: Build[Variant, P], name: str, maps: tuple[int, int], *hidden: int, **values
):
    row = Variant(name=name, maps=maps, hidden=hidden, **values)
    return builder.variant(build, row)


def _in_1990(build: Build[Variant, P], name: str, source: str, **values):
    """A network for the images of 1990."""
    values |= {"year": 1989, "input_shape": (28, 28, 1), "minimum": 16}
    return _variant(build, name, (4, 12), source=source, **values)


_AVERAGE = layers.AveragePooling2D
_TABLE_1 = "LeCun et al. 1990, Table 1"
_C8, _B = "LeCun et al. 1998, section III.C.8", "LeCun et al. 1998, section II.B"

LeNet1Original = _in_1990(_original, "LeNet1Original", _TABLE_1, table=H3_TABLE)
LeNet1 = _in_1990(_modern, "LeNet1", f"after {_TABLE_1}", pool=_AVERAGE)
LeNet4 = _variant(
    _modern, "LeNet4", (4, 16), 120, pool=_AVERAGE, year=1995, source=f"after {_C8}"
)
LeNet5 = _variant(_modern, "LeNet5", (6, 16), 120, 84, source=f"after {_B}")
LeNet5Original = _variant(
    _original, "LeNet5Original", (6, 16), 120, 84, table=C3_TABLE, source=_B
)
