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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.errors import KerasnetsError
from kerasnets.graph import calls, deep_graphs
from kerasnets.pretrained import HEAD

# images when none are given; "same" is at home with powers of two
INPUT_SHAPES = {"valid": (572, 572, 1), "same": (512, 512, 1)}
UPSAMPLINGS = ("transposed", "nearest", "bilinear")
# where an encoder leaves its sides open, sizes are followed from this one
_PROBE = 256


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The one network of the paper."""

    family: str = "U-Net"
    year: int = 2015
    input_shape: tuple[int, int, int] = INPUT_SHAPES["valid"]
    minimum: int = 2
    answer: str = "(batch, height, width, classes)"


def _unet(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    filters: int = 64,
    depth: int = 4,
    padding: str = "valid",
    upsampling: str = "transposed",
    dropout: float = 0.5,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 2,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    Its output is a map of classes, the softmax over the last axis. Without padding the
    map is 12 * 2**depth - 8 pixels smaller than the image: 184 at depth 4. With sides
    of None, only images whose sides would be accepted here run.

    Args:
        input_shape: (height, width, channels); sides may be None. The maps must halve
            ``depth`` times without a rest: 188, 204, 220, ... pixels at depth 4
            without padding, multiples of 2**depth with it. (572, 572, 1) when None,
            (512, 512, 1) with padding.
        filters: filters of the first level, doubled at each further one.
        depth: how many times the maps are halved.
        padding: "valid" as in the paper, or "same": a class for every pixel of the
            image.
        upsampling: of the up-convolution: "transposed" is a transposed 2x2 convolution
            with stride 2; "nearest" or "bilinear" interpolate and then convolve with
            2x2: as many parameters, four times the multiply-adds.
        dropout: share of the last two levels' outputs on the way down that is dropped
            in training.
        classes: number of classes of a pixel; 1 needs another activation than softmax.
    """
    for argument, value in (("filters", filters), ("depth", depth)):
        builder.check_count(argument, value)
    builder.check_rate("dropout", dropout)
    _check_choice("padding", padding, tuple(INPUT_SHAPES))
    if input_shape is None and input_tensor is None:
        input_shape = INPUT_SHAPES[padding]
    inputs = builder.image_input(variant, input_shape, input_tensor)
    _check_sides(inputs.shape[1:3], depth, padding)
    x, levels = inputs, []
    for level in range(1, depth + 1):
        x = _convolutions(x, filters, padding=padding, name=f"encoder{level}")
        if dropout and level == depth:
            x = layers.Dropout(dropout, name=f"encoder{level}_dropout")(x)
        levels.append((x, filters))
        x = layers.MaxPooling2D(2, name=f"encoder{level}_pool")(x)
        filters *= 2
    x = _convolutions(x, filters, padding=padding, name="bottom")
    if dropout:
        x = layers.Dropout(dropout, name="bottom_dropout")(x)
    x = _expand(x, levels, padding=padding, upsampling=upsampling)
    if include_top:
        x = _classify_pixels(x, classes, classifier_activation)
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def unet_with_encoder(
    encoder: keras.Model,
    decoder_filters: Sequence[int] = (256, 128, 64, 32, 16),
    upsampling: str = "transposed",
    classes: int = 2,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """A U-Net whose path down is a classifier: a class for every pixel of its images.

    At each halving of the encoder's maps the path up takes the last map of that size
    through which all that is smaller passes: the sum at the end of a ResNet's stage,
    never the inside of a branch; in MobileNet v2 and v3 the widened map of the next
    block. Up-convolution, skip and twice 3x3 with ReLU follow as in ``UNet``, with
    padding. At the image's own size there is a skip only where the encoder has
    convolutions, as in VGG.

    The encoder's layers and weights become part of the network, they are not copied;
    ``encoder.trainable = False`` before or after freezes the path down.

    Args:
        encoder: a network without top, as from ``applications.build("mobilenet",
            include_top=False, input_shape=(224, 224, 3))``; sides may be None. The maps
            at the ends of its stages must be exactly a half, a quarter, an eighth, ...
            of the image. A network that halves five times needs sides that are
            multiples of 32; one whose convolutions have no padding cannot serve.
        decoder_filters: filters on the path up, the coarsest level first; an encoder
            that halves less often than there are entries takes the last of them.
        upsampling: of the up-convolution, as in ``UNet``.
        classes: number of classes of a pixel; 1 needs another activation than softmax.
        classifier_activation: activation of the output; None returns logits.
        name: name of the model; ``"{encoder.name}_at_every_pixel"`` when None.

    Returns:
        A functional ``keras.Model`` from images, scaled as the encoder's, to
        (batch, height, width, classes).

    Raises:
        KerasnetsError: the encoder has no such maps, or an argument is wrong.
    """
    for filters in decoder_filters:
        builder.check_count("decoder_filters", filters)
    with deep_graphs():
        *skips, x = _stages(encoder)
        if len(decoder_filters) < len(skips):
            raise KerasnetsError(
                f"decoder_filters {tuple(decoder_filters)} are too few: encoder "
                f"{encoder.name!r} halves its maps {len(skips)} times"
            )
        last = list(reversed(decoder_filters))[: len(skips)]
        levels = list(zip(skips, last, strict=True))
        x = _expand(x, levels, padding="same", upsampling=upsampling)
        x = _classify_pixels(x, classes, classifier_activation)
        return keras.Model(
            encoder.inputs[0], x, name=name or f"{encoder.name}_at_every_pixel"
        )


def _convolutions(x, filters: int, *, padding: str, name: str):
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


def _expand(x, levels: Sequence[tuple], *, padding: str, upsampling: str):
    """Each level: up-convolution, beside it the middle of the skip, twice 3x3, ReLU.

    ``levels`` are (skip, filters), the finest first; a skip of None is left out.
    """
    _check_choice("upsampling", upsampling, UPSAMPLINGS)
    lost = 2  # pixels a side by valid convolutions since the skip
    for i in range(len(levels), 0, -1):
        skip, filters = levels[i - 1]
        x = _up_convolution(x, filters, upsampling, name=f"decoder{i}_up")
        lost *= 2  # 4, 16, 40, 88
        if skip is not None:
            if padding == "valid":
                skip = layers.Cropping2D(lost, name=f"decoder{i}_crop")(skip)
            x = layers.Concatenate(name=f"decoder{i}_concat")([skip, x])
        x = _convolutions(x, filters, padding=padding, name=f"decoder{i}")
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


def _classify_pixels(x, classes: int, classifier_activation):
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


def _check_choice(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise KerasnetsError(
            f"{name} {value!r} is unknown: {', '.join(map(repr, accepted))}"
        )


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


def _stages(encoder: keras.Model) -> list:
    """The encoder's last maps of the image's size, its half, its quarter, ...

    The first is None where only the image itself is of its size.
    """
    inputs, outputs = (getattr(encoder, x, None) for x in ("inputs", "outputs"))
    ends = [*(inputs or ()), *(outputs or ())]
    if not inputs or len(ends) != 2 or any(len(end.shape) != 4 for end in ends):
        raise KerasnetsError(
            f"encoder {getattr(encoder, 'name', encoder)!r} is not a built model from "
            "one image to one map: build a network with include_top=False, "
            "pooling=None"
        )
    maps = list(_passages(keras.Model(*ends)))
    image, *sizes = _sizes(ends[0], maps)
    stages, scale = {}, 0
    for tensor, size in zip(maps, sizes, strict=True):
        halved = _halvings(image, size)
        # a map that grew is one with its padding
        if halved is not None and halved >= scale:
            stages[halved], scale = tensor, halved
    needed = range(1, scale + 1)
    if not needed or stages[scale] is not ends[1] or not stages.keys() >= {*needed}:
        told = ", ".join(f"{h}x{w}" for h, w in dict.fromkeys(sizes))
        raise KerasnetsError(
            f"encoder {encoder.name!r} makes of images of {image[0]}x{image[1]} maps "
            f"of {told or 'no'} pixels; needed are exactly a half, a quarter, ...: "
            "give it sides that are multiples of 32, or take a network with padding"
        )
    return [stages.get(0), *(stages[i] for i in needed)]


def _passages(model: keras.Model) -> Iterator:
    """The maps after the first weights through which everything passes, in order."""
    walk = calls(model)
    position = {id(x): i for i, call in enumerate(walk) for x in call.outputs}
    last_reader = list(range(len(walk)))
    for i, call in enumerate(walk):
        for tensor in call.inputs:
            last_reader[position[id(tensor)]] = i
    furthest, learned = 0, False  # who reads a map made before this one, at the latest
    for i, call in enumerate(walk):
        learned = learned or bool(getattr(call.operation, "weights", ()))
        tensor = call.outputs[0]
        if learned and furthest <= i and len(tensor.shape) == 4:
            yield tensor
        furthest = max(furthest, last_reader[i])


def _sizes(image, maps: list) -> list[tuple[int, int]]:
    """(height, width) of the image and of each map; open sides of it are _PROBE."""
    tensors = [image, *maps]
    if None in image.shape:
        height, width, channels = image.shape[1:]
        probe = keras.KerasTensor(
            (1, height or _PROBE, width or _PROBE, channels), dtype=image.dtype
        )
        tensors = keras.Function(image, tensors).compute_output_spec(probe)
    return [tuple(tensor.shape[1:3]) for tensor in tensors]  # type: ignore[union-attr]


def _halvings(image: tuple[int, int], size: tuple[int, int]) -> int | None:
    """How often the sides were halved without a rest; None where they were not."""
    for times in range(image[0].bit_length()):
        if (size[0] << times, size[1] << times) == image:
            return times
    return None


UNet = builder.variant(
    _unet,
    Variant(
        name="UNet",
        params=31_030_658,
        madds=150_428_424_448,
        source="Ronneberger et al. 2015, Figure 1",
    ),
)
