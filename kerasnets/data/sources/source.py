"""What a source is: a set of labelled images, wherever they lie."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Examples:
    """All images of a set, not yet decoded.

    Attributes:
        class_names: the classes, in the order of their labels.
        licence: of the data.
        ids: a name for each image that stays the same.
        labels: int64 (n,).
        parts: for each image train, validation or test where the set itself says so,
            else "".
        contents: goes through the images in their order; each is what ``read_image``
            takes. A stream, because TFDS's files cannot be read in any order.
    """

    class_names: tuple[str, ...]
    licence: str
    ids: tuple[str, ...]
    labels: np.ndarray
    parts: tuple[str, ...]
    contents: Callable[[], Iterator[Path | bytes | np.ndarray]]


@dataclass(frozen=True)
class Source:
    """A set of labelled images.

    Attributes:
        spec: how the user names it.
        fingerprint: another one when the data changed; found without decoding.
        load: finds out about the images.
    """

    spec: str
    fingerprint: str
    load: Callable[[], Examples]
