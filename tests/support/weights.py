"""Weights as after some training, to compare two forms of one network with."""

from pathlib import Path

import h5py
import keras
import numpy as np

_SHIFTS = ("beta", "bias", "moving_mean")


def randomise(
    model: keras.Model, *, gain: float | None = 2.0, seed: int = 0, head: float = 1.0
) -> keras.Model:
    """Draw every weight anew, batch-norm statistics and biases too.

    The values hang on the order of the variables only, whatever the backend.

    Args:
        model: Changed in place.
        gain: Variance of a kernel times its fan-in; 2 keeps the size of the values
            behind ReLUs, where sums of branches grow less is needed. None leaves all
            but batch norms and biases as they are.
        seed: Other weights for another seed.
        head: Times the kernel of the last layer: logits far enough apart that images
            get different answers.

    Returns:
        The model.
    """
    random = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 1.5, shape)
        elif gain is None and variable.name not in _SHIFTS:
            continue
        elif gain is not None and variable.name.endswith("kernel"):
            # depthwise kernels, (rows, columns, channels, 1), see one channel each
            depthwise = len(shape) == 4 and shape[-1] == 1
            fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
            value = random.normal(0, np.sqrt(gain / fan_in), shape)
        else:
            value = random.normal(0, 0.2, shape)
        variable.assign(value.astype("float32"))
    if head != 1:
        last = next(layer for layer in reversed(model.layers) if layer.weights)
        last.weights[0].assign(head * last.weights[0])
    return model


def rounding(model: keras.Model, x: np.ndarray) -> float:
    """How far an output moves when each weight goes to the next float32 or stays.

    What two right ways to compute the same network may differ by is a few times that:
    how much depends on the network and on its weights.
    """
    expected = model.predict(x, verbose=0)
    weights = model.get_weights()
    random = np.random.default_rng(0)
    moved = [
        np.where(random.random(w.shape) < 0.5, np.nextafter(w, np.inf), w)
        for w in weights
    ]
    model.set_weights(moved)
    found = model.predict(x, verbose=0)
    model.set_weights(weights)
    return float(np.abs(found - expected).max())


def save_as_keras_2(model: keras.Model, path: Path, prefix: str = "") -> None:
    """The weights as Keras 2 wrote them: a group a layer, in the order of the layers.

    ``prefix`` goes before the names of all layers.
    """
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [
            f"{prefix}{la.name}".encode() for la in model.layers
        ]
        for layer in model.layers:
            group = file.create_group(f"{prefix}{layer.name}")
            names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, variable in zip(names, layer.weights, strict=True):
                group[name] = np.asarray(variable)
