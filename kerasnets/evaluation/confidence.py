"""How far probabilities can be trusted, and what makes them trustworthy."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasnets.errors import KerasnetsError

# between these the temperature is sought
_COLDEST, _HOTTEST = 0.01, 100.0
# of these a card tells what is answered
_TOLD = (0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Answered:
    """What a classifier answers that stays silent below some probability.

    Attributes:
        at_least: That probability, of the most probable class.
        images: How many it was asked.
        answered: How many it answered.
        right: How many of these it answered rightly.
        silent_right: To how many of the others its best guess was right.
    """

    at_least: float
    images: int
    answered: int
    right: int
    silent_right: int

    @property
    def share(self) -> float:
        """Share of the images that are answered."""
        return self.answered / self.images

    @property
    def accuracy(self) -> float | None:
        """Share of the answers that are right; None where there is no answer."""
        return self.right / self.answered if self.answered else None

    @property
    def wrong(self) -> int:
        """How many of the answers are wrong."""
        return self.answered - self.right


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature T for which ``softmax(logits / T)`` is calibrated.

    The one that minimises the negative log-likelihood of images that the network was
    not trained on (Guo et al. 2017, arXiv 1706.04599, section 4.2). It changes no
    answer, only how sure the network is of it.

    The labels are not taken for quite certain, as in Platt 1999: one image's worth of
    them is spread over all images and classes. Without that T would be 0 where all
    answers are right, as they often are of a few images.

    Args:
        logits: (images, classes); two classes or more.
        labels: (images,), the classes.

    Returns:
        T, within 0.01 and 100.

    Raises:
        KerasnetsError: The logits are not finite, or the labels do not fit them.
    """
    from scipy.optimize import minimize_scalar

    logits = np.asarray(logits, np.float64)
    _check("logits", logits, labels)
    images, classes = logits.shape
    soft = np.full(logits.shape, 1 / (classes * (images + 1)))
    soft[np.arange(images), labels] += images / (images + 1)
    # so that a loss is the logarithm of the sum of exponentials alone
    logits = logits - (soft * logits).sum(axis=1, keepdims=True)

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        top = scaled.max(axis=1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))).mean())

    ends = (np.log(_COLDEST), np.log(_HOTTEST))
    found = minimize_scalar(
        loss, bounds=ends, method="bounded", options={"xatol": 1e-8}
    )
    return float(np.exp(found.x))


def calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 15
) -> float:
    """Return the expected calibration error (Guo et al. 2017, section 2, equation 3).

    The images are put into bins by the probability of their most probable class, each
    as wide as the others; it is the mean distance of this probability from the share
    of right answers in a bin, weighed by the images in it. 0 is best.

    Args:
        probabilities: (images, classes).
        labels: (images,), the classes.
        bins: How many.

    Raises:
        KerasnetsError: There are no bins, the probabilities are not between 0 and 1, or
            the labels do not fit them.
    """
    if bins < 1:
        raise KerasnetsError(f"{bins} bins: 1 or more are accepted")
    sure, right = _judged(probabilities, labels)
    # (0, 1 / bins], (1 / bins, 2 / bins], ...
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], sure, side="left")
    gaps = np.bincount(place, weights=right - sure, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))


def answered(
    probabilities: np.ndarray, labels: np.ndarray, at_least: float
) -> Answered:
    """Count what is answered, and rightly, by those who are sure enough.

    Args:
        probabilities: (images, classes).
        labels: (images,), the classes.
        at_least: An image is answered whose most probable class has this probability.

    Raises:
        KerasnetsError: The probabilities or ``at_least`` are not between 0 and 1, or
            the labels do not fit.
    """
    if not 0 <= at_least <= 1:
        raise KerasnetsError(
            f"at_least {at_least:g}: a probability between 0 and 1 is accepted"
        )
    sure, right = _judged(probabilities, labels)
    answers = sure >= at_least
    return Answered(
        at_least=at_least,
        images=len(sure),
        answered=int(answers.sum()),
        right=int((answers & right).sum()),
        silent_right=int((~answers & right).sum()),
    )


def confidence_figures(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return what a model card tells of a file's probabilities, as JSON has it.

    Args:
        probabilities: (images, classes).
        labels: (images,), the classes.

    Returns:
        "calibration": "ece", the calibration error; "answered": a mapping of the fields
        of ``Answered`` for each of the probabilities 0.5, 0.7 and 0.9.

    Raises:
        KerasnetsError: As for ``calibration_error``.
    """
    return {
        "calibration": {"ece": calibration_error(probabilities, labels)},
        "answered": [asdict(answered(probabilities, labels, p)) for p in _TOLD],
    }


def _judged(
    probabilities: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each image the largest probability, and whether it is the label's."""
    probabilities = np.asarray(probabilities, np.float64)
    _check("probabilities", probabilities, labels)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise KerasnetsError(
            f"probabilities from {probabilities.min():g} to {probabilities.max():g}: "
            "0 to 1 is accepted"
        )
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def _check(name: str, values: np.ndarray, labels: np.ndarray) -> None:
    """Raise unless each row of some finite values has the label of a column."""
    if values.ndim != 2 or not len(values) or values.shape[1] < 2:
        raise KerasnetsError(
            f"{name} of shape {values.shape}: (images, classes), of one image and two "
            "classes at least, is accepted"
        )
    if not np.isfinite(values).all():
        raise KerasnetsError(f"the {name} are not all finite")
    labels = np.asarray(labels)
    if labels.shape != (len(values),) or not np.issubdtype(labels.dtype, np.integer):
        raise KerasnetsError(
            f"labels of shape {labels.shape} and type {labels.dtype} for {name} of "
            f"shape {values.shape}: a whole number for each image is accepted"
        )
    if labels.min() < 0 or labels.max() >= values.shape[1]:
        raise KerasnetsError(
            f"labels from {labels.min()} to {labels.max()} for {values.shape[1]} "
            f"classes: 0 to {values.shape[1] - 1} is accepted"
        )
