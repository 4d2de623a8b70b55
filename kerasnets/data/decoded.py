"""Images decoded once: squares in arrays on disk."""

import hashlib
import mmap
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.data.image_store import Found
from kerasnets.data.images import Window, read_image
from kerasnets.data.parallel import in_threads
from kerasnets.data.sources.source import Examples
from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress


@dataclass(frozen=True)
class Split:
    """The images of one split, decoded: an ``ImageStore``.

    Attributes:
        images: Uint8 (n, side, side, 3), a memory map: only what is read is loaded.
        labels: Int64 (n,), or (n, ...) where an image has a label for each of its
            pixels.
        ids: The name of each image in its source.
    """

    images: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]

    @property
    def sizes(self) -> np.ndarray:
        """int64 (n, 2): height and width of each image, in pixels."""
        return np.tile(np.array(self.images.shape[1:3], "int64"), (len(self.ids), 1))

    def read(self, index: int) -> np.ndarray:
        """Return an image as uint8 (side, side, 3)."""
        return np.asarray(self.images[index])

    def picked(self, indices: np.ndarray) -> "Split":
        """Return some of the images, read into memory."""
        return Split(
            np.asarray(self.images[indices]),
            self.labels[indices],
            tuple(self.ids[i] for i in indices),
        )

    def let_go(self) -> None:
        """Give back the memory of what was read; it is read again when it is needed."""
        pages: Any = getattr(self.images, "_mmap", None)  # of a memory map
        if hasattr(pages, "madvise"):
            pages.madvise(mmap.MADV_DONTNEED)

    def crop(self, index: int, window: Window, size: int) -> np.ndarray:
        """Return a part of an image, resized: uint8 (size, size, 3)."""
        return read_image(self.read(index), size, window=window)


def load_decoded(folder: Path, part: str, ids: tuple[str, ...]) -> Split:
    """Open what ``decoded`` saved of a split."""
    images = np.load(folder / f"{part}_images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(folder / f"{part}_labels.npy", mmap_mode="r", allow_pickle=False)
    # labels of pixels stay on disk, as the pixels do
    return Split(images, labels if labels.ndim > 1 else np.array(labels), ids)


def bytes_needed(images: int, resolution: int) -> int:
    """Return what decoding takes on disk: all images, and those of the splits."""
    return 2 * images * resolution**2 * 3


@contextmanager
def decoded(
    examples: Examples, folder: Path, resolution: int, progress: Progress
) -> Iterator[Found]:
    """Decode every image to a square; the arrays are there until the end."""
    count, shape = len(examples.ids), (resolution, resolution, 3)
    _check_disk(folder, bytes_needed(count, resolution))
    partial = folder / "all_images.partial.npy"
    try:
        images = np.lib.format.open_memmap(partial, "w+", np.uint8, (count, *shape))
        hashes, bad = _decode_all(examples, images, resolution, progress)

        def save(part: str, indices: np.ndarray) -> None:
            _save_array(folder / f"{part}_images.npy", images, indices)
            _save_array(folder / f"{part}_labels.npy", examples.labels, indices)

        yield Found(hashes, bad, save)
    finally:
        partial.unlink(missing_ok=True)


def _decode_all(
    examples: Examples, images: np.ndarray, resolution: int, progress: Progress
) -> tuple[list[str], dict[int, str]]:
    """Fill ``images``; the hash of each, and the reason for each that is bad."""

    def read(item: tuple[Path | bytes | np.ndarray, str]) -> np.ndarray:
        content, name = item
        # a path says more than the id
        return read_image(
            content, resolution, name=None if isinstance(content, Path) else name
        )

    bad: dict[int, str] = {}
    hashes = []
    items = zip(examples.contents(), examples.ids, strict=True)
    for index, pixels in enumerate(in_threads(read, items)):
        if isinstance(pixels, KerasnetsError):
            bad[index] = str(pixels)
            hashes.append("")
        else:
            images[index] = pixels
            hashes.append(hashlib.sha256(pixels.tobytes()).hexdigest())
        progress(index + 1, len(examples.ids), "images")
    return hashes, bad


def _save_array(path: Path, array: np.ndarray, indices: np.ndarray) -> None:
    """Write ``array[indices]`` as an .npy file, a thousand rows at a time."""
    partial = path.with_name(f"{path.stem}.partial.npy")
    rows = np.lib.format.open_memmap(
        partial, "w+", array.dtype, (len(indices), *array.shape[1:])
    )
    for start in range(0, len(indices), 1_000):
        rows[start : start + 1_000] = array[indices[start : start + 1_000]]
    rows.flush()
    partial.replace(path)


def _check_disk(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise KerasnetsError(
            f"{folder} has {free / 1e6:,.0f} MB free, the decoded images need "
            f"{needed / 1e6:,.0f} MB: free some, or give a smaller --resolution"
        )
