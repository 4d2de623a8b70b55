"""A set of images prepared once: on disk, split and ready to train on."""

import contextlib
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from kerasnets.data.checks import check_source
from kerasnets.data.decoded import Split, bytes_needed, decoded, load_decoded
from kerasnets.data.encoded import RECORDS, EncodedSplit, encoded, load_encoded
from kerasnets.data.image_store import Found
from kerasnets.data.sources.source import (
    BAD_IMAGE,
    Examples,
    Source,
    complaint,
    count_kinds,
)
from kerasnets.data.splits import split_indices
from kerasnets.errors import KerasnetsError
from kerasnets.files import write_text
from kerasnets.progress import Progress, silent

PARTS = ("train", "validation", "test")
Store = Literal["decoded", "encoded"]
STORES = ("auto", "decoded", "encoded")
AnySplit = TypeVar("AnySplit", Split, EncodedSplit)


@dataclass(frozen=True)
class PreparedData(Generic[AnySplit]):
    """All splits of a set, and what it is.

    Attributes:
        source: The set as the user names it.
        class_names: The classes, in the order of the labels.
        licence: Of the data.
        resolution: Side of the images in pixels; 0 where each has its own size.
        skipped: Id and reason of each bad image that was left out.
        left_out: How many files of each kind are not among the images, the bad ones
            among them.
    """

    source: str
    class_names: tuple[str, ...]
    licence: str
    resolution: int
    skipped: tuple[tuple[str, str], ...]
    left_out: dict[str, int]
    train: AnySplit
    validation: AnySplit
    test: AnySplit


def prepare(
    source: Source,
    folder: Path,
    *,
    resolution: int | None = None,
    seed: int,
    store: Store = "decoded",
    skip_bad_images: bool = False,
    reuse: bool = False,
    progress: Progress = silent,
) -> PreparedData:
    """Read every image of a set, split the set and write it into a folder.

    Either the images are decoded to squares, or they stay encoded, at their own aspect,
    and an index says where. The same set and seed give the same files, byte for byte.
    Memory stays small: the images go straight to disk.

    Args:
        source: The set.
        folder: Made if it is missing; gets ``splits.json`` and, for each split,
            ``SPLIT_labels.npy`` and ``SPLIT_images.npy`` or ``SPLIT_index.npy``. The
            files of an image folder are not copied, what comes from elsewhere is packed
            into ``all_records.bin``.
        resolution: Side in pixels to which each whole image is decoded.
        seed: Of the splits.
        store: "decoded" (a split is a ``Split``) or "encoded" (an ``EncodedSplit``; of
            an image the header is read, so that damage behind it is found later).
        skip_bad_images: As for ``check_source``; images that cannot be read are bad.
        reuse: Read nothing where an equal call has left all of this in the folder.
        progress: Told how many images are read.

    Raises:
        KerasnetsError: As for ``check_source``; or an image cannot be read, or the disk
            is too full.
    """
    if (resolution is None) != (store == "encoded"):
        raise KerasnetsError(
            f"resolution {resolution} of {store} images: decoded images have one, "
            "encoded ones each their own"
        )
    identity = {
        "source": source.spec,
        "fingerprint": source.fingerprint,
        "store": store,
        "resolution": resolution or 0,
        "seed": seed,
    }
    if reuse and _is_prepared(folder, identity, skip_bad_images):
        with contextlib.suppress(KerasnetsError):  # the arrays are not whole
            return load_prepared(folder)
    examples = check_source(source, seed=seed, skip_bad_images=skip_bad_images)
    folder.mkdir(parents=True, exist_ok=True)
    _remove_prepared(folder)
    if resolution is None:
        reading = encoded(examples, folder, progress)
    else:
        reading = decoded(examples, folder, resolution, progress)
    with reading as found:
        if found.bad and not skip_bad_images:
            raise KerasnetsError(complaint([found.bad[i] for i in sorted(found.bad)]))
        chosen = _split(examples, found, seed)
        for part, indices in chosen.items():
            found.save(part, indices)
    record = {
        **identity,
        "class_names": examples.class_names,
        "licence": examples.licence,
        "skip_bad_images": skip_bad_images,
        **_left_out(examples, found.bad),
        "root": str(examples.root.absolute()) if examples.root else None,
        "ids": {
            part: [examples.ids[i] for i in indices] for part, indices in chosen.items()
        },
    }
    # written last, so that it vouches for the arrays
    write_text(folder / "splits.json", json.dumps(record, indent=1) + "\n")
    return load_prepared(folder)


def check_store(store: str, *, of_parts: bool) -> None:
    """Check how images are to be kept.

    Args:
        store: Maybe one of ``STORES``.
        of_parts: Whether parts of the images are to be seen, at a scale of their own.

    Raises:
        KerasnetsError: It is none, or decoded squares have no such parts.
    """
    if store not in STORES:
        raise KerasnetsError(
            f"store {store!r} is unknown: {', '.join(STORES)} are accepted"
        )
    if store == "decoded" and of_parts:
        raise KerasnetsError(
            "store 'decoded' keeps squares of one size, and parts of the images are to "
            "be seen: encoded or auto is accepted"
        )


def choose_store(
    store: str, images: int, resolution: int, folder: Path, *, of_parts: bool
) -> Store:
    """Return how images are kept: decoded where that takes little of the disk.

    Args:
        store: One of ``STORES``; "auto" for "decoded" where that needs up to a quarter
            of the free disk and no parts are seen.
        images: Their number.
        resolution: Side to which they would be decoded.
        folder: Where they would lie.
        of_parts: As for ``check_store``.
    """
    if store == "decoded" or store == "encoded":
        return store
    fits = bytes_needed(images, resolution) <= shutil.disk_usage(folder).free / 4
    return "decoded" if fits and not of_parts else "encoded"


def _is_prepared(folder: Path, identity: dict[str, Any], skip_bad_images: bool) -> bool:
    """Whether a folder says that these images are in it, and no bad ones left out."""
    try:
        record = json.loads((folder / "splits.json").read_text("utf-8"))
        is_same = {key: record[key] for key in identity} == identity
        return is_same and (skip_bad_images or not record["skip_bad_images"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _split(examples: Examples, found: Found, seed: int) -> dict[str, np.ndarray]:
    """Indices of the good images of each part."""
    good = np.array(
        [i for i in range(len(examples.ids)) if i not in found.bad], "int64"
    )
    chosen = split_indices(
        examples.labels[good],
        [examples.parts[i] for i in good],
        [found.groups[i] for i in good],
        examples.class_names,
        seed,
    )
    return {part: good[indices] for part, indices in chosen.items()}


def _left_out(examples: Examples, bad: dict[int, str]) -> dict[str, Any]:
    """Bad images by name, and all that is left out by kind."""
    skipped = [(each.id, each.fault) for each in examples.left_out if each.fault]
    skipped += [(examples.ids[i], bad[i]) for i in bad]
    left_out = Counter(count_kinds(examples.left_out))
    left_out.update([BAD_IMAGE] * len(bad))
    return {"skipped": sorted(skipped), "left_out": dict(sorted(left_out.items()))}


def _is_prepared_file(name: str) -> bool:
    """Whether a file in a folder is called as one that ``prepare`` writes."""
    part, _, rest = name.partition("_")
    ends = (".npy", ".partial.npy")
    kinds = [f"{kind}{end}" for kind in ("images", "labels", "index") for end in ends]
    return name.startswith(("splits.json", RECORDS)) or (
        part in (*PARTS, "all") and rest in kinds
    )


def load_prepared(folder: Path) -> PreparedData:
    """What ``prepare`` wrote into a folder.

    Raises:
        KerasnetsError: It is not all there.
    """
    try:
        record = json.loads((folder / "splits.json").read_text("utf-8"))
        splits = {}
        for part in PARTS:
            ids = tuple(record["ids"][part])
            if record["store"] == "encoded":
                split = load_encoded(folder, part, ids, record["root"])
                images = split.index
            else:
                split = load_decoded(folder, part, ids)
                images = split.images
            if not len(images) == len(split.labels) == len(ids):
                raise ValueError(f"the files of {part} differ in length")
            splits[part] = split
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


def _remove_prepared(folder: Path) -> None:
    """Remove what an older ``prepare`` left, first what vouches for the rest."""
    old = [path for path in folder.iterdir() if _is_prepared_file(path.name)]
    for path in sorted(old, key=lambda path: not path.name.startswith("splits.json")):
        path.unlink()
