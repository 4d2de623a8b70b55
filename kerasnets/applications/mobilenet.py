"""MobileNet v1: depthwise separable convolutions, a width and a resolution to choose.

Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile
Vision Applications", Table 1. ``alpha`` multiplies the number of channels of every
layer, ``rho`` the side of the input image (section 3.3, 3.4). Shallow MobileNet lacks
the five 14x14x512 layers (Table 5), Conv MobileNet has full convolutions in place of
the separable ones (Table 4).

Departures:
    - Table 1 prints stride 2 for the last depthwise layer and leaves its map at 7x7;
      the map decides, the stride is 1.
    - ReLU is capped at 6 as in the authors' release (TF-slim) and keras.applications.
    - Where a stride-2 depthwise layer meets an odd side, one row and column of zeros is
      added at the end, as in keras.applications; the paper does not say.
    - Dropout before the classifier as in the authors' release; the paper has none.

With ``padding="symmetric"`` every stride-2 layer has a row and a column of zeros on
each side, and the average of the last map keeps its sides of 1: the form in which
XNNPACK runs 1x1 convolutions of mostly zeros as sparse ones (Elsen et al. 2019, "Fast
Sparse ConvNets"), and which TF-MOT's ``PruneForLatencyOnXNNPack`` asks for. The weights
have the same names and shapes in both forms, but answer differently: a digit network
for 32 pixels fell from 90 % accuracy to 11 % in the other form, one epoch of training
brought it to 63 %. ``turned`` carries weights over exactly.

Table 4 prints 4866 million multiply-adds for Conv MobileNet: its convolutions alone;
the classifier makes it 4867.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import UNIT, Twin

EPSILON = 1e-3
STEM_FILTERS = 32
# sides of the square images that keras.applications has weights for
SIDES = (128, 160, 192, 224)
# how the zeros lie around a map before stride 2, and what that adds to a name
PADDINGS = {"same": "", "symmetric": "_symmetric"}


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """What follows the stem: the stages and the unit they are made of.

    Attributes:
        unit: the function that adds one layer of the table.
        stages: for each stage the filters of its units; a stage but the first starts
            with stride 2.
    """

    unit: Callable
    stages: tuple[tuple[int, ...], ...]
    family: str = "MobileNet"
    year: int = 2017


def _mobilenet(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    alpha: float = 1.0,
    rho: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
    padding: str = "same",
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
        input_shape: (height, width, channels) before ``rho``, 32 pixels or more after
            it; (224, 224, 3) when None.
        alpha: width multiplier; each layer has int(alpha * filters) filters.
        rho: resolution multiplier; the sides are round(rho * side).
        depth_multiplier: filters for each input channel of a depthwise layer.
        dropout: share of the pooled features dropped in training.
        padding: "same", or "symmetric": zeros on all sides of a map before stride 2,
            which XNNPACK wants for sparse inference. Weights of the usual form fit,
            and train on from there; see ``mobilenet.turned``. weights="imagenet" is
            refused: it would answer wrong.
    """
    if padding not in PADDINGS:
        raise KerasnetsError(
            f"padding {padding!r} is unknown: {' or '.join(map(repr, PADDINGS))}"
        )
    if padding == "symmetric" and weights == "imagenet":
        raise KerasnetsError(
            "the imagenet weights learned with padding 'same' and answer wrong with "
            "'symmetric': give weights=None, then set_weights(mobilenet.turned(...)), "
            "or train on"
        )
    if int(alpha * STEM_FILTERS) < 1:
        raise KerasnetsError(f"alpha {alpha} leaves no filters: give 1/32 or more")
    inputs = scaled_input(variant, input_shape, input_tensor, alpha=alpha, rho=rho)
    x = _conv(
        inputs, int(alpha * STEM_FILTERS), 3, strides=2, padding=padding, name="stem"
    )
    for stage, filters in enumerate(variant.stages, start=1):
        for block, width in enumerate(filters, start=1):
            x = variant.unit(
                x,
                int(alpha * width),
                strides=2 if stage > 1 and block == 1 else 1,
                depth_multiplier=depth_multiplier,
                padding=padding,
                name=f"stage{stage}_block{block}",
            )
    if padding == "symmetric" and include_top:
        x = _top_of_sides(x, classes, classifier_activation, dropout=dropout)
    else:
        x = builder.averaged_top(
            x, include_top, pooling, classes, classifier_activation, dropout=dropout
        )
    return builder.finish(
        inputs,
        x,
        network=variant,
        weights=weights,
        name=name,
        title=f"{variant.name.lower()}_{alpha:0.2f}_{inputs.shape[1]}{PADDINGS[padding]}",
        twin_arguments={
            "alpha": alpha,
            "depth_multiplier": depth_multiplier,
            "input_shape": trained_shape(inputs, SIDES),
        },
    )


def turned(model: keras.Model) -> list[np.ndarray]:
    """The weights of a network, every kernel turned by 180 degrees.

    They carry a MobileNet from one form to the other, ``symmetric.set_weights(
    turned(usual))``: on images turned by 180 degrees the symmetric form then gives the
    answers that the usual one gives on the images as they are. That is exact where
    every map before a stride of 2 has even sides, as from images of 224 pixels: "same"
    pads such maps at the end, "symmetric" in effect at the start.

    Args:
        model: either form.

    Returns:
        Arrays in the order of ``model.get_weights()``.
    """
    return [w[::-1, ::-1] if w.ndim == 4 else w for w in model.get_weights()]


def scaled_input(
    network: builder.Network, input_shape, input_tensor, *, alpha: float, rho: float
):
    """``builder.image_input`` with its sides multiplied by ``rho``.

    ``alpha`` is only checked here: all MobileNets have the two multipliers.
    """
    for name, value in (("alpha", alpha), ("rho", rho)):
        if not value > 0:
            raise KerasnetsError(f"{name} {value} is not a positive number")
    if input_tensor is not None and rho != 1:
        raise KerasnetsError(
            f"rho {rho} scales the builder's own input: give 1 with input_tensor"
        )
    if rho != 1:
        shape = tuple(input_shape or network.input_shape)
        sides = [None if side is None else round(rho * side) for side in shape[:2]]
        input_shape = (*sides, *shape[2:])
    return builder.image_input(network, input_shape, input_tensor)


def trained_shape(inputs, sides: Collection[int]) -> tuple[int, int, int]:
    """The images for which keras.applications has the weights that fit best.

    The input's own where there are weights for such squares, 224x224 otherwise.
    """
    height, width = inputs.shape[1:3]
    side = height if height == width and height in sides else 224
    return (side, side, 3)


def block_number(name: str, depths: Sequence[int]) -> tuple[int, str]:
    """Of the name of a layer in a block: the block, counted from 1, and the rest.

    ``depths`` are the blocks of each stage: with (1, 2), stage2_block2_add is block 3.
    """
    match = re.fullmatch(r"stage(\d+)_block(\d+)_(\w+)", name)
    if match is None:
        raise ValueError(f"layer {name!r} is in no block")
    stage, block, part = match.groups()
    return sum(depths[: int(stage) - 1]) + int(block), part


def separable_unit(
    x, filters: int, *, strides: int, depth_multiplier: int, padding: str, name: str
):
    """3x3 depthwise, BN, ReLU6, 1x1, BN, ReLU6."""
    x, padding = _padded(x, strides=strides, padding=padding, name=f"{name}_pad")
    x = layers.DepthwiseConv2D(
        3,
        strides=strides,
        padding=padding,
        depth_multiplier=depth_multiplier,
        use_bias=False,
        name=f"{name}_depthwise_conv",
    )(x)
    x = blocks.batch_norm(x, epsilon=EPSILON, name=f"{name}_depthwise_bn")
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    return _conv(x, filters, 1, strides=1, name=f"{name}_pointwise")


def _padded(x, *, strides: int, padding: str, name: str):
    """The map with zeros for a 3x3 layer, and the padding that remains for it."""
    if strides == 1:
        return x, "same"
    if padding == "symmetric":
        return layers.ZeroPadding2D(1, name=name)(x), "valid"
    if any(side is None or side % 2 for side in x.shape[1:3]):
        return layers.ZeroPadding2D(((0, 1), (0, 1)), name=name)(x), "valid"
    # on even sides "same" pads just so, and saves a phone the padding operation
    return x, "same"


def full_unit(
    x, filters: int, *, strides: int, depth_multiplier: int, padding: str, name: str
):
    """3x3, BN, ReLU6: Conv MobileNet, where there is no depth to multiply."""
    if depth_multiplier != 1:
        raise KerasnetsError(
            f"depth_multiplier {depth_multiplier}: there are no depthwise layers"
        )
    return _conv(x, filters, 3, strides=strides, padding=padding, name=name)


def _conv(
    x, filters: int, kernel_size: int, *, strides: int, padding: str = "same", name: str
):
    return blocks.conv_bn(
        x,
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        epsilon=EPSILON,
        activation=layers.ReLU(6.0, name=f"{name}_relu"),
        name=name,
    )


def _top_of_sides(x, classes: int, classifier_activation, *, dropout: float):
    """The average with its sides of 1, dropout (where not 0), dense, activation."""
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    return builder.classify(x, classes, classifier_activation)


_STAGES = ((64,), (128,) * 2, (256,) * 2, (512,) * 6, (1024,) * 2)
_SHALLOW = (*_STAGES[:3], (512,), _STAGES[4])


def _keras_layer(name: str) -> str:
    """What keras.applications calls a layer of ours."""
    alone = {"stem_conv": "conv1", "stem_bn": "conv1_bn", "logits": "conv_preds"}
    if name in alone:
        return alone[name]
    number, part = block_number(name, [len(stage) for stage in _STAGES])
    return {
        "depthwise_conv": f"conv_dw_{number}",
        "depthwise_bn": f"conv_dw_{number}_bn",
        "pointwise_conv": f"conv_pw_{number}",
        "pointwise_bn": f"conv_pw_{number}_bn",
    }[part]


def _published(params: float, madds: float, top1: float, table: int):
    return builder.Published(
        params=params,
        madds=madds,
        top1=top1,
        protocol="ImageNet, single crop",
        source=f"Howard et al. 2017, Table {table}",
    )


MobileNet = builder.variant(
    _mobilenet,
    Variant(
        name="MobileNet",
        unit=separable_unit,
        stages=_STAGES,
        params=4_253_864,
        madds=568_740_352,
        source="Howard et al. 2017, Table 1",
        published=_published(4.2e6, 569e6, 70.6, 6),
        keras=Twin(
            library="keras",
            builder="MobileNet",
            layer=_keras_layer,
            preprocessing=UNIT,
        ),
    ),
)
ShallowMobileNet = builder.variant(
    _mobilenet,
    Variant(
        name="ShallowMobileNet",
        unit=separable_unit,
        stages=_SHALLOW,
        params=2_899_624,
        madds=307_323_392,
        source="Howard et al. 2017, Table 5",
        published=_published(2.9e6, 307e6, 65.3, 5),
    ),
)
ConvMobileNet = builder.variant(
    _mobilenet,
    Variant(
        name="ConvMobileNet",
        unit=full_unit,
        stages=_STAGES,
        params=29_306_056,
        madds=4_867_293_184,
        source="Howard et al. 2017, Table 4",
        published=_published(29.3e6, 4866e6, 71.7, 4),
    ),
)
