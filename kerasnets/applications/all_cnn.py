"""All-CNN: is pooling needed where a convolution may have a stride?

Springenberg et al. 2014, "Striving for Simplicity: The All Convolutional Net", Tables 1
and 2: three networks of biased convolutions with ReLU, A, B and C, in which two stages
of 96 and 192 filters each end at half the side, in one of four ways:

    - BaseCNN ("Model A"): 3x3 maximum pooling with stride 2;
    - StridedCNN: no pooling, the last convolution of the stage has stride 2;
    - ConvPoolCNN: one more 3x3 convolution, and the pooling;
    - AllCNN: this 3x3 convolution with stride 2 instead of the pooling.

A 3x3 and two 1x1 convolutions follow, the last with a map for each class, whose
averages are the logits. ``AllCNNBImageNet`` (Table 6) is wider and has a third stage.

A ReLU follows the class layer too, as in Table 1, so that the "logits" are nowhere
negative; an image at which all are 0 teaches nothing.

Departures:
    - The paper gives no padding. "same" throughout lets the stages halve the side, 32,
      16, 8, and the average is over 8x8; Table 1 says 6x6, which is what one
      convolution without padding leaves: ``padding="valid"``. In AllCNNBImageNet the
      11x11 convolution has none: 54 pixels a side, then 27, 14 and 7.
    - Initial weights are He's, as the paper gives none.
    - For StridedCNN the paper gives no dropout between the stages; here it follows the
      convolution with the stride, as in AllCNN.
    - The paper normalises the contrast of images and whitens them: that belongs to the
      data; here pixels are scaled to [-1, 1].

Published figures: parameters are rounded up to 0.9M (of 0.84M), 1.28M (1.25M), 1M
(0.89M), 1.35M (1.30M) and 1.4M (1.37M); the 1.3M of Model C and Strided-CNN-C do not
fit Table 1, whose layers have 0.95M. For ImageNet the paper says less than 10M.
"""

from dataclasses import dataclass
from typing import NamedTuple, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.pretrained import HEAD

INITIALIZER = "he_normal"
PADDINGS = ("same", "valid")


class Conv(NamedTuple):
    """A convolution of a stage."""

    kernel_size: int
    strides: int = 1
    padding: str = "same"


class Stage(NamedTuple):
    """Convolutions of as many filters each."""

    filters: int
    convs: tuple[Conv, ...]


class Reduction(NamedTuple):
    """How a stage ends at half the side: a column of Table 2.

    Attributes:
        extra: Convolutions added to the stage.
        pool: End in 3x3 maximum pooling; otherwise the last convolution has stride 2.
    """

    extra: tuple[Conv, ...]
    pool: bool


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """One of the models and one of the ways to reduce its maps.

    Attributes:
        stages: The convolutions before each reduction.
        reduction: The way all stages end.
        head: Filters of the 3x3 and the 1x1 convolution before the class layer.
        input_dropout: The paper's dropout of the image.
        dropped: Numbers of the stages that dropout follows.
    """

    stages: tuple[Stage, ...]
    reduction: Reduction
    head: int = 192
    input_dropout: float = 0.2
    dropped: tuple[int, ...] = (1, 2)
    classes: int = 10
    family: str = "All-CNN"
    year: int = 2014
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 9
    source: str = "Springenberg et al. 2014, Tables 1 and 2"


def _all_cnn(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    padding: str = "same",
    input_dropout: float | None = None,
    dropout: float = 0.5,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share of the values dropped in training after each stage, for ImageNet
            after the last one.
        input_dropout: Share of the image's values dropped in training; the paper's
            when None: 0.2, for ImageNet 0.
        padding: Padding of the 3x3 convolution after the stages: "same", or "valid",
            which makes it the average over 6x6 of Table 1.
    """
    if input_dropout is None:
        input_dropout = variant.input_dropout
    builder.check_choice("padding", padding, PADDINGS)
    net = builder.start(variant, input_shape, common)
    x = net.image
    x = builder.drop(x, input_dropout, name="input_dropout")
    for i, row in enumerate(variant.stages, start=1):
        x = stage(x, row, variant.reduction, name=f"stage{i}")
        if dropout and i in variant.dropped:
            x = layers.Dropout(dropout, name=f"stage{i}_dropout")(x)
    x = _conv(x, variant.head, 3, padding=padding, name="head_conv1")
    x = _conv(x, variant.head, 1, name="head_conv2")
    if net.include_top:
        x = _classify(x, net.classes, net.classifier_activation)
    return net.finish(x)


def stage(x, row: Stage, reduction: Reduction, *, name: str):
    """{k x k, ReLU} x n, pool; or the last of them with stride 2."""
    convs = row.convs + reduction.extra
    if not reduction.pool:
        convs = (*convs[:-1], convs[-1]._replace(strides=2))
    for j, conv in enumerate(convs, start=1):
        x = _conv(
            x,
            row.filters,
            conv.kernel_size,
            strides=conv.strides,
            padding=conv.padding,
            name=f"{name}_conv{j}",
        )
    if reduction.pool:
        x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return x


def _conv(
    x, filters: int, kernel_size: int, *, strides=1, padding: str = "same", name: str
):
    """Convolution, ReLU."""
    return blocks.conv(
        x,
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        initializer=INITIALIZER,
        activation="relu",
        name=name,
    )


def _classify(x, classes: int, classifier_activation):
    """1x1, ReLU, global average, activation; all in float32."""
    x = layers.Conv2D(
        classes, 1, kernel_initializer=INITIALIZER, dtype="float32", name=HEAD
    )(x)
    x = layers.ReLU(dtype="float32", name=f"{HEAD}_relu")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x)
    return builder.activate(x, classifier_activation)


# Table 1
MODELS = {
    "A": (Conv(5),),
    "B": (Conv(5), Conv(1)),
    "C": (Conv(3), Conv(3)),
}
REDUCTIONS = {
    "BaseCNN": Reduction((), pool=True),
    "StridedCNN": Reduction((), pool=False),
    "ConvPoolCNN": Reduction((Conv(3),), pool=True),
    "AllCNN": Reduction((Conv(3),), pool=False),
}


def _variant(kind: str, model: str):
    rows = (Stage(96, MODELS[model]), Stage(192, MODELS[model]))
    row = Variant(name=f"{kind}{model}", stages=rows, reduction=REDUCTIONS[kind])
    return builder.variant(_all_cnn, row)


BaseCNNA = _variant("BaseCNN", "A")
StridedCNNA = _variant("StridedCNN", "A")
ConvPoolCNNA = _variant("ConvPoolCNN", "A")
AllCNNA = _variant("AllCNN", "A")
BaseCNNB = _variant("BaseCNN", "B")
StridedCNNB = _variant("StridedCNN", "B")
ConvPoolCNNB = _variant("ConvPoolCNN", "B")
AllCNNB = _variant("AllCNN", "B")
BaseCNNC = _variant("BaseCNN", "C")
StridedCNNC = _variant("StridedCNN", "C")
ConvPoolCNNC = _variant("ConvPoolCNN", "C")
AllCNNC = _variant("AllCNN", "C")
AllCNNBImageNet = builder.variant(
    _all_cnn,
    Variant(
        name="AllCNNBImageNet",
        stages=(
            Stage(96, (Conv(11, strides=4, padding="valid"), Conv(1))),
            Stage(256, (Conv(5), Conv(1))),
            Stage(384, (Conv(3), Conv(1))),
        ),
        reduction=REDUCTIONS["AllCNN"],
        head=1024,
        input_dropout=0.0,
        dropped=(3,),
        classes=1000,
        source="Springenberg et al. 2014, Table 6",
        input_shape=(224, 224, 3),
        minimum=75,
    ),
)
