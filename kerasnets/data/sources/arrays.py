"""Images that come as arrays: what npz, idx and CIFAR's files have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.data.sources.source import Examples, check_class_names
from kerasnets.errors import KerasnetsError


@dataclass(frozen=True)
class Arrays:
    """The images of a part of a set, and their classes.

    Attributes:
        images: uint8 (n, h, w), (n, h, w, 1) or (n, h, w, 3).
        labels: Whole numbers, one for each; None where there are none.
        images_name: What the images are called where they come from.
        labels_name: What the labels are called there.
    """

    images: np.ndarray
    labels: np.ndarray | None
    images_name: str
    labels_name: str

    def checked(self, spec: str) -> np.ndarray:
        """Return the labels, int64 (n,).

        Raises:
            KerasnetsError: The images are none, or the labels not one for each.
        """
        x, y = self.images, self.labels
        shape_fits = x.ndim == 3 or (x.ndim == 4 and x.shape[3] in (1, 3))
        if x.dtype != np.uint8 or not shape_fits or x.size == 0:
            raise KerasnetsError(
                f"{spec}: {self.images_name} is {x.dtype} {x.shape}; uint8 (n, h, w), "
                "(n, h, w, 1) or (n, h, w, 3) is needed"
            )
        if y is None or y.size != len(x) or y.dtype.kind not in "iu" or y.min() < 0:
            raise KerasnetsError(
                f"{spec}: {self.labels_name} must hold a whole number of 0 or more for "
                f"each of the {len(x)} images"
            )
        return y.reshape(-1).astype("int64")


def examples_of(
    spec: str, parts: Mapping[str, Arrays], class_names: Sequence[str] = ()
) -> Examples:
    """The images of a set that are arrays.

    Args:
        spec: How the user names the set.
        parts: "train", and "test" where the set has one.
        class_names: In the order of the labels; none for their numbers.

    Raises:
        KerasnetsError: What is there cannot be used, or a label has no name.
    """
    labels = np.concatenate([part.checked(spec) for part in parts.values()])
    classes = int(labels.max()) + 1
    if class_names and classes > len(class_names):
        raise KerasnetsError(
            f"{spec}: there is a label {classes - 1}, and {len(class_names)} classes "
            "have names"
        )
    names = tuple(class_names) or tuple(map(str, range(classes)))
    check_class_names(names)
    named = [(part, i) for part in parts for i in range(len(parts[part].images))]
    return Examples(
        class_names=names,
        licence="not stated",
        ids=tuple(f"{part}/{i}" for part, i in named),
        labels=labels,
        parts=tuple(part if len(parts) > 1 else "" for part, _ in named),
        contents=lambda: (parts[part].images[i] for part, i in named),
    )
