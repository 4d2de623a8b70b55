"""The state of a training on disk, so that a killed one goes on where it was."""

import json
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np


class Checkpoint:
    """One file with the values of all variables and the number of epochs behind them.

    The file is replaced atomically: a process killed while writing leaves the state
    before. A file that is damaged or of another training counts as none.

    Args:
        path: the file.
        identity: what the training depends on, as JSON.
        seconds: the least time between two writes.
    """

    def __init__(self, path: Path, identity: dict, seconds: float = 10.0):
        self.path = path
        self.identity = json.dumps(identity, sort_keys=True)
        self.seconds = seconds
        self._written = time.monotonic()

    def restore(self, variables: Sequence) -> int:
        """Set the variables to the saved state; return the number of epochs behind it.

        Args:
            variables: of model and optimizer, always in the same order; those of
                Keras 3 and of tf_keras both do.
        """
        try:
            # opened here: np.load leaves a damaged file open
            with (
                self.path.open("rb") as file,
                np.load(file, allow_pickle=False) as saved,
            ):
                if str(saved["identity"]) != self.identity:
                    return 0
                values = [saved[f"variable_{i}"] for i in range(len(variables))]
                epochs = int(saved["epochs"])
        except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile):
            return 0
        pairs = list(zip(variables, values, strict=True))
        if any(tuple(variable.shape) != value.shape for variable, value in pairs):
            return 0
        for variable, value in pairs:
            variable.assign(value)
        return epochs

    def save(self, epochs: int, variables: Sequence, *, now: bool = False) -> None:
        """Write the state after ``epochs`` epochs, if the last write is long ago.

        Args:
            epochs: number of finished epochs.
            variables: as in ``restore``.
            now: write in any case.
        """
        if not now and time.monotonic() - self._written < self.seconds:
            return
        values = {
            f"variable_{i}": np.asarray(variable)
            for i, variable in enumerate(variables)
        }
        partial = self.path.with_name(f"{self.path.name}.partial")
        with partial.open("wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                identity=np.array(self.identity),
                epochs=np.array(epochs),
                **values,
            )
        partial.replace(self.path)
        self._written = time.monotonic()

    def remove(self) -> None:
        """Delete the file: it is not needed any more."""
        self.path.unlink(missing_ok=True)
