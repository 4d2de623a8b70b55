"""Inception-ResNet: Inception modules as the branches of a residual network.

Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", Figures 3, 7 and 10 to 19, Table 1 and section 3.3: in each
block a thin module, a linear 1x1 convolution back to the width of the map, scaled down
(0.1 to 0.3) before it is added; ReLU. InceptionResNetV1 and InceptionResNetV2Drawn have
5, 10 and 5 blocks as drawn; InceptionResNetV2 is the network that the authors released.

Departures:
    - Scales are 0.17, 0.10 and 0.20 for blocks A, B and C, those of the release; the
      paper gives the range only. The linear convolution has a bias and no batch
      normalisation, as in the release; the figures do not say.
    - InceptionResNetV2Drawn: Figures 17 and 19 print 1154 and 2048 filters for the
      linear convolutions; a sum with maps of 1152 and 2144 channels needs those.
    - InceptionResNetV2 is not the paper's: it has the stem of Inception-v3, one module
      A, 10, 20 and 10 blocks, no ReLU and no scale in the last block, and a 1x1
      convolution behind it. Its cost, not that of the network as drawn, is what
      the paper compares with Inception-v4's.
    - Batch normalisation of InceptionResNetV2 has no scale (gamma) as in the release;
      ``form="torch"`` has it, as timm's weights need it. Epsilon 1e-3 as there.

The paper prints neither parameters nor multiply-adds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder, inception_v3, inception_v4
from kerasnets.applications.builder import Common, Shape
from kerasnets.applications.inception_v3 import (
    AVERAGE,
    MAX,
    SIZE_299,
    Form,
    chain,
    conv,
    conv_names,
    module,
)
from kerasnets.applications.inception_v4 import reduction_a
from kerasnets.pretrained import Preprocessing
from kerasnets.pretrained.names import inception_resnet as names

_WITH_GAMMA = Form(gamma=True, zeros_count=False)
_WITHOUT_GAMMA = Form(gamma=False, zeros_count=False)
FORMS = {"paper": _WITHOUT_GAMMA, "keras": _WITHOUT_GAMMA, "torch": _WITH_GAMMA}


@dataclass(frozen=True)
class Stage:
    """Blocks on maps of one size.

    Attributes:
        block: The branches of a block, written as in inception_v3.
        blocks: Number of blocks.
        scale: Factor of what is added; 1 for none.
        entry: Name and branches of the module before the blocks, or None.
        relu: Whether ReLU follows the sum.
    """

    block: tuple
    blocks: int
    scale: float
    entry: tuple[str, tuple] | None = None
    relu: bool = True


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """Stem, stages and forms.

    Attributes:
        stem: The function that adds the stem.
        stages: Stages from the input to the output.
        forms: The forms of the libraries.
        last: Filters of the 1x1 convolution behind the stages, 0 for none.
    """

    stem: Callable
    stages: tuple[Stage, ...]
    forms: Mapping[str, Form] = field(default_factory=lambda: {"paper": _WITH_GAMMA})
    last: int = 0
    family: str = "Inception-ResNet"
    year: int = 2016
    input_shape: tuple[int, int, int] = (299, 299, 3)
    minimum: int = 75
    source: str = "Szegedy et al. 2016, Figure 15"
    preprocessing: Preprocessing = SIZE_299


def _inception_resnet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float = 0.2,
    stochastic_depth: float = 0.0,
    zero_init_residual: bool = False,
    form: str | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        zero_init_residual: Start the linear convolutions at zero: every block is at
            first the identity.
        form: "paper"; for InceptionResNetV2 also "keras" (the same network) and
            "torch", batch normalisation with scale. None chooses by the weights,
            without weights "paper".
    """
    net = builder.start(variant, input_shape, common, form=form, forms=variant.forms)
    differences = variant.forms[net.form]
    initializer = "zeros" if zero_init_residual else "glorot_uniform"
    x = variant.stem(net.image, form=differences)
    rate = stochastic_depth / sum(stage.blocks for stage in variant.stages)
    built = 0
    for number, stage in enumerate(variant.stages, start=1):
        if stage.entry:
            title, branches = stage.entry
            x = module(x, branches, form=differences, name=title)
        for block in range(1, stage.blocks + 1):
            built += 1
            x = residual_block(
                x,
                stage,
                form=differences,
                rate=built * rate,
                initializer=initializer,
                name=f"stage{number}_block{block}",
            )
    if variant.last:
        x = conv(x, variant.last, 1, form=differences, name="last")
    return net.finish(net.average_and_classify(x, dropout=dropout))


def residual_block(
    x, stage: Stage, *, form: Form, rate: float, initializer: str, name: str
):
    """Branches, linear 1x1, scale, + x, ReLU."""
    y = module(x, stage.block, form=form, name=name)
    y = blocks.conv(y, x.shape[-1], 1, initializer=initializer, name=f"{name}_linear")
    if stage.scale != 1:
        y = layers.Rescaling(stage.scale, name=f"{name}_scale")(y)
    y = blocks.drop_branch(y, rate, name=f"{name}_drop")
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(name=f"{name}_relu")(x) if stage.relu else x


def _stem_of(steps: tuple) -> Callable:
    """A stem that is a chain of steps."""

    def stem(x, *, form: Form):
        (x,) = chain(x, steps, form=form, name="stem")
        return x

    return stem


def _block_a(first: int, second: int) -> tuple:
    return (
        ("branch0", (32, 1)),
        ("branch1", (32, 1), (32, 3)),
        ("branch2", (32, 1), (first, 3), (second, 3)),
    )


def _block(width: int, *steps) -> tuple:
    """Blocks B and C: a 1x1 branch beside a chain."""
    return (("branch0", (width, 1)), ("branch1", *steps))


def _reduction_b(second: int, third: int, fourth: int) -> tuple:
    return (
        ("branch0", (256, 1), (384, 3, 2)),
        ("branch1", (256, 1), (second, 3, 2)),
        ("branch2", (256, 1), (third, 3), (fourth, 3, 2)),
        ("pool", MAX),
    )


_A2 = _block_a(48, 64)
_B2 = _block(192, (128, 1), (160, (1, 7)), (192, (7, 1)))
_C2 = _block(192, (192, 1), (224, (1, 3)), (256, (3, 1)))
_REDUCTION_A2 = ("reduction_a", reduction_a(256, 256, 384, 384))
_REDUCTION_B2 = ("reduction_b", _reduction_b(288, 288, 320))

_STAGES_V1 = (
    Stage(_block_a(32, 32), 5, 0.17),
    Stage(
        _block(128, (128, 1), (128, (1, 7)), (128, (7, 1))),
        10,
        0.10,
        entry=("reduction_a", reduction_a(192, 192, 256, 384)),
    ),
    Stage(
        _block(192, (192, 1), (192, (1, 3)), (192, (3, 1))),
        5,
        0.20,
        entry=("reduction_b", _reduction_b(256, 256, 256)),
    ),
)
_STAGES_DRAWN = (
    Stage(_A2, 5, 0.17),
    Stage(_B2, 10, 0.10, entry=_REDUCTION_A2),
    Stage(_C2, 5, 0.20, entry=_REDUCTION_B2),
)
_MIXED_5B = (
    ("branch0", (96, 1)),
    ("branch1", (48, 1), (64, 5)),
    ("branch2", (64, 1), (96, 3), (96, 3)),
    ("pool", AVERAGE, (64, 1)),
)
_STAGES_RELEASED = (
    Stage(_A2, 10, 0.17, entry=("mixed5b", _MIXED_5B)),
    Stage(_B2, 20, 0.10, entry=_REDUCTION_A2),
    Stage(_C2, 9, 0.20, entry=_REDUCTION_B2),
    Stage(_C2, 1, 1, relu=False),
)


def _conv_names() -> Iterator[str]:
    """The convolutions before which keras.applications has no names, as it counts."""
    yield from conv_names("stem", inception_v3.STEM)
    for number, stage in enumerate(_STAGES_RELEASED, start=1):
        modules = [stage.entry] if stage.entry else []
        modules += [
            (f"stage{number}_block{block}", stage.block)
            for block in range(1, stage.blocks + 1)
        ]
        for title, branches in modules:
            for label, *steps in branches:
                yield from conv_names(f"{title}_{label}", steps)


def _variant(name: str, stem: Callable, stages: tuple[Stage, ...], **values):
    row = Variant(name=name, stem=stem, stages=stages, **values)
    return builder.variant(_inception_resnet, row)


_STEM_V1 = _stem_of((*inception_v3.STEM[:-1], (256, 3, 2)))

InceptionResNetV1 = _variant("InceptionResNetV1", _STEM_V1, _STAGES_V1)
InceptionResNetV2Drawn = _variant(
    "InceptionResNetV2Drawn", inception_v4.stem, _STAGES_DRAWN
)
InceptionResNetV2 = _variant(
    "InceptionResNetV2",
    _stem_of(inception_v3.STEM),
    _STAGES_RELEASED,
    last=1536,
    forms=FORMS,
    source="the authors' release of Szegedy et al. 2016",
    counterparts=names.counterparts(list(_conv_names()), SIZE_299),
)
