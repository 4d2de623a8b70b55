"""Keras models on disk: written whole or not at all, read without running code."""

from pathlib import Path

import keras

# registers our layers with Keras, so that files that hold them can be read
import kerasnets.layers  # noqa: F401
from kerasnets.applications.builder import deep_graphs
from kerasnets.errors import KerasnetsError


def save_model(model: keras.Model, path: Path) -> None:
    """Write a ``.keras`` file, atomically."""
    partial = path.with_name(f"{path.stem}.partial.keras")
    model.save(partial)
    partial.replace(path)


def load_model(path: Path) -> keras.Model:
    """Read a ``.keras`` file in Keras's safe mode.

    Raises:
        KerasnetsError: the file holds something else than a model.
    """
    with deep_graphs():
        model = keras.saving.load_model(path, compile=False)
    if not isinstance(model, keras.Model):
        raise KerasnetsError(
            f"{path} holds a {type(model).__name__}, not a Keras model"
        )
    return model
