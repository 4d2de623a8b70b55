"""What a split gives, however its images are stored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kerasnets.data.images import Window


class ImageStore(Protocol):
    """The images of a split: decoded (``Split``) or encoded (``EncodedSplit``)."""

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,), or (n, ...) where an image has a label for each of its pixels."""
        ...

    @property
    def ids(self) -> tuple[str, ...]:
        """The name of each image in its source."""
        ...

    @property
    def sizes(self) -> np.ndarray:
        """int64 (n, 2): height and width of each upright image, in pixels."""
        ...

    def read(self, index: int) -> np.ndarray:
        """Return an upright image as uint8 (height, width, 3), RGB."""
        ...

    def crop(self, index: int, window: Window, size: int) -> np.ndarray:
        """Return a part of an image, resized: uint8 (size, size, 3)."""
        ...


@dataclass(frozen=True)
class Found:
    """What was found out about the images while they were read.

    Attributes:
        groups: For each image a name that only equal images share.
        bad: The reason for each image that cannot be read, by its index.
        save: Writes a split: its name, and the indices of its images.
    """

    groups: list[str]
    bad: dict[int, str]
    save: Callable[[str, np.ndarray], None]
