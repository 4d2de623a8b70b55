"""U-Nets whose path down is a classifier of the zoo.

At each halving of the encoder's maps the path up takes the last map of that size
through which all that is smaller passes: the sum at the end of a ResNet's stage,
never the inside of a branch; in MobileNet v2 and v3 the widened map of the next
block. Up-convolution, skip and twice 3x3 with ReLU follow as in ``UNet``, with
padding. At the image's own size there is a skip only where the encoder has
convolutions, as in VGG.

The encoder's layers and weights become part of the network, they are not copied;
``encoder.trainable = False`` before or after freezes the path down.
"""

from collections.abc import Iterator, Sequence

import keras

from kerasnets.applications.builder import channels_last, check_count
from kerasnets.applications.unet import classify_pixels, expand
from kerasnets.errors import KerasnetsError
from kerasnets.graph import calls, deep_graphs

# where an encoder leaves its sides open, sizes are followed from this one
_PROBE = 256


def unet_with_encoder(
    encoder: keras.Model,
    decoder_filters: Sequence[int] = (256, 128, 64, 32, 16),
    upsampling: str = "transposed",
    classes: int = 2,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """A U-Net whose path down is a classifier: a class for every pixel of its images.

    Args:
        encoder: A network without top, as from ``applications.build("mobilenet",
            include_top=False, input_shape=(224, 224, 3))``; sides may be None. The maps
            at the ends of its stages must be exactly a half, a quarter, an eighth, ...
            of the image. A network that halves five times needs sides that are
            multiples of 32; one whose convolutions have no padding cannot serve.
        decoder_filters: Filters on the path up, the coarsest level first; an encoder
            that halves less often than there are entries takes the last of them.
        upsampling: The up-convolution, as in ``UNet``.
        classes: Number of classes of a pixel; 1 needs another activation than softmax.
        classifier_activation: Activation of the output; None returns logits.
        name: Name of the model; ``"{encoder.name}_at_every_pixel"`` when None.

    Returns:
        A functional ``keras.Model`` from images, scaled as the encoder's, to
        (batch, height, width, classes).

    Raises:
        KerasnetsError: The encoder has no such maps, or an argument is wrong.
    """
    for filters in decoder_filters:
        check_count("decoder_filters", filters)
    with deep_graphs(), channels_last():
        *skips, x = _stages(encoder)
        x = expand(
            x,
            _levels(encoder, skips, decoder_filters),
            padding="same",
            upsampling=upsampling,
        )
        x = classify_pixels(x, classes, classifier_activation)
        return keras.Model(
            encoder.inputs[0], x, name=name or f"{encoder.name}_at_every_pixel"
        )


def _levels(encoder: keras.Model, skips: list, filters: Sequence[int]) -> list[tuple]:
    """The skips with the filters of their levels, the finest first."""
    if len(filters) < len(skips):
        raise KerasnetsError(
            f"decoder_filters {tuple(filters)} are too few: encoder {encoder.name!r} "
            f"halves its maps {len(skips)} times"
        )
    last = list(reversed(filters))[: len(skips)]
    return list(zip(skips, last, strict=True))


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
        found = ", ".join(f"{h}x{w}" for h, w in dict.fromkeys(sizes))
        raise KerasnetsError(
            f"encoder {encoder.name!r} makes of images of {image[0]}x{image[1]} maps "
            f"of {found or 'no'} pixels; needed are exactly a half, a quarter, ...: "
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
    # (compute_output_spec has no annotations)
    return [tuple(tensor.shape[1:3]) for tensor in tensors]  # type: ignore[union-attr]


def _halvings(image: tuple[int, int], size: tuple[int, int]) -> int | None:
    """How often the sides were halved without a rest; None where they were not."""
    for times in range(image[0].bit_length()):
        if (size[0] << times, size[1] << times) == image:
            return times
    return None
