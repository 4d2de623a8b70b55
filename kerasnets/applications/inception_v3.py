"""Inception-v3: large kernels taken apart into small and one-dimensional ones.

Szegedy et al. 2015, "Rethinking the Inception Architecture for Computer Vision",
Table 1 and Figures 5, 6, 7 and 10, with the widths of the authors' release, which the
paper does not print: a stem, three modules on maps of 35 pixels, five on 17, two on 8,
and modules in between that halve the map by convolution and pooling side by side. The
batch-normalised auxiliary classifier (section 4) stands on the last map of 17 pixels.

Departures:
    - Stem and widths are those of the release (TF-slim, and all libraries after it).
      Table 1 has 3x3 convolutions of 80, 192 (stride 2) and 288 filters before the
      modules; the release 1x1 of 80, 3x3 of 192 and a maximum pooling.
    - The paper has no batch-norm epsilon; 1e-3 is that of the release. Scale (gamma) is
      left out as in the release: the ReLU's scale passes through the next convolution.
      ``form="torch"`` has it, and counts the zeros around a map as pixels where it
      averages; torchvision's weights are trained so.

The paper prints "5 billion multiply-adds" and "less than 25 million parameters"; exact
are 5.71 billion and 23.9 million.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Counterpart, Shape
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import AUXILIARY, UNIT, Preprocessing
from kerasnets.pretrained.names import inception_v3 as names

EPSILON = 1e-3
SIZE_299 = dataclasses.replace(UNIT, size=299)
AVERAGE, MAX = "average", "max"


@dataclass(frozen=True)
class Form:
    """In what the libraries differ.

    Attributes:
        gamma: Whether batch normalisation has a scale.
        zeros_count: Whether an average is one of nine pixels at the border, too.
    """

    gamma: bool
    zeros_count: bool


FORMS = {
    "paper": Form(gamma=False, zeros_count=False),
    "keras": Form(gamma=False, zeros_count=False),
    "torch": Form(gamma=True, zeros_count=True),
}

# Steps are (filters, kernel), padded to the same size, or (filters, kernel, stride),
# not padded; a pair of them stands side by side. A branch is its label and its steps.
STEM = ((32, 3, 2), (32, 3, 1), (64, 3), MAX, (80, 1), (192, 3, 1), MAX)


def _module_a(pooled: int) -> tuple:
    return (
        ("1x1", (64, 1)),
        ("5x5", (48, 1), (64, 5)),
        ("3x3dbl", (64, 1), (96, 3), (96, 3)),
        ("pool", AVERAGE, (pooled, 1)),
    )


def _module_b(width: int) -> tuple:
    row, column = (1, 7), (7, 1)
    return (
        ("1x1", (192, 1)),
        ("7x7", (width, 1), (width, row), (192, column)),
        (
            "7x7dbl",
            (width, 1),
            (width, column),
            (width, row),
            (width, column),
            (192, row),
        ),
        ("pool", AVERAGE, (192, 1)),
    )


_PAIR = ((384, (1, 3)), (384, (3, 1)))
_MODULE_C = (
    ("1x1", (320, 1)),
    ("3x3", (384, 1), _PAIR),
    ("3x3dbl", (448, 1), (384, 3), _PAIR),
    ("pool", AVERAGE, (192, 1)),
)

MODULES = {
    "mixed5b": _module_a(32),
    "mixed5c": _module_a(64),
    "mixed5d": _module_a(64),
    "mixed6a": (
        ("3x3", (384, 3, 2)),
        ("3x3dbl", (64, 1), (96, 3), (96, 3, 2)),
        ("pool", MAX),
    ),
    "mixed6b": _module_b(128),
    "mixed6c": _module_b(160),
    "mixed6d": _module_b(160),
    "mixed6e": _module_b(192),
    "mixed7a": (
        ("3x3", (192, 1), (320, 3, 2)),
        ("7x7x3", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)),
        ("pool", MAX),
    ),
    "mixed7b": _MODULE_C,
    "mixed7c": _MODULE_C,
}
_BEFORE_AUXILIARY = "mixed6e"
_AUXILIARY_SIDE = 17


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """Inception-v3 has one variant only.

    Attributes:
        modules: The branches of the modules by name, in their order.
    """

    modules: Mapping[str, tuple]
    family: str = "Inception-v3"
    year: int = 2015
    input_shape: tuple[int, int, int] = (299, 299, 3)
    minimum: int = 75
    source: str = "Szegedy et al. 2015, Table 1"
    preprocessing: Preprocessing = SIZE_299
    counterparts: tuple[Counterpart, ...] = ()


def _inception_v3(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    auxiliary: bool = False,
    form: str | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        auxiliary: Add the auxiliary classifier, for images of 299 pixels or more: the
            outputs are then [main, auxiliary]. Without top there is none.
        form: "paper", "keras" (the same network) or "torch": batch normalisation with
            scale, averages that count the zeros at the border. None chooses by the
            weights, without weights "paper".
    """
    net = builder.start(variant, input_shape, common, form=form, forms=FORMS)
    differences = FORMS[net.form]
    (x,) = chain(net.image, STEM, form=differences, name="stem")
    extra = []
    for title, branches in variant.modules.items():
        x = module(x, branches, form=differences, name=title)
        if auxiliary and net.include_top and title == _BEFORE_AUXILIARY:
            extra = [_auxiliary(x, net, form=differences)]
    x = net.average_and_classify(x)
    return net.finish([x, *extra] if extra else x)


def module(x, branches: tuple, *, form: Form, name: str):
    """The branches side by side on ``x``, their maps one behind the other."""
    maps = []
    for label, *steps in branches:
        maps += chain(x, steps, form=form, name=f"{name}_{label}")
    return layers.Concatenate(name=f"{name}_concat")(maps)


def chain(x, steps, *, form: Form, name: str) -> list:
    """The steps one after the other: one map, or two where a pair is the last."""
    names = conv_names(name, steps)
    maps, at = [x], name
    for step in steps:
        if step in (AVERAGE, MAX):
            maps = [_pool(maps[0], step, form=form, name=f"{at}_{step}")]
            continue
        pair = step if isinstance(step[0], tuple) else (step,)
        # ``at`` is the last convolution: its name tells a pooling after it from others
        before = maps[0]
        maps = [conv(before, *one, form=form, name=(at := next(names))) for one in pair]
    return maps


def conv_names(name: str, steps) -> Iterator[str]:
    """What the convolutions of a chain are called: numbered where there are several."""
    convs = [step for step in steps if step not in (AVERAGE, MAX)]
    for number, step in enumerate(convs, start=1):
        if isinstance(step[0], tuple):
            yield from (f"{name}_{number}{letter}" for letter in "ab")
        else:
            yield f"{name}_{number}" if len(convs) > 1 else name


def conv(x, filters: int, kernel_size, strides: int = 0, *, form: Form, name: str):
    """Convolution, BN, ReLU; padded where no stride is given."""
    return blocks.conv_bn(
        x,
        filters,
        kernel_size,
        strides=strides or 1,
        padding="valid" if strides else "same",
        epsilon=EPSILON,
        scale=form.gamma,
        activation=layers.ReLU(name=f"{name}_relu"),
        name=name,
    )


def _pool(x, kind: str, *, form: Form, name: str):
    """3x3: the maximum with stride 2, or the average with stride 1, padded."""
    if kind == MAX:
        return layers.MaxPooling2D(3, strides=2, name=name)(x)
    padding = "same"
    if form.zeros_count:
        # Keras's "same" averages the pixels of the map only
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.AveragePooling2D(3, strides=1, padding=padding, name=name)(x)


def _auxiliary(x, net: builder.Draft, *, form: Form):
    """5x5 average with stride 3, 1x1, 5x5, global average, dense."""
    if any(side is not None and side < _AUXILIARY_SIDE for side in x.shape[1:3]):
        raise KerasnetsError(
            f"auxiliary needs a map of {_AUXILIARY_SIDE} pixels a side, not "
            f"{x.shape[1]}x{x.shape[2]}: give images of 299 pixels or more"
        )
    prefix = f"{AUXILIARY}1_"
    x = layers.AveragePooling2D(5, strides=3, name=f"{prefix}average")(x)
    x = conv(x, 128, 1, form=form, name=f"{prefix}conv0")
    x = conv(x, 768, 5, 1, form=form, name=f"{prefix}conv1")
    x = layers.GlobalAveragePooling2D(name=f"{prefix}avg_pool")(x)
    return net.classify(x, prefix=prefix)


# in the order in which keras.applications makes them, whose layers it only counts
_CONVS = [
    *conv_names("stem", STEM),
    *(
        called
        for title, branches in MODULES.items()
        for label, *steps in branches
        for called in conv_names(f"{title}_{label}", steps)
    ),
]

InceptionV3 = builder.variant(
    _inception_v3,
    Variant(
        name="InceptionV3",
        modules=MODULES,
        counterparts=names.counterparts(_CONVS, SIZE_299),
    ),
)
