"""From a file to upright RGB pixels."""

import io
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from kerasnets.data.formats import HEAD, NAMES, READ, kind_of, missing_reader
from kerasnets.errors import KerasnetsError

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

    JPEG, PNG, BMP, GIF (its first frame), WebP, AVIF, and HEIC where pillow-heif is
    installed; grey, 16-bit, palette and CMYK pictures become RGB, transparent ones lie
    on white. What a file is called does not matter.

    Args:
        source: a path, or the content of a file.
        name: what an error calls it; the path if None.
        at_least: (width, height); lets a large JPEG be decoded at a fraction of its
            size that is no smaller than this. The bound on pixels
            (``PIL.Image.MAX_IMAGE_PIXELS``) then holds for what is decoded.

    Raises:
        KerasnetsError: the file cannot be decoded; it is named with the reason.
    """
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    try:
        with _file(source) as file, _opened(file) as image:
            whole = image.size
            if at_least is not None:
                # the orientation may turn it
                image.draft(None, (max(at_least), max(at_least)))
            # a progressive JPEG is kept whole in memory while a fraction is decoded
            _check_pixels(whole if "progressive" in image.info else image.size)
            image.load()
            return _to_rgb(_upright(image))
    except UnidentifiedImageError as error:
        raise KerasnetsError(f"{name}: {not_read('')}") from error
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


def not_read(kind: str) -> str:
    """Why a file of a kind, as ``formats.kind_of`` tells it, is not read."""
    if kind in READ:
        return f"{kind} image; {missing_reader(kind)}"
    return f"{f'{kind} file' if kind else 'not an image'}; {NAMES} are read"


def _file(source: Path | str | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    return Path(source).open("rb")


def _opened(file: BinaryIO) -> Image.Image:
    """The header of a picture; its pixels are not yet decoded."""
    kind = kind_of(file.read(HEAD))
    file.seek(0)
    if kind not in READ or missing_reader(kind):
        raise ValueError(not_read(kind))
    if kind == "JPEG":
        # Image.open would refuse what is large as a whole
        return JpegImagePlugin.JpegImageFile(file)
    return Image.open(file, formats=(READ[kind],))


def _check_pixels(size: tuple[int, int]) -> None:
    """Pillow itself only warns, up to twice its limit."""
    width, height = size
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise ValueError(f"{width}x{height} pixels; at most {limit:,} are decoded")


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
