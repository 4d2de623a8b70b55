"""What a source is: a set of labelled images, wherever they lie."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets.errors import KerasnetsError

BAD_IMAGE = "bad image"


@dataclass(frozen=True)
class LeftOut:
    """A file of a set that is not among its examples.

    Attributes:
        id: Its name, as those of the examples.
        class_name: The class in whose folder it lies, or "".
        kind: What it is counted as: "TIFF", "video", ".txt file", "bad image".
        is_picture: Whether it is a sound picture of a kind that is not read.
        fault: Why it should have been an example and cannot be, in a line that names
            it; "" where leaving it out is no fault.
    """

    id: str
    class_name: str
    kind: str
    is_picture: bool = False
    fault: str = ""


@dataclass(frozen=True)
class Examples:
    """All images of a set, not yet decoded.

    Attributes:
        class_names: The classes, in the order of their labels.
        licence: Licence of the data.
        ids: A name for each image that stays the same.
        labels: Int64 (n,).
        parts: For each image train, validation or test where the set itself says so,
            else "".
        contents: Goes through the images in their order; each is what ``read_image``
            takes. A stream, because TFDS's files cannot be read in any order.
        left_out: What else the set holds.
        groups: For each image a number that only images of the same bytes share, where
            that can be known without reading all of them.
        root: The folder in which the ids are the paths of the images, where they are
            files of their own.
    """

    class_names: tuple[str, ...]
    licence: str
    ids: tuple[str, ...]
    labels: np.ndarray
    parts: tuple[str, ...]
    contents: Callable[[], Iterator[Path | bytes | np.ndarray]]
    left_out: tuple[LeftOut, ...] = ()
    groups: tuple[int, ...] | None = None
    root: Path | None = None


@dataclass(frozen=True)
class Source:
    """A set of labelled images.

    Attributes:
        spec: How the user names it.
        fingerprint: Another one when the data changed; found without decoding.
        load: Finds out about the images, without decoding them.
    """

    spec: str
    fingerprint: str
    load: Callable[[], Examples]


def check_class_names(class_names: Sequence[str], classes: int | None = None) -> None:
    """Raise unless a label file can carry the names, one for each class.

    Args:
        class_names: The names; a label file holds one a line, in UTF-8.
        classes: How many there must be; None for any number.

    Raises:
        KerasnetsError: There are more or fewer, or a name is empty, breaks over lines
            or is no Unicode text, as a folder's name may be.
    """
    if classes is not None and len(class_names) != classes:
        raise KerasnetsError(
            f"{len(class_names)} labels were given for {classes} classes"
        )
    for name in class_names:
        if name.splitlines() != [name]:
            raise KerasnetsError(
                f"the class name {name!r} is not one line of text, so that no label"
                " file can carry it: rename the class"
            )
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise KerasnetsError(
                f"the class name {name!r} is not text in UTF-8, so that no label file"
                " can carry it: rename the class"
            ) from error


def count_kinds(left_out: Iterable[LeftOut]) -> dict[str, int]:
    """How many files of each kind are left out, by the names of the kinds."""
    return dict(sorted(Counter(each.kind for each in left_out).items()))


def complaint(faults: Sequence[str]) -> str:
    """The first of the faults of images, how many there are, and what can be done."""
    more = f" and {len(faults) - 1} more like it" if len(faults) > 1 else ""
    return f"{faults[0]}{more}; give --skip-bad-images to leave such files out"
