"""ResNet v1 for ImageNet: residual networks of 18 to 152 layers, and plain twins.

He et al. 2015, "Deep Residual Learning for Image Recognition", Table 1: a 7x7
convolution, max pooling, four stages of basic blocks (two 3x3) or bottlenecks (1x1,
3x3, 1x1), global average pooling, classifier. Table 1 prints 3.6e9 multiply-adds for 34
layers and 3.8e9 for 50, exactly they are 3.66e9 and 3.86e9: cut off, not rounded.

The form "torch" has the stride of a bottleneck on its 3x3 convolution (4.09e9
multiply-adds with 50 layers), "keras" a bias in every convolution before batch
normalisation and an epsilon of 1.001e-5. With basic blocks "torch" is the paper's.

Departures:
    - Weights start uniform, with the variance of the paper's normal distribution (He et
      al. 2015b): they are drawn in two thirds of the time.
    - Option A takes the even rows and columns; the paper says stride 2, no more.
    - Pixels: the mean colour is subtracted, in the paper the mean image.
    - Max pooling has zeros on all sides; the authors' Caffe files pool without them
      and round sizes up. Sizes are the same at 224 pixels.
"""

from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Build, Common, Counterpart, P, Shape
from kerasnets.applications.residual import (
    Block,
    Convolution,
    Form,
    Residual,
    Stage,
    basic,
    bottleneck,
    iter_blocks,
    stages,
)
from kerasnets.pretrained import CAFFE, Preprocessing
from kerasnets.pretrained.names import resnet as names

FORMS = {
    "paper": Form(),
    "torch": Form(strided=2),
    "keras": Form(use_bias=True, epsilon=1.001e-5),
}


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The stages and the block they are made of.

    Attributes:
        block: Gives the convolutions of a block of a stage.
        stages: Stages in their order; all but the first start with stride 2.
        stem_filters: Filters of the first convolution.
        small: Whether that is 3x3, or 7x7 with stride 2 and max pooling behind it.
        form: The form to build where the user cannot choose one.
    """

    block: Block
    stages: tuple[Stage, ...]
    stem_filters: int = 64
    small: bool = False
    form: Form = FORMS["paper"]
    family: str = "ResNet"
    year: int = 2015
    source: str = "He et al. 2015, Table 1"
    preprocessing: Preprocessing = CAFFE
    counterparts: tuple[Counterpart, ...] = names.COUNTERPARTS


def _resnet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    shortcut: str = "B",
    stochastic_depth: float = 0.0,
    zero_init_residual: bool = False,
    form: str | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        shortcut: "A": identity, with zeros for new channels; "B": 1x1 convolutions
            where the shape changes; "C": 1x1 convolutions everywhere (section 4.1).
        form: "paper", "torch" (stride on the 3x3 of a bottleneck) or "keras" (biases);
            None chooses by the weights, the paper's without.
    """
    builder.check_choice("shortcut", shortcut, ("A", "B", "C"))
    net = builder.start(variant, input_shape, common, form=form, forms=FORMS)
    residual = Residual(shortcut, stochastic_depth, zero_init_residual)
    return finish(net, variant, FORMS[net.form], residual)


def resnet_v1_5(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    stochastic_depth: float = 0.0,
    zero_init_residual: bool = False,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    The stride is on the 3x3 of a bottleneck and shortcuts are option B, as in all the
    networks that follow fb.resnet.torch.
    """
    net = builder.start(variant, input_shape, common)
    residual = Residual("B", stochastic_depth, zero_init_residual)
    return finish(net, variant, FORMS["torch"], residual)


def plain(
    variant: Variant, input_shape: Shape | None = None, **common: Unpack[Common]
) -> keras.Model:
    """Build the network, which has no shortcuts, as a Keras functional model."""
    net = builder.start(variant, input_shape, common)
    return finish(net, variant, variant.form, None)


def finish(net: builder.Draft, variant: Variant, form: Form, residual: Residual | None):
    """Stem, stages, average, classifier; plain where ``residual`` is None."""
    x = _stem(net.image, variant, form)
    for convolutions, depth, name in iter_blocks(variant, form):
        x = _block(x, convolutions, form, residual, depth=depth, name=name)
    return net.finish(net.average_and_classify(x, initializer=form.initializer))


def _stem(x, variant: Variant, form: Form):
    """7x7 with stride 2, BN, ReLU, 3x3 max pooling with stride 2; or 3x3, BN, ReLU."""
    size, strides = (3, 1) if variant.small else (7, 2)
    first = Convolution(variant.stem_filters, size, strides)
    x = _conv(x, first, form, relu="stem_relu", name="stem")
    if variant.small:
        return x
    x, padding = blocks.symmetric_padding(x, 3, strides=2, name="stem_pool")
    return layers.MaxPooling2D(3, strides=2, padding=padding, name="stem_pool")(x)


def _block(
    x,
    convolutions: tuple[Convolution, ...],
    form: Form,
    residual: Residual | None,
    *,
    depth: float,
    name: str,
):
    """Convolutions with BN, ReLU between them, + shortcut where residual, ReLU.

    ``depth`` is the block's number as a share of all blocks.
    """
    y, (*first, last) = x, convolutions
    for k, convolution in enumerate(first, start=1):
        y = _conv(y, convolution, form, relu=f"{name}_{k}_relu", name=f"{name}_{k}")
    gamma = "zeros" if residual and residual.zero_init else "ones"
    y = _conv(y, last, form, gamma=gamma, name=f"{name}_{len(convolutions)}")
    if residual:
        rate = depth * residual.stochastic_depth
        y = blocks.drop_branch(y, rate, name=f"{name}_drop")
        strides = max(convolution.strides for convolution in convolutions)
        project = Convolution(last.filters, 1, strides)
        shortcut = _shortcut(x, project, form, residual.shortcut, name=name)
        y = layers.Add(name=f"{name}_add")([y, shortcut])
    return layers.ReLU(name=f"{name}_relu")(y)


def _shortcut(x, project: Convolution, form: Form, option: str, *, name: str):
    """1x1, BN in option C, and in B where the shape changes; else the identity.

    "average" is the identity whose strides are 2x2 average pooling.
    """
    filters, strides = project.filters, project.strides
    changes = strides > 1 or x.shape[-1] != filters
    if option == "C" or (option == "B" and changes):
        return _conv(x, project, form, name=f"{name}_shortcut")
    if option == "average" and strides > 1:
        # "same" where a side is odd: the pixels at the end have no partner
        pool = layers.AveragePooling2D(strides, padding="same", name=f"{name}_average")
        x, strides = pool(x), 1
    return blocks.identity_shortcut(x, filters, strides=strides, name=name)


def _conv(
    x,
    convolution: Convolution,
    form: Form,
    *,
    gamma: str = "ones",
    relu: str = "",
    name: str,
):
    """Convolution, BN, ReLU of the name ``relu``."""
    return blocks.conv_bn(
        x,
        convolution.filters,
        convolution.kernel_size,
        strides=convolution.strides,
        padding=form.padding,
        groups=convolution.groups,
        use_bias=form.use_bias,
        epsilon=form.epsilon,
        gamma=gamma,
        activation=layers.ReLU(name=relu) if relu else None,
        initializer=form.initializer,
        name=name,
    )


def _variant(build: Build[Variant, P], name: str, block: Block, *depths: int):
    """A column of Table 1."""
    rows = stages(depths, 64, 64 if block is basic else 256)
    return builder.variant(build, Variant(name=name, block=block, stages=rows))


ResNet18 = _variant(_resnet, "ResNet18", basic, 2, 2, 2, 2)
ResNet34 = _variant(_resnet, "ResNet34", basic, 3, 4, 6, 3)
ResNet50 = _variant(_resnet, "ResNet50", bottleneck, 3, 4, 6, 3)
ResNet101 = _variant(_resnet, "ResNet101", bottleneck, 3, 4, 23, 3)
ResNet152 = _variant(_resnet, "ResNet152", bottleneck, 3, 8, 36, 3)
Plain18 = _variant(plain, "Plain18", basic, 2, 2, 2, 2)
Plain34 = _variant(plain, "Plain34", basic, 3, 4, 6, 3)
