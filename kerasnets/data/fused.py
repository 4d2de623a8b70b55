"""A part of a JPEG, decoded alone: no more of the picture than a crop needs.

TensorFlow decodes and cuts in one operation; other backends read with Pillow, as does
what TensorFlow would decode otherwise (CMYK) or has no operation for. Both give the
same pixels, but for a level or two where the two libraries round otherwise.
"""

import math

import numpy as np
from PIL import Image

from kerasnets.data.images import (
    Header,
    Window,
    is_reduced,
    read_image,
    stored_window,
    upright,
)

# pixels beside a part: upsampled colours are made from those on both sides
_BESIDE = 2


def read_part(
    content: bytes, header: Header, window: Window, size: int
) -> np.ndarray | None:
    """Decode a part of a JPEG that is grey or of three channels, and resize it.

    Args:
        content: Of the file.
        header: Its size and orientation.
        window: The part of the upright picture.
        size: Side to which it is resized, in pixels.

    Returns:
        uint8 (size, size, 3) as ``images.read_image`` gives it; None where that is to
        read it: on other backends than TensorFlow, of a picture that is better decoded
        at a fraction of its size, and of one that is damaged.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return None
    limit = Image.MAX_IMAGE_PIXELS
    is_huge = limit is not None and header.height * header.width > limit
    if is_huge or is_reduced(header, window, size):
        return None
    import tensorflow as tf

    around = _around(window, header, size)
    stored = stored_window(around, header)
    try:
        decoded = tf.raw_ops.DecodeAndCropJpeg(
            contents=content,
            crop_window=stored[:4],
            channels=3,
            dct_method="INTEGER_ACCURATE",
        )
    except tf.errors.InvalidArgumentError:
        return None
    pixels = upright(decoded.numpy(), header.orientation)
    inner = window._replace(top=window.top - around.top, left=window.left - around.left)
    return read_image(pixels, size, window=inner)


def _around(window: Window, header: Header, size: int) -> Window:
    """A window with the pixels beside it that its resized pixels are made from."""
    height, width = header.upright
    down = math.ceil(max(1.0, window.height / size)) + _BESIDE
    across = math.ceil(max(1.0, window.width / size)) + _BESIDE
    top, left = max(0, window.top - down), max(0, window.left - across)
    bottom = min(height, window.top + window.height + down)
    right = min(width, window.left + window.width + across)
    return Window(top, left, bottom - top, right - left)
