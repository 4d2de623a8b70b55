"""LeNet-5, as drawn in 1998 and as it is built today.

LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", section
II.B, Figure 2 and Table I: two pairs of 5x5 convolution and 2x2 subsampling, a
convolution C5 that sees its whole input, a layer F6 of 84 units and ten outputs.

The original has trainable subsampling, the partial connections of Table I in C3, the
squashing function 1.7159 tanh(2x/3) and outputs that are squared distances of F6 to
fixed 7x12 bitmaps (equation 7): 60,000 parameters. The modern form connects C3 in
full, pools without parameters and ends in a softmax: 61,706 parameters.

Departures of the original:
    - The output layer gives the distances with their sign turned, so that the largest
      output is the answer as in every other network; the softmax of these logits with
      the cross-entropy loss is equation 9 without its constant term.
    - The paper shows the bitmaps as a picture only; the digits here are drawn anew in
      its manner. With other than ten classes the codes are random signs.
Departures of the modern form: it has no paper; ReLU and maximum pooling.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from kerasnets.applications import builder
from kerasnets.layers import (
    PartialConv2D,
    RadialBasis,
    ScaledTanh,
    Subsampling,
    fan_in_uniform,
)

C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5)),
    *((0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The steps in which the two forms differ; each adds layers to a tensor.

    Attributes:
        initializer: from a layer's fan-in to the initialiser of its kernel.
        squash: ``squash(x, name=)``, the non-linearity.
        subsample: ``subsample(x, name=)``, to a map of half the side.
        c3: ``c3(x, initializer, name=)``, the second convolution.
        output: ``output(x, classes, activation)``, from F6 to the classes.
    """

    initializer: Callable
    squash: Callable
    subsample: Callable
    c3: Callable
    output: Callable
    family: str = "LeNet"
    year: int = 1998
    input_shape: tuple[int, int, int] = (32, 32, 1)


def _lenet5(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    On an image larger than the paper's, the top takes the mean over the map of C5.
    """
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = full_conv(inputs, 6, variant.initializer, name="c1")
    x = variant.squash(x, name="c1_squash")
    x = variant.subsample(x, name="s2")
    x = variant.c3(x, variant.initializer, name="c3")
    x = variant.squash(x, name="c3_squash")
    x = variant.subsample(x, name="s4")
    x = full_conv(x, 120, variant.initializer, name="c5")
    x = variant.squash(x, name="c5_squash")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="c5_pool")(x)
        x = layers.Dense(84, kernel_initializer=variant.initializer(120), name="f6")(x)
        x = variant.squash(x, name="f6_squash")
        x = variant.output(x, classes, classifier_activation)
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def glorot(fan_in: int) -> str:
    """Glorot's initialiser, which finds the fan-in by itself."""
    del fan_in
    return "glorot_uniform"


def full_conv(x, filters: int, initializer: Callable, *, name: str):
    """5x5 valid convolution with bias that sees all maps."""
    kernel_initializer = initializer(25 * x.shape[-1])
    return layers.Conv2D(filters, 5, kernel_initializer=kernel_initializer, name=name)(
        x
    )


def partial_c3(x, initializer: Callable, *, name: str):
    """C3 of the original: the links of Table I, which have their own fan-in."""
    del initializer
    return PartialConv2D(C3_TABLE, 5, name=name)(x)


def full_c3(x, initializer: Callable, *, name: str):
    """C3 of the modern form: sixteen maps that see all six."""
    return full_conv(x, len(C3_TABLE), initializer, name=name)


def trainable_subsampling(x, *, name: str):
    """2x2 sum, coefficient and bias of the map, squashing."""
    return ScaledTanh(name=f"{name}_squash")(Subsampling(name=name)(x))


def max_pool(x, *, name: str):
    """2x2 maximum."""
    return layers.MaxPooling2D(2, name=name)(x)


def scaled_tanh(x, *, name: str):
    """1.7159 tanh(2x/3)."""
    return ScaledTanh(name=name)(x)


def relu(x, *, name: str):
    """Rectified linear unit."""
    return layers.ReLU(name=name)(x)


def distance_output(x, classes: int, classifier_activation):
    """Minus the squared distance to each class's code, activation."""
    builder.check_classes(classes)
    distances = RadialBasis(class_codes(classes).tolist(), dtype="float32", name="rbf")(
        x
    )
    logits = layers.Rescaling(-1.0, dtype="float32", name="logits")(distances)
    return builder.activate(logits, classifier_activation)


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


LeNet5 = builder.variant(
    _lenet5,
    Variant(
        name="LeNet5",
        initializer=glorot,
        squash=relu,
        subsample=max_pool,
        c3=full_c3,
        output=builder.classify,
        params=61_706,
        madds=416_520,
        source="after LeCun et al. 1998, section II.B",
    ),
)
LeNet5Original = builder.variant(
    _lenet5,
    Variant(
        name="LeNet5Original",
        initializer=fan_in_uniform,
        squash=scaled_tanh,
        subsample=trainable_subsampling,
        c3=partial_c3,
        output=distance_output,
        params=60_000,
        madds=326_520,
        source="LeCun et al. 1998, section II.B",
    ),
)
