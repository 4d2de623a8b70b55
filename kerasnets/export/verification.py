"""The proof that the file on disk still answers like the model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.classifier import Classifier
from kerasnets.export.comparison import TIE, OutputComparison, Tally
from kerasnets.export.inference import gives_probabilities, inference_model
from kerasnets.export.inspection import number_format
from kerasnets.export.predictors import is_litert
from kerasnets.export.sqnr import Sqnr
from kerasnets.pixels import pixels_of
from kerasnets.progress import Progress, silent


@dataclass(frozen=True)
class Bounds:
    """How far a file may be from its model.

    Attributes:
        max_abs_difference: Largest accepted difference of a value, a probability for
            instance; of outputs that go beyond 1, as a share of the largest.
        agreement: Smallest accepted share of images (pixels of a map) with the same
            best class; classes that the model puts within ``tie`` of each other count
            as the same.
        tie: Difference of two probabilities of the model that decides nothing.
        correlation: Smallest accepted correlation of the values of file and model.
        accuracy: Smallest accepted share of images (pixels) whose best class in the
            file is their label.
        sqnr_db: Smallest accepted signal-to-noise ratio of a layer, in decibels.
        threads_difference: Largest accepted difference between one thread and several,
            measured like ``max_abs_difference``.
    """

    max_abs_difference: float
    agreement: float
    tie: float = TIE
    correlation: float | None = None
    accuracy: float | None = None
    sqnr_db: float | None = None
    threads_difference: float = 1e-5


# Folding batch normalisation into the kernels rounds anew: 2e-5 was seen on a pruned
# MobileNet, and a wrong kernel, padding or scale moves a probability far more.
FLOAT_BOUNDS = Bounds(max_abs_difference=1e-4, agreement=1.0)
# Weights of 11 significant bits in place of 24.
FLOAT16_BOUNDS = Bounds(max_abs_difference=0.02, agreement=0.98, tie=0.02)
# A probability of an int8 file may move by any step of quantisation; its order counts.
# A network that is unsure of a photo may then choose the other of two classes: on
# flowers, 7.5 % of the answers of a half-trained one changed, by 0.1 or less each.
INT8_BOUNDS = Bounds(max_abs_difference=1.0, agreement=0.95, tie=0.1)

_BY_FORMAT = {"float32": FLOAT_BOUNDS, "float16": FLOAT16_BOUNDS}


def default_bounds(path: Path | str) -> Bounds:
    """Return the bounds for an exported file, by the numbers that it holds.

    Those of ONNX files and SavedModels are float32.

    Raises:
        KerasnetsError: The file cannot be read or is damaged.
    """
    if not is_litert(path):
        return FLOAT_BOUNDS
    return _BY_FORMAT.get(number_format(path), INT8_BOUNDS)


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
    """Run a classifier's file and its model over all images and compare them.

    Args:
        path: The file on disk.
        model: The Keras classifier it was made from: images, preprocessed as
            ``applications.preprocessing(model)`` says or in [-1, 1], to logits or
            probabilities.
        images: ``(n, h, w, 3)`` uint8, maybe a memory map: one batch is read at a time.
        labels: ``(n,)`` integer classes.
        bounds: What is accepted. Default: for a float32 file a difference of 1e-4
            and full agreement (up to ties), for a float16 file 0.02 and 98 %, for a
            quantised one agreement on 95 % of images.
        batch_size: Images the model sees at once.
        progress: Told how many images are done.

    Returns:
        The figures, which lie within the bounds.

    Raises:
        KerasnetsError: The file answers outside the bounds, cannot be used, or does not
            fit images, labels or model.
    """
    classifier = Classifier(path)
    bounds = bounds or default_bounds(path)
    if not len(images) or len(images) != len(labels):
        raise KerasnetsError(
            f"{len(images)} images and {len(labels)} labels were given to verify"
            f" {path}; as many of both, 1 or more, are accepted"
        )
    model = inference_model(model)
    if model.output_shape != (None, len(classifier.labels)):
        raise KerasnetsError(
            f"{path} has {len(classifier.labels)} classes, the model an output of shape"
            f" {model.output_shape}"
        )
    tally = Tally("probabilities", classes=True, tie=bounds.tie)
    for start in range(0, len(images), batch_size):
        here = slice(start, start + batch_size)
        batch = np.asarray(images[here])
        expected = _probabilities(model, batch)
        tally.add(classifier.predict(batch), expected, np.asarray(labels[here]))
        progress(start + len(batch), len(images), "verify")
    figures = tally.result()
    _check(figures, bounds, path, len(images))
    return Verification(
        accuracy=figures.accuracy or 0.0,
        agreement=figures.agreement or 0.0,
        max_abs_difference=figures.max_abs_difference,
        examples=len(images),
    )


def _probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Run the model on uint8 images, as the graph in the file does."""
    convention = pixels_of(model)
    answers = model(convention(images), training=False)
    if not gives_probabilities(model):
        answers = keras.ops.softmax(answers)
    return np.asarray(answers)


def _check(
    figures: OutputComparison, bounds: Bounds, path: Path | str, examples: int
) -> None:
    """Raise unless the figures lie within the bounds."""
    accepted = figures.accepted or 0.0
    # written so that a NaN fails
    if (
        figures.max_abs_difference <= bounds.max_abs_difference
        and accepted >= bounds.agreement
    ):
        return
    raise KerasnetsError(
        f"{path} does not answer like its model: a probability differs by"
        f" {figures.max_abs_difference:.3g} at image {figures.worst} (accepted:"
        f" {bounds.max_abs_difference:g}), the best class agrees on"
        f" {accepted:.2%} of {examples} images (accepted:"
        f" {bounds.agreement:.2%})"
    )


def failures(
    outputs: Sequence[OutputComparison],
    apart: float | None,
    threads: int,
    sqnr: Sqnr | None,
    bounds: Bounds,
) -> Iterator[str]:
    """Yield a line for each bound that does not hold; a NaN holds none.

    Args:
        outputs: The comparison of each output.
        apart: Difference between one thread and several, if that was measured.
        threads: How many these were.
        sqnr: The signal-to-noise ratios, if those were measured.
        bounds: What is accepted.
    """
    for output in outputs:
        limit = bounds.max_abs_difference * max(1.0, output.largest)
        if not output.max_abs_difference <= limit:
            yield (
                f"{output.name}: a value differs by {output.max_abs_difference:.3g} at"
                f" example {output.worst} (accepted: {limit:.3g})"
            )
        for what, share, least in (
            ("the best class agrees on", output.accepted, bounds.agreement),
            ("the accuracy is", output.accuracy, bounds.accuracy),
        ):
            if share is not None and least is not None and not share >= least:
                yield f"{output.name}: {what} {share:.2%} (accepted: {least:.2%})"
        least = bounds.correlation
        if least is not None and not output.correlation >= least:
            yield (
                f"{output.name}: the correlation is {output.correlation:.4f}"
                f" (accepted: {least:g})"
            )
    if apart is not None and not apart <= bounds.threads_difference:
        yield (
            f"{threads} threads answer otherwise than one, by {apart:.3g} (accepted:"
            f" {bounds.threads_difference:g})"
        )
    if bounds.sqnr_db is not None and sqnr is not None:
        (worst,) = sqnr.worst(1)
        if not worst.sqnr_db >= bounds.sqnr_db:
            yield (
                f"{worst.layer}: the signal-to-noise ratio is {worst.sqnr_db:.1f} dB"
                f" (accepted: {bounds.sqnr_db:g} dB)"
            )
