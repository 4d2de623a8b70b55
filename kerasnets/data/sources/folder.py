"""A folder of images, one folder a class."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasnets.data.formats import (
    HEAD,
    READ,
    VIDEO,
    kind_of,
    kinds_read,
    missing_reader,
)
from kerasnets.data.images import not_read
from kerasnets.data.sources.source import (
    BAD_IMAGE,
    Examples,
    LeftOut,
    Source,
    check_class_names,
    count_kinds,
)
from kerasnets.errors import KerasnetsError

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
# Pictures that are told by their names only.
_PICTURE_SUFFIXES = {".svg", ".eps", ".raf", ".rw2", ".orf"}
_VIDEO_SUFFIXES = {".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".3gp"}


@dataclass(frozen=True)
class _Image:
    """A file that is an image by its first bytes."""

    part: str
    class_name: str
    path: Path
    size: int
    modified: int


def open_folder(spec: str, root: Path) -> Source:
    """The images of a folder, one folder a class.

    What a file is, its first bytes say and not its name; links are followed. Hidden and
    system files, videos and other files that are no pictures are left out and counted.

    Args:
        spec: How the user names it.
        root: Folder of class folders, or of train, validation and test folders of
            class folders.

    Raises:
        KerasnetsError: There is no such folder, it holds fewer than two classes, or
            one that has no image or no name for a label file.
    """
    if not root.is_dir():
        raise KerasnetsError(f"{spec}: there is no such folder")
    try:
        images, left_out = _listing(spec, root)
    except OSError as error:
        raise KerasnetsError(f"{error.filename}: {error.strerror}") from error
    names = sorted({image.class_name for image in images})
    if len(names) < 2:
        raise KerasnetsError(
            f"{spec}: {len(names)} classes found; one folder for each of two or more "
            f"classes is needed, with images in it ({kinds_read()})"
        )
    check_class_names(names)
    listing = hashlib.sha256()
    for image in images:
        # names need not be UTF-8
        listing.update(os.fsencode(image.path.relative_to(root)))
        listing.update(f"\0{image.size}\0{image.modified}\n".encode())
    for each in left_out:
        if each.fault:
            listing.update(os.fsencode(each.id) + b"\0bad\n")
    return Source(spec, listing.hexdigest(), lambda: _load(root, images, left_out))


def _load(root: Path, images: list[_Image], left_out: list[LeftOut]) -> Examples:
    """The images, but for pictures that lie in two classes."""
    names = tuple(sorted({image.class_name for image in images}))
    labels = {name: label for label, name in enumerate(names)}
    groups = _groups(images)
    in_two = _in_two_classes(images, groups)
    kept = [i for i in range(len(images)) if i not in in_two]
    copies = [
        LeftOut(
            images[i].path.relative_to(root).as_posix(),
            images[i].class_name,
            "picture that lies in two classes",
            fault=f"{images[i].path} is the same picture as {images[other].path}, "
            "which is of another class",
        )
        for i, other in in_two.items()
    ]
    return Examples(
        class_names=names,
        licence="not stated",
        ids=tuple(images[i].path.relative_to(root).as_posix() for i in kept),
        labels=np.array([labels[images[i].class_name] for i in kept], "int64"),
        parts=tuple(images[i].part for i in kept),
        contents=lambda: (images[i].path for i in kept),
        left_out=(*left_out, *copies),
        groups=tuple(groups[i] for i in kept),
        root=root,
    )


def _listing(spec: str, root: Path) -> tuple[list[_Image], list[LeftOut]]:
    """The images, in the order of their paths, and what else there is."""
    homes = _homes(spec, root)
    images: list[_Image] = []
    left_out: list[LeftOut] = []
    if root not in homes.values():
        left_out += [
            _stray(root, path) for path in _entries(root) if path not in homes.values()
        ]
    for part, home in homes.items():
        for path in _entries(home):
            if _is_hidden(path) or not path.is_dir():
                left_out.append(_stray(root, path))
                continue
            found, others = _class_files(root, part, path)
            if not found:
                counts = [f"{n} {kind}" for kind, n in count_kinds(others).items()]
                raise KerasnetsError(
                    f"{spec}: no image in {path.relative_to(root)}"
                    f"{' but ' if counts else ''}{', '.join(counts)}; "
                    f"{kinds_read()} are read"
                )
            images += found
            left_out += others
    return images, left_out


def _homes(spec: str, root: Path) -> dict[str, Path]:
    """The folders that hold class folders, by the part of the set that each is."""
    homes: dict[str, Path] = {}
    for folder in _folders(root):
        part = PARTS.get(folder.name.lower())
        if part in homes:
            raise KerasnetsError(
                f"{spec}: {homes[part].name} and {folder.name} both hold the {part} "
                "images; one such folder is needed"
            )
        if part is not None:
            homes[part] = folder
    # else a class is called train
    if "train" in homes and _folders(homes["train"]):
        return dict(sorted(homes.items()))
    return {"": root}


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _folders(root: Path) -> list[Path]:
    return [d for d in _entries(root) if d.is_dir() and not _is_hidden(d)]


def _is_hidden(path: Path) -> bool:
    return path.name[0] == "." or path.name.lower() in _SYSTEM


def _class_files(
    root: Path, part: str, folder: Path
) -> tuple[list[_Image], list[LeftOut]]:
    """The images anywhere below a class folder, and what else is there."""
    images, left_out = [], []
    for path in _files(folder):
        looked_at = _look(root, path, folder.name)
        if isinstance(looked_at, LeftOut):
            left_out.append(looked_at)
        else:
            size, modified = looked_at.st_size, looked_at.st_mtime_ns
            images.append(_Image(part, folder.name, path, size, modified))
    return images, left_out


def _files(folder: Path) -> Iterator[Path]:
    """The files anywhere below a folder, in the order of their paths.

    Links to folders are followed; one that leads back up, and what is hidden, come as
    if they were files.
    """
    real = Path(os.path.realpath(folder))
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        if entry.is_symlink():
            is_folder = path.is_dir() and not real.is_relative_to(path.resolve())
        else:
            is_folder = entry.is_dir()
        if is_folder and not _is_hidden(path):
            yield from _files(path)
        else:
            yield path


def _look(root: Path, path: Path, class_name: str) -> os.stat_result | LeftOut:
    """What is known of a file that is an image by its first bytes, or what else it is.

    One that is called like an image and is none is bad, and so is a link to no file.
    """

    def other(kind: str, *, is_picture: bool = False, fault: str = "") -> LeftOut:
        name = path.relative_to(root).as_posix()
        return LeftOut(name, class_name, kind, is_picture=is_picture, fault=fault)

    if _is_hidden(path):
        return other(HIDDEN)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return other("link in a circle")
        if not stat.S_ISREG(status.st_mode):
            return other("special file")  # opening a pipe would wait for ever
        with path.open("rb") as file:
            kind = kind_of(file.read(HEAD))
    except OSError as error:
        reason = "a link to no file" if path.is_symlink() else error.strerror
        return other(BAD_IMAGE, fault=f"{path}: {reason}")
    suffix = path.suffix.lower()
    if kind in READ:
        missing = missing_reader(kind)
        return other(f"{kind} ({missing})", is_picture=True) if missing else status
    if kind not in ("", VIDEO):
        return other(kind, is_picture=True)
    if suffix in _IMAGE_SUFFIXES:
        return other(BAD_IMAGE, fault=f"{path}: {not_read(kind)}")
    if kind == VIDEO or suffix in _VIDEO_SUFFIXES:
        return other(VIDEO)
    named = f"{suffix} file" if suffix else "file of no suffix"
    return other(named, is_picture=suffix in _PICTURE_SUFFIXES)


def _stray(root: Path, path: Path) -> LeftOut:
    """What lies beside the folders of a set; a link to nowhere may have been one."""
    name = path.relative_to(root).as_posix()
    if path.is_dir() and not _is_hidden(path):
        return LeftOut(name, "", "folder beside train, validation and test")
    found = _look(root, path, "")
    if isinstance(found, LeftOut):
        is_lost = path.is_symlink() and not path.exists()
        if is_lost or not (found.fault or found.is_picture):
            return found
    return LeftOut(name, "", "image outside the class folders")


def _in_two_classes(images: list[_Image], groups: list[int]) -> dict[int, int]:
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


def _groups(images: list[_Image]) -> list[int]:
    """For each image the first one with the same bytes.

    Only files of equal sizes are opened, and read whole only where their ends are equal
    too.
    """
    groups = list(range(len(images)))
    for sized in _alike(groups, lambda i: images[i].size):
        for ended in _alike(sized, lambda i: _digest(images[i], 4096)):
            for same in _alike(ended, lambda i: _digest(images[i])):
                for i in same:
                    groups[i] = same[0]
    return groups


def _alike(indices: Sequence[int], key: Callable[[int], Any]) -> list[list[int]]:
    """The indices for which ``key`` is equal, where these are several."""
    found = defaultdict(list)
    for i in indices:
        found[key(i)].append(i)
    return [members for members in found.values() if len(members) > 1]


def _digest(image: _Image, last: int | None = None) -> str:
    """The hash of a file or of its last bytes."""
    try:
        with image.path.open("rb") as file:
            file.seek(max(0, image.size - last) if last else 0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return str(image.path)  # gone meanwhile: told when it is to be decoded
