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
    """Widths, and the steps in which the forms differ; each adds layers to a tensor.

    Attributes:
        maps: of the two convolutions; the second where it is connected in full.
        table: for each map of the second convolution the maps that it sees, or None.
        hidden: C5 and F6, as far as the network has them.
        initializer: from a layer's fan-in to the initialiser of its kernel.
        squash: ``squash(x, name=)``, the non-linearity.
        subsample: ``subsample(x, name=)``, to a map of half the side.
        output: ``output(x, classes, activation)``, from the last layer to the classes.
    """

    maps: tuple[int, int]
    table: tuple[tuple[int, ...], ...] | None = None
    hidden: tuple[int, ...]
    initializer: Callable
    squash: Callable
    subsample: Callable
    output: Callable
    family: str = "LeNet"
    year: int = 1998
    input_shape: tuple[int, int, int] = (32, 32, 1)


def _lenet(
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
    x = full_conv(inputs, variant.maps[0], variant.initializer, name="c1")
    x = variant.squash(x, name="c1_squash")
    x = variant.subsample(x, name="s2")
    x = second_conv(x, variant, name="c3")
    x = variant.squash(x, name="c3_squash")
    x = variant.subsample(x, name="s4")
    for width in variant.hidden[:1]:
        x = full_conv(x, width, variant.initializer, name="c5")
        x = variant.squash(x, name="c5_squash")
    if include_top:
        pool = layers.GlobalAveragePooling2D(name="c5_pool")
        x = pool(x) if variant.hidden else builder.flatten(x)
        for width in variant.hidden[1:]:
            fan_in = variant.initializer(x.shape[-1])
            x = layers.Dense(width, kernel_initializer=fan_in, name="f6")(x)
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


def second_conv(x, variant: Variant, *, name: str):
    """C3: the links of the table, which have their own fan-in, or all maps."""
    if variant.table is not None:
        return PartialConv2D(variant.table, 5, name=name)(x)
    return full_conv(x, variant.maps[1], variant.initializer, name=name)


def trainable_subsampling(x, *, name: str):
    """2x2 sum, coefficient and bias of the map, squashing."""
    return ScaledTanh(name=f"{name}_squash")(Subsampling(name=name)(x))


def average_pool(x, *, name: str):
    """2x2 average pooling with stride 2."""
    return layers.AveragePooling2D(2, name=name)(x)


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
    builder.check_count("classes", classes)
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


_MODERN = {"initializer": glorot, "squash": relu, "output": builder.classify}
_ORIGINAL = {
    "initializer": fan_in_uniform,
    "squash": scaled_tanh,
    "subsample": trainable_subsampling,
}
_IN_1990 = {
    "maps": (4, 12),
    "hidden": (),
    "year": 1989,
    "input_shape": (28, 28, 1),
    "minimum": 16,
}

LeNet1Original = builder.variant(
    _lenet,
    Variant(
        name="LeNet1Original",
        table=H3_TABLE,
        output=builder.classify,
        params=2_578,
        madds=91_520,
        source="LeCun et al. 1990, Table 1",
        published=builder.Published(
            params=2_578,
            madds=0.1e6,
            top1=98.3,
            protocol="MNIST",
            source="LeCun et al. 1998, section III.C.7",
        ),
        **_ORIGINAL,
        **_IN_1990,
    ),
)
LeNet1 = builder.variant(
    _lenet,
    Variant(
        name="LeNet1",
        subsample=average_pool,
        params=3_246,
        madds=136_320,
        source="after LeCun et al. 1990, Table 1",
        **_MODERN,
        **_IN_1990,
    ),
)
LeNet4 = builder.variant(
    _lenet,
    Variant(
        name="LeNet4",
        maps=(4, 16),
        hidden=(120,),
        subsample=average_pool,
        params=51_050,
        madds=287_600,
        year=1995,
        source="after LeCun et al. 1998, section III.C.8",
        **_MODERN,
    ),
)
LeNet5 = builder.variant(
    _lenet,
    Variant(
        name="LeNet5",
        maps=(6, 16),
        hidden=(120, 84),
        subsample=max_pool,
        params=61_706,
        madds=416_520,
        source="after LeCun et al. 1998, section II.B",
        **_MODERN,
    ),
)
LeNet5Original = builder.variant(
    _lenet,
    Variant(
        name="LeNet5Original",
        maps=(6, 16),
        table=C3_TABLE,
        hidden=(120, 84),
        output=distance_output,
        params=60_000,
        madds=326_520,
        source="LeCun et al. 1998, section II.B",
        published=builder.Published(
            params=60_000,
            madds=0.401e6,
            top1=99.05,
            protocol="MNIST",
            source="LeCun et al. 1998, section III.B",
        ),
        **_ORIGINAL,
    ),
)
