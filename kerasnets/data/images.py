"""From a file to upright RGB pixels."""

import io
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kerasnets.errors import KerasnetsError

# what Pillow raises on files that are damaged or no images at all
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)


def decode_image(
    source: Path | str | bytes, *, at_least: tuple[int, int] | None = None
) -> Image.Image:
    """Decode a picture to RGB, turned the way its EXIF orientation says.

    JPEG, PNG, BMP, GIF (its first frame) and what else Pillow reads; grey, 16-bit,
    palette and CMYK pictures become RGB, transparent ones lie on white.

    Args:
        source: a path, or the content of a file.
        at_least: (width, height); lets a large JPEG be decoded at a fraction of its
            size that is no smaller than this.

    Raises:
        KerasnetsError: the file cannot be decoded; it is named with the reason.
    """
    name = "the image" if isinstance(source, bytes) else str(source)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(
                io.BytesIO(source) if isinstance(source, bytes) else source
            ) as image,
        ):
            if at_least is not None:
                # the orientation may turn it
                image.draft(None, (max(at_least), max(at_least)))
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise KerasnetsError(f"{name}: not an image") from error
    except FileNotFoundError as error:
        raise KerasnetsError(f"{name}: no such file") from error
    except _DECODING_ERRORS as error:
        raise KerasnetsError(f"{name}: {error}") from error


def read_image(source: Path | str | bytes, size: int | tuple[int, int]) -> np.ndarray:
    """Decode a picture and resize the whole of it, without keeping its proportions.

    MediaPipe's ``ImageClassifier`` feeds a network the same way.

    Args:
        source: a path, or the content of a file.
        size: side, or (height, width), in pixels.

    Returns:
        uint8 (height, width, 3).

    Raises:
        KerasnetsError: the file cannot be decoded.
    """
    height, width = (size, size) if isinstance(size, int) else size
    image = decode_image(source, at_least=(width, height))
    return np.asarray(_resize(image, width, height))


def resize_images(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (n, h, w, 3) at (size, size), resized as ``read_image`` does."""
    if images.shape[1:3] == (size, size):
        return np.asarray(images)
    return np.stack(
        [np.asarray(_resize(Image.fromarray(image), size, size)) for image in images]
    )


def _resize(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits a pixel: Pillow's own conversion would clip at 255
        grey = np.clip(np.asarray(image).astype("float64") / 257, 0, 255)
        return Image.fromarray(np.round(grey).astype("uint8")).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
