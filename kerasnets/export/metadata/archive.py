"""The small zip archive behind the model in a LiteRT file.

A zip archive is read from its end and a flatbuffer from its start, so one file can be
both. The archive holds the label file and a checksum of all that lies before it.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping

from kerasnets.errors import KerasnetsError

_SUM_FILE = "model.sha256"
# A label list of ten thousand classes has 200 kB.
_LARGEST_TEXT = 1 << 24


def with_files(model: bytes, files: Mapping[str, str]) -> bytes:
    """Append an archive of text files and the model's SHA-256; equal in, equal out."""
    stream = io.BytesIO()
    stream.write(model)
    # Stored, not deflated: phones map the file and read labels in place. A ZipInfo made
    # by hand carries no clock time, but 1980-01-01.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text.encode())
        archive.writestr(zipfile.ZipInfo(_SUM_FILE), hashlib.sha256(model).hexdigest())
    return stream.getvalue()


def read_file(buffer: bytes, name: str) -> str:
    """Return a text file from the archive behind a model.

    Raises:
        KerasnetsError: The archive is damaged, or the file too long or not there.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(buffer)) as archive:
            return _read(archive, name)
    except KerasnetsError:
        raise
    # whatever zipfile meets in a damaged archive
    except Exception as error:
        raise KerasnetsError(f"the archive behind the model: {error!r}") from error


def _read(archive: zipfile.ZipFile, name: str) -> str:
    """Return a text file of honest size."""
    size = archive.getinfo(name).file_size
    if size > _LARGEST_TEXT:
        raise KerasnetsError(
            f"{name} behind the model has {size} bytes; {_LARGEST_TEXT} are accepted"
        )
    return archive.read(name).decode()


def check_sum(buffer: bytes, name: str) -> bool:
    """Compare a model with the checksum behind it, if there is one.

    LiteRT checks how a file is built, but one changed offset inside can still crash
    the process; so a file is checked before LiteRT sees it. The sum tells damage, not
    malice: anyone can write one.

    Returns:
        Whether there is one.

    Raises:
        KerasnetsError: The file called ``name`` is damaged.
    """
    if not zipfile.is_zipfile(io.BytesIO(buffer)):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(buffer)) as archive:
            if _SUM_FILE not in archive.namelist():
                return False
            end = min(file.header_offset for file in archive.infolist())
            expected = _read(archive, _SUM_FILE)
    # whatever zipfile meets in a damaged archive
    except Exception as error:
        raise KerasnetsError(f"{name} is damaged: {error!r}") from error
    if hashlib.sha256(memoryview(buffer)[:end]).hexdigest() != expected:
        raise KerasnetsError(f"{name} is damaged: its checksum differs")
    return True
