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
brought it to 63 %. ``rotate_kernels_180`` carries weights over exactly.

Table 4 prints 4866 million multiply-adds for Conv MobileNet: its convolutions alone;
the classifier makes it 4867.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

import keras
import numpy as np
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Counterpart, Shape
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import trained_shape
from kerasnets.pretrained.names import mobilenet as names

EPSILON = 1e-3
STEM_FILTERS = 32
# how the zeros lie around a map before stride 2, and what that adds to a name
PADDINGS = {"same": "", "symmetric": "_symmetric"}


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """What follows the stem: the stages and the unit they are made of.

    Attributes:
        unit: The function that adds one layer of the table.
        stages: For each stage the filters of its units; a stage but the first starts
            with stride 2.
    """

    stages: tuple[tuple[int, ...], ...]
    unit: Callable
    family: str = "MobileNet"
    year: int = 2017
    counterparts: tuple[Counterpart, ...] = names.COUNTERPARTS


def _mobilenet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    alpha: float = 1.0,
    rho: float = 1.0,
    depth_multiplier: int = 1,
    padding: str = "same",
    dropout: float = 1e-3,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        alpha: Width multiplier; each layer has int(alpha * filters) filters.
        depth_multiplier: Filters for each input channel of a depthwise layer.
        padding: "same", or "symmetric": zeros on all sides of a map before stride 2,
            which XNNPACK wants for sparse inference; see ``rotate_kernels_180``.
    """
    _check(alpha, padding, common)
    shape = builder.scaled_shape(variant, input_shape, common, rho)
    net = builder.start(variant, shape, common)
    x = _conv(
        net.image, int(alpha * STEM_FILTERS), 3, strides=2, padding=padding, name="stem"
    )
    for stage, widths in enumerate(variant.stages, start=1):
        for block, width in enumerate(widths, start=1):
            x = variant.unit(
                x,
                int(alpha * width),
                strides=2 if stage > 1 and block == 1 else 1,
                depth_multiplier=depth_multiplier,
                padding=padding,
                name=f"stage{stage}_block{block}",
            )
    side = net.image.shape[1]
    return net.finish(
        _top(x, net, padding, dropout),
        title=f"{variant.name.lower()}_{alpha:0.2f}_{side}{PADDINGS[padding]}",
        counterpart_arguments={
            "alpha": alpha,
            "depth_multiplier": depth_multiplier,
            "input_shape": trained_shape(variant.name, net.image, alpha),
        },
    )


def _check(alpha: float, padding: str, common: Common) -> None:
    """Raise where no filters are left, or weights do not go with the padding."""
    builder.check_choice("padding", padding, PADDINGS)
    if padding == "symmetric" and builder.origin(common.get("weights")) == "keras":
        raise KerasnetsError(
            "the imagenet weights learned with padding 'same' and answer wrong with "
            "'symmetric': give weights=None, then "
            "set_weights(mobilenet.rotate_kernels_180(...)), or train on"
        )
    if int(alpha * STEM_FILTERS) < 1:
        raise KerasnetsError(f"alpha {alpha} leaves no filters: give 1/32 or more")


def rotate_kernels_180(model: keras.Model) -> list[np.ndarray]:
    """The weights of a network, every kernel turned by 180 degrees.

    They carry a MobileNet from one form to the other, ``symmetric.set_weights(
    rotate_kernels_180(usual))``: on images turned by 180 degrees the symmetric form
    then gives the answers that the usual one gives on the images as they are. That is
    exact where every map before a stride of 2 has even sides, as from images of 224
    pixels: "same" pads such maps at the end, "symmetric" in effect at the start.

    Args:
        model: Either form.

    Returns:
        Arrays in the order of ``model.get_weights()``.
    """
    return [w[::-1, ::-1] if w.ndim == 4 else w for w in model.get_weights()]


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


def _top(x, net: builder.Draft, padding: str, dropout: float):
    """Average, dropout, dense, activation; "symmetric", the average keeps its sides."""
    if padding == "same" or not net.include_top:
        return net.average_and_classify(x, dropout=dropout)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    x = builder.drop(x, dropout, name="dropout")
    return net.classify(layers.Flatten(name="flatten")(x))


def _variant(name: str, stages: tuple, table: int, unit: Callable = separable_unit):
    source = f"Howard et al. 2017, Table {table}"
    row = Variant(name=name, stages=stages, unit=unit, source=source)
    return builder.variant(_mobilenet, row)


_STAGES = ((64,), (128,) * 2, (256,) * 2, (512,) * 6, (1024,) * 2)
_SHALLOW = (*_STAGES[:3], (512,), _STAGES[4])

MobileNet = _variant("MobileNet", _STAGES, 1)
ShallowMobileNet = _variant("ShallowMobileNet", _SHALLOW, 5)
ConvMobileNet = _variant("ConvMobileNet", _STAGES, 4, full_unit)
