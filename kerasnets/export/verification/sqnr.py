"""What quantisation does to each layer: its signal-to-quantisation-noise ratio."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.runtime.interpreter import LiteRTModel, TensorInfo, operators_of
from kerasnets.progress import Progress, silent

# What stands between the numbers of one format and those of another.
_BETWEEN = {"QUANTIZE", "DEQUANTIZE"}
# What gives the same values another shape.
_SAME_VALUES = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}


@dataclass(frozen=True)
class LayerSqnr:
    """What a quantised file computes at one place.

    Attributes:
        layer: The Keras layer, or the tensor where its layer is not known.
        tensor: The tensor of the float file.
        operator: The kind of operator that writes it.
        sqnr_db: 10 log10(sum x^2 / sum (x - x^)^2) over all examples, x of the float
            file; infinite where the two are equal.
    """

    layer: str
    tensor: str
    operator: str
    sqnr_db: float


@dataclass(frozen=True)
class Sqnr:
    """The signal-to-quantisation-noise ratios (SQNR) of a quantised file.

    Attributes:
        layers: In running order.
        examples: Over how many examples they are summed.
        aligned: Whether the two files have the same operators in the same order.
        note: Empty where they are aligned; else what could not be compared.
    """

    layers: tuple[LayerSqnr, ...]
    examples: int
    aligned: bool
    note: str

    def worst(self, count: int = 5) -> tuple[LayerSqnr, ...]:
        """Return the layers with the most noise, the worst first."""
        ranked = sorted(self.layers, key=lambda layer: _rank(layer.sqnr_db))
        return tuple(ranked[:count])


def _rank(sqnr_db: float) -> float:
    """The place in an order in which a NaN comes first."""
    return -math.inf if math.isnan(sqnr_db) else sqnr_db


def sqnr_of(signal: np.ndarray, noisy: np.ndarray) -> float:
    """Return 10 log10(sum x^2 / sum (x - x^)^2) in decibels.

    Args:
        signal: x.
        noisy: x^, of the same shape.

    Returns:
        Infinity where the two are equal, minus infinity where x is 0 and x^ is not.
    """
    return _decibels(*_energies(signal, noisy))


def _energies(signal: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    """Return the sums of x^2 and of (x - x^)^2."""
    x, y = (np.asarray(a, np.float64) for a in (signal, noisy))
    return np.array([(x * x).sum(), ((x - y) ** 2).sum()])


def _decibels(signal: float, noise: float) -> float:
    """Return the ratio of two energies in decibels."""
    if math.isnan(signal) or math.isnan(noise):
        return math.nan
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def layer_sqnr(
    source: bytes | Path | str,
    reference: bytes | Path | str,
    inputs: Sequence[np.ndarray],
    *,
    reference_inputs: Sequence[np.ndarray] | None = None,
    names: Mapping[str, str] | None = None,
    trusted: bool = False,
    progress: Progress = silent,
) -> Sqnr:
    """Compare the tensors of a quantised file with those of a float file.

    Both run on LiteRT's own kernels, which keep every tensor. Their operators are
    paired in running order, without those that only quantise or dequantise. Where the
    files differ in more than that, runs of equal operators (kind and shape) are paired
    and the rest is left out.

    Args:
        source: The quantised file.
        reference: The float file of the same network.
        inputs: An array ``(n, ...)`` for each input.
        reference_inputs: Those of the float file, where they differ.
        names: Keras layers by tensor of the float file.
        trusted: Of both files, see ``open_interpreter``.
        progress: Told how many examples are done.

    Raises:
        KerasnetsError: A file cannot be used, the inputs do not fit, or no operators
            can be paired.
    """
    noisy, clean = _Trace(source, trusted), _Trace(reference, trusted)
    pairs, aligned = _pairs(noisy.places, clean.places)
    if not pairs:
        raise KerasnetsError(
            "no operator of the quantised file has a counterpart in the float file"
        )
    count = len(inputs[0])
    energies = np.zeros((len(pairs), 2))
    for index in range(count):
        noisy.run([array[index : index + 1] for array in inputs])
        clean.run([array[index : index + 1] for array in reference_inputs or inputs])
        for row, (here, there) in zip(energies, pairs, strict=True):
            row += _energies(clean.values(there), noisy.values(here))
        progress(index + 1, count, "sqnr")
    layers = tuple(
        LayerSqnr(
            layer=(names or {}).get(there.info.name, there.info.name),
            tensor=there.info.name,
            operator=there.kind,
            sqnr_db=_decibels(*map(float, row)),
        )
        for row, (_, there) in zip(energies, pairs, strict=True)
    )
    note = "" if aligned else _difference(noisy, clean, len(pairs))
    return Sqnr(layers, count, aligned, note)


@dataclass(frozen=True)
class _Place:
    """An output of an operator."""

    kind: str
    info: TensorInfo

    @property
    def key(self) -> tuple:
        """What the same place in the other file has too."""
        return self.kind, self.info.shape[1:]


class _Trace(LiteRTModel):
    """A file whose every tensor can be read after a run."""

    def __init__(self, source: bytes | Path | str, trusted: bool):
        super().__init__(source, keep_tensors=True, trusted=trusted)
        self.places = [
            place for place in self.operators() if place.kind not in _BETWEEN
        ]

    def operators(self) -> list[_Place]:
        """Return the outputs of all operators, in running order."""
        return [
            _Place(node["op_name"], self.tensor(int(output)))
            for node in operators_of(self._interpreter)
            for output in node["outputs"]
        ]

    def run(self, arrays: Sequence[np.ndarray]) -> None:
        """Run one example."""
        self.predict(arrays)

    def values(self, place: _Place) -> np.ndarray:
        """Return what the last run wrote there, dequantised."""
        values = self._interpreter.get_tensor(place.info.index)
        batch = self.inputs[0].shape[0] or 1
        if batch > 1 and values.shape[:1] == (batch,):
            values = values[:1]  # the rest repeats the example
        return place.info.real(values)


def _pairs(
    noisy: Sequence[_Place], clean: Sequence[_Place]
) -> tuple[list[tuple[_Place, _Place]], bool]:
    """Pair the places of two files; say whether all have a partner."""
    keys = [place.key for place in noisy], [place.key for place in clean]
    matcher = difflib.SequenceMatcher(None, *keys, autojunk=False)
    pairs = [
        (noisy[match.a + step], clean[match.b + step])
        for match in matcher.get_matching_blocks()
        for step in range(match.size)
    ]
    told = [
        (here, there)
        for here, there in pairs
        if there.kind not in _SAME_VALUES and there.info.dtype == np.float32
    ]
    return told, keys[0] == keys[1]


def _difference(noisy: _Trace, clean: _Trace, paired: int) -> str:
    """Say how far two files could be paired."""
    return (
        f"the operators of the two files differ ({len(noisy.places)} and"
        f" {len(clean.places)} outputs); {paired} that look alike were compared"
    )
