"""Where images come from: the digits, TFDS, a folder, an npz file."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets.errors import KerasnetsError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"}
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid"), "validation"),
    "test": "test",
}


@dataclass(frozen=True)
class Examples:
    """All images of a set, not yet decoded.

    Attributes:
        class_names: the classes, in the order of their labels.
        licence: of the data.
        ids: a name for each image that stays the same.
        labels: int64 (n,).
        parts: for each image train, validation or test where the set itself says so,
            else "".
        contents: goes through the images in their order; each is what ``read_image``
            takes. A stream, because TFDS's files cannot be read in any order.
    """

    class_names: tuple[str, ...]
    licence: str
    ids: tuple[str, ...]
    labels: np.ndarray
    parts: tuple[str, ...]
    contents: Callable[[], Iterator[Path | bytes | np.ndarray]]


@dataclass(frozen=True)
class Source:
    """A set of labelled images.

    Attributes:
        spec: how the user names it.
        fingerprint: another one when the data changed; found without decoding.
        load: finds out about the images.
    """

    spec: str
    fingerprint: str
    load: Callable[[], Examples]


def open_source(spec: str) -> Source:
    """The set of images that the user names.

    Args:
        spec: ``digits`` (scikit-learn's 1,797 handwritten digits), ``tfds:NAME`` (a
            TFDS image classification set), ``folder:PATH`` (one folder a class, maybe
            within train, validation and test folders) or ``npz:FILE`` (x_train,
            y_train and maybe x_test, y_test, as in Keras's mnist.npz).

    Raises:
        KerasnetsError: the name is of no such form, or nothing usable is there.
    """
    kind, _, rest = spec.partition(":")
    if spec == "digits":
        return Source(spec, "digits/1.0.0", _load_digits)
    if kind == "tfds" and rest:
        return _open_tfds(spec, rest)
    if kind == "folder" and rest:
        return _open_folder(spec, Path(rest))
    if kind == "npz" and rest:
        return _open_npz(spec, Path(rest))
    raise KerasnetsError(
        f"data {spec!r} is unknown: digits, tfds:NAME, folder:PATH or npz:FILE"
    )


def _load_digits() -> Examples:
    from kerasnets.data.tfds_sets import load_digits

    return load_digits()


def _open_tfds(spec: str, name: str) -> Source:
    from kerasnets.data.tfds_sets import find_builder, load_builder

    builder = find_builder(name)
    return Source(spec, builder.info.full_name, lambda: load_builder(builder))


def _open_folder(spec: str, root: Path) -> Source:
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


def _open_npz(spec: str, path: Path) -> Source:
    if not path.is_file():
        raise KerasnetsError(f"{spec}: there is no such file")
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(spec, fingerprint, lambda: _load_npz(path))


def _load_npz(path: Path) -> Examples:
    content = _arrays(path)
    if not {"x_train", "y_train"} <= content.keys():
        raise KerasnetsError(
            f"npz:{path} holds {', '.join(sorted(content)) or 'nothing'}: x_train and "
            "y_train are needed, x_test and y_test are used"
        )
    parts = [part for part in ("train", "test") if f"x_{part}" in content]
    images = {part: _checked_images(path, part, content) for part in parts}
    labels = np.concatenate([content[f"y_{part}"].reshape(-1) for part in parts])
    named = [(part, i) for part in parts for i in range(len(images[part]))]
    return Examples(
        class_names=tuple(map(str, range(int(labels.max()) + 1))),
        licence="not stated",
        ids=tuple(f"{part}/{i}" for part, i in named),
        labels=labels.astype("int64"),
        parts=tuple(part if len(parts) > 1 else "" for part, _ in named),
        contents=lambda: (images[part][i] for part, i in named),
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    # what is no zip file would be taken for a pickle, and the error would say so
    if not zipfile.is_zipfile(path):
        raise KerasnetsError(f"npz:{path}: not an npz file")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise KerasnetsError(f"npz:{path}: not a readable npz file: {error}") from error


def _checked_images(path: Path, part: str, content: dict) -> np.ndarray:
    x, y = content[f"x_{part}"], content.get(f"y_{part}")
    shape_fits = x.ndim == 3 or (x.ndim == 4 and x.shape[3] in (1, 3))
    if x.dtype != np.uint8 or not shape_fits or x.size == 0:
        raise KerasnetsError(
            f"npz:{path}: x_{part} is {x.dtype} {x.shape}; uint8 (n, h, w), "
            "(n, h, w, 1) or (n, h, w, 3) is needed"
        )
    if y is None or y.size != len(x) or y.dtype.kind not in "iu" or y.min() < 0:
        raise KerasnetsError(
            f"npz:{path}: y_{part} must hold a whole number of 0 or more for each "
            f"of the {len(x)} images"
        )
    return x
