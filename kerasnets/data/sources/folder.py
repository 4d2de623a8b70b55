"""A folder of images, one folder a class."""

import os
from collections.abc import Iterator
from pathlib import Path

from kerasnets.data.formats import kinds_read
from kerasnets.data.sources.image_files import (
    PARTS,
    ImageFile,
    is_hidden,
    look_at,
    source_of,
)
from kerasnets.data.sources.source import LeftOut, Source, count_kinds
from kerasnets.errors import KerasnetsError

# what images without a label are called
UNKNOWN = "unknown"


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
    return source_of(spec, root, names, images, left_out)


def open_unlabelled(root: Path) -> Source:
    """The images anywhere below a folder, of no class.

    Args:
        root: The folder.

    Raises:
        KerasnetsError: There is no such folder.
    """
    if not root.is_dir():
        raise KerasnetsError(f"{root}: there is no such folder")
    try:
        found = [
            look_at(path, name.removeprefix("/"), UNKNOWN, "train")
            for path, name in _files(root, "")
        ]
    except OSError as error:
        raise KerasnetsError(f"{error.filename}: {error.strerror}") from error
    images = [each for each in found if isinstance(each, ImageFile)]
    left_out = [each for each in found if isinstance(each, LeftOut)]
    return source_of(str(root), root, [UNKNOWN], images, left_out)


def _listing(spec: str, root: Path) -> tuple[list[ImageFile], list[LeftOut]]:
    """The images, in the order of their paths, and what else there is."""
    homes = _homes(spec, root)
    images: list[ImageFile] = []
    left_out: list[LeftOut] = []
    if root not in homes.values():
        left_out += [
            _stray(root, path) for path in _entries(root) if path not in homes.values()
        ]
    for part, home in homes.items():
        for path in _entries(home):
            if is_hidden(path) or not path.is_dir():
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
    return [d for d in _entries(root) if d.is_dir() and not is_hidden(d)]


def _class_files(
    root: Path, part: str, folder: Path
) -> tuple[list[ImageFile], list[LeftOut]]:
    """The images anywhere below a class folder, and what else is there."""
    images, left_out = [], []
    for path, name in _files(folder, folder.relative_to(root).as_posix()):
        found = look_at(path, name, folder.name, part)
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            images.append(found)
    return images, left_out


def _files(folder: Path, name: str) -> Iterator[tuple[Path, str]]:
    """The files anywhere below a folder, in the order of their paths, and their ids.

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
        if is_folder and not is_hidden(path):
            yield from _files(path, f"{name}/{entry.name}")
        else:
            yield path, f"{name}/{entry.name}"


def _stray(root: Path, path: Path) -> LeftOut:
    """What lies beside the folders of a set; a link to nowhere may have been one."""
    name = path.relative_to(root).as_posix()
    if path.is_dir() and not is_hidden(path):
        return LeftOut(name, "", "folder beside train, validation and test")
    found = look_at(path, name, "")
    if isinstance(found, LeftOut):
        is_lost = path.is_symlink() and not path.exists()
        if is_lost or not (found.fault or found.is_picture):
            return found
    return LeftOut(name, "", "image outside the class folders")
