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
from typing import NamedTuple

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.errors import KerasnetsError
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
        extra: convolutions added to the stage.
        pool: end in 3x3 maximum pooling; otherwise the last convolution has stride 2.
    """

    extra: tuple[Conv, ...]
    pool: bool


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """One of the models and one of the ways to reduce its maps.

    Attributes:
        stages: the convolutions before each reduction.
        reduction: the way all stages end.
        head: filters of the 3x3 and the 1x1 convolution before the class layer.
        input_dropout: the paper's dropout of the image.
        dropped: numbers of the stages that dropout follows.
        classes: of the data set.
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
    input_shape: tuple[int | None, int | None, int] | None = None,
    dropout: float = 0.5,
    input_dropout: float | None = None,
    padding: str = "same",
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: share of the values dropped in training after each stage, for ImageNet
            after the last one.
        input_dropout: share of the image's values dropped in training; the paper's
            when None: 0.2, for ImageNet 0.
        padding: of the 3x3 convolution after the stages: "same", or "valid" for the
            average over 6x6 of Table 1.
        classes: number of classes; that of the data set when None. Weights of a file
            keep theirs only if equal.
    """
    if input_dropout is None:
        input_dropout = variant.input_dropout
    builder.check_rate("dropout", dropout)
    builder.check_rate("input_dropout", input_dropout)
    if padding not in PADDINGS:
        raise KerasnetsError(f"padding {padding!r} is unknown: 'same' or 'valid'")
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = inputs
    if input_dropout:
        x = layers.Dropout(input_dropout, name="input_dropout")(x)
    for i, row in enumerate(variant.stages, start=1):
        x = stage(x, row, variant.reduction, name=f"stage{i}")
        if dropout and i in variant.dropped:
            x = layers.Dropout(dropout, name=f"stage{i}_dropout")(x)
    x = _conv(x, variant.head, 3, padding=padding, name="head_conv1")
    x = _conv(x, variant.head, 1, name="head_conv2")
    if include_top:
        classes = variant.classes if classes is None else classes
        x = _classify(x, classes, classifier_activation)
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


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
    builder.check_count("classes", classes)
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


def _variant(kind: str, model: str, *, params: int, madds: int, printed, error):
    row = Variant(
        name=f"{kind}{model}",
        stages=(Stage(96, MODELS[model]), Stage(192, MODELS[model])),
        reduction=REDUCTIONS[kind],
        params=params,
        madds=madds,
        published=builder.Published(
            params=printed,
            top1=round(100 - error, 2),
            protocol="CIFAR-10, no augmentation",
            source="Springenberg et al. 2014, Table 3",
        ),
    )
    return builder.variant(_all_cnn, row)


BaseCNNA = _variant(
    "BaseCNN", "A", params=839_242, madds=149_053_440, printed=0.9e6, error=12.47
)
StridedCNNA = _variant(
    "StridedCNN", "A", params=839_242, madds=55_050_240, printed=0.9e6, error=13.46
)
ConvPoolCNNA = _variant(
    "ConvPoolCNN", "A", params=1_254_250, madds=318_922_752, printed=1.28e6, error=10.21
)
AllCNNA = _variant(
    "AllCNN", "A", params=1_254_250, madds=191_520_768, printed=1.28e6, error=10.3
)
BaseCNNB = _variant(
    "BaseCNN", "B", params=885_610, madds=167_927_808, printed=1e6, error=10.2
)
StridedCNNB = _variant(
    "StridedCNN", "B", params=885_610, madds=153_772_032, printed=1e6, error=10.98
)
ConvPoolCNNB = _variant(
    "ConvPoolCNN", "B", params=1_300_618, madds=337_797_120, printed=1.35e6, error=9.33
)
AllCNNB = _variant(
    "AllCNN", "B", params=1_300_618, madds=210_395_136, printed=1.35e6, error=9.1
)
BaseCNNC = _variant(
    "BaseCNN", "C", params=954_730, madds=238_706_688, printed=1.3e6, error=9.74
)
StridedCNNC = _variant(
    "StridedCNN", "C", params=954_730, madds=111_304_704, printed=1.3e6, error=10.19
)
ConvPoolCNNC = _variant(
    "ConvPoolCNN", "C", params=1_369_738, madds=408_576_000, printed=1.4e6, error=9.31
)
AllCNNC = _variant(
    "AllCNN", "C", params=1_369_738, madds=281_174_016, printed=1.4e6, error=9.08
)
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
        params=9_372_840,
        madds=1_342_537_856,
        source="Springenberg et al. 2014, Table 6",
        input_shape=(224, 224, 3),
        minimum=75,
    ),
)
