"""ImageNet weights of keras.applications: which files there are, and what they hold.

The names, and the hashes where Keras states one, stand in imagenet.csv.
"""

import contextlib
import csv
import functools
import hashlib
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import keras

from kerasnets import untrusted
from kerasnets.errors import KerasnetsError, reason

# of the arguments that make another network, those that no file is of
_DEFAULTS = {"minimalistic": False, "depth_multiplier": 1}
# set, it keeps anything from being fetched
OFFLINE = "KERASNETS_OFFLINE"
# without a byte, after which a download is given up
_PATIENCE = 30.0
# ends of columns in the table
_WITH_TOP, _WITHOUT_TOP = "", "_without_top"


@dataclass(frozen=True, kw_only=True)
class ImageNetFile:
    """A file of weights, as keras.applications names it.

    Attributes:
        network: Name of the network, here and in keras.applications.
        arguments: What its builder is given for the network to be this one; {} where
            there is one only.
        side: Of the square images that it learned from, in pixels.
        path: Where the file belongs.
        md5: Of the file; "" where Keras states none, as for MobileNet v1 and v2. Of
            those no more can be checked than that they open, and whether they fit is
            known when they are read.
    """

    network: str
    arguments: Mapping[str, Any]
    side: int
    path: Path
    md5: str

    @property
    def is_cached(self) -> bool:
        """Whether the file is there."""
        return self.path.is_file()

    def fetch(self) -> None:
        """Have Keras fetch the file, where it is not there.

        Raises:
            KerasnetsError: It is not to be had.
        """
        if not self.is_cached:
            square = (self.side, self.side, 3)
            arguments = {**self.arguments, "input_shape": square}
            fetch(self.network, arguments, include_top=True)

    def as_json(self) -> dict[str, Any]:
        """The file for ``json.dumps``."""
        return {**asdict(self), "path": str(self.path)}

    def check(self) -> None:
        """Raise where the file that is there is not the one that Keras hosts.

        Raises:
            KerasnetsError: Its MD5 is another than Keras states, or there is none and
                it is damaged.
        """
        if not self.md5:
            untrusted.check_weights(self.path.read_bytes(), str(self.path))
            return
        with self.path.open("rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
        if found != self.md5:
            raise KerasnetsError(
                f"weights 'imagenet': {self.path} is damaged or another file: its MD5 "
                f"is {found}, keras.applications states {self.md5}; delete it and try "
                "again"
            )


def imagenet_files(
    network: str, *, include_top: bool = True
) -> tuple[ImageNetFile, ...]:
    """The files of ImageNet weights that keras.applications has of a network.

    They belong in the folder models of ``$KERAS_HOME``, else of ``~/.keras``. Nothing
    is fetched.

    Args:
        network: Its name; case, "-" and "_" do not matter.
        include_top: Whether to list the files with the classifier, or those without.

    Returns:
        A file for each pair of ``alpha`` and side; none for a network that
        keras.applications lacks.
    """
    plain = network.lower().replace("-", "").replace("_", "")
    end = _WITH_TOP if include_top else _WITHOUT_TOP
    return tuple(f for f in _files(end) if f.network.lower() == plain)


def _files(end: str) -> Iterator[ImageNetFile]:
    """All whose columns of the table have this end."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    for row in _rows():
        yield ImageNetFile(
            network=row["network"],
            arguments=_arguments(row),
            side=int(row["side"]),
            path=home / "models" / row[f"file{end}"],
            md5=row[f"md5{end}"],
        )


@functools.cache
def _rows() -> list[dict[str, str]]:
    """The table; the file is read once."""
    table = resources.files("kerasnets.pretrained") / "imagenet.csv"
    return list(csv.DictReader(table.read_text("utf-8").splitlines()))


def _arguments(row: Mapping[str, str]) -> dict[str, Any]:
    """What the builder is given; defaults are left out."""
    arguments: dict[str, Any] = {"alpha": float(row["alpha"])} if row["alpha"] else {}
    return arguments | ({"minimalistic": True} if row["minimalistic"] else {})


def trained_shape(network: str, image: Any, alpha: float) -> tuple[int, int, int]:
    """The images of which the weights that fit best learned.

    Args:
        network: Name of the network.
        image: Its input, a Keras tensor.
        alpha: Its width multiplier.

    Returns:
        The input's own sides, where there are weights of this width for such squares;
        224x224 otherwise. Three channels.
    """
    height, width = image.shape[1:3]
    sides = {f.side for f in imagenet_files(network) if f.arguments["alpha"] == alpha}
    side = height if height == width and height in sides else 224
    return (side, side, 3)


def cached(
    network: str, arguments: Mapping[str, Any], *, include_top: bool
) -> ImageNetFile | None:
    """The file that a network's weights can be read from here, or None.

    Args:
        network: Its name in keras.applications.
        arguments: Of its builder there.
        include_top: Whether its classifier is wanted; without it either file will do.
    """
    for top in dict.fromkeys((include_top, True)):
        for file in _same_network(network, arguments, include_top=top):
            if file.side == _side(arguments, file) and file.is_cached:
                return file
    return None


def fetch(
    network: str, arguments: Mapping[str, Any], *, include_top: bool
) -> keras.Model:
    """The network of keras.applications with the weights that Keras fetches.

    Raises:
        KerasnetsError: They are not to be had: which file is missing, where it
            belongs, and what of the same width is there. Nothing is fetched where the
            environment has ``KERASNETS_OFFLINE``.
    """
    build = getattr(keras.applications, network)
    try:
        if os.environ.get(OFFLINE):
            raise OSError(f"{OFFLINE} is set")
        with _patience():
            return build(weights="imagenet", include_top=include_top, **arguments)
    except Exception as error:  # of the network, of the hash, of the arguments
        files = _same_network(network, arguments, include_top=include_top)
        missing = [f.path for f in files if f.side == _side(arguments, f)]
        near = [
            str(file.path)
            for top in dict.fromkeys((include_top, True))
            for file in _same_network(network, arguments, include_top=top)
            if file.is_cached
        ]
        raise KerasnetsError(
            f"weights 'imagenet' of {_said(network, arguments)} are not to be had: "
            + "".join(f"{path.name} is not in {path.parent}; " for path in missing)
            + (f"weights= may name what is: {', '.join(near)}; " if near else "")
            + reason(error)
        ) from error


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Give up a connection that stays silent, inside; Keras itself would wait."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def read(network: str, path: Path, arguments: Mapping[str, Any]) -> keras.Model:
    """The network of keras.applications with the weights of a file, as Keras reads it.

    Args:
        network: Its name in keras.applications.
        path: An HDF5 file of the weights of all layers, or of those without classifier.
        arguments: Of its builder there.

    Raises:
        KerasnetsError: The file is damaged, or the weights are another network's.
    """
    untrusted.check_weights(path.read_bytes(), str(path))
    build = getattr(keras.applications, network)
    problems = []
    for include_top in (True, False):
        source = build(weights=None, include_top=include_top, **arguments)
        try:
            source.load_weights(path)
            return source
        except Exception as error:  # one for each way in which a file may be wrong
            problems.append(reason(error))
    asked = _said(network, arguments)
    named = [
        _said(file.network, file.arguments)
        for end in (_WITH_TOP, _WITHOUT_TOP)
        for file in _files(end)
        if file.path.name == path.name
    ]
    other = f" (by its name it is of {named[0]})" if named not in ([], [asked]) else ""
    # the way that fits says most: the other only counts other layers
    problem = min(problems, key=lambda text: text.startswith("Layer count"))
    raise KerasnetsError(f"{path} holds no weights of {asked}{other}: {problem}")


def _same_network(
    network: str, arguments: Mapping[str, Any], *, include_top: bool
) -> list[ImageNetFile]:
    """The files for any side."""
    files = imagenet_files(network, include_top=include_top)
    return [file for file in files if file.arguments == _chosen(arguments)]


def _side(arguments: Mapping[str, Any], file: ImageNetFile) -> int:
    """The side that a network was asked for; the file's where there is one only."""
    return arguments.get("input_shape", (file.side,))[0]


def _chosen(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a builder's arguments that make another network."""
    return {
        name: value
        for name, value in arguments.items()
        if name in ("alpha", *_DEFAULTS) and value != _DEFAULTS.get(name)
    }


def _said(network: str, arguments: Mapping[str, Any]) -> str:
    """A network as one would call it."""
    chosen = _chosen(arguments).items()
    said = ", ".join(f"{name}={value}" for name, value in chosen)
    return f"{network}({said})" if said else network
