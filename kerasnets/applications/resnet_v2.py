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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder, residual
from kerasnets.applications.builder import Common, Counterpart, Shape
from kerasnets.applications.residual import (
    Block,
    Convolution,
    Residual,
    Stage,
    basic,
    bottleneck,
    stages,
)
from kerasnets.pretrained.names import resnet_v2 as names


def activate(x, form: "Form", *, name: str = "stem"):
    """BN ``name``_bn, ReLU ``name``_relu."""
    x = blocks.batch_norm(x, epsilon=form.epsilon, name=f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


def activated_max_pool(x, form: "Form"):
    """BN, ReLU, 3x3 maximum pooling with stride 2; the zeros around change nothing."""
    return zero_padded_max_pool(activate(x, form), form)


def max_pool(x, form: "Form"):
    """3x3 maximum pooling with stride 2, centred on every other pixel.

    The map may be negative and Keras pads with zeros only; so the maximum is taken
    around every pixel, and then every other one kept.
    """
    del form
    x = layers.MaxPooling2D(3, strides=1, padding="same", name="stem_pool")(x)
    return layers.MaxPooling2D(1, strides=2, name="stem_subsample")(x)


def zero_padded_max_pool(x, form: "Form"):
    """The same where the zeros around the map count as values."""
    del form
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)


@dataclass(frozen=True, kw_only=True)
class Form(residual.Form):
    """What libraries do differently.

    Attributes:
        after_stem: What follows conv1.
        activated: Whether that has the BN and ReLU of the first unit.
        at_end: Whether the last unit of a stage has the stride, or the first.
        biased: Whether conv1, the projections and the last convolution of each unit
            have a bias.
        shortcut_first: Whether the shortcut is the first addend; the order of layers,
            and with it that of weights, hangs on it.
    """

    strided: int = 2
    after_stem: Callable[[Any, "Form"], Any]
    activated: bool = False
    at_end: bool = False
    biased: bool = False
    shortcut_first: bool = True


FORMS = {
    "paper": Form(after_stem=activated_max_pool, activated=True),
    "keras": Form(
        after_stem=zero_padded_max_pool, at_end=True, biased=True, epsilon=1.001e-5
    ),
    "torch": Form(after_stem=max_pool),
}


STEM = Convolution(64, 7, 2)


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The stages and the unit they are made of.

    Attributes:
        block: Gives the convolutions of a unit of a stage.
        stages: Stages in their order.
        stem: The first convolution.
    """

    block: Block
    stages: tuple[Stage, ...]
    stem: Convolution = STEM
    family: str = "ResNet v2"
    year: int = 2016
    source: str = "He et al. 2016, appendix; He et al. 2015, Table 1"
    counterparts: tuple[Counterpart, ...] = names.COUNTERPARTS


def _resnet_v2(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    stochastic_depth: float = 0.0,
    zero_init_residual: bool = False,
    form: str | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        zero_init_residual: Whether every unit starts as its shortcut: its last
            convolution starts at zero.
        form: "paper"; "keras" for the network of keras.applications, "torch" for that
            of timm, where they have it; None chooses by ``weights``.
    """
    forms = [name for name in FORMS if name == "paper" or getattr(variant, name)]
    net = builder.start(variant, input_shape, common, form=form, forms=forms)
    shortcuts = Residual("B", stochastic_depth, zero_init_residual)
    return finish(net, variant, FORMS[net.form], shortcuts)


def finish(
    net: builder.Draft,
    variant: Variant,
    form: Form,
    shortcuts: Residual,
    dropout: float = 0.0,
):
    """Convolution, units of all stages, BN, ReLU, average, classifier."""
    x = _conv(net.image, variant.stem, form, use_bias=form.biased, name="stem")
    x = form.after_stem(x, form)
    activated = form.activated
    for convolutions, depth, name in residual.iter_blocks(
        variant, form, at_end=form.at_end
    ):
        x = residual_unit(
            x,
            convolutions,
            form,
            shortcuts,
            activated=activated,
            dropout=dropout,
            depth=depth,
            name=name,
        )
        activated = False
    x = activate(x, form, name="final")
    return net.finish(net.average_and_classify(x, initializer=form.initializer))


def residual_unit(
    x,
    convolutions: tuple[Convolution, ...],
    form: Form,
    shortcuts: Residual,
    *,
    activated: bool,
    dropout: float,
    depth: float,
    name: str,
):
    """BN, ReLU, convolution two or three times, + shortcut.

    The first BN and ReLU are left out where the input is ``activated``; dropout, where
    not 0, comes before the last convolution. ``depth`` is the unit's number as a share
    of all units.
    """
    y = x if activated else activate(x, form, name=f"{name}_1")
    shortcut = _shortcut(x, y, convolutions, form, shortcuts.shortcut, name=name)
    *first, last = convolutions
    for number, convolution in enumerate(first, start=1):
        y = _conv(y, convolution, form, name=f"{name}_{number}")
        y = activate(y, form, name=f"{name}_{number + 1}")
    y = builder.drop(y, dropout, name=f"{name}_dropout")
    zeros = shortcuts.zero_init
    name_of_last = f"{name}_{len(convolutions)}"
    y = _conv(y, last, form, use_bias=form.biased, zeros=zeros, name=name_of_last)
    rate = depth * shortcuts.stochastic_depth
    y = blocks.drop_branch(y, rate, name=f"{name}_drop")
    addends = [shortcut, y] if form.shortcut_first else [y, shortcut]
    return layers.Add(name=f"{name}_add")(addends)


def _shortcut(x, activated, convolutions, form: Form, option: str, *, name: str):
    """1x1 on the activated input where the width changes (option B), else the input."""
    filters = convolutions[-1].filters
    strides = max(convolution.strides for convolution in convolutions)
    if option == "A":
        return blocks.identity_shortcut(x, filters, strides=strides, name=name)
    if x.shape[-1] != filters:
        project, name = Convolution(filters, 1, strides), f"{name}_shortcut"
        return _conv(activated, project, form, use_bias=form.biased, name=name)
    if strides > 1:
        return layers.MaxPooling2D(1, strides=strides, name=f"{name}_subsample")(x)
    return x


def _conv(
    x,
    convolution: Convolution,
    form: Form,
    *,
    use_bias: bool = False,
    zeros: bool = False,
    name: str,
):
    """Convolution ``name``_conv with zeros on all sides."""
    return blocks.conv(
        x,
        convolution.filters,
        convolution.kernel_size,
        strides=convolution.strides,
        padding=form.padding,
        use_bias=use_bias,
        initializer="zeros" if zeros else form.initializer,
        name=f"{name}_conv",
    )


def _variant(name: str, block: Block, *depths: int):
    rows = stages(depths, 64, 64 if block is basic else 256)
    return builder.variant(_resnet_v2, Variant(name=name, block=block, stages=rows))


ResNet18V2 = _variant("ResNet18V2", basic, 2, 2, 2, 2)
ResNet34V2 = _variant("ResNet34V2", basic, 3, 4, 6, 3)
ResNet50V2 = _variant("ResNet50V2", bottleneck, 3, 4, 6, 3)
ResNet101V2 = _variant("ResNet101V2", bottleneck, 3, 4, 23, 3)
ResNet152V2 = _variant("ResNet152V2", bottleneck, 3, 8, 36, 3)
ResNet200V2 = _variant("ResNet200V2", bottleneck, 3, 24, 36, 3)
