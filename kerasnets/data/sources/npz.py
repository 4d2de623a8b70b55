"""Arrays in an npz file, as in Keras's mnist.npz."""

import zipfile
from pathlib import Path

import numpy as np

from kerasnets.data.sources.arrays import Arrays, examples_of
from kerasnets.data.sources.source import Examples, Source
from kerasnets.errors import KerasnetsError
from kerasnets.files import sha256


def open_npz(spec: str, path: Path) -> Source:
    """The images of an npz file."""
    if not path.is_file():
        raise KerasnetsError(f"{spec}: there is no such file")
    return Source(spec, sha256(path), lambda: _load_npz(path))


def _load_npz(path: Path) -> Examples:
    content = _arrays(path)
    if not {"x_train", "y_train"} <= content.keys():
        raise KerasnetsError(
            f"npz:{path} holds {', '.join(sorted(content)) or 'nothing'}: x_train and "
            "y_train are needed, x_test and y_test are used"
        )
    return examples_of(
        f"npz:{path}",
        {
            part: Arrays(
                content[f"x_{part}"],
                content.get(f"y_{part}"),
                images_name=f"x_{part}",
                labels_name=f"y_{part}",
            )
            for part in ("train", "test")
            if f"x_{part}" in content
        },
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
