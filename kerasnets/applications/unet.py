"""U-Net: a class for every pixel, by a path down and a path up with skips between.

Ronneberger et al. 2015, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", Figure 1 and section 2. Down: two 3x3 convolutions without padding and
2x2 maximum pooling, four times, the filters doubled at each level from 64 to 1024. Up:
a 2x2 up-convolution that halves the channels, beside it the middle of the map that was
pooled on the way down, two 3x3 convolutions, four times. A 1x1 convolution gives the
classes of each pixel: 23 convolutions, no batch normalisation. Images of 572x572 have
answers for the 388x388 pixels in their middle; the border is context.

Departures:
    - The paper has dropout "at the end of the contracting path" without a rate. It is
      0.5 here, after the last convolutions of the last two levels, before the skip, as
      in the Caffe network that the authors published.
    - That network has a ReLU after each up-convolution; text and figure have none, and
      neither has this one.

``unet_with_encoder`` puts the path up, with padding, on a classifier of the zoo.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import HEAD

# images when none are given; "same" is at home with powers of two
INPUT_SHAPES = {"valid": (572, 572, 1), "same": (512, 512, 1)}
UPSAMPLINGS = ("transposed", "nearest", "bilinear")


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The one network of the paper."""

    family: str = "U-Net"
    year: int = 2015
    input_shape: tuple[int, int, int] = INPUT_SHAPES["valid"]
    minimum: int = 2
    classes: int = 2
    output: str = "(batch, height, width, classes)"
    source: str = "Ronneberger et al. 2015, Figure 1"


def _unet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    filters: int = 64,
    depth: int = 4,
    padding: str = "valid",
    upsampling: str = "transposed",
    dropout: float = 0.5,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Without padding the map of classes is 12 * 2**depth - 8 pixels smaller than the
    image: 184 at depth 4.

    Args:
        input_shape: (height, width, channels); sides may be None. The maps must halve
            ``depth`` times without a rest: 188, 204, 220, ... pixels at depth 4
            without padding, multiples of 2**depth with it. (572, 572, 1) when None,
            (512, 512, 1) with padding.
        filters: Filters of the first level, doubled at each further one.
        depth: How many times the maps are halved.
        padding: "valid" as in the paper, or "same": a class for every pixel.
        upsampling: The up-convolution: "transposed" is a transposed 2x2 convolution
            with stride 2; "nearest" or "bilinear" interpolate and then convolve with
            2x2: as many parameters, four times the multiply-adds.
        dropout: Share of the last two levels' outputs on the way down dropped in
            training.
        classes: Number of classes of a pixel; 1 needs another activation than softmax.
    """
    builder.check_choice("padding", padding, INPUT_SHAPES)
    if input_shape is None and common.get("input_tensor") is None:
        input_shape = INPUT_SHAPES[padding]
    net = builder.start(variant, input_shape, common)
    _check_sides(net.image.shape[1:3], depth, padding)
    x, levels = _contract(net.image, filters, depth, padding, dropout)
    x = expand(x, levels, padding=padding, upsampling=upsampling)
    if net.include_top:
        x = classify_pixels(x, net.classes, net.classifier_activation)
    return net.finish(x)


def _contract(x, filters: int, depth: int, padding: str, dropout: float):
    """The map at the bottom, and the skips with their filters, the finest first."""
    levels = []
    for level in range(1, depth + 1):
        x = _convolutions(x, filters << level - 1, padding, name=f"encoder{level}")
        if level == depth:
            x = builder.drop(x, dropout, name=f"encoder{level}_dropout")
        levels.append((x, filters << level - 1))
        x = layers.MaxPooling2D(2, name=f"encoder{level}_pool")(x)
    x = _convolutions(x, filters << depth, padding, name="bottom")
    return builder.drop(x, dropout, name="bottom_dropout"), levels


def _convolutions(x, filters: int, padding: str, *, name: str):
    """Twice 3x3, ReLU."""
    for i in (1, 2):
        x = blocks.conv(
            x,
            filters,
            3,
            padding=padding,
            initializer="he_normal",
            activation="relu",
            name=f"{name}_conv{i}",
        )
    return x


def expand(x, levels: Sequence[tuple], *, padding: str, upsampling: str):
    """Each level: up-convolution, beside it the middle of the skip, twice 3x3, ReLU.

    ``levels`` are (skip, filters), the finest first; a skip of None is left out.
    """
    builder.check_choice("upsampling", upsampling, UPSAMPLINGS)
    lost = 2  # pixels a side by valid convolutions since the skip
    for i in range(len(levels), 0, -1):
        skip, filters = levels[i - 1]
        x = _up_convolution(x, filters, upsampling, name=f"decoder{i}_up")
        lost *= 2  # 4, 16, 40, 88
        if skip is not None:
            if padding == "valid":
                skip = layers.Cropping2D(lost, name=f"decoder{i}_crop")(skip)
            x = layers.Concatenate(name=f"decoder{i}_concat")([skip, x])
        x = _convolutions(x, filters, padding, name=f"decoder{i}")
        lost += 4
    return x


def _up_convolution(x, filters: int, upsampling: str, *, name: str):
    """A map of twice the sides; no activation follows."""
    if upsampling == "transposed":
        # each output sees one pixel of the input: as many inputs as it has channels
        deviation = (2 / x.shape[-1]) ** 0.5
        return layers.Conv2DTranspose(
            filters,
            2,
            strides=2,
            kernel_initializer=_gaussian(deviation),
            name=name,
        )(x)
    x = layers.UpSampling2D(2, interpolation=upsampling, name=f"{name}_resize")(x)
    # without padding the map would be a pixel short of the skip
    return blocks.conv(x, filters, 2, initializer="he_normal", name=name)


def _gaussian(deviation: float) -> Any:
    return keras.initializers.RandomNormal(stddev=deviation)


def classify_pixels(x, classes: int, classifier_activation):
    """1x1 to the classes of each pixel, and their activation, in float32."""
    builder.check_count("classes", classes)
    softmax = ("softmax", keras.activations.softmax)
    if classes == 1 and classifier_activation in softmax:
        raise KerasnetsError(
            "classes 1 with classifier_activation 'softmax' answers 1 for every pixel: "
            "give classifier_activation='sigmoid', or classes=2"
        )
    x = layers.Conv2D(
        classes, 1, kernel_initializer="he_normal", dtype="float32", name=HEAD
    )(x)
    return builder.activate(x, classifier_activation)


def _check_sides(sides: tuple, depth: int, padding: str) -> None:
    """Raise where a map cannot be halved without a rest, or no pixel is left."""
    step = 2**depth
    # an image of side s is s + rest at the scale of whole steps
    rest, least = (4, 12 * step - 7) if padding == "valid" else (0, 1)
    smallest = -(-(least + rest) // step) * step - rest
    for side in sides:
        if side is None or (side >= smallest and (side + rest) % step == 0):
            continue
        below = (side + rest) // step * step - rest
        nearest = [near for near in (below, below + step) if near >= smallest]
        raise KerasnetsError(
            f"a side of {side} pixels does not halve {depth} times without a rest "
            f"(depth {depth}, padding {padding!r}); nearest: "
            f"{' and '.join(map(str, nearest or [smallest]))}"
        )


UNet = builder.variant(_unet, Variant(name="UNet"))
