"""ResNet v2 for ImageNet: residual units with the activations before the weights.

He et al. 2016, "Identity Mappings in Deep Residual Networks", Fig. 4(e) and the
appendix: each convolution of a unit follows BN and ReLU, the shortcut is left clean.
The first BN and ReLU follow conv1, before the paths of the first unit part. Where a
unit changes the number of channels, its first BN and ReLU are shared by the projection.
Depths as in He et al. 2015, Table 1, and 200 layers (appendix). Basic
units of two 3x3 convolutions make up 18 and 34 layers, bottlenecks the others.

Departures:
    - The stride is on the 3x3 convolution of a bottleneck, as in fb.resnet.torch and
      timm; He et al. 2015 have it on the first 1x1.
    - The paper trains 152 and 200 layers only; the other depths are those of v1.
    - Initial weights are uniform of He's variance, which is faster to draw than his
      Gaussian.
    - form="torch" is the network of timm: the first BN and ReLU do not follow conv1 but
      the max pooling, and the first shortcut goes around them.
    - form="keras" is the network of keras.applications: likewise, and the stride in the
      last unit of a stage, its shortcut subsampled; biases in conv1, the projections
      and the last convolution of each unit; zeros around the map before the max
      pooling, where they hide negative values.

WRN (Zagoruyko 2016) prints 64.7M for 200 layers: without batch-norm statistics.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.pretrained import UNIT, Twin

INITIALIZER = "he_uniform"
STEM_FILTERS = 64
STAGE_FILTERS = (64, 128, 256, 512)
# the convolutions of a unit: side of the kernel, filters in those of the stage
BASIC = ((3, 1), (3, 1))
BOTTLENECK = ((1, 1), (3, 1), (1, 4))


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The unit, and how many of them the stages have."""

    unit: tuple[tuple[int, int], ...]
    stages: tuple[int, int, int, int]
    family: str = "ResNet v2"
    year: int = 2016
    source: str = "He et al. 2016, appendix; He et al. 2015, Table 1"


def activated_max_pool(x, manner: "Form"):
    """BN, ReLU, 3x3 maximum pooling with stride 2; the zeros around change nothing."""
    return zero_padded_max_pool(_activate(x, manner, name="stem"), manner)


def max_pool(x, manner: "Form"):
    """3x3 maximum pooling with stride 2, centred on every other pixel.

    The map may be negative and Keras pads with zeros only; so the maximum is taken
    around every pixel, and then every other one kept.
    """
    del manner
    x = layers.MaxPooling2D(3, strides=1, padding="same", name="stem_pool")(x)
    return layers.MaxPooling2D(1, strides=2, name="stem_subsample")(x)


def zero_padded_max_pool(x, manner: "Form"):
    """The same where the zeros around the map count as values."""
    del manner
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)


@dataclass(frozen=True)
class Form:
    """What libraries do differently.

    Attributes:
        epsilon: of batch normalisation.
        bias: in conv1, the projections and the last convolution of each unit.
        strided: which unit of a stage has the stride, 0 or -1.
        pool: what follows conv1.
        activated: whether that has the BN and ReLU of the first unit.
    """

    epsilon: float
    bias: bool
    strided: int
    pool: Callable
    activated: bool = False


FORMS = {
    "paper": Form(1e-5, False, 0, activated_max_pool, activated=True),
    "keras": Form(1.001e-5, True, -1, zero_padded_max_pool),
    "torch": Form(1e-5, False, 0, max_pool),
}


def _resnet_v2(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    form: str | None = None,
    zero_init_residual: bool = False,
    stochastic_depth: float = 0.0,
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
        form: "paper"; "keras" for the network of keras.applications, "torch" for that
            of timm, where they have it; None chooses by ``weights``.
        zero_init_residual: start the last convolution of each unit at zero, so that
            the unit starts as its shortcut.
        stochastic_depth: share of the training steps in which the last unit is left
            out, from 0 to below 1; it grows linearly from the first unit (Huang et al.
            2016).
    """
    builder.check_rate("stochastic_depth", stochastic_depth)
    known = {k: v for k, v in FORMS.items() if k == "paper" or getattr(variant, k)}
    form = builder.manner(form, weights, known)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = features(
        inputs,
        variant,
        FORMS[form],
        zero_init=zero_init_residual,
        stochastic_depth=stochastic_depth,
    )
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer=INITIALIZER
    )
    return builder.finish(
        inputs, x, network=variant, weights=weights, name=name, form=form
    )


def features(
    x, variant: Variant, manner: Form, *, zero_init: bool, stochastic_depth: float
):
    """7x7, max pooling, the units of all stages, BN, ReLU."""
    x = blocks.conv(
        x,
        STEM_FILTERS,
        7,
        strides=2,
        padding="symmetric",
        use_bias=manner.bias,
        initializer=INITIALIZER,
        name="stem_conv",
    )
    x = manner.pool(x, manner)
    total, number = sum(variant.stages), itertools.count(1)
    for stage, count in enumerate(variant.stages, start=1):
        for block, strides in enumerate(_strides(stage, count, manner), start=1):
            x = residual_unit(
                x,
                STAGE_FILTERS[stage - 1],
                convolutions=variant.unit,
                strides=strides,
                manner=manner,
                activated=manner.activated and stage == block == 1,
                zero_init=zero_init,
                rate=next(number) / total * stochastic_depth,
                name=f"stage{stage}_block{block}",
            )
    return _activate(x, manner, name="final")


def _strides(stage: int, count: int, manner: Form) -> list[int]:
    """The stride of each unit of a stage: 2 on one side of the border of two stages."""
    strides = [1] * count
    if stage > 1 if manner.strided == 0 else stage < len(STAGE_FILTERS):
        strides[manner.strided] = 2
    return strides


def residual_unit(
    x,
    filters: int,
    *,
    convolutions: tuple[tuple[int, int], ...],
    strides: int,
    manner: Form,
    activated: bool,
    zero_init: bool,
    rate: float,
    name: str,
):
    """BN, ReLU, convolution two or three times, + shortcut; stride on the first 3x3.

    The first BN and ReLU are left out where the input is ``activated``.
    """
    y = x if activated else _activate(x, manner, name=f"{name}_1")
    width = convolutions[-1][1] * filters
    shortcut = _shortcut(x, y, width, strides=strides, manner=manner, name=name)
    for number, (kernel_size, factor) in enumerate(convolutions, start=1):
        last = number == len(convolutions)
        if number > 1:
            y = _activate(y, manner, name=f"{name}_{number}")
        y = blocks.conv(
            y,
            factor * filters,
            kernel_size,
            strides=strides if kernel_size > 1 else 1,
            padding="symmetric",
            use_bias=manner.bias and last,
            initializer="zeros" if zero_init and last else INITIALIZER,
            name=f"{name}_{number}_conv",
        )
        if kernel_size > 1:
            strides = 1
    y = blocks.drop_branch(y, rate, name=f"{name}_drop")
    return layers.Add(name=f"{name}_add")([shortcut, y])


def _shortcut(x, activated, width: int, *, strides: int, manner: Form, name: str):
    """1x1 on the activated input where the width changes, else the input itself."""
    if x.shape[-1] != width:
        return blocks.conv(
            activated,
            width,
            1,
            strides=strides,
            use_bias=manner.bias,
            initializer=INITIALIZER,
            name=f"{name}_shortcut_conv",
        )
    if strides > 1:
        return layers.MaxPooling2D(1, strides=strides, name=f"{name}_subsample")(x)
    return x


def _activate(x, manner: Form, *, name: str):
    """BN ``name``_bn, ReLU ``name``_relu."""
    x = blocks.batch_norm(x, epsilon=manner.epsilon, name=f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


_UNIT_LAYER = re.compile(r"stage(\d)_block(\d+)_(\d|shortcut)_(bn|conv)")


def _keras_layer(name: str) -> str:
    """The layer's name in keras.applications, where a BN counts with the last conv."""
    found = _UNIT_LAYER.fullmatch(name)
    if found is None:
        others = {"stem_conv": "conv1_conv", "final_bn": "post_bn"}
        return others.get(name, "predictions")
    stage, block, number, kind = found.groups()
    if number == "shortcut":
        part = "0_conv"
    elif kind == "conv":
        part = f"{number}_conv"
    else:
        part = "preact_bn" if number == "1" else f"{int(number) - 1}_bn"
    return f"conv{int(stage) + 1}_block{block}_{part}"


def _timm_layer(name: str) -> str:
    """The module's path in timm."""
    found = _UNIT_LAYER.fullmatch(name)
    if found is None:
        return {"stem_conv": "stem.conv", "final_bn": "norm"}.get(name, "head.fc")
    stage, block, number, kind = found.groups()
    part = {"bn": "norm", "conv": "conv"}[kind] + number
    if number == "shortcut":
        part = "downsample.conv"
    return f"stages.{int(stage) - 1}.blocks.{int(block) - 1}.{part}"


def _keras(name: str) -> Twin:
    return Twin(library="keras", builder=name, layer=_keras_layer, preprocessing=UNIT)


def _timm(name: str) -> Twin:
    return Twin(library="timm", builder=name, layer=_timm_layer, preprocessing=UNIT)


_PROTOCOL = "ImageNet, single 320x320 crop"

ResNet18V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet18V2",
        unit=BASIC,
        stages=(2, 2, 2, 2),
        params=11_695_528,
        madds=1_814_073_344,
        torch=_timm("resnetv2_18"),
    ),
)
ResNet34V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet34V2",
        unit=BASIC,
        stages=(3, 4, 6, 3),
        params=21_811_112,
        madds=3_663_761_408,
        torch=_timm("resnetv2_34"),
    ),
)
ResNet50V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet50V2",
        unit=BOTTLENECK,
        stages=(3, 4, 6, 3),
        params=25_594_792,
        madds=4_089_184_256,
        keras=_keras("ResNet50V2"),
        torch=_timm("resnetv2_50"),
    ),
)
ResNet101V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet101V2",
        unit=BOTTLENECK,
        stages=(3, 4, 23, 3),
        params=44_639_144,
        madds=7_801_405_440,
        keras=_keras("ResNet101V2"),
        torch=_timm("resnetv2_101"),
    ),
)
ResNet152V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet152V2",
        unit=BOTTLENECK,
        stages=(3, 8, 36, 3),
        params=60_328_872,
        madds=11_513_626_624,
        published=builder.Published(
            top1=78.9, top5=94.5, protocol=_PROTOCOL, source="He et al. 2016, Table 5"
        ),
        keras=_keras("ResNet152V2"),
        torch=_timm("resnetv2_152"),
    ),
)
ResNet200V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet200V2",
        unit=BOTTLENECK,
        stages=(3, 24, 36, 3),
        params=64_834_472,
        madds=15_007_481_856,
        published=builder.Published(
            params=64.7e6,
            top1=79.3,
            top5=94.7,
            protocol=_PROTOCOL,
            source="He et al. 2016, Table 5",
        ),
    ),
)
