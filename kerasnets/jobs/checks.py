"""What a command looks at before it does any work."""

import os
from pathlib import Path
from typing import TypeVar

from kerasnets.errors import KerasnetsError

_Whole = TypeVar("_Whole", int, int | None)


def check_file(out: Path, suffix: str) -> None:
    """Raise unless a file of this suffix can be written there."""
    if out.suffix != suffix:
        raise KerasnetsError(f"cannot save to {str(out)!r}: name a {suffix} file")
    if out.is_dir():
        raise KerasnetsError(f"cannot save to {str(out)!r}: it is a folder")
    if out.exists() and not os.access(out, os.W_OK):
        raise KerasnetsError(f"cannot save to {str(out)!r}: it may not be written")
    check_parent(out)


def check_parent(out: Path) -> None:
    """Raise unless there is a folder to write it in."""
    if not out.parent.is_dir():
        raise KerasnetsError(
            f"cannot save to {str(out)!r}: there is no folder {str(out.parent)!r}"
        )
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise KerasnetsError(
            f"cannot save to {str(out)!r}: nothing may be written in"
            f" {str(out.parent)!r}"
        )


def check_whole(name: str, value: _Whole, least: int = 1) -> _Whole:
    """The value, where it is a whole number of ``least`` or more, or None."""
    if value is not None and (type(value) is not int or value < least):
        raise KerasnetsError(
            f"{name} {value!r} is not a whole number of {least} or more"
        )
    return value


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a text file: class names, in the order of the outputs.

    Raises:
        KerasnetsError: it is no text in UTF-8.
    """
    try:
        return tuple(path.read_text("utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise KerasnetsError(f"{path} is not text in UTF-8: {error.reason}") from error
