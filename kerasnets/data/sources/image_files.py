"""Files that may be images: what they are, which are the same, and what they give.

What a file is, its first bytes say and not its name.
"""

import functools
import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.data.formats import HEAD, READ, VIDEO, kind_of, missing_reader
from kerasnets.data.images import not_read
from kerasnets.data.sources.source import (
    BAD_IMAGE,
    Examples,
    LeftOut,
    Source,
    check_class_names,
)

# names of the parts of a set
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid"), "validation"),
    "test": "test",
}
HIDDEN = "hidden or system file"
# Files and folders that systems leave behind, beside those that begin with a dot.
_SYSTEM = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir"),
    *("$recycle.bin", "system volume information", "lost+found"),
}
# A file that is called so is meant to be an image: one that is none is a bad one.
_IMAGE_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp"),
    *(".heic", ".heif", ".avif", ".tif", ".tiff"),
}
# bytes at the end of a file that tell most of equal size apart
_END = 4096
# Pictures that are told by their names only.
_PICTURE_SUFFIXES = {".svg", ".eps", ".raf", ".rw2", ".orf"}
_VIDEO_SUFFIXES = {".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".3gp"}


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that is an image by its first bytes.

    Attributes:
        id: Its name in the set.
        class_name: Its class.
        part: train, validation or test, or "".
        path: Where it lies.
        size: In bytes.
        modified: When, in nanoseconds.
    """

    id: str
    class_name: str
    part: str
    path: Path
    size: int
    modified: int


def source_of(
    spec: str,
    root: Path,
    class_names: Sequence[str],
    images: Sequence[ImageFile],
    left_out: Sequence[LeftOut],
) -> Source:
    """The set of some files; another one when a file was changed, added or removed.

    Args:
        spec: How the user names it.
        root: What the ids of the images are relative to.
        class_names: The classes, in the order of their labels.
        images: Its images.
        left_out: What else there is.

    Raises:
        KerasnetsError: No label file can carry the name of a class.
    """
    check_class_names(class_names)
    listing = hashlib.sha256()
    for image in images:
        # names need not be UTF-8
        listing.update(os.fsencode(image.id))
        listing.update(f"\0{image.size}\0{image.modified}\n".encode())
    for each in left_out:
        if each.fault:
            listing.update(os.fsencode(each.id) + b"\0bad\n")
    return Source(
        spec,
        listing.hexdigest(),
        # which are the same is found out once
        functools.cache(lambda: _load(root, class_names, images, left_out)),
    )


def _load(
    root: Path,
    class_names: Sequence[str],
    images: Sequence[ImageFile],
    left_out: Sequence[LeftOut],
) -> Examples:
    """The images, but for pictures that lie in two classes."""
    labels = {name: label for label, name in enumerate(class_names)}
    groups = _groups(images)
    in_two = _in_two_classes(images, groups)
    kept = [i for i in range(len(images)) if i not in in_two]
    copies = [
        LeftOut(
            images[i].id,
            images[i].class_name,
            "picture that lies in two classes",
            fault=f"{images[i].path} is the same picture as {images[other].path}, "
            "which is of another class",
        )
        for i, other in in_two.items()
    ]
    return Examples(
        class_names=tuple(class_names),
        licence="not stated",
        ids=tuple(images[i].id for i in kept),
        labels=np.array([labels[images[i].class_name] for i in kept], "int64"),
        parts=tuple(images[i].part for i in kept),
        contents=lambda: (images[i].path for i in kept),
        left_out=(*left_out, *copies),
        groups=tuple(groups[i] for i in kept),
        root=root,
    )


def look_at(
    path: Path, name: str, class_name: str, part: str = ""
) -> ImageFile | LeftOut:
    """A file that is an image by its first bytes, or what else it is.

    One that is called like an image and is none is bad, and so is a link to no file.

    Args:
        path: Where it lies.
        name: Its id in the set.
        class_name: Its class.
        part: Of the set: train, validation or test, or "".
    """

    def other(kind: str, *, is_picture: bool = False, fault: str = "") -> LeftOut:
        return LeftOut(name, class_name, kind, is_picture=is_picture, fault=fault)

    if is_hidden(path):
        return other(HIDDEN)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return other("link in a circle")
        if not stat.S_ISREG(status.st_mode):
            return other("special file")  # opening a pipe would wait for ever
        with path.open("rb", buffering=0) as file:
            kind = kind_of(file.read(HEAD))
    except OSError as error:
        reason = "a link to no file" if path.is_symlink() else error.strerror
        return other(BAD_IMAGE, fault=f"{path}: {reason}")
    suffix = path.suffix.lower()
    if kind in READ:
        missing = missing_reader(kind)
        if missing:
            return other(f"{kind} ({missing})", is_picture=True)
        size, modified = status.st_size, status.st_mtime_ns
        return ImageFile(name, class_name, part, path, size, modified)
    if kind not in ("", VIDEO):
        return other(kind, is_picture=True)
    if suffix in _IMAGE_SUFFIXES:
        return other(BAD_IMAGE, fault=f"{path}: {not_read(kind)}")
    if kind == VIDEO or suffix in _VIDEO_SUFFIXES:
        return other(VIDEO)
    named = f"{suffix} file" if suffix else "file of no suffix"
    return other(named, is_picture=suffix in _PICTURE_SUFFIXES)


def is_hidden(path: Path) -> bool:
    """Tell whether a system hides such files, or leaves them behind."""
    return path.name[0] == "." or path.name.lower() in _SYSTEM


def _in_two_classes(images: Sequence[ImageFile], groups: list[int]) -> dict[int, int]:
    """The images that are the same as one of another class: that one, by the image."""
    members = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    found = {}
    for same in members.values():
        for i in same:
            name = images[i].class_name
            others = (j for j in same if images[j].class_name != name)
            if (other := next(others, None)) is not None:
                found[i] = other
    return dict(sorted(found.items()))


def _groups(images: Sequence[ImageFile]) -> list[int]:
    """For each image the first one with the same bytes.

    Only files of equal sizes are opened, and read whole only where their ends are equal
    too.
    """
    groups = list(range(len(images)))
    for sized in _alike(groups, lambda i: images[i].size):
        for ended in _alike(sized, lambda i: _digest(images[i], _END)):
            is_read = images[ended[0]].size <= _END
            equal = [ended] if is_read else _alike(ended, lambda i: _digest(images[i]))
            for same in equal:
                for i in same:
                    groups[i] = same[0]
    return groups


def _alike(indices: Sequence[int], key: Callable[[int], Any]) -> list[list[int]]:
    """The indices for which ``key`` is equal, where these are several."""
    found = defaultdict(list)
    for i in indices:
        found[key(i)].append(i)
    return [members for members in found.values() if len(members) > 1]


def _digest(image: ImageFile, last: int | None = None) -> str:
    """The hash of a file or of its last bytes."""
    try:
        with image.path.open("rb", buffering=0) as file:
            if last is None:
                return hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(max(0, image.size - last))
            return hashlib.sha256(file.read(last)).hexdigest()
    except OSError:
        return str(image.path)  # gone meanwhile: told when it is to be decoded
