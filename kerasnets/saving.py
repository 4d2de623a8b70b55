"""Keras models on disk: written whole or not at all, read without running code."""

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import keras
from keras.src.saving import saving_lib
from keras.src.saving.serialization_lib import SafeModeScope

# registers our layers with Keras, so that files that hold them can be read
import kerasnets.layers  # noqa: F401
from kerasnets import untrusted, vetted
from kerasnets.errors import KerasnetsError, reason
from kerasnets.files import replacing
from kerasnets.graph import deep_graphs


def save_model(model: keras.Model, path: Path) -> None:
    """Write a ``.keras`` file, atomically.

    An error, such as a full disk, leaves what was there before.
    """
    with replacing(path, path.with_name(f"{path.stem}.partial.keras")) as partial:
        model.save(partial)


def load_model(path: Path | str) -> keras.Model:
    """Read a ``.keras`` file from anywhere: it is inspected before Keras opens it.

    Safe mode holds even where ``keras.config.enable_unsafe_deserialization`` was
    called. How the model was compiled is not read.

    Args:
        path: The file. Layers that are not Keras's or ours must have been registered
            (``keras.saving.register_keras_serializable``).

    Raises:
        KerasnetsError: It is no such file, it is damaged, or it could run code, read
            other files, or need far more memory than it stores.
    """
    name = str(path)
    # One descriptor for all: what is read is what was inspected, even if the file is
    # replaced meanwhile.
    with untrusted.open_file(path) as file:
        members = untrusted.read_archive(file, name)
        with _said_of_keras_2(members[untrusted.METADATA], name):
            vetted.check_config(members[untrusted.CONFIG], name)
            untrusted.check_weights(members[untrusted.WEIGHTS], name)
            del members
            file.seek(0)
            model = _read(file, name)
    if not isinstance(model, keras.Model):
        raise KerasnetsError(
            f"{name} holds a {type(model).__name__}, not a Keras model"
        )
    return model


def _read(file: BinaryIO, name: str) -> object:
    """What Keras makes of an inspected file."""
    try:
        with deep_graphs(), SafeModeScope(True):
            return saving_lib.load_model(file, compile=False, safe_mode=True)
    # of every kind: shapes that do not fit, arguments that a layer does not know
    except Exception as error:
        raise KerasnetsError(
            f"{name} cannot be read by Keras: {reason(error)}"
        ) from error


@contextlib.contextmanager
def _said_of_keras_2(metadata: bytes, name: str) -> Iterator[None]:
    """Say of a file that cannot be read that it is of Keras 2, where it is."""
    try:
        yield
    except KerasnetsError as error:
        version = untrusted.keras_version(metadata)
        if not version.startswith("2."):
            raise
        raise KerasnetsError(
            f"{name} is of Keras 2 ({version}), and not all of it is known to Keras 3: "
            f"{error}"
        ) from error


def import_plugins(plugins: Sequence[str]) -> None:
    """Import modules of the user that register layers (and their counterparts).

    Raises:
        KerasnetsError: One cannot be imported.
    """
    for name in plugins:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise KerasnetsError(
                f"the plugin {name!r} cannot be imported: {error}"
            ) from error
