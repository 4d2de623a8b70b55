"""A set of images decoded once: arrays on disk, split and ready to train on."""

import hashlib
import json
import os
import shutil
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets.data.formats import NAMES
from kerasnets.data.images import read_image
from kerasnets.data.sources.source import (
    BAD_IMAGE,
    Examples,
    Source,
    check_class_names,
    complaint,
    count_kinds,
)
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
        skipped: id and reason of each bad image that was left out.
        left_out: how many files of each kind are not among the images, the bad ones
            among them.
    """

    source: str
    class_names: tuple[str, ...]
    licence: str
    resolution: int
    skipped: tuple[tuple[str, str], ...]
    left_out: dict[str, int]
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
        skip_bad_images: as for ``check_source``; images that cannot be decoded are bad.
        progress: told how many images are decoded.

    Raises:
        KerasnetsError: as for ``check_source``; or an image cannot be decoded, or the
            disk is too full.
    """
    examples = check_source(source, seed=seed, skip_bad_images=skip_bad_images)
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
            raise KerasnetsError(complaint([bad[i] for i in sorted(bad)]))
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
    skipped = [(each.id, each.fault) for each in examples.left_out if each.fault]
    skipped += [(examples.ids[i], bad[i]) for i in bad]
    left_out = Counter(count_kinds(examples.left_out))
    left_out.update([BAD_IMAGE] * len(bad))
    record = {
        "source": source.spec,
        "fingerprint": source.fingerprint,
        "class_names": examples.class_names,
        "licence": examples.licence,
        "resolution": resolution,
        "seed": seed,
        "skip_bad_images": skip_bad_images,
        "skipped": sorted(skipped),
        "left_out": dict(sorted(left_out.items())),
        "ids": {
            part: [examples.ids[i] for i in good[indices]]
            for part, indices in chosen.items()
        },
    }
    write_text(folder / "splits.json", json.dumps(record, indent=1) + "\n")
    return load_prepared(folder)


def check_source(
    source: Source, *, seed: int = 0, skip_bad_images: bool = False
) -> Examples:
    """Load a set and check all that can be known before an image is decoded.

    Args:
        source: the set.
        seed: of the splits.
        skip_bad_images: leave out, however many they are, files that are called like
            images and are none, links to no file, pictures that lie in two classes, and
            pictures of kinds that are not read.

    Raises:
        KerasnetsError: there is a bad image or one that lies in two classes; most
            pictures of a class are of kinds that are not read; there is one class only,
            or one with too few images for the splits.
    """
    examples = source.load()
    faults = [each.fault for each in examples.left_out if each.fault]
    if not skip_bad_images:
        if faults:
            raise KerasnetsError(complaint(faults))
        _check_unread(source.spec, examples)
    check_class_names(examples.class_names)
    if len(examples.class_names) < 2:
        raise KerasnetsError(f"{source.spec} has one class; two or more are needed")
    split_indices(
        examples.labels, examples.parts, examples.ids, examples.class_names, seed
    )
    return examples


def _check_unread(spec: str, examples: Examples) -> None:
    """Raise where most pictures of a class are of kinds that are not read."""
    read = np.bincount(examples.labels, minlength=len(examples.class_names))
    for name, count in zip(examples.class_names, read.tolist(), strict=True):
        unread = [
            each
            for each in examples.left_out
            if each.is_picture and each.class_name == name
        ]
        if len(unread) > count:
            kinds = ", ".join(f"{n} {kind}" for kind, n in count_kinds(unread).items())
            raise KerasnetsError(
                f"{spec}: of the {count + len(unread)} pictures of class {name!r} "
                f"{len(unread)} are not read: {kinds}; {NAMES} are; give "
                "--skip-bad-images to do without them"
            )


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
        is_same = {key: record[key] for key in same} == same
        if is_same and (skip_bad_images or not record["skip_bad_images"]):
            return load_prepared(folder)
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
            left_out=record["left_out"],
            **splits,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KerasnetsError(f"{folder} holds no prepared images: {error}") from error


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
