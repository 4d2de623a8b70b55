"""MNIST's own files: idx, gzipped or not, as LeCun, Cortes and Burges publish them.

An idx file begins with two zeros, the kind of its values, the number of its dimensions
and each of these as four bytes, the highest first (yann.lecun.com/exdb/mnist, "File
formats").
"""

import gzip
import hashlib
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerasnets.data.sources.arrays import Arrays, examples_of
from kerasnets.data.sources.source import Examples, Source
from kerasnets.errors import KerasnetsError, reason
from kerasnets.files import sha256

# how MNIST calls its parts
_PARTS = {"train": "train", "test": "t10k"}
# two zeros, and the kind of its values: unsigned bytes
_BYTES = b"\0\0\x08"
_GZIP = b"\x1f\x8b"
# the most that gzip's method makes of a byte
_DEFLATE = 1032


def open_idx(spec: str, folder: Path) -> Source:
    """The images of a folder with the files of MNIST, or of a set in its place.

    Those are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and maybe the
    same of ``t10k``; each may end in ``.gz``, and have a dot in the place of its second
    dash.

    Raises:
        KerasnetsError: One of them is missing.
    """
    if not folder.is_dir():
        raise KerasnetsError(f"{spec}: there is no such folder")
    files = {part: _pair(spec, folder, name) for part, name in _PARTS.items()}
    there = {part: pair for part, pair in files.items() if pair}
    if "train" not in there:
        raise KerasnetsError(f"{spec}: train-images-idx3-ubyte is missing there")
    digest = hashlib.sha256()
    for images, labels in there.values():
        digest.update(f"{sha256(images)} {sha256(labels)}\n".encode())
    return Source(spec, digest.hexdigest(), lambda: _load(spec, there))


def _pair(spec: str, folder: Path, name: str) -> tuple[Path, Path] | None:
    """The images and labels of a part; None where neither is there."""
    images, labels = (
        _find(folder, f"{name}-{what}", dimensions)
        for what, dimensions in (("images", 3), ("labels", 1))
    )
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        missing = "labels-idx1" if images else "images-idx3"
        raise KerasnetsError(f"{spec}: {name}-{missing}-ubyte is missing there")
    return images, labels


def _find(folder: Path, name: str, dimensions: int) -> Path | None:
    """The file of that name, whatever it ends in."""
    for dash in "-.":
        for end in ("", ".gz"):
            path = folder / f"{name}{dash}idx{dimensions}-ubyte{end}"
            if path.is_file():
                return path
    return None


def _load(spec: str, files: Mapping[str, tuple[Path, Path]]) -> Examples:
    return examples_of(
        spec,
        {
            part: Arrays(
                _read(images),
                _read(labels),
                images_name=images.name,
                labels_name=labels.name,
            )
            for part, (images, labels) in files.items()
        },
    )


def _read(path: Path) -> np.ndarray:
    """The values of an idx file of bytes.

    Raises:
        KerasnetsError: It is none, is cut short, or holds more than it says.
    """
    try:
        with path.open("rb") as raw:
            is_zipped = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.open(raw) if is_zipped else raw as file:
                head = file.read(4)
                if len(head) < 4 or head[:3] != _BYTES:
                    raise KerasnetsError(f"{path} is no idx file of bytes")
                shape = np.frombuffer(file.read(4 * head[3]), ">u4").tolist()
                said = math.prod(shape)
                # before memory is asked for
                if said > path.stat().st_size * (_DEFLATE if is_zipped else 1):
                    raise KerasnetsError(
                        f"{path} says that it has {said:,} values, more than it can "
                        "hold"
                    )
                values = file.read(said)
                if len(values) < said or file.read(1):
                    more = "more" if len(values) == said else f"{len(values):,}"
                    raise KerasnetsError(
                        f"{path} says that it has {said:,} values, and has {more}"
                    )
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise KerasnetsError(f"{path} cannot be read: {reason(error)}") from error
    return np.frombuffer(values, "uint8").reshape(shape)
