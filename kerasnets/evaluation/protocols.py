"""Which views of an image a classifier is asked about, as the papers judge theirs.

A view is a part of an image, cut out and resized to the network's side, or the whole of
it at some scale, over which the network is slid. The probabilities for all views of an
image are averaged.

A scale Q is the length of the shorter side to which an image is resized, in pixels, as
in Simonyan and Zisserman 2014, section 3.2. Parts are chosen in the pixels of the image
as it is stored, and resized once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kerasnets.data import Window
from kerasnets.errors import KerasnetsError

PROTOCOLS = (
    *("whole", "centre", "ten-crop", "144-crop", "multi-crop"),
    *("dense", "multi-scale", "dense+multi-crop"),
)
# from the whole of an image to parts of it
Windows = Callable[[Window], list[Window]]
# VGG's: squares of a regular grid at each scale (section 3.2 of Simonyan and Zisserman)
_GRID = 5
# the crops of GoogLeNet's at 224 pixels are of images at these scales (section 7)
_GOOGLENET = (256, 288, 320, 352)
# and those of VGG are at S and 32 pixels below and above (section 4.2)
_STEP = 32
_SIDE = 224


@dataclass(frozen=True)
class Protocol:
    """The views of an image whose answers are averaged.

    Attributes:
        name: One of ``PROTOCOLS``.
        size: Side of the network's images, in pixels.
        scales: Shorter sides to which an image is resized, in pixels; () where it is
            squeezed.
        windows: From the whole of an image to the parts that are cut out; None for no
            parts.
        slides: Whether the network slides over the whole image and its mirror image, at
            each of the scales. Where there are parts too, the answers to all of them
            count as much as those to all scales.
    """

    name: str
    size: int
    scales: tuple[int, ...]
    windows: Windows | None
    slides: bool = False


def protocol_of(
    name: str,
    *,
    size: int,
    resize: int,
    scales: Sequence[int] = (),
) -> Protocol:
    """Return a protocol of the literature.

    Args:
        name: One of ``PROTOCOLS``.

            - whole: all of the image, squeezed to a square.
            - centre: the square in its middle, at one scale.
            - ten-crop: the four corners and the middle of the central square, each
              mirrored too (Krizhevsky et al. 2012, section 4.1).
            - 144-crop: at four scales the left, middle and right (or upper, middle and
              lower) square of the image, of each the corners, the middle and the whole,
              each mirrored too (Szegedy et al. 2015, section 7).
            - multi-crop: at three scales a grid of 5 x 5 parts, each mirrored too: 150
              (Simonyan and Zisserman 2014, section 3.2).
            - dense: the network slides over the whole image and its mirror image at one
              scale (there, section 3.2).
            - multi-scale: the same at three scales (there, section 4.2).
            - dense+multi-crop: the mean of these two (there, section 4.3).
        size: Side of the network's images, in pixels.
        resize: Shorter side of the images that it was trained on parts of: S.
        scales: Those to use in the place of S, or of S and S -+ 32 for a network of 224
            pixels (others in proportion), or of the 256, 288, 320 and 352 of 144-crop.

    Raises:
        KerasnetsError: The name is unknown, the protocol takes another number of
            scales, or a scale is smaller than the network's images.
    """
    if name not in PROTOCOLS:
        raise KerasnetsError(
            f"protocol {name!r} is unknown: {', '.join(PROTOCOLS)} are accepted"
        )
    chosen = _scales_of(name, size, resize, scales)
    if name == "whole":
        return Protocol(name, size, chosen, lambda image: [image])
    shares = [size / scale for scale in chosen]
    cut: dict[str, Windows] = {
        "centre": lambda image: [image.square(shares[0], 0.5, 0.5)],
        # of an image that is first cut to a square (section 2 there)
        "ten-crop": lambda image: _ten(image.square(1, 0.5, 0.5), shares[0]),
        "144-crop": lambda image: _of_squares(image, shares),
    }
    if name in cut:
        return Protocol(name, size, chosen, cut[name])
    grid = (lambda image: _grid(image, shares)) if "multi-crop" in name else None
    return Protocol(name, size, chosen, grid, slides=name != "multi-crop")


def _scales_of(
    name: str, size: int, resize: int, given: Sequence[int]
) -> tuple[int, ...]:
    """The scales of a protocol, as they are given or as usual."""
    ratio = size / _SIDE
    step = max(1, round(_STEP * ratio))
    usual: dict[str, tuple[int, ...]] = {
        "whole": (),
        "144-crop": tuple(round(scale * ratio) for scale in _GOOGLENET),
        **dict.fromkeys(("centre", "ten-crop", "dense"), (resize,)),
    }
    # an image of 32 pixels is not made smaller than the network's images
    three = (max(size, resize - step), resize, resize + step)
    scales = usual.get(name, three)
    if given:
        if not scales or (len(given) != 1 and len(scales) == 1):
            raise KerasnetsError(
                f"protocol {name} with the scales {', '.join(map(str, given))}: "
                f"{len(scales) or 'none'} is accepted"
            )
        scales = tuple(given)
    small = [scale for scale in scales if scale < size]
    if small:
        raise KerasnetsError(
            f"scale {small[0]} is smaller than the network's images of {size} pixels: "
            f"{size} or more is accepted"
        )
    return scales


def _ten(square: Window, share: float) -> list[Window]:
    """Four corners and the middle of a part, mirrored too."""
    places = [(0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)]
    return _with_mirrored([square.square(share, *place) for place in places])


def _of_squares(image: Window, shares: Sequence[float]) -> list[Window]:
    """GoogLeNet's: of three squares along the longer side ten parts and the whole."""
    found = []
    for share in shares:
        for place in (0, 0.5, 1):
            square = image.square(1, place, place)
            found += _ten(square, share) + _with_mirrored([square])
    return found


def _grid(image: Window, shares: Sequence[float]) -> list[Window]:
    """Squares of a regular grid over an image, mirrored too, at each scale."""
    steps = [i / (_GRID - 1) for i in range(_GRID)]
    return _with_mirrored(
        [
            image.square(share, down, across)
            for share in shares
            for down in steps
            for across in steps
        ]
    )


def _with_mirrored(windows: list[Window]) -> list[Window]:
    return windows + [each._replace(is_mirrored=True) for each in windows]
