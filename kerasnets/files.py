"""Files that are there whole or not at all, and what is in them."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a text file, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, atomically: it is there whole or not at all."""
    with replacing(path, path.with_name(f"{path.name}.partial")) as partial:
        partial.write_bytes(content)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path, partial: Path) -> Iterator[Path]:
    """Give a new file to write to, which takes the place of ``path`` at the end.

    Readers see the old file or the new one. After an error the old one stands, and
    nothing is left beside it; what a killed process left, the next writer removes.
    Where ``path`` is a link, the file that it points to is replaced.

    Args:
        path: the file, which may exist.
        partial: a name beside it, in the same folder.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(partial.name)
    # not opened as it is: it could be a link to somewhere else
    partial.unlink(missing_ok=True)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
