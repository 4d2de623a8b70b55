"""A folder of images, one folder a class."""

import hashlib
import os
from pathlib import Path

import numpy as np

from kerasnets.data.sources.source import Examples, Source
from kerasnets.errors import KerasnetsError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"}
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid"), "validation"),
    "test": "test",
}


def open_folder(spec: str, root: Path) -> Source:
    """The images of a folder, one folder a class."""
    if not root.is_dir():
        raise KerasnetsError(f"{spec}: there is no such folder")
    files = _class_files(spec, root)
    names = sorted({name for _, name, _ in files})
    if len(names) < 2:
        raise KerasnetsError(
            f"{spec}: {len(names)} classes found; one folder for each of two or more "
            f"classes is needed, with {', '.join(sorted(EXTENSIONS))} files"
        )
    labels = {name: label for label, name in enumerate(names)}
    listing = hashlib.sha256()
    for _, _, path in files:
        status = path.stat()
        # names need not be UTF-8
        listing.update(os.fsencode(path.relative_to(root)))
        listing.update(f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())

    def load() -> Examples:
        return Examples(
            class_names=tuple(names),
            licence="not stated",
            ids=tuple(path.relative_to(root).as_posix() for _, _, path in files),
            labels=np.array([labels[name] for _, name, _ in files], "int64"),
            parts=tuple(part for part, _, _ in files),
            contents=lambda: (path for _, _, path in files),
        )

    return Source(spec, listing.hexdigest(), load)


def _class_files(spec: str, root: Path) -> list[tuple[str, str, Path]]:
    """(part, class, file) of each image, in the order of their paths."""
    found = []
    for part, home in _homes(spec, root):
        for class_folder in _folders(home):
            files = _image_files(root.resolve(), class_folder)
            if not files:
                raise KerasnetsError(
                    f"{spec}: no image in {class_folder.relative_to(root)}; "
                    f"{', '.join(sorted(EXTENSIONS))} files are read"
                )
            found += [(part, class_folder.name, path) for path in files]
    return found


def _homes(spec: str, root: Path) -> list[tuple[str, Path]]:
    """The folders that hold class folders, with the part of the set that each is."""
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
        return sorted(homes.items())
    return [("", root)]


def _folders(root: Path) -> list[Path]:
    return sorted(d for d in root.iterdir() if d.is_dir() and d.name[0] != ".")


def _image_files(root: Path, folder: Path) -> list[Path]:
    """The images anywhere below a class folder; links out of the set do not count."""
    found = []
    for home, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "."]
        for name in names:
            path = Path(home, name)
            if path.suffix.lower() in EXTENSIONS and name[0] != ".":
                found.append(path)
    return sorted(p for p in found if p.resolve().is_relative_to(root))
