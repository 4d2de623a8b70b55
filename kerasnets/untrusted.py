"""Keras files from anywhere: looked at before Keras or HDF5 opens them.

What a model file may hold: an archive of three plain members, a configuration that
names nothing but Keras's own classes and registered ones (``vetted.py``), and weights
that are as large as they say. Keras checks some of this itself; the limits here are
tighter, come before anything is built, and cannot be switched off by a setting.
"""

import io
import json
import math
import stat
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from kerasnets.errors import KerasnetsError, reason

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
METADATA = "metadata.json"
_MEMBERS = (METADATA, CONFIG, WEIGHTS)
# A configuration of a thousand layers has 2 MB.
_LARGEST_TEXT = 1 << 26
# Weights that are mostly zeros shrink to a tenth; bombs begin at a thousandth. What is
# smaller than the floor is no danger, whatever its ratio.
_LARGEST_RATIO = 50
_BOMB_FLOOR = 1 << 26
_SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "a whole-model HDF5 file, as Keras 2 wrote them, whose layers"
    " may carry code",
    b"\x80": "a pickle, which may run code",
}
# Deflate, shuffle and Fletcher's checksum: others may load a plug-in.
_FILTERS = {1, 2, 3}


def open_file(path: Path | str) -> BinaryIO:
    """Open a regular file for reading; links to one are followed.

    Raises:
        KerasnetsError: There is none: nothing, a folder, a pipe or a device.
    """
    path = Path(path)
    try:
        if path.is_dir():
            saved = (path / "saved_model.pb").exists()
            what = (
                "a SavedModel folder, as Keras 2 wrote them, whose graph may read and"
                " write files"
            )
            raise KerasnetsError(
                f"{path} is {what if saved else 'a folder'}{_ACCEPTED}"
            )
        if path.exists() and not path.is_file():
            raise KerasnetsError(f"{path} is no regular file{_ACCEPTED}")
        return path.open("rb")
    except OSError as error:
        reason = error.strerror or str(error)
        raise KerasnetsError(f"{path} cannot be read: {reason}") from error


_ACCEPTED = "; a .keras file is accepted (model.save(PATH.keras))"


def read_archive(file: BinaryIO, name: str) -> dict[str, bytes]:
    """Return the members of a ``.keras`` file, all of them plain and of honest size.

    Args:
        file: The open file.
        name: What errors call it.

    Raises:
        KerasnetsError: It is no such archive, it is damaged, or it holds links, paths,
            strange members or more than it stores.
    """
    start = file.read(8)
    for signature, what in _SIGNATURES.items():
        if start.startswith(signature):
            raise KerasnetsError(f"{name} is {what}{_ACCEPTED}")
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            for info in infos:
                _check_member(info, name)
            found = sorted(info.filename for info in infos)
            if found != sorted(_MEMBERS):
                raise KerasnetsError(
                    f"{name} holds {', '.join(found[:9]) or 'nothing'}; exactly"
                    f" {', '.join(_MEMBERS)} are accepted"
                )
            return {member: archive.read(member) for member in _MEMBERS}
    except KerasnetsError:
        raise
    # whatever zipfile and zlib meet in a damaged archive
    except Exception as error:
        raise KerasnetsError(
            f"{name} is no readable archive: {reason(error)}{_ACCEPTED}"
        ) from error


def keras_version(metadata: bytes) -> str:
    """Tell the version of Keras that wrote a file; "" where it does not say it."""
    try:
        version = json.loads(metadata)["keras_version"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return version[:20] if isinstance(version, str) else ""


def _check_member(info: zipfile.ZipInfo, name: str) -> None:
    """Refuse what is not a plain file of honest size."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        what = "a link" if kind == stat.S_IFLNK else "no regular file"
    elif info.filename not in _MEMBERS:
        parts = info.filename.replace("\\", "/").split("/")
        leads_out = ".." in parts or not parts[0] or ":" in parts[0]
        what = "a path out of the archive" if leads_out else "no part of a model"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        what = "packed in another way than stored or deflated"
    elif info.filename != WEIGHTS and info.file_size > _LARGEST_TEXT:
        what = f"{info.file_size} bytes of text; {_LARGEST_TEXT} are accepted"
    elif is_bomb(info.file_size, info.compress_size):
        what = f"{info.file_size} bytes packed into {info.compress_size}: a bomb"
    else:
        return
    raise KerasnetsError(f"{name} holds {info.filename!r}, which is {what}")


def check_archive(path: Path) -> None:
    """Refuse an archive, of whatever kind, that holds far more than it stores.

    Raises:
        KerasnetsError: A member is such a bomb, or the archive is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except zipfile.BadZipFile as error:
        raise KerasnetsError(f"{path} is no readable archive: {error}") from error
    for info in infos:
        if is_bomb(info.file_size, info.compress_size):
            raise KerasnetsError(
                f"{path} holds {info.filename!r}, which is {info.file_size} bytes"
                f" packed into {info.compress_size}: a bomb"
            )


def is_bomb(declared: int, stored: int) -> bool:
    """Whether so many bytes cannot honestly come from so few."""
    return declared > _BOMB_FLOOR and declared > _LARGEST_RATIO * stored


def check_weights(content: bytes, name: str) -> None:
    """Look at each object of an HDF5 file before an array is read from it.

    Args:
        content: The file.
        name: What errors call it.

    Raises:
        KerasnetsError: It is damaged, holds a link, an array that lies elsewhere or
            needs a plug-in, objects other than numbers, or more than it stores.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(content)) as file:
            declared = _declared_bytes(file, name)
    except KerasnetsError:
        raise
    # OSError, RuntimeError, KeyError, ...: h5py has one for each kind of damage
    except Exception as error:
        raise KerasnetsError(
            f"the weights in {name} are damaged: {reason(error)}"
        ) from error
    if is_bomb(declared, len(content)):
        raise KerasnetsError(
            f"the weights in {name} are a bomb: they declare {declared} bytes in a file"
            f" of {len(content)}"
        )


def _declared_bytes(file: Any, name: str) -> int:
    """The bytes of all arrays; every group and array is visited once."""
    import h5py

    declared, groups, seen = 0, [file], set()
    while groups:
        group = groups.pop()
        for key in group:
            where = f"{group.name.rstrip('/')}/{key}"
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise KerasnetsError(
                    f"the weights in {name} hold the link {where}"
                    f" ({type(link).__name__}); plain groups and arrays are accepted"
                )
            item = group[key]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                raise KerasnetsError(
                    f"the weights in {name} name one object twice, the second time as"
                    f" {where}"
                )
            seen.add(address)
            if isinstance(item, h5py.Group):
                groups.append(item)
            else:
                declared += _array_bytes(item, f"{where} in the weights in {name}")
    return declared


def _array_bytes(array: Any, where: str) -> int:
    """The bytes of one array of numbers that lies in the file itself."""
    import h5py

    what, shape = None, getattr(array, "shape", None)
    if not isinstance(array, h5py.Dataset):
        what = f"a {type(array).__name__}"
    elif array.external:
        what = f"read from another file, {array.external[0][0]!r}"
    elif array.is_virtual:
        what = "put together from other files"
    elif array.dtype.hasobject or array.dtype.kind not in "biufcV":
        what = f"of {array.dtype}"
    elif shape is None:
        what = "without a shape"
    else:
        plan = array.id.get_create_plist()
        filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
        if filters - _FILTERS:
            what = f"packed by the plug-ins {sorted(filters - _FILTERS)}"
    if what:
        raise KerasnetsError(f"{where} is {what}; arrays of numbers are accepted")
    # not array.size, which overflows
    return math.prod(shape or ()) * array.dtype.itemsize
