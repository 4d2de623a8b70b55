"""The proof that a file on disk answers like its Keras model, and what it is made of.

The file is called as an app calls it, with pixels of 0 to 255; the model as its owner
calls it. What the exporter assumed of the model is not asked for, so that a wrong
assumption shows as a difference.
"""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.benchmark.local import file_sizes
from kerasnets.export.conversion.wrapper import Ends
from kerasnets.export.runtime.interpreter import LiteRTModel
from kerasnets.export.runtime.predictors import is_litert, open_predictor
from kerasnets.export.verification.comparison import TIE, OutputComparison, Tally
from kerasnets.export.verification.inspection import Inspection, inspect, number_format
from kerasnets.export.verification.io_matching import IOMatching
from kerasnets.export.verification.sqnr import LayerSqnr, Sqnr, layer_sqnr
from kerasnets.pixels import CAFFE, RAW, TORCH, UNIT, Preprocessing, describe
from kerasnets.probabilities import LOGITS, PROBABILITIES
from kerasnets.progress import Progress, silent

# enough to see a difference between one thread and several, or a noisy layer
_FEW = 32
_WORST_NAMED = 5
_P = ParamSpec("_P")
# enough to see that a file or a model was made for other pixels
_SOME = 64
_CONVENTIONS = (RAW, Preprocessing((0.0,) * 3, (255.0,) * 3), UNIT, TORCH, CAFFE)
# A mean difference of probabilities beyond what eight bits make of them.
_NOTICEABLE = 0.01
# In units of the deviation of a draw: one in thirty thousand is beyond by chance.
_CERTAIN = 4.0


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
    matching.find_output(_picked(arrays, batch_size))
    outputs = _compare(matching, arrays, labels, bounds, batch_size, progress)
    threads = threads or max(2, os.cpu_count() or 1)
    apart = _threads_difference(path, matching, arrays, threads)
    inspection = inspect(path, trusted=True) if isinstance(file, LiteRTModel) else None
    if sqnr is None:
        sqnr = inspection is not None and inspection.format == "int8"
    found = None
    if sqnr and inspection is not None:
        found = _sqnr(path, matching, arrays, progress)
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
        sqnr=found,
        bounds=bounds,
        failures=(
            *failures(outputs, apart, threads, found, bounds),
            *_other_pixels(matching, arrays, labels),
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


def _picked(arrays: Sequence[np.ndarray], count: int = _FEW) -> list[np.ndarray]:
    """Some examples from all over: data often come class by class."""
    places = np.linspace(0, len(arrays[0]) - 1, min(count, len(arrays[0]))).astype(int)
    return [np.asarray(array[places]) for array in arrays]


def _described(matching: IOMatching, arrays: Sequence[np.ndarray]) -> str:
    """What the file does to pixels, in a line."""
    if not matching.are_pixels(arrays):
        return ""
    return describe(matching.preprocessing, inside=matching.file_preprocessing is None)


def _other_pixels(
    matching: IOMatching, arrays: Sequence[np.ndarray], labels: np.ndarray | None
) -> Iterator[str]:
    """Yield a line where other pixels than those found explain file or model better.

    A file with a wrong normalisation answers like the model does for pixels that are
    preprocessed otherwise. A model whose own pixels were found wrongly is right more
    often with other ones, beyond chance.
    """
    if not matching.are_pixels(arrays) or len(matching.model.outputs[0].shape) != 2:
        return
    some, wanted = _picked(arrays, _SOME), matching.preprocessing
    truth = None
    if labels is not None and matching.classes and not matching.pixels_stated:
        (truth,) = _picked([np.asarray(labels)], _SOME)
    answers = matching.file.predict(matching.file_inputs(some))[0]
    ours = _expected(matching, some, wanted)
    others = [one.fitted(wanted.size, some[0].shape[-1]) for one in _CONVENTIONS]
    found = [_expected(matching, some, other) for other in others]
    far, *distances = (np.abs(answers - x).mean() for x in (ours, *found))
    nearest = int(np.argmin(distances))
    if far > _NOTICEABLE and distances[nearest] < far / 4:
        yield (
            f"the file answers like the model does for {describe(others[nearest])}; the"
            f" model wants {describe(wanted)}"
        )
    for other, theirs in zip(others, found, strict=True):
        if truth is not None and _is_righter(theirs, ours, truth):
            right, more = (np.mean(x.argmax(axis=-1) == truth) for x in (ours, theirs))
            yield (
                f"the model is right on {right:.2%} of {len(truth)} images with"
                f" {describe(wanted)}, and on {more:.2%} with {describe(other)}: say"
                " which it wants, --pixels or pixels="
            )


def _expected(
    matching: IOMatching, arrays: Sequence[np.ndarray], pixels: Preprocessing
) -> np.ndarray:
    """What the file should answer if the model wanted these pixels."""
    parts = (
        matching.expected([array[start : start + _FEW] for array in arrays], pixels)[0]
        for start in range(0, len(arrays[0]), _FEW)
    )
    return np.concatenate([*parts])


def _is_righter(answers: np.ndarray, ours: np.ndarray, truth: np.ndarray) -> bool:
    """Whether answers are right more often, beyond chance (McNemar's test)."""
    there, here = (scores.argmax(axis=-1) == truth for scores in (answers, ours))
    gained, lost = np.sum(there & ~here), np.sum(here & ~there)
    return bool(gained - lost >= _CERTAIN * math.sqrt(max(gained + lost, 1)))


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
    few = matching.file_inputs(_picked(arrays))
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

    few = _picked(arrays)
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
        beside = output.softmax_difference
        far = output.mean_abs_difference > _NOTICEABLE
        if beside is not None and far and beside < output.mean_abs_difference / 4:
            yield (
                f"{output.name}: the file answers with a softmax of the model's"
                f" probabilities (mean difference {beside:.3g}; from the probabilities"
                f" themselves {output.mean_abs_difference:.3g})"
            )
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
