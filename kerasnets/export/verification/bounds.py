"""How far an exported file may be from its model, and which bounds do not hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasnets.export.runtime.predictors import is_litert
from kerasnets.export.verification.comparison import NOTICEABLE, TIE, OutputComparison
from kerasnets.export.verification.inspection import number_format
from kerasnets.export.verification.sqnr import Sqnr


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
        yield from _output_failures(output, bounds)
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


def _output_failures(output: OutputComparison, bounds: Bounds) -> Iterator[str]:
    """Yield a line for each bound that does not hold for one output."""
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
    far = output.mean_abs_difference > NOTICEABLE
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
