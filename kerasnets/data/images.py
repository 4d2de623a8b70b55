"""From a file to upright RGB pixels."""

import contextlib
import io
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import (
    ExifTags,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
)

from kerasnets.data.formats import HEAD, READ, kind_of, kinds_read, missing_reader
from kerasnets.errors import KerasnetsError
from kerasnets.grey import LUMA

# A picture is brought cheaply to this many times its final size, then resized well:
# pixels are off by 0.2 levels of 255 on average (at 1 by up to 3.5, on small JPEGs).
_GAP = 3

# from the stored to the upright picture, by EXIF orientation
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

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


class Header(NamedTuple):
    """What the head of a file says of its picture.

    Attributes:
        height: As it is stored, in pixels.
        width: Likewise.
        orientation: That of EXIF, 1 to 8.
        is_jpeg: Whether it is a JPEG, grey or of three channels.
    """

    height: int
    width: int
    orientation: int
    is_jpeg: bool = False

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width of the upright picture, in pixels."""
        if self.orientation >= 5:
            return self.width, self.height
        return self.height, self.width


class Window(NamedTuple):
    """A part of an upright picture, in its pixels, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    is_mirrored: bool = False

    def square(self, share: float, down: float, across: float) -> "Window":
        """Return a square in it.

        Args:
            share: Its side, as a share of the shorter side here.
            down: Where it lies, as a share of the room that it leaves: 0 at the top.
            across: Likewise: 0 at the left.
        """
        side = max(1, round(share * min(self.height, self.width)))
        top = self.top + round(down * (self.height - side))
        left = self.left + round(across * (self.width - side))
        return Window(top, left, side, side)


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
        source: A path, or the content of a file.
        name: What an error calls it; the path if None.
        at_least: (width, height); lets a large JPEG be decoded at a fraction of its
            size that is no smaller than this. The bound on pixels
            (``PIL.Image.MAX_IMAGE_PIXELS``) then holds for what is decoded.

    Raises:
        KerasnetsError: The file cannot be decoded; it is named with the reason.
    """
    return _decode(source, name, at_least, None)[0]


def read_header(source: Path | str | bytes, *, name: str | None = None) -> Header:
    """Read what the head of a picture says; its pixels are not decoded.

    Args:
        source: A path, or the content of a file.
        name: What an error calls it; the path if None.

    Raises:
        KerasnetsError: The file is no picture that is read.
    """
    with _opened(source, name) as image:
        is_jpeg = image.format == "JPEG" and image.mode in ("L", "RGB")
        return Header(image.height, image.width, _orientation(image), is_jpeg)


def read_image(
    source: Path | str | bytes | np.ndarray,
    size: int | tuple[int, int],
    *,
    name: str | None = None,
    window: Window | None = None,
) -> np.ndarray:
    """Decode a picture and resize it, or a part, without keeping its proportions.

    MediaPipe's ``ImageClassifier`` feeds a network the same way.

    Args:
        source: A path, the content of a file, or its pixels: uint8 (h, w), (h, w, 1)
            or (h, w, 3).
        size: Side, or (height, width), in pixels.
        name: What an error calls it; the path if None.
        window: The part; the whole if None.

    Returns:
        uint8 (height, width, 3).

    Raises:
        KerasnetsError: The file cannot be decoded.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if isinstance(source, np.ndarray):
        # Pillow knows no axis of one channel
        pixels = source[:, :, 0] if source.shape[2:] == (1,) else source
        image = Image.fromarray(pixels)
        image = image if image.mode == "RGB" else image.convert("RGB")
        whole = image.size
    else:
        at_least = (_GAP * width, _GAP * height)
        image, whole = _decode(source, name, at_least, window)
    if window is None:
        return np.asarray(_resize(image, width, height))
    # the image may be decoded at a fraction of its size
    across, down = image.width / whole[0], image.height / whole[1]
    box = (
        window.left * across,
        window.top * down,
        min((window.left + window.width) * across, image.width),
        min((window.top + window.height) * down, image.height),
    )
    resized = np.asarray(_resize(image, width, height, box))
    return resized[:, ::-1] if window.is_mirrored else resized


def is_reduced(header: Header, window: Window, size: int) -> bool:
    """Whether ``read_image`` decodes a JPEG at a fraction of its size for a part."""
    height, width = header.upright
    least = _least_side((_GAP * size, _GAP * size), (width, height), window)
    return min(header.height, header.width) >= 2 * least


def stored_window(window: Window, header: Header) -> Window:
    """The window as it lies in the picture as it is stored, before it is turned."""
    top, left, height, width, is_mirrored = window
    if header.orientation >= 5:
        top, left, height, width = left, top, width, height
    if header.orientation in (3, 4, 6, 7):
        top = header.height - top - height
    if header.orientation in (2, 3, 7, 8):
        left = header.width - left - width
    return Window(top, left, height, width, is_mirrored)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (h, w, ...), or a part of them, turned as EXIF says."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    return pixels.swapaxes(0, 1) if orientation >= 5 else pixels


def resize_images(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (n, h, w, 3) at (size, size), resized as ``read_image`` does."""
    if images.shape[1:3] == (size, size):
        return np.asarray(images)
    return np.stack(
        [np.asarray(_resize(Image.fromarray(image), size, size)) for image in images]
    )


def to_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """RGB images uint8 (n, h, w, 3) as something takes them with so many channels.

    Raises:
        KerasnetsError: These are neither 3 nor 1, for grey by ITU-R BT.601.
    """
    if channels == 3:
        return np.asarray(images)
    if channels == 1:
        return np.round(images @ np.array(LUMA)).astype(np.uint8)[..., None]
    raise KerasnetsError(
        f"images of {channels} channels are wanted; the data give 3 (RGB) or 1 (grey)"
    )


def not_read(kind: str) -> str:
    """Why a file of a kind, as ``formats.kind_of`` tells it, is not read."""
    if kind in READ:
        return f"{kind} image; {missing_reader(kind)}"
    return f"{f'{kind} file' if kind else 'not an image'}; {kinds_read()} are read"


def _file(source: Path | str | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    return Path(source).open("rb")


@contextlib.contextmanager
def _opened(source: Path | str | bytes, name: str | None) -> Iterator[Image.Image]:
    """The picture, its pixels not yet decoded; errors in it are ``KerasnetsError``."""
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    try:
        with _file(source) as file:
            kind = kind_of(file.read(HEAD))
            file.seek(0)
            if kind not in READ or missing_reader(kind):
                raise ValueError(not_read(kind))
            if kind == "JPEG":
                # Image.open would refuse what is large as a whole
                opened = JpegImagePlugin.JpegImageFile(file)
            else:
                opened = Image.open(file, formats=(READ[kind],))
            with opened as image:
                yield image
    except UnidentifiedImageError as error:
        raise KerasnetsError(f"{name}: {not_read('')}") from error
    except FileNotFoundError as error:
        raise KerasnetsError(f"{name}: no such file") from error
    except _DECODING_ERRORS as error:
        # an error of the system repeats the path after its reason
        reason = getattr(error, "strerror", None) or error
        raise KerasnetsError(f"{name}: {reason}") from error


def _decode(
    source: Path | str | bytes,
    name: str | None,
    at_least: tuple[int, int] | None,
    window: Window | None,
) -> tuple[Image.Image, tuple[int, int]]:
    """The upright picture, a part of it in ``at_least`` pixels, and its whole size."""
    with _opened(source, name) as image:
        stored, orientation = image.size, _orientation(image)
        whole = (stored[1], stored[0]) if orientation >= 5 else stored
        if at_least is not None:
            side = _least_side(at_least, whole, window)
            image.draft(None, (side, side))
        # a progressive JPEG is kept whole in memory while a fraction is decoded
        _check_pixels(stored if "progressive" in image.info else image.size)
        image.load()
        return _to_rgb(_upright(image, orientation)), whole


def _least_side(
    at_least: tuple[int, int], whole: tuple[int, int], window: Window | None
) -> int:
    """Side that a picture must keep so that a part of it has as many pixels."""
    share = 1.0
    if window is not None:
        share = min(window.width / whole[0], window.height / whole[1])
    # the orientation may turn it
    return math.ceil(max(at_least) / share)


def _check_pixels(size: tuple[int, int]) -> None:
    """Pillow itself only warns, up to twice its limit."""
    width, height = size
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise ValueError(f"{width}x{height} pixels; at most {limit:,} are decoded")


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _resize(
    image: Image.Image,
    width: int,
    height: int,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    return image.resize(
        (width, height), Image.Resampling.BILINEAR, box, reducing_gap=_GAP
    )


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; the pixels need not be decoded."""
    try:
        if isinstance(image, PngImagePlugin.PngImageFile) and not _has_late_exif(image):
            exif = Image.Image.getexif(image)  # theirs decodes the image to look
        else:
            exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF raises nearly anything
        return 1
    return orientation if orientation in range(1, 9) else 1


def _has_late_exif(image: PngImagePlugin.PngImageFile) -> bool:
    """Whether a PNG file has EXIF or XMP behind its pixels."""
    file, is_late = image.fp, False
    if file is None:
        return False
    here = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if is_late and kind in (b"eXIf", b"iTXt"):
                return True
            is_late = is_late or kind == b"IDAT"
            file.seek(length + 4, io.SEEK_CUR)
        return False
    finally:
        file.seek(here)


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
