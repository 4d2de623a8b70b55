"""Arrays in an npz file, as in Keras's mnist.npz."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from kerasnets.data.sources.source import Examples, Source
from kerasnets.errors import KerasnetsError


def open_npz(spec: str, path: Path) -> Source:
    """The images of an npz file."""
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
