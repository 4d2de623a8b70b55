"""From a file to upright RGB pixels."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kerasnets.errors import KerasnetsError

# Pillow reads more, but some of it (EPS) by starting other programs; an MPO is a JPEG
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")

# A picture is brought cheaply to this many times its final size, then resized well:
# pixels are off by 0.2 levels of 255 on average (at 1 by up to 3.5, on small JPEGs).
_GAP = 3

# what Pillow raises on files that are damaged or no images at all
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
    # where the caller makes errors of warnings
    Image.DecompressionBombWarning,
)


def decode_image(
    source: Path | str | bytes,
    *,
    name: str | None = None,
    at_least: tuple[int, int] | None = None,
) -> Image.Image:
    """Decode a picture to RGB, turned the way its EXIF orientation says.

    JPEG, PNG, BMP, GIF (its first frame) or WebP; grey, 16-bit, palette and CMYK
    pictures become RGB, transparent ones lie on white.

    Args:
        source: a path, or the content of a file.
        name: what an error calls it; the path if None.
        at_least: (width, height); lets a large JPEG be decoded at a fraction of its
            size that is no smaller than this.

    Raises:
        KerasnetsError: the file cannot be decoded; it is named with the reason.
    """
    in_memory = isinstance(source, bytes)
    name = name or ("the image" if in_memory else str(source))
    try:
        file = io.BytesIO(source) if in_memory else source
        with Image.open(file, formats=FORMATS) as image:
            _check_pixels(image)
            if at_least is not None:
                # the orientation may turn it
                image.draft(None, (max(at_least), max(at_least)))
            image.load()
            return _to_rgb(_upright(image))
    except UnidentifiedImageError as error:
        raise KerasnetsError(
            f"{name}: not an image; JPEG, PNG, BMP, GIF and WebP are read"
        ) from error
    except FileNotFoundError as error:
        raise KerasnetsError(f"{name}: no such file") from error
    except _DECODING_ERRORS as error:
        # an error of the system repeats the path after its reason
        reason = getattr(error, "strerror", None) or error
        raise KerasnetsError(f"{name}: {reason}") from error


def read_image(
    source: Path | str | bytes | np.ndarray,
    size: int | tuple[int, int],
    *,
    name: str | None = None,
) -> np.ndarray:
    """Decode a picture and resize the whole of it, without keeping its proportions.

    MediaPipe's ``ImageClassifier`` feeds a network the same way.

    Args:
        source: a path, the content of a file, or its pixels: uint8 (h, w), (h, w, 1)
            or (h, w, 3).
        size: side, or (height, width), in pixels.
        name: what an error calls it; the path if None.

    Returns:
        uint8 (height, width, 3).

    Raises:
        KerasnetsError: the file cannot be decoded.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if isinstance(source, np.ndarray):
        # Pillow knows no axis of one channel
        pixels = source[:, :, 0] if source.shape[2:] == (1,) else source
        image = Image.fromarray(pixels).convert("RGB")
    else:
        image = decode_image(source, name=name, at_least=(_GAP * width, _GAP * height))
    return np.asarray(_resize(image, width, height))


def resize_images(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (n, h, w, 3) at (size, size), resized as ``read_image`` does."""
    if images.shape[1:3] == (size, size):
        return np.asarray(images)
    return np.stack(
        [np.asarray(_resize(Image.fromarray(image), size, size)) for image in images]
    )


def _check_pixels(image: Image.Image) -> None:
    """Pillow itself only warns, up to twice its limit."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise ValueError(
            f"{image.width}x{image.height} pixels; at most {limit:,} are decoded"
        )


def _resize(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=_GAP)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF raises nearly anything; the pixels are loaded
        return image


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
