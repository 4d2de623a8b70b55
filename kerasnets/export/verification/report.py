"""The proof that a file on disk answers like its Keras model, and what it is made of.

The file is called as an app calls it, with pixels of 0 to 255; the model as its owner
calls it. What the exporter assumed of the model is not asked for, so that a wrong
assumption shows as a difference.
"""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.benchmark.local import file_sizes
from kerasnets.export.conversion.wrapper import Ends
from kerasnets.export.runtime.interpreter import LiteRTModel
from kerasnets.export.runtime.predictors import open_predictor
from kerasnets.export.verification.bounds import Bounds, default_bounds, failures
from kerasnets.export.verification.comparison import OutputComparison, Tally, picked
from kerasnets.export.verification.inspection import Inspection, inspect
from kerasnets.export.verification.io_matching import IOMatching
from kerasnets.export.verification.other_pixels import other_pixels
from kerasnets.export.verification.sqnr import LayerSqnr, Sqnr, layer_sqnr
from kerasnets.pixels import Preprocessing, describe
from kerasnets.probabilities import LOGITS, PROBABILITIES
from kerasnets.progress import Progress, silent

_WORST_NAMED = 5
_P = ParamSpec("_P")


@dataclass(frozen=True)
class Verification:
    """How an exported file answers beside its model, and what it is made of.

    Attributes:
        path: The file.
        examples: How many examples were compared.
        ids: Their names, where these were given.
        pixels: What the file does to pixels, in a line; empty where it got none.
        outputs: The comparison of each output, in the file's order.
        threads: With how many threads it answered again.
        threads_difference: Largest difference between those answers and those of one
            thread; None for a SavedModel, whose threads TensorFlow does not let go.
        size: Bytes of the file, or of all files of a SavedModel.
        gzip_size: The same behind gzip.
        inspection: What a LiteRT file is made of; None for another format.
        sqnr: The signal-to-quantisation-noise ratio of each layer of a quantised LiteRT
            file.
        bounds: What was accepted.
        failures: The bounds that do not hold, a line each.
    """

    path: str
    examples: int
    ids: tuple[str, ...]
    pixels: str
    outputs: tuple[OutputComparison, ...]
    threads: int
    threads_difference: float | None
    size: int
    gzip_size: int
    inspection: Inspection | None
    sqnr: Sqnr | None
    bounds: Bounds
    failures: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether all bounds hold."""
        return not self.failures

    def worst_layers(self, count: int = _WORST_NAMED) -> tuple[LayerSqnr, ...]:
        """Return the layers with the most noise, the worst first."""
        return () if self.sqnr is None else self.sqnr.worst(count)

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON has them; a NaN or infinity as its name."""
        figures = dataclasses.asdict(self) | {"holds": self.holds}
        return _finite(figures)


def report(
    path: Path | str,
    model: keras.Model,
    inputs: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray | None = None,
    *,
    bounds: Bounds | None = None,
    threads: int | None = None,
    pixels: Preprocessing | None = None,
    file_pixels: Preprocessing | None = None,
    output: str | None = None,
    sqnr: bool | None = None,
    ids: Sequence[str] = (),
    batch_size: int = 64,
    progress: Progress = silent,
) -> Verification:
    """Run an exported file and its model over the same examples and compare them.

    Args:
        path: A LiteRT or ONNX file or the folder of a SavedModel, of this package or
            from elsewhere.
        model: The Keras model it was made from, functional or sequential.
        inputs: ``(n, h, w, channels)`` uint8 pixels of the size that the file takes,
            for a model of one image; else an array ``(n, ...)`` for each input of the
            model, in its order. Maybe memory maps: one batch is read at a time.
        labels: ``(n,)`` integer classes, or ``(n, h, w)`` of a segmenter's pixels, in
            which a number that is no class marks a pixel to leave out.
        bounds: What is accepted. Default: by the numbers in the file, as
            ``default_bounds`` says.
        threads: With how many threads the file answers again, on 32 examples. Default:
            one for each core, 2 or more.
        pixels: What the model wants done to pixels. Default: what
            ``kerasnets.pixels.pixels_of`` finds in the model.
        file_pixels: What must be done to pixels before the file gets them. Default:
            what its metadata say; without any, nothing where its input is called
            "image", else what the model wants.
        output: What the model answers with, "probabilities" or "logits". Default: what
            its answers are, else what its graph says.
        sqnr: Whether the signal-to-quantisation-noise ratio of each layer is measured,
            on 32 examples. Default: for an int8 file.
        ids: A name for each example, for the report.
        batch_size: Examples the model sees at once.
        progress: Told how many examples are done.

    Returns:
        The figures, and which bounds do not hold.

    Raises:
        KerasnetsError: The file cannot be used, does not fit model, examples or labels,
            or what the model wants done to pixels cannot be known.
    """
    file = open_predictor(path)
    matching = IOMatching(
        path, file, model, pixels=pixels, file_pixels=file_pixels, output=output
    )
    arrays = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
    matching.check(arrays)
    bounds = bounds or default_bounds(path)
    _check_labels(labels, matching, len(arrays[0]), path)
    matching.find_output(picked(arrays, batch_size))
    outputs = _compare(matching, arrays, labels, bounds, batch_size, progress)
    threads = threads or max(2, os.cpu_count() or 1)
    apart = _threads_difference(path, matching, arrays, threads)
    inspection = noise = None
    if isinstance(file, LiteRTModel):
        inspection = inspect(path, trusted=True)
        if sqnr or (sqnr is None and inspection.format == "int8"):
            noise = _sqnr(path, matching, arrays, progress)
    size, gzip_size = file_sizes(path)
    return Verification(
        path=str(path),
        examples=len(arrays[0]),
        ids=tuple(ids),
        pixels=_described(matching, arrays),
        outputs=outputs,
        threads=threads,
        threads_difference=apart,
        size=size,
        gzip_size=gzip_size,
        inspection=inspection,
        sqnr=noise,
        bounds=bounds,
        failures=(
            *failures(outputs, apart, threads, noise, bounds),
            *other_pixels(matching, arrays, labels),
        ),
    )


def _raising(report: Callable[_P, Verification]) -> Callable[_P, Verification]:
    """Give the report that raises where its bounds do not hold."""

    @functools.wraps(report)
    def verify(*args: _P.args, **kwargs: _P.kwargs) -> Verification:
        found = report(*args, **kwargs)
        if found.failures:
            raise KerasnetsError(
                f"{found.path} does not answer like its model on {found.examples}"
                f" examples: {'; '.join(found.failures)}"
            )
        return found

    verify.__name__ = verify.__qualname__ = "verify"
    return verify


verify = _raising(report)


def _described(matching: IOMatching, arrays: Sequence[np.ndarray]) -> str:
    """What the file does to pixels, in a line."""
    if not matching.are_pixels(arrays):
        return ""
    return describe(matching.preprocessing, inside=matching.file_preprocessing is None)


def _check_labels(
    labels: np.ndarray | None, matching: IOMatching, count: int, path: Path | str
) -> None:
    """Raise unless there is a label for each example, one of the classes."""
    if labels is None:
        return
    shape = matching.model.outputs[0].shape
    if not matching.classes:
        raise KerasnetsError(f"labels were given, but {path} does not score classes")
    if len(labels) != count or np.ndim(labels) != len(shape) - 1:
        raise KerasnetsError(
            f"{count} images and labels of shape {np.shape(labels)} were given to"
            f" verify {path}; as many of both are accepted"
        )
    if np.ndim(labels) == 1 and not 0 <= np.min(labels) <= np.max(labels) < shape[-1]:
        raise KerasnetsError(
            f"the labels go from {np.min(labels)} to {np.max(labels)}, {path} has"
            f" {shape[-1]} classes"
        )


def _compare(
    matching: IOMatching,
    arrays: Sequence[np.ndarray],
    labels: np.ndarray | None,
    bounds: Bounds,
    batch_size: int,
    progress: Progress,
) -> tuple[OutputComparison, ...]:
    """Run file and model over all examples."""
    count = len(arrays[0])
    tallies = [
        Tally(
            info.name,
            classes=matching.classes,
            tie=bounds.tie,
            probabilities=matching.gives_probabilities,
        )
        for info in matching.file.outputs
    ]
    for start in range(0, count, batch_size):
        here = slice(start, start + batch_size)
        batch = [np.asarray(array[here]) for array in arrays]
        answers = matching.file.predict(matching.file_inputs(batch))
        expected = matching.expected(batch)
        truth = None if labels is None else np.asarray(labels[here])
        for tally, given, wanted in zip(tallies, answers, expected, strict=True):
            if given.shape != wanted.shape:
                raise KerasnetsError(
                    f"the file answers with shape {given.shape}, its model with"
                    f" {wanted.shape}"
                )
            tally.add(given, wanted, truth)
        progress(start + len(batch[0]), count, "verify")
    return tuple(tally.result() for tally in tallies)


def _threads_difference(
    path: Path | str, matching: IOMatching, arrays: Sequence[np.ndarray], threads: int
) -> float | None:
    """Return how far the answers of several threads are from those of one.

    Of outputs that go beyond 1, as a share of the largest.
    """
    if Path(path).is_dir():
        return None
    few = matching.file_inputs(picked(arrays))
    several = open_predictor(path, threads, trusted=True).predict(few)
    worst = 0.0
    for one, other in zip(matching.file.predict(few), several, strict=True):
        x, y = one.astype(np.float64), other.astype(np.float64)
        apart = np.abs(x - y).max(initial=0) / max(1.0, np.abs(x).max(initial=0))
        worst = float(np.maximum(worst, apart))  # keeps a NaN
    return worst


def _sqnr(
    path: Path | str,
    matching: IOMatching,
    arrays: Sequence[np.ndarray],
    progress: Progress,
) -> Sqnr:
    """Compare a LiteRT file with the float file of its model, layer by layer."""
    from kerasnets.export.conversion.litert import convert_with_names

    few = picked(arrays)
    pixels = matching.are_pixels(arrays)
    inside = pixels and matching.file_preprocessing is None
    ends = Ends(task="generic")
    if matching.takes_images:
        ends = Ends(
            softmax=matching.softmax,
            preprocessing=inside,
            pixels=matching.preprocessing if pixels else None,
            output=PROBABILITIES if matching.gives_probabilities else LOGITS,
            resize_from=matching.resize_from,
        )
    reference, names = convert_with_names(matching.model, ends)
    given = matching.file_inputs(few)
    if not inside:
        float_file = LiteRTModel(reference, trusted=True)
        there = IOMatching(path, float_file, matching.model).file_inputs
        few = there(matching.model_inputs(few))
    return layer_sqnr(
        path,
        reference,
        given,
        reference_inputs=few,
        names=names,
        trusted=True,
        progress=progress,
    )


def _finite(value: Any) -> Any:
    """Copy nested figures, what JSON has no number for as text."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
