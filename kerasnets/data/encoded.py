"""Images that stay encoded, at their own aspect, and an index of them.

The files of a folder stay where they are; what comes as bytes or arrays is packed into
one file of records. The index keeps for each image its size, its orientation and its
record, so that parts are chosen without opening it, and of a JPEG no more is decoded.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerasnets.data.fused import read_part
from kerasnets.data.image_store import Found
from kerasnets.data.images import (
    Header,
    Window,
    decode_image,
    read_header,
    read_image,
)
from kerasnets.data.parallel import in_threads
from kerasnets.data.sources.source import Examples
from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress

RECORDS = "all_records.bin"
# What ``Header`` has, then the place among the records.
ENTRY = np.dtype(
    [
        *(("height", "<i4"), ("width", "<i4"), ("orientation", "<i4")),
        *(("is_jpeg", "?"), ("offset", "<i8"), ("length", "<i8")),
    ]
)


@dataclass(frozen=True)
class EncodedSplit:
    """The images of one split, encoded: an ``ImageStore``.

    Attributes:
        labels: Int64 (n,).
        ids: The name of each image in its source.
        index: (n,) of ``ENTRY``.
        root: The folder in which the ids are the paths of the images, or the file of
            the records.
    """

    labels: np.ndarray
    ids: tuple[str, ...]
    index: np.ndarray
    root: Path

    @property
    def sizes(self) -> np.ndarray:
        """int64 (n, 2): height and width of each upright image, in pixels."""
        stored = np.stack([self.index["height"], self.index["width"]], axis=1)
        is_turned = self.index["orientation"] >= 5
        return np.where(is_turned[:, None], stored[:, ::-1], stored).astype("int64")

    def read(self, index: int) -> np.ndarray:
        """Return an upright image as uint8 (height, width, 3), RGB.

        Raises:
            KerasnetsError: The file cannot be decoded.
        """
        content, name = self._content(index)
        return np.asarray(decode_image(content, name=name))

    def picked(self, indices: np.ndarray) -> "EncodedSplit":
        """Return some of the images, in this order."""
        return EncodedSplit(
            self.labels[indices],
            tuple(self.ids[i] for i in indices),
            self.index[indices],
            self.root,
        )

    def crop(self, index: int, window: Window, size: int) -> np.ndarray:
        """Return a part of an image, resized: uint8 (size, size, 3).

        Raises:
            KerasnetsError: The file cannot be decoded.
        """
        header = Header(*self.index[index].item()[:4])
        if header.is_jpeg:
            part = read_part(self.encoded(index), header, window, size)
            if part is not None:
                return part
        content, name = self._content(index)
        return read_image(content, size, name=name, window=window)

    def encoded(self, index: int) -> bytes:
        """Return the bytes of an image.

        Raises:
            KerasnetsError: The file cannot be read.
        """
        content, name = self._content(index)
        if isinstance(content, bytes):
            return content
        try:
            return content.read_bytes()
        except OSError as error:
            raise KerasnetsError(f"{name}: {error.strerror}") from error

    def _content(self, index: int) -> tuple[Path | bytes, str]:
        """The file or the record of an image, and what an error calls it."""
        offset = int(self.index["offset"][index])
        if offset < 0:
            path = self.root / self.ids[index]
            return path, str(path)
        try:
            with self.root.open("rb") as file:
                file.seek(offset)
                return file.read(int(self.index["length"][index])), self.ids[index]
        except OSError as error:
            raise KerasnetsError(f"{self.root}: {error.strerror}") from error


def load_encoded(
    folder: Path, part: str, ids: tuple[str, ...], root: str | None
) -> EncodedSplit:
    """Open what ``encoded`` saved of a split."""
    index = np.load(folder / f"{part}_index.npy", allow_pickle=False)
    labels = np.load(folder / f"{part}_labels.npy", allow_pickle=False)
    if index.dtype != ENTRY:
        raise ValueError(f"{part}_index.npy is no index of images")
    return EncodedSplit(labels, ids, index, Path(root) if root else folder / RECORDS)


@contextmanager
def encoded(examples: Examples, folder: Path, progress: Progress) -> Iterator[Found]:
    """Read the header of every image; what lies in no file of its own is packed."""
    partial = folder / f"{RECORDS}.partial"
    try:
        with partial.open("wb") as records:
            index, groups, bad = _read_all(examples, records, progress)

        def save(part: str, indices: np.ndarray) -> None:
            np.save(folder / f"{part}_index.npy", index[indices])
            np.save(folder / f"{part}_labels.npy", examples.labels[indices])

        yield Found(groups, bad, save)
        if examples.root is None:
            partial.replace(folder / RECORDS)
    finally:
        partial.unlink(missing_ok=True)


def _read_all(
    examples: Examples, records: io.BufferedWriter, progress: Progress
) -> tuple[np.ndarray, list[str], dict[int, str]]:
    """The index, a hash of each image, and the reason for each that is bad."""

    def read(item: tuple[Path | bytes | np.ndarray, str]) -> tuple[Header, bytes]:
        content, name = item
        if isinstance(content, Path):
            return read_header(content), b""
        content = _as_png(content) if isinstance(content, np.ndarray) else content
        return read_header(content, name=name), content

    index = np.zeros(len(examples.ids), ENTRY)
    bad: dict[int, str] = {}
    groups = []
    items = zip(examples.contents(), examples.ids, strict=True)
    for i, found in enumerate(in_threads(read, items)):
        group = str(examples.groups[i] if examples.groups else i)
        if isinstance(found, KerasnetsError):
            bad[i] = str(found)
        else:
            header, content = found
            if examples.root is None:
                index[i] = (*header, records.tell(), len(content))
                records.write(content)
                group = hashlib.sha256(content).hexdigest()
            else:
                index[i] = (*header, -1, 0)
        groups.append(group)
        progress(i + 1, len(examples.ids), "images")
    return index, groups, bad


def _as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    # Pillow knows no axis of one channel
    grey = pixels.shape[2:] == (1,)
    Image.fromarray(pixels[:, :, 0] if grey else pixels).save(
        file, "PNG", compress_level=1
    )
    return file.getvalue()
