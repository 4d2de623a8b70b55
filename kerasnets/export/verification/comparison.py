"""Two sets of answers, compared batch by batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Answers of the model this close together may swap their order in a float file whose
# probabilities are 1e-4 off: a tie, not a disagreement.
TIE = 2e-4
# A mean difference of probabilities beyond what eight bits make of them.
NOTICEABLE = 0.01
# enough to see a difference between one thread and several, or a noisy layer
_FEW = 32


@dataclass(frozen=True)
class OutputComparison:
    """One output of a file beside that of its model.

    Attributes:
        name: As the file calls it.
        max_abs_difference: Largest difference of a value between the two.
        mean_abs_difference: Mean difference.
        worst: The example with the largest difference, counted from 0.
        largest: Largest absolute value of the model's.
        correlation: Pearson's, over all values; NaN where one of the two is constant.
        agreement: Share of examples, of pixels in a map, with the same best class in
            both, up to ties of 2e-4; None where the output is no score of classes.
        accepted: The same up to the ties of the bounds.
        accuracy: Share of examples or pixels whose best class in the file is their
            label; None without labels.
        model_accuracy: The same of the Keras model as its owner calls it.
        accuracy_difference: That of the file minus that of the model.
        softmax_difference: Mean difference between the file and a softmax of the
            model's probabilities, which no file should answer with; None where the
            model gives no probabilities.
    """

    name: str
    max_abs_difference: float
    mean_abs_difference: float
    worst: int
    largest: float
    correlation: float
    agreement: float | None
    accepted: float | None
    accuracy: float | None
    model_accuracy: float | None = None
    accuracy_difference: float | None = None
    softmax_difference: float | None = None


def picked(arrays: Sequence[np.ndarray], count: int = _FEW) -> list[np.ndarray]:
    """Return some examples from all over: data often come class by class."""
    places = np.linspace(0, len(arrays[0]) - 1, min(count, len(arrays[0]))).astype(int)
    return [np.asarray(array[places]) for array in arrays]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class Tally:
    """Sums up the answers of one output.

    Args:
        name: Of the output.
        classes: Whether the last axis holds a score for each class.
        tie: Difference of two scores of the model that decides nothing.
        probabilities: Whether these scores are probabilities of the model's own.
    """

    def __init__(
        self,
        name: str,
        *,
        classes: bool,
        tie: float = TIE,
        probabilities: bool = False,
    ):
        self._name, self._classes, self._tie = name, classes, tie
        self._probabilities = classes and probabilities
        self._beside_softmax = 0.0
        self._differences: list[np.ndarray] = []
        self._values = 0
        self._absolute = 0.0
        self._largest = 0.0
        self._moments = np.zeros(5)
        # places judged, agreed, accepted; with a label, right in the file, in the model
        self._counts = np.zeros(6, np.int64)

    def add(
        self, answers: np.ndarray, expected: np.ndarray, labels: np.ndarray | None
    ) -> None:
        """Add a batch.

        Args:
            answers: ``(n, ...)`` of the file.
            expected: The same of the model.
            labels: ``(n,)`` classes, or ``(n, h, w)`` for maps, in which a number that
                is no class marks a pixel to leave out; or None.
        """
        x, y = (np.asarray(a, np.float64) for a in (answers, expected))
        difference = np.abs(x - y)
        self._differences.append(difference.reshape(len(x), -1).max(axis=1))
        self._values += x.size
        self._absolute += float(difference.sum())
        self._largest = float(max(self._largest, np.abs(y).max(initial=0)))
        self._moments += [x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()]
        if self._probabilities:
            self._beside_softmax += float(np.abs(x - softmax(y)).sum())
        if self._classes:
            self._judge(answers, expected, labels)

    def _judge(
        self, answers: np.ndarray, expected: np.ndarray, labels: np.ndarray | None
    ) -> None:
        """Count where the best classes are the same, and where they are right."""
        best = answers.argmax(axis=-1)
        chosen = np.take_along_axis(expected, best[..., None], axis=-1)[..., 0]
        lost = expected.max(axis=-1) - chosen
        self._counts[:3] += [
            lost.size,
            np.count_nonzero(lost <= TIE),
            np.count_nonzero(lost <= self._tie),
        ]
        if labels is not None:
            real = (labels >= 0) & (labels < answers.shape[-1])
            self._counts[3:] += [
                real.sum(),
                np.count_nonzero((best == labels) & real),
                np.count_nonzero((expected.argmax(axis=-1) == labels) & real),
            ]

    def result(self) -> OutputComparison:
        """Return the figures of all batches."""
        differences = np.concatenate(self._differences)
        worst = int(differences.argmax())
        judged, agreed, accepted, labelled, correct, own = map(int, self._counts)
        return OutputComparison(
            name=self._name,
            max_abs_difference=float(differences[worst]),
            mean_abs_difference=self._absolute / self._values,
            worst=worst,
            largest=self._largest,
            correlation=_correlation(self._values, self._moments),
            agreement=agreed / judged if judged else None,
            accepted=accepted / judged if judged else None,
            accuracy=correct / labelled if labelled else None,
            model_accuracy=own / labelled if labelled else None,
            accuracy_difference=(correct - own) / labelled if labelled else None,
            softmax_difference=(
                self._beside_softmax / self._values if self._probabilities else None
            ),
        )


def _correlation(count: int, moments: np.ndarray) -> float:
    """Pearson's correlation from the sums of x, y, x^2, y^2 and x y."""
    x, y, xx, yy, xy = moments / count
    spread = (xx - x * x) * (yy - y * y)
    if not spread > 0:
        return math.nan
    return float((xy - x * y) / math.sqrt(spread))
