"""Inception-v4: the modules of Inception-v3 made uniform, and more of them.

Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", Figures 3 to 9 and Table 1: a stem with branches of its own,
four modules A on maps of 35 pixels, seven B on 17, three C on 8, a reduction between,
global average pooling, dropout (keep 0.8) and the classifier.

Departures:
    - In the stem and in the longest branches of B and C the 1xn and nx1 kernels stand
      in the order of the authors' release, where rows x columns is certain. Read so,
      the figures have the other order; parameters and multiply-adds are the same.
    - Averages at the border are of the map's pixels only, and batch normalisation has
      epsilon 1e-3, both as in the release; the paper does not say.

The paper prints neither parameters nor multiply-adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Unpack

import keras

from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.applications.inception_v3 import (
    AVERAGE,
    MAX,
    SIZE_299,
    Form,
    chain,
    module,
)
from kerasnets.pretrained import Preprocessing
from kerasnets.pretrained.names import inception_v4 as names

FORM = Form(gamma=True, zeros_count=False)
_ROW, _COLUMN = (1, 7), (7, 1)

# steps and branches are written as in inception_v3
STEM = ((32, 3, 2), (32, 3, 1), (64, 3))
STEM_MODULES = {
    "stem_4": (("pool", MAX), ("branch1", (96, 3, 2))),
    "stem_5": (
        ("branch0", (64, 1), (96, 3, 1)),
        ("branch1", (64, 1), (64, _ROW), (64, _COLUMN), (96, 3, 1)),
    ),
    "stem_6": (("branch0", (192, 3, 2)), ("pool", MAX)),
}


def reduction_a(k: int, l: int, m: int, n: int) -> tuple:  # noqa: E741
    """The branches of Figure 7, with the widths as Table 1 calls them."""
    return (
        ("branch0", (n, 3, 2)),
        ("branch1", (k, 1), (l, 3), (m, 3, 2)),
        ("pool", MAX),
    )


_A = (
    ("branch0", (96, 1)),
    ("branch1", (64, 1), (96, 3)),
    ("branch2", (64, 1), (96, 3), (96, 3)),
    ("pool", AVERAGE, (96, 1)),
)
_B = (
    ("branch0", (384, 1)),
    ("branch1", (192, 1), (224, _ROW), (256, _COLUMN)),
    ("branch2", (192, 1), (192, _COLUMN), (224, _ROW), (224, _COLUMN), (256, _ROW)),
    ("pool", AVERAGE, (128, 1)),
)
_REDUCTION_B = (
    ("branch0", (192, 1), (192, 3, 2)),
    ("branch1", (256, 1), (256, _ROW), (320, _COLUMN), (320, 3, 2)),
    ("pool", MAX),
)
_PAIR = ((256, (1, 3)), (256, (3, 1)))
_C = (
    ("branch0", (256, 1)),
    ("branch1", (384, 1), _PAIR),
    ("branch2", (384, 1), (448, (3, 1)), (512, (1, 3)), _PAIR),
    ("pool", AVERAGE, (256, 1)),
)

MODULES = {
    **{f"inception_a{i}": _A for i in range(1, 5)},
    "reduction_a": reduction_a(192, 224, 256, 384),
    **{f"inception_b{i}": _B for i in range(1, 8)},
    "reduction_b": _REDUCTION_B,
    **{f"inception_c{i}": _C for i in range(1, 4)},
}


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """Inception-v4 has one variant only.

    Attributes:
        modules: The branches of the modules by name, in their order.
    """

    modules: Mapping[str, tuple]
    family: str = "Inception-v4"
    year: int = 2016
    input_shape: tuple[int, int, int] = (299, 299, 3)
    minimum: int = 75
    source: str = "Szegedy et al. 2016, Figure 9"
    preprocessing: Preprocessing = SIZE_299


def _inception_v4(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float = 0.2,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model."""
    net = builder.start(variant, input_shape, common)
    x = stem(net.image, form=FORM)
    for title, branches in variant.modules.items():
        x = module(x, branches, form=FORM, name=title)
    return net.finish(net.average_and_classify(x, dropout=dropout))


def stem(x, *, form: Form):
    """Figure 3: three convolutions, three modules, 1/8 of the side."""
    (x,) = chain(x, STEM, form=form, name="stem")
    for title, branches in STEM_MODULES.items():
        x = module(x, branches, form=form, name=title)
    return x


_FEATURES = ["stem_1", "stem_2", "stem_3", *STEM_MODULES, *MODULES]

InceptionV4 = builder.variant(
    _inception_v4,
    Variant(
        name="InceptionV4",
        modules=MODULES,
        counterparts=names.counterparts(_FEATURES, SIZE_299),
    ),
)
