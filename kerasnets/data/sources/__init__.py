"""Where images come from: the digits, TFDS, a folder, a table, files of arrays.

A file a source; what a source is, stands in ``source``.
"""

from pathlib import Path

from kerasnets.data.sources.cifar import open_cifar
from kerasnets.data.sources.csv_file import open_csv
from kerasnets.data.sources.digits import open_digits
from kerasnets.data.sources.folder import open_folder, open_unlabelled
from kerasnets.data.sources.idx import open_idx
from kerasnets.data.sources.npz import open_npz
from kerasnets.data.sources.source import (
    Examples,
    LeftOut,
    Source,
    check_class_names,
)
from kerasnets.errors import KerasnetsError

__all__ = [
    "Examples",
    "LeftOut",
    "Source",
    "check_class_names",
    "download",
    "open_source",
    "open_unlabelled",
]


_OF_FILES = {
    "folder": open_folder,
    "csv": open_csv,
    "npz": open_npz,
    "idx": open_idx,
    "cifar": open_cifar,
}


def open_source(spec: str) -> Source:
    """The set of images that the user names.

    Args:
        spec: ``digits`` (scikit-learn's 1,797 handwritten digits), ``tfds:NAME`` (an
            image classification set in TFDS's folder), ``folder:PATH`` (one folder a
            class, maybe within train, validation and test folders), ``csv:FILE`` (a
            line with path and label each), ``npz:FILE`` (x_train, y_train and maybe
            x_test, y_test, as in Keras's mnist.npz), ``idx:PATH`` (a folder with
            MNIST's files) or ``cifar:PATH`` (with CIFAR's binary ones). A path may
            begin with ``~``.

    Raises:
        KerasnetsError: The name is of no such form, or nothing usable is there.
    """
    kind, _, rest = spec.partition(":")
    if spec == "digits":
        return open_digits(spec)
    if kind == "tfds" and rest:
        # TFDS takes seconds to import
        from kerasnets.data.sources.tfds import open_tfds

        return open_tfds(spec, rest)
    if kind in _OF_FILES and rest:
        return _OF_FILES[kind](spec, _path(rest))
    raise KerasnetsError(
        f"data {spec!r} is unknown: digits, tfds:NAME, folder:PATH, csv:FILE, "
        "npz:FILE, idx:PATH or cifar:PATH"
    )


def download(spec: str) -> None:
    """Fetch and prepare a TFDS set, unless it is there; others lie here already.

    Args:
        spec: As for ``open_source``.

    Raises:
        KerasnetsError: It cannot be fetched or prepared, or TFDS knows no such set.
    """
    kind, _, name = spec.partition(":")
    if kind == "tfds" and name:
        from kerasnets.data.sources.tfds import find_builder, prepare_builder

        prepare_builder(find_builder(name))


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise KerasnetsError(f"{text}: there is no such home folder") from error
