"""CIFAR-10 and CIFAR-100, the binary version (cs.toronto.edu/~kriz/cifar.html).

Each image is one byte of label (CIFAR-100: a coarse and a fine one) and 3,072 bytes of
pixels: the red, the green and the blue plane, row by row.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets.data.sources.arrays import Arrays, examples_of
from kerasnets.data.sources.source import Examples, Source
from kerasnets.errors import KerasnetsError
from kerasnets.files import sha256

_SIDE = 32
_PIXELS = 3 * _SIDE**2


@dataclass(frozen=True)
class _Form:
    """How one of the sets lies in its folder.

    Attributes:
        folder: That its archive unpacks to.
        files: Those of each part.
        names: The file with the names of the classes, one a line.
        labels: Bytes before the pixels; the last is the class.
        pickled: A file of the version that Python would have to unpickle, and the
            folder that its archive unpacks to.
    """

    folder: str
    files: Mapping[str, Sequence[str]]
    names: str
    labels: int
    pickled: tuple[str, str]

    @property
    def all_files(self) -> list[str]:
        """Those of both parts."""
        return [name for names in self.files.values() for name in names]


_FORMS = (
    _Form(
        "cifar-10-batches-bin",
        {
            "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
            "test": ["test_batch.bin"],
        },
        "batches.meta.txt",
        1,
        ("data_batch_1", "cifar-10-batches-py"),
    ),
    _Form(
        "cifar-100-binary",
        {"train": ["train.bin"], "test": ["test.bin"]},
        "fine_label_names.txt",
        2,
        ("train", "cifar-100-python"),
    ),
)


def open_cifar(spec: str, folder: Path) -> Source:
    """The images of CIFAR-10 or CIFAR-100, of its 100 fine classes.

    Args:
        spec: How the user names it.
        folder: With the files of the binary version, or the one that holds that folder.

    Raises:
        KerasnetsError: It has not all of them, or the version of pickles.
    """
    for form in _FORMS:
        for home in (folder, folder / form.folder):
            if all((home / name).is_file() for name in form.all_files):
                return _source(spec, form, home)
    for form in _FORMS:
        file, archive = form.pickled
        for home in (folder, folder / archive):
            if (home / file).is_file():
                raise KerasnetsError(
                    f"{spec}: {home / file} is a pickle, which may run code: give the "
                    "binary version"
                )
    needed = " or ".join(", ".join(form.all_files) for form in _FORMS)
    raise KerasnetsError(f"{spec}: the binary version is needed there: {needed}")


def _source(spec: str, form: _Form, home: Path) -> Source:
    digest = hashlib.sha256()
    for name in form.all_files:
        digest.update(sha256(home / name).encode())
    class_names = ()
    if (home / form.names).is_file():
        text = (home / form.names).read_text("utf-8", errors="replace")
        class_names = tuple(text.split())
        digest.update("\n".join(class_names).encode())
    return Source(
        spec, digest.hexdigest(), lambda: _load(spec, form, home, class_names)
    )


def _load(spec: str, form: _Form, home: Path, class_names: Sequence[str]) -> Examples:
    parts = {}
    for part, names in form.files.items():
        rows = np.concatenate([_rows(home / name, form.labels) for name in names])
        planes = rows[:, form.labels :].reshape(-1, 3, _SIDE, _SIDE)
        parts[part] = Arrays(
            planes.transpose(0, 2, 3, 1),
            rows[:, form.labels - 1],
            images_name=" and ".join(names),
            labels_name=" and ".join(names),
        )
    return examples_of(spec, parts, class_names)


def _rows(path: Path, labels: int) -> np.ndarray:
    """The records of a file, each its labels and pixels."""
    content = np.fromfile(path, "uint8")
    length = labels + _PIXELS
    if len(content) == 0 or len(content) % length:
        raise KerasnetsError(
            f"{path} has {len(content):,} bytes, no whole number of records of "
            f"{length:,}"
        )
    return content.reshape(-1, length)
