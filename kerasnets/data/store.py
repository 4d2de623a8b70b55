"""A set of images decoded once: arrays on disk, split and ready to train on."""

import hashlib
import json
import os
import shutil
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets.data.images import read_image
from kerasnets.data.sources import Examples, Source
from kerasnets.data.splits import split_indices
from kerasnets.errors import KerasnetsError
from kerasnets.files import write_text
from kerasnets.progress import Progress, silent

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """The images of one split.

    Attributes:
        images: uint8 (n, side, side, 3), a memory map: only what is read is loaded.
        labels: int64 (n,).
        ids: the name of each image in its source.
    """

    images: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]


@dataclass(frozen=True)
class PreparedData:
    """All splits of a set, and what it is.

    Attributes:
        source: the set as the user names it.
        class_names: the classes, in the order of the labels.
        licence: of the data.
        resolution: side of the images in pixels.
        skipped: id and reason of each image that could not be decoded.
    """

    source: str
    class_names: tuple[str, ...]
    licence: str
    resolution: int
    skipped: tuple[tuple[str, str], ...]
    train: Split
    validation: Split
    test: Split


def prepare(
    source: Source,
    folder: Path,
    *,
    resolution: int,
    seed: int,
    skip_bad_images: bool = False,
    progress: Progress = silent,
) -> PreparedData:
    """Decode every image of a set, split the set and write it into a folder.

    The same set and seed give the same files, byte for byte. Memory stays small: the
    images go straight to disk.

    Args:
        source: the set.
        folder: made if it is missing; gets ``splits.json`` and, for each split,
            ``SPLIT_images.npy`` and ``SPLIT_labels.npy``.
        resolution: side in pixels to which each whole image is resized.
        seed: of the splits.
        skip_bad_images: leave out images that cannot be decoded.
        progress: told how many images are decoded.

    Raises:
        KerasnetsError: an image cannot be decoded, a class has too few images, or the
            disk is too full.
    """
    examples = source.load()
    _check_classes(source.spec, examples, seed)
    folder.mkdir(parents=True, exist_ok=True)
    count, shape = len(examples.ids), (resolution, resolution, 3)
    _check_disk(folder, 2 * count * resolution**2 * 3)
    # written last, so that it vouches for the arrays
    (folder / "splits.json").unlink(missing_ok=True)
    partial = folder / "all_images.partial.npy"
    try:
        images = np.lib.format.open_memmap(partial, "w+", np.uint8, (count, *shape))
        hashes, bad = _decode_all(examples, images, resolution, progress)
        if bad and not skip_bad_images:
            raise KerasnetsError(_complaint(bad))
        good = np.array([i for i in range(count) if i not in bad], "int64")
        labels = examples.labels[good]
        chosen = split_indices(
            labels,
            [examples.parts[i] for i in good],
            [hashes[i] for i in good],
            examples.class_names,
            seed,
        )
        for part, indices in chosen.items():
            _save_array(folder / f"{part}_images.npy", images, good[indices])
            _save_array(folder / f"{part}_labels.npy", labels, indices)
    finally:
        partial.unlink(missing_ok=True)
    record = {
        "source": source.spec,
        "fingerprint": source.fingerprint,
        "class_names": examples.class_names,
        "licence": examples.licence,
        "resolution": resolution,
        "seed": seed,
        "skipped": [(examples.ids[i], bad[i]) for i in sorted(bad)],
        "ids": {
            part: [examples.ids[i] for i in good[indices]]
            for part, indices in chosen.items()
        },
    }
    write_text(folder / "splits.json", json.dumps(record, indent=1) + "\n")
    return load_prepared(folder)


def prepare_once(
    source: Source,
    folder: Path,
    *,
    resolution: int,
    seed: int,
    skip_bad_images: bool = False,
    progress: Progress = silent,
) -> PreparedData:
    """What an equal call left in the folder, or else ``prepare``.

    Args and Raises: as for ``prepare``.
    """
    same = {
        "source": source.spec,
        "fingerprint": source.fingerprint,
        "resolution": resolution,
        "seed": seed,
    }
    try:
        record = json.loads((folder / "splits.json").read_text("utf-8"))
        if {key: record[key] for key in same} == same:
            prepared = load_prepared(folder)
            if skip_bad_images or not prepared.skipped:
                return prepared
    except (OSError, ValueError, KeyError, TypeError, KerasnetsError):
        pass  # not there, or not whole
    return prepare(
        source,
        folder,
        resolution=resolution,
        seed=seed,
        skip_bad_images=skip_bad_images,
        progress=progress,
    )


def is_prepared_file(name: str) -> bool:
    """Whether a file in a folder is called as one that ``prepare`` writes."""
    part, _, rest = name.partition("_")
    ends = (".npy", ".partial.npy")
    kinds = [f"{kind}{end}" for kind in ("images", "labels") for end in ends]
    return name.startswith("splits.json") or (part in (*PARTS, "all") and rest in kinds)


def load_prepared(folder: Path) -> PreparedData:
    """What ``prepare`` wrote into a folder.

    Raises:
        KerasnetsError: it is not all there.
    """
    try:
        record = json.loads((folder / "splits.json").read_text("utf-8"))
        splits = {
            part: Split(
                images=np.load(
                    folder / f"{part}_images.npy", mmap_mode="r", allow_pickle=False
                ),
                labels=np.load(folder / f"{part}_labels.npy", allow_pickle=False),
                ids=tuple(record["ids"][part]),
            )
            for part in PARTS
        }
        for part, split in splits.items():
            if not len(split.images) == len(split.labels) == len(split.ids):
                raise ValueError(f"the files of {part} differ in length")
        return PreparedData(
            source=record["source"],
            class_names=tuple(record["class_names"]),
            licence=record["licence"],
            resolution=record["resolution"],
            skipped=tuple((name, reason) for name, reason in record["skipped"]),
            **splits,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KerasnetsError(f"{folder} holds no prepared images: {error}") from error


def _check_classes(spec: str, examples: Examples, seed: int) -> None:
    """Fail before the images are decoded, not after."""
    if len(examples.class_names) < 2:
        raise KerasnetsError(f"{spec} has one class; two or more are needed")
    split_indices(
        examples.labels, examples.parts, examples.ids, examples.class_names, seed
    )


def _decode_all(
    examples: Examples, images: np.ndarray, resolution: int, progress: Progress
) -> tuple[list[str], dict[int, str]]:
    """Fill ``images``; the hash of each, and the reason for each that is bad."""
    bad: dict[int, str] = {}
    hashes = []
    for index, pixels in enumerate(_in_threads(examples, resolution)):
        if isinstance(pixels, KerasnetsError):
            bad[index] = str(pixels)
            hashes.append("")
        else:
            images[index] = pixels
            hashes.append(hashlib.sha256(pixels.tobytes()).hexdigest())
        progress(index + 1, len(examples.ids), "images")
    return hashes, bad


def _in_threads(
    examples: Examples, resolution: int
) -> Iterator[np.ndarray | KerasnetsError]:
    """The images in their order, decoded on all cores, a few ahead."""

    def read(content: Path | bytes | np.ndarray, name: str):
        # a path says more than the id
        name_or_path = None if isinstance(content, Path) else name
        try:
            return read_image(content, resolution, name=name_or_path)
        except KerasnetsError as error:
            return error

    workers = os.cpu_count() or 1
    pending: deque[Future] = deque()
    # about damaged EXIF and the like; set here as threads cannot set it each
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(workers) as pool:
        for content, name in zip(examples.contents(), examples.ids, strict=True):
            pending.append(pool.submit(read, content, name))
            if len(pending) > 4 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _complaint(bad: dict[int, str]) -> str:
    first = bad[min(bad)]
    more = f" and {len(bad) - 1} more like it" if len(bad) > 1 else ""
    return f"{first}{more}; give --skip-bad-images to leave such files out"


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
