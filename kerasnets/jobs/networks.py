"""A trained network as the commands name it: a saved model, or one of the zoo."""

import inspect
import os
from pathlib import Path
from typing import Any

import keras

from kerasnets import applications
from kerasnets.errors import KerasnetsError
from kerasnets.saving import load_model


def open_network(
    network: str,
    *,
    weights: str | None = None,
    alpha: float | None = None,
    size: int | None = None,
) -> keras.Model:
    """Load a saved model, or build a network of the zoo with its weights.

    Args:
        network: A ``.keras`` file, or a name.
        weights: As the zoo's builders take them; by default those of ImageNet.
        alpha: Width multiplier of a network of the zoo.
        size: Side in pixels of the images of a network of the zoo; a saved model stays
            at its own.

    Raises:
        KerasnetsError: There is no such file, network, width or size, the weights are
            missing or do not fit, or a saved model is given weights or a width.
    """
    given: dict[str, Any] = {"weights": weights, "alpha": alpha}
    given = {option: value for option, value in given.items() if value is not None}
    if is_saved(network):
        for option, value in given.items():
            raise KerasnetsError(
                f"{network} has its width and its weights: leave {option} {value} out"
            )
        return load_model(Path(network))
    builder = applications.get(network)
    if alpha is not None and "alpha" not in inspect.signature(builder).parameters:
        raise KerasnetsError(f"network {network!r} has no alpha: leave it out")
    if size is not None:
        given["input_shape"] = (size, size, builder.network.input_shape[2])
    return builder(**({"weights": "imagenet"} | given))


def is_saved(network: str) -> bool:
    """Tell whether a file is meant, not a name of the zoo: none has a dot."""
    return bool(Path(network).suffix) or os.sep in network
