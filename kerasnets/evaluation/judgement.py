"""What a classifier's probabilities come to: shares that are right, and where not."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasnets.evaluation.confidence import calibration_error
from kerasnets.evaluation.intervals import share_interval


@dataclass(frozen=True)
class Judgement:
    """The answers to some images, and what they should be.

    Attributes:
        probabilities: (n, classes), of each image.
        labels: Int64 (n,).
        class_names: The classes, in the order of the labels.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def top(self, k: int) -> int:
        """Return how many images have their label among the ``k`` most probable.

        Of equally probable classes the first counts as more probable, as argmax has it.
        """
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return int((order == self.labels[:, None]).any(axis=1).sum())

    @property
    def confusion(self) -> np.ndarray:
        """Int64 (classes, classes): images of a class (row) taken for one (column)."""
        classes = len(self.class_names)
        said = self.probabilities.argmax(axis=1)
        found = np.bincount(self.labels * classes + said, minlength=classes**2)
        return found.reshape(classes, classes)

    def worst(self, count: int) -> np.ndarray:
        """Return the images that are answered wrongly, the least probable label first.

        Args:
            count: How many at most.

        Returns:
            Their indices.
        """
        of_label = self.probabilities[np.arange(len(self.labels)), self.labels]
        wrong = np.flatnonzero(self.probabilities.argmax(axis=1) != self.labels)
        return wrong[np.argsort(of_label[wrong], kind="stable")][:count]

    def as_json(self) -> dict[str, Any]:
        """Return all figures as JSON has them; shares with their 95 % intervals."""
        confusion = self.confusion
        images, right = confusion.sum(axis=1), confusion.diagonal()
        return {
            "images": len(self.labels),
            "top1": self._share(self.top(1)),
            # of five classes or fewer all are among the first five
            "top5": self._share(self.top(5)) if len(self.class_names) > 5 else None,
            "calibration_error": calibration_error(self.probabilities, self.labels),
            "classes": [
                {"name": name, "images": int(n), "right": int(r)}
                for name, n, r in zip(self.class_names, images, right, strict=True)
            ],
            "confusion": confusion.tolist(),
        }

    def _share(self, right: int) -> dict[str, Any]:
        count = len(self.labels)
        return {
            "accuracy": right / count,
            "interval": asdict(share_interval(right, count)),
        }
