"""Which networks a search may try: alpha x rho, under a budget."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params
from kerasnets.errors import KerasnetsError
from kerasnets.traits import channels_made, kernels_of


@dataclass(frozen=True)
class Candidate:
    """One point of the space and what it costs.

    Attributes:
        alpha: width multiplier; 1 for a network that has none.
        rho: resolution multiplier on the side of the prepared images.
        size: side of the network's input image in pixels.
        params: parameters, batch-norm statistics included.
        madds: multiply-adds of one image.
        int8_bytes: estimated size of its int8 file.
    """

    alpha: float
    rho: float
    size: int
    params: int
    madds: int
    int8_bytes: int

    def __str__(self) -> str:
        return f"alpha {self.alpha:g} rho {self.rho:g} ({self.size}x{self.size})"


def build_candidate(
    network: str, *, alpha: float, size: int, classes: int
) -> keras.Model:
    """The network of that width for (size, size, 3) images; its output are logits."""
    arguments = {"alpha": alpha} if has_alpha(network) else {}
    return applications.build(
        network,
        input_shape=(size, size, 3),
        classes=classes,
        classifier_activation=None,
        **arguments,
    )


def has_alpha(network: str) -> bool:
    """Whether the network has a width multiplier."""
    return "alpha" in inspect.signature(applications.get(network)).parameters


def feasible_candidates(
    network: str,
    *,
    alphas: Sequence[float],
    rhos: Sequence[float],
    resolution: int,
    classes: int,
    max_madds: int,
    max_bytes: int,
) -> list[Candidate]:
    """The points alpha x rho within the budget, the cheapest first.

    Striking the others out here keeps them from the oracle, whose search ends after
    three failed trials in a row.

    Args:
        network: name of the network.
        alphas: width multipliers; 1 is taken for a network that has none.
        rhos: resolution multipliers.
        resolution: side of the prepared images.
        classes: number of classes.
        max_madds: the most multiply-adds for one image.
        max_bytes: the most bytes of the int8 file.

    Raises:
        KerasnetsError: no point meets the budget; it names the smallest that would.
    """
    candidates = sorted(
        _buildable(network, alphas, rhos, resolution, classes),
        key=lambda candidate: (candidate.madds, candidate.params),
    )
    feasible = [
        candidate
        for candidate in candidates
        if candidate.madds <= max_madds and candidate.int8_bytes <= max_bytes
    ]
    if not feasible:
        smallest = min(candidates, key=lambda c: (c.int8_bytes, c.madds))
        raise KerasnetsError(
            f"no {network} of the search fits {max_madds:,} multiply-adds and "
            f"{max_bytes:,} bytes: the smallest, {smallest}, needs --max-madds "
            f"{smallest.madds} and --max-size {smallest.int8_bytes}"
        )
    return feasible


def _buildable(
    network: str,
    alphas: Sequence[float],
    rhos: Sequence[float],
    resolution: int,
    classes: int,
) -> list[Candidate]:
    """The points of the space that the network's builder accepts."""
    candidates, refusal = [], None
    for alpha in alphas if has_alpha(network) else [1.0]:
        for rho in rhos:
            try:
                candidates.append(
                    candidate_for(network, alpha, rho, resolution, classes)
                )
            except KerasnetsError as error:  # an image too small for the network
                refusal = error
    if not candidates and refusal is not None:
        raise refusal
    return candidates


def candidate_for(
    network: str, alpha: float, rho: float, resolution: int, classes: int
) -> Candidate:
    """The point (alpha, rho) with its costs, counted on the network itself."""
    size = round(rho * resolution)
    model = build_candidate(network, alpha=alpha, size=size, classes=classes)
    return Candidate(
        alpha=float(alpha),
        rho=float(rho),
        size=size,
        params=count_params(model),
        madds=count_madds(model),
        int8_bytes=estimate_int8_bytes(model),
    )


# fitted to files of MobileNet and ResNet-20, rounded up: what each channel of a kernel
# carries beside its weights (its bias, and scales and zero points), what each operation
# costs in names and tables, and the file's frame with its metadata
_BYTES_PER_CHANNEL = 25
_BYTES_PER_OPERATION = 450
_BYTES_PER_FILE = 2_800


def estimate_int8_bytes(model: keras.Model) -> int:
    """The size of the model's int8 file, known before it is trained."""
    total = _BYTES_PER_FILE
    for layer in model.layers:
        channels = channels_made(layer)
        for name, kernel in kernels_of(layer).items():
            total += math.prod(kernel.shape) + channels[name] * _BYTES_PER_CHANNEL
            total += _BYTES_PER_OPERATION
    return total
