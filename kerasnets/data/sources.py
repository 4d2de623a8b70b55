"""Where images come from: the digits, TFDS, a folder, an npz file."""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets.data.images import read_image, resize_images
from kerasnets.errors import KerasnetsError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".gif"}
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
        read: ``read(index, size)`` gives uint8 (size, size, 3).
    """

    class_names: tuple[str, ...]
    licence: str
    ids: tuple[str, ...]
    labels: np.ndarray
    parts: tuple[str, ...]
    read: Callable[[int, int], np.ndarray]


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
    kind, colon, rest = spec.partition(":")
    if spec == "digits":
        return Source(spec, "digits 1.0.0", _load_digits)
    if kind == "tfds" and rest:
        return Source(spec, spec, lambda: _load_tfds(rest))
    if kind == "folder" and colon:
        return _open_folder(spec, Path(rest))
    if kind == "npz" and colon:
        path = Path(rest)
        if not path.is_file():
            raise KerasnetsError(f"{spec}: there is no such file")
        with path.open("rb") as file:
            fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
        return Source(spec, fingerprint, lambda: _load_npz(path))
    raise KerasnetsError(
        f"data {spec!r} is unknown: digits, tfds:NAME, folder:PATH or npz:FILE"
    )


def _open_folder(spec: str, root: Path) -> Source:
    if not root.is_dir():
        raise KerasnetsError(f"{spec}: there is no such folder")
    files = _class_files(root)
    names = sorted({name for _, name, _ in files})
    if len(names) < 2:
        raise KerasnetsError(
            f"{spec}: {len(names)} classes found; one folder for each of two or more "
            f"classes is needed, with {', '.join(sorted(EXTENSIONS))} files"
        )
    listing = hashlib.sha256()
    for _, _, path in files:
        status = path.stat()
        relative = path.relative_to(root)
        listing.update(f"{relative}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())

    def load() -> Examples:
        return Examples(
            class_names=tuple(names),
            licence="not stated",
            ids=tuple(str(path.relative_to(root)) for _, _, path in files),
            labels=np.array([names.index(name) for _, name, _ in files], "int64"),
            parts=tuple(part for part, _, _ in files),
            read=lambda index, size: read_image(files[index][2], size),
        )

    return Source(spec, listing.hexdigest(), load)


def _class_files(root: Path) -> list[tuple[str, str, Path]]:
    """(part, class, file) of each image, in the order of their paths."""
    parts = {
        PARTS[d.name.lower()]: d for d in _folders(root) if d.name.lower() in PARTS
    }
    homes = sorted(parts.items()) if "train" in parts else [("", root)]
    return [
        (part, class_folder.name, path)
        for part, home in homes
        for class_folder in _folders(home)
        for path in _image_files(root.resolve(), class_folder)
    ]


def _folders(root: Path) -> list[Path]:
    return sorted(d for d in root.iterdir() if d.is_dir() and d.name[0] != ".")


def _image_files(root: Path, folder: Path) -> list[Path]:
    """The images anywhere below a class folder; links out of the set do not count."""
    found = []
    for home, _, names in os.walk(folder):
        for name in names:
            path = Path(home, name)
            if path.suffix.lower() in EXTENSIONS and name[0] != ".":
                found.append(path)
    return sorted(p for p in found if p.resolve().is_relative_to(root))


def _load_npz(path: Path) -> Examples:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError) as error:
        raise KerasnetsError(f"npz:{path}: not a readable npz file: {error}") from error
    if not {"x_train", "y_train"} <= content.keys():
        raise KerasnetsError(
            f"npz:{path} holds {', '.join(sorted(content)) or 'nothing'}: x_train and "
            "y_train are needed, x_test and y_test are used"
        )
    parts = [part for part in ("train", "test") if f"x_{part}" in content]
    images = [_checked_images(path, part, content) for part in parts]
    labels = np.concatenate([content[f"y_{part}"].reshape(-1) for part in parts])
    classes = int(labels.max()) + 1
    counts = [len(each) for each in images]
    together = [image for each in images for image in each]
    named = [part for part, n in zip(parts, counts, strict=True) for _ in range(n)]
    return Examples(
        class_names=tuple(map(str, range(classes))),
        licence="not stated",
        ids=tuple(
            f"{part}/{i}" for p, part in enumerate(parts) for i in range(counts[p])
        ),
        labels=labels.astype("int64"),
        parts=tuple(named) if "test" in parts else ("",) * len(named),
        read=lambda index, size: resize_images(_rgb(together[index])[None], size)[0],
    )


def _checked_images(path: Path, part: str, content: dict) -> np.ndarray:
    x, y = content[f"x_{part}"], content.get(f"y_{part}")
    shape_fits = x.ndim == 3 or (x.ndim == 4 and x.shape[3] in (1, 3))
    if x.dtype != np.uint8 or not shape_fits:
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


def _rgb(image: np.ndarray) -> np.ndarray:
    """Uint8 (h, w, 3) from (h, w), (h, w, 1) or (h, w, 3)."""
    image = image if image.ndim == 3 else image[:, :, None]
    return np.broadcast_to(image, (*image.shape[:2], 3))


def _load_digits() -> Examples:
    import tempfile

    from kerasnets.data.digits.digits_dataset_builder import LICENCE, Builder

    with tempfile.TemporaryDirectory() as folder:
        return _read_tfds(Builder(data_dir=folder), LICENCE)


def _load_tfds(name: str) -> Examples:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, try_gcs=False)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise KerasnetsError(f"tfds:{name} is unknown to TFDS: {reason}") from error
    licence = f"see {builder.info.homepage or 'the page of the data set in TFDS'}"
    return _read_tfds(builder, licence)


def _read_tfds(builder, licence: str) -> Examples:
    """Prepare a TFDS builder and read its encoded images and labels."""
    import tensorflow_datasets as tfds

    name = builder.info.name
    features = builder.info.features
    keys = {
        kind: next((k for k, f in features.items() if isinstance(f, kind)), None)
        for kind in (tfds.features.Image, tfds.features.ClassLabel)
    }
    image, label = keys.values()
    if image is None or label is None:
        raise KerasnetsError(
            f"tfds:{name} has the features {', '.join(features)}: an image and a class "
            "label are needed"
        )
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it announces itself
            builder.download_and_prepare()
    except Exception as error:  # TFDS lets through whatever its downloader raises
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise KerasnetsError(
            f"tfds:{name} cannot be prepared here: {reason}; prepare it where there "
            "is a network and name its folder in TFDS_DATA_DIR"
        ) from error
    parts = {PARTS.get(split, ""): split for split in builder.info.splits}
    splits = parts.values() if "train" in parts else builder.info.splits
    examples = [
        (PARTS.get(split, "") if "train" in parts else "", split, i, example)
        for split in splits
        for i, example in enumerate(_encoded_examples(builder, split, image))
    ]
    return Examples(
        class_names=tuple(features[label].names),
        licence=licence,
        ids=tuple(f"{split}/{i}" for _, split, i, _ in examples),
        labels=np.array([example[label] for *_, example in examples], "int64"),
        parts=tuple(part for part, *_ in examples),
        read=lambda index, size: read_image(examples[index][3][image], size),
    )


def _encoded_examples(builder, split: str, image: str):
    import tensorflow_datasets as tfds

    return tfds.as_numpy(
        builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders={image: tfds.decode.SkipDecoding()},
        )
    )
