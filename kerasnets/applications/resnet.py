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

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import CAFFE, TORCH, Preprocessing, Twin

INITIALIZER = "he_uniform"
STEM_FILTERS = 64
SHORTCUTS = ("A", "B", "C")


@dataclass(frozen=True, kw_only=True)
class Form:
    """In what the paper and the libraries differ.

    Attributes:
        strided: which convolution of a bottleneck has the stride, the 1st or the 2nd.
        use_bias: of the convolutions.
        epsilon: of the batch normalisation.
    """

    strided: int
    use_bias: bool = False
    epsilon: float = 1e-5


FORMS = {
    "paper": Form(strided=1),
    "torch": Form(strided=2),
    "keras": Form(strided=1, use_bias=True, epsilon=1.001e-5),
}


class Stage(NamedTuple):
    """A row of Table 1: blocks, their filters inside and at the end."""

    blocks: int
    inner: int
    outer: int
    groups: int = 1


class Convolution(NamedTuple):
    """A convolution of a block."""

    filters: int
    kernel_size: int
    strides: int = 1
    groups: int = 1


def basic(stage: Stage, strides: int, form: Form) -> tuple[Convolution, ...]:
    """3x3, 3x3: the stride is on the first in every form."""
    del form
    return (Convolution(stage.inner, 3, strides), Convolution(stage.outer, 3))


def bottleneck(stage: Stage, strides: int, form: Form) -> tuple[Convolution, ...]:
    """1x1, 3x3, 1x1."""
    first, second = (strides, 1) if form.strided == 1 else (1, strides)
    return (
        Convolution(stage.inner, 1, first),
        Convolution(stage.inner, 3, second, stage.groups),
        Convolution(stage.outer, 1),
    )


Block = Callable[[Stage, int, Form], tuple[Convolution, ...]]


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The stages and the block they are made of.

    Attributes:
        block: gives the convolutions of a block of a stage.
        stages: a stage but the first starts with stride 2.
    """

    block: Block
    stages: tuple[Stage, ...]
    family: str = "ResNet"
    year: int = 2015
    source: str = "He et al. 2015, Table 1"
    preprocessing: Preprocessing = CAFFE


@dataclass(frozen=True, kw_only=True)
class Residual:
    """What the shortcuts are and how the branches beside them are trained."""

    shortcut: str = "B"
    zero_init: bool = False
    stochastic_depth: float = 0.0

    def __post_init__(self):
        if self.shortcut not in SHORTCUTS:
            raise KerasnetsError(
                f"shortcut {self.shortcut!r} is unknown: 'A', 'B' or 'C'"
            )
        builder.check_rate("stochastic_depth", self.stochastic_depth)


def _resnet(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    shortcut: str = "B",
    zero_init_residual: bool = False,
    stochastic_depth: float = 0.0,
    form: str | None = None,
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
        shortcut: "A": identity, with zeros for new channels; "B": 1x1 convolutions
            where the shape changes; "C": 1x1 convolutions everywhere (section 4.1).
        zero_init_residual: every block starts as its shortcut: the scale of its last
            batch normalisation starts at 0 (Goyal et al. 2017, section 5.1).
        stochastic_depth: share of training steps that leave out the last block's
            branch, growing linearly from block to block (Huang et al. 2016).
        form: "paper", "torch" (stride on the 3x3 of a bottleneck) or "keras" (biases);
            None chooses by the weights, the paper's without.
    """
    form = builder.manner(form, weights, FORMS)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    residual = Residual(
        shortcut=shortcut,
        zero_init=zero_init_residual,
        stochastic_depth=stochastic_depth,
    )
    x = features(inputs, variant, FORMS[form], residual)
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer=INITIALIZER
    )
    return builder.finish(
        inputs, x, network=variant, weights=weights, name=name, form=form
    )


def _plain(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network, which has no shortcuts, as a Keras functional model."""
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = features(inputs, variant, FORMS["paper"], None)
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer=INITIALIZER
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def late_stride(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
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

    The stride is on the 3x3 of a bottleneck and shortcuts are option B, as in all the
    networks that follow fb.resnet.torch.

    Args:
        zero_init_residual: every block starts as its shortcut: the scale of its last
            batch normalisation starts at 0 (Goyal et al. 2017, section 5.1).
        stochastic_depth: share of training steps that leave out the last block's
            branch, growing linearly from block to block (Huang et al. 2016).
    """
    inputs = builder.image_input(variant, input_shape, input_tensor)
    residual = Residual(zero_init=zero_init_residual, stochastic_depth=stochastic_depth)
    x = features(inputs, variant, FORMS["torch"], residual)
    x = builder.averaged_top(
        x, include_top, pooling, classes, classifier_activation, initializer=INITIALIZER
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def features(x, variant: Variant, form: Form, residual: Residual | None):
    """Stem and stages: from images to the last map; plain where residual is None."""
    x = _conv(x, Convolution(STEM_FILTERS, 7, 2), form, relu="stem_relu", name="stem")
    x, padding = blocks.symmetric_padding(x, 3, strides=2, name="stem_pool")
    x = layers.MaxPooling2D(3, strides=2, padding=padding, name="stem_pool")(x)
    return staged(x, variant, form, residual)


def staged(x, variant: Variant, form: Form, residual: Residual | None):
    """The map after all stages; plain where residual is None."""
    for convolutions, depth, name in arranged(variant, form):
        x = _block(x, convolutions, form, residual, depth=depth, name=name)
    return x


def arranged(variant: Variant, form: Form):
    """Of each block in turn its convolutions, number as a share of all, and name."""
    total, number = sum(stage.blocks for stage in variant.stages), itertools.count(1)
    for i, stage in enumerate(variant.stages, start=1):
        for j in range(1, stage.blocks + 1):
            convolutions = variant.block(stage, 2 if i > 1 and j == 1 else 1, form)
            yield convolutions, next(number) / total, f"stage{i}_block{j}"


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
    y = _conv(y, last, form, gamma=gamma, relu=None, name=f"{name}_{len(convolutions)}")
    if residual:
        rate = depth * residual.stochastic_depth
        y = blocks.drop_branch(y, rate, name=f"{name}_drop")
        strides = max(convolution.strides for convolution in convolutions)
        project = Convolution(last.filters, 1, strides)
        shortcut = _shortcut(x, project, form, residual.shortcut, name=name)
        y = layers.Add(name=f"{name}_add")([y, shortcut])
    return layers.ReLU(name=f"{name}_relu")(y)


def _shortcut(x, project: Convolution, form: Form, option: str, *, name: str):
    """1x1, BN in option C, and in B where the shape changes; else the identity."""
    changes = project.strides > 1 or x.shape[-1] != project.filters
    if option == "C" or (option == "B" and changes):
        return _conv(x, project, form, relu=None, name=f"{name}_shortcut")
    return blocks.identity_shortcut(
        x, project.filters, strides=project.strides, name=name
    )


def _conv(
    x,
    convolution: Convolution,
    form: Form,
    *,
    gamma: str = "ones",
    relu: str | None,
    name: str,
):
    """Convolution with zeros on all sides, BN, ReLU of the name ``relu``."""
    return blocks.conv_bn(
        x,
        convolution.filters,
        convolution.kernel_size,
        strides=convolution.strides,
        padding="symmetric",
        groups=convolution.groups,
        use_bias=form.use_bias,
        epsilon=form.epsilon,
        gamma=gamma,
        activation=None if relu is None else layers.ReLU(name=relu),
        initializer=INITIALIZER,
        name=name,
    )


def stages(
    depths: tuple[int, ...], inner: int, outer: int, groups: int = 1
) -> tuple[Stage, ...]:
    """Stages of so many blocks; the filters double from one to the next."""
    return tuple(
        Stage(depth, inner << i, outer << i, groups) for i, depth in enumerate(depths)
    )


def torch_twin(library: str, name: str) -> Twin:
    """The twin in torchvision or timm: all of them have the same names of layers."""
    return Twin(library=library, builder=name, layer=_torch_layer, preprocessing=TORCH)


def _torch_layer(layer: str) -> str:
    """stage1_block2_3_conv is layer1.1.conv3 there."""
    outside = {"stem_conv": "conv1", "stem_bn": "bn1", "logits": "fc"}
    if layer in outside:
        return outside[layer]
    stage, block, part, kind = layer.split("_")
    number = int(block.removeprefix("block")) - 1
    module = f"layer{stage.removeprefix('stage')}.{number}"
    if part == "shortcut":
        return f"{module}.downsample.{'01'[kind == 'bn']}"
    return f"{module}.{kind}{part}"


def _keras_layer(layer: str) -> str:
    """stage1_block2_3_conv is conv2_block2_3_conv there."""
    outside = {"stem_conv": "conv1_conv", "stem_bn": "conv1_bn"}
    outside["logits"] = "predictions"
    if layer in outside:
        return outside[layer]
    stage, block, part, kind = layer.split("_")
    number = int(stage.removeprefix("stage")) + 1
    return f"conv{number}_{block}_{part.replace('shortcut', '0')}_{kind}"


def _published(madds: float, top1: float, top5: float | None, table: str, how: str):
    return builder.Published(
        madds=madds,
        top1=top1,
        top5=top5,
        protocol=f"ImageNet, 10 crops{how}",
        source=f"He et al. 2015, {table}",
    )


def _keras_twin(name: str) -> Twin:
    return Twin(library="keras", builder=name, layer=_keras_layer, preprocessing=CAFFE)


_STAGES_18 = stages((2, 2, 2, 2), 64, 64)
_STAGES_34 = stages((3, 4, 6, 3), 64, 64)

ResNet18 = builder.variant(
    _resnet,
    Variant(
        name="ResNet18",
        block=basic,
        stages=_STAGES_18,
        params=11_699_112,
        madds=1_814_073_344,
        published=_published(1.8e9, 72.12, None, "Table 2", ", option A"),
        torch=torch_twin("torchvision", "resnet18"),
    ),
)
ResNet34 = builder.variant(
    _resnet,
    Variant(
        name="ResNet34",
        block=basic,
        stages=_STAGES_34,
        params=21_814_696,
        madds=3_663_761_408,
        published=_published(3.6e9, 75.48, 92.54, "Table 3", ", option B"),
        torch=torch_twin("torchvision", "resnet34"),
    ),
)
ResNet50 = builder.variant(
    _resnet,
    Variant(
        name="ResNet50",
        block=bottleneck,
        stages=stages((3, 4, 6, 3), 64, 256),
        params=25_610_152,
        madds=3_857_973_248,
        published=_published(3.8e9, 77.15, 93.29, "Table 3", ", option B"),
        keras=_keras_twin("ResNet50"),
        torch=torch_twin("torchvision", "resnet50"),
    ),
)
ResNet101 = builder.variant(
    _resnet,
    Variant(
        name="ResNet101",
        block=bottleneck,
        stages=stages((3, 4, 23, 3), 64, 256),
        params=44_654_504,
        madds=7_570_194_432,
        published=_published(7.6e9, 78.25, 93.95, "Table 3", ", option B"),
        keras=_keras_twin("ResNet101"),
        torch=torch_twin("torchvision", "resnet101"),
    ),
)
ResNet152 = builder.variant(
    _resnet,
    Variant(
        name="ResNet152",
        block=bottleneck,
        stages=stages((3, 8, 36, 3), 64, 256),
        params=60_344_232,
        madds=11_282_415_616,
        published=_published(11.3e9, 78.57, 94.29, "Table 3", ", option B"),
        keras=_keras_twin("ResNet152"),
        torch=torch_twin("torchvision", "resnet152"),
    ),
)
Plain18 = builder.variant(
    _plain,
    Variant(
        name="Plain18",
        block=basic,
        stages=_STAGES_18,
        params=11_523_496,
        madds=1_794_805_760,
        published=_published(1.8e9, 72.06, None, "Table 2", ""),
    ),
)
Plain34 = builder.variant(
    _plain,
    Variant(
        name="Plain34",
        block=basic,
        stages=_STAGES_34,
        params=21_639_080,
        madds=3_644_493_824,
        published=_published(3.6e9, 71.46, 89.98, "Table 3", ""),
    ),
)
