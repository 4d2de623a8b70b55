"""The proof that the file on disk still answers like the model."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kerasnets.applications import preprocessing
from kerasnets.errors import KerasnetsError
from kerasnets.export.float32 import to_float32
from kerasnets.export.runtime import Classifier
from kerasnets.pretrained import UNIT
from kerasnets.progress import Progress, silent

# Probabilities of the model this close together may swap their order in a float file
# whose probabilities are 1e-4 off: a tie, not a disagreement.
_TIE = 2e-4


@dataclass(frozen=True)
class Bounds:
    """How far a file may be from its model.

    Attributes:
        max_abs_difference: Largest accepted difference of a probability.
        agreement: Smallest accepted share of images with the same best class; classes
            that the model puts within ``tie`` of each other count as the same.
        tie: Difference of two probabilities of the model that decides nothing.
    """

    max_abs_difference: float
    agreement: float
    tie: float = _TIE


# Folding batch normalisation into the kernels rounds anew: 2e-5 was seen on a pruned
# MobileNet, and a wrong kernel, padding or scale moves a probability far more.
FLOAT_BOUNDS = Bounds(max_abs_difference=1e-4, agreement=1.0)
# A probability of an int8 file may move by any step of quantisation; its order counts.
# A network that is unsure of a photo may then choose the other of two classes: on
# flowers, 7.5 % of the answers of a half-trained one changed, by 0.1 or less each.
INT8_BOUNDS = Bounds(max_abs_difference=1.0, agreement=0.95, tie=0.1)


@dataclass(frozen=True)
class Verification:
    """How a file answers, by itself and beside its model.

    Attributes:
        accuracy: Share of images whose best class in the file is their label.
        agreement: Share of images with the same best class in file and model.
        max_abs_difference: Largest difference of a probability between the two.
        examples: How many images were compared.
    """

    accuracy: float
    agreement: float
    max_abs_difference: float
    examples: int


def verify(
    path: Path | str,
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    bounds: Bounds | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
) -> Verification:
    """Run the file and the model over all images and compare their probabilities.

    Args:
        path: The file on disk.
        model: The Keras classifier it was made from: images, preprocessed as
            ``applications.preprocessing(model)`` says or in [-1, 1], to logits.
        images: ``(n, h, w, 3)`` uint8, maybe a memory map: one batch is read at a time.
        labels: ``(n,)`` integer classes.
        bounds: What is accepted. Default: for a float file a difference of 1e-4 and
            full agreement (up to ties), for an int8 file agreement on 95 % of images.
        batch_size: Images the model sees at once.
        progress: Told how many images are done.

    Returns:
        The figures, which lie within the bounds.

    Raises:
        KerasnetsError: The file answers outside the bounds, cannot be used, or does not
            fit images, labels or model.
    """
    classifier = Classifier(path)
    if bounds is None:
        bounds = INT8_BOUNDS if classifier.quantised else FLOAT_BOUNDS
    if not len(images) or len(images) != len(labels):
        raise KerasnetsError(
            f"{len(images)} images and {len(labels)} labels were given to verify"
            f" {path}; as many of both, 1 or more, are accepted"
        )
    if model.output_shape != (None, len(classifier.labels)):
        raise KerasnetsError(
            f"{path} has {len(classifier.labels)} classes, the model an output of shape"
            f" {model.output_shape}"
        )
    model = to_float32(model)
    correct = agreed = accepted = 0
    differences = np.empty(len(images), np.float32)
    for start in range(0, len(images), batch_size):
        here = slice(start, start + batch_size)
        batch = np.asarray(images[here])
        answers, expected = classifier.predict(batch), _probabilities(model, batch)
        differences[here] = np.abs(answers - expected).max(axis=1)
        best = answers.argmax(axis=1)
        correct += int((best == labels[here]).sum())
        rows = np.arange(len(best))
        lost = expected.max(axis=1) - expected[rows, best]
        agreed += int((lost <= _TIE).sum())
        accepted += int((lost <= bounds.tie).sum())
        progress(start + len(best), len(images), "verify")
    worst = int(differences.argmax())
    verification = Verification(
        accuracy=correct / len(images),
        agreement=agreed / len(images),
        max_abs_difference=float(differences[worst]),
        examples=len(images),
    )
    _check(verification, accepted / len(images), bounds, path, worst)
    return verification


def _probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Run the model on uint8 images, as the graph in the file does."""
    convention = preprocessing(model, default=UNIT)
    logits = model(convention(images), training=False)
    return np.asarray(keras.ops.softmax(logits))


def _check(
    figures: Verification,
    accepted: float,
    bounds: Bounds,
    path: Path | str,
    worst: int,
) -> None:
    """Raise unless the figures lie within the bounds."""
    # written so that a NaN fails
    if (
        figures.max_abs_difference <= bounds.max_abs_difference
        and accepted >= bounds.agreement
    ):
        return
    raise KerasnetsError(
        f"{path} does not answer like its model: a probability differs by"
        f" {figures.max_abs_difference:.3g} at image {worst} (accepted:"
        f" {bounds.max_abs_difference:g}), the best class agrees on"
        f" {accepted:.2%} of {figures.examples} images (accepted:"
        f" {bounds.agreement:.2%})"
    )
