"""The state of a training on disk, so that a killed one goes on where it was."""

import json
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasnets.errors import KerasnetsError, reason
from kerasnets.files import replacing

# a large network's state takes seconds: writing it may take that share of the time
_SHARE = 0.05


class Checkpoint:
    """A file with the values of all variables and how much of the training is done.

    It is replaced atomically, and the one before is kept beside it: a process killed
    while writing, or a file that is damaged afterwards, leaves the state before. A file
    of another training counts as none.

    Args:
        path: The file.
        identity: What the training depends on, as JSON.
        seconds: The least time between two writes; 0 for every time.
    """

    def __init__(self, path: Path, identity: dict, seconds: float = 10.0):
        self.path = path
        self.identity = json.dumps(identity, sort_keys=True)
        self.seconds = seconds
        self._written, self._took = time.monotonic(), 0.0

    @property
    def before(self) -> Path:
        """The file before the newest."""
        return self.path.with_name(f"{self.path.name}.before")

    def beside(self, name: str) -> "Checkpoint":
        """Return one of the same training with another file."""
        path = self.path.with_name(f"{self.path.stem}-{name}{self.path.suffix}")
        return Checkpoint(path, json.loads(self.identity), self.seconds)

    def restore(self, variables: Sequence, *, older: bool = False) -> int:
        """Set the variables to the newest state that is whole.

        Args:
            variables: Of model and optimizer, always in the same order; those of
                Keras 3 and of tf_keras both do.
            older: Take the state before the newest, where there is one.

        Returns:
            What ``save`` was given as done; 0 where there is no state.
        """
        paths = (self.path, self.before)
        for path in reversed(paths) if older else paths:
            saved = self._read(path, variables)
            if saved is not None:
                done, values = saved
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
                return done
        return 0

    def _read(
        self, path: Path, variables: Sequence
    ) -> tuple[int, list[np.ndarray]] | None:
        """What a file holds; None where it is no state of these variables."""
        try:
            # opened here: np.load leaves a damaged file open
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                if str(saved["identity"]) != self.identity:
                    return None
                values = [saved[f"variable_{i}"] for i in range(len(variables))]
                done = int(saved["done"])
        except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        pairs = zip(variables, values, strict=True)
        if any(tuple(variable.shape) != value.shape for variable, value in pairs):
            return None
        return done, values

    @property
    def is_due(self) -> bool:
        """Whether the last write is long enough ago."""
        if not self.seconds:
            return True
        least = max(self.seconds, self._took / _SHARE)
        return time.monotonic() - self._written >= least

    def save(self, done: int, variables: Sequence, *, now: bool = False) -> None:
        """Write the state, if the last write is long ago.

        Args:
            done: Number of finished epochs or steps.
            variables: As in ``restore``.
            now: Write in any case.

        Raises:
            KerasnetsError: It cannot be written; the state before is there as it was.
        """
        if not now and not self.is_due:
            return
        started = time.monotonic()
        values = {
            f"variable_{i}": np.asarray(variable)
            for i, variable in enumerate(variables)
        }
        try:
            with replacing(
                self.path, self.path.with_name(f"{self.path.name}.partial")
            ) as partial:
                with partial.open("wb") as file:
                    np.savez(
                        file,
                        allow_pickle=False,
                        identity=np.array(self.identity),
                        done=np.array(done),
                        **values,
                    )
                if self.path.exists():
                    self.before.unlink(missing_ok=True)
                    self.before.hardlink_to(self.path)
        except OSError as error:
            raise KerasnetsError(
                f"{self.path} cannot be written ({reason(error)}); the state before "
                "is kept: the same call goes on from there"
            ) from error
        self._written = time.monotonic()
        self._took = self._written - started

    def remove(self) -> None:
        """Delete the files: they are not needed any more."""
        for path in (self.path, self.before):
            path.unlink(missing_ok=True)
