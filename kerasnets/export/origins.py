"""Which Keras layer a tensor of a file comes from."""

import re
from collections.abc import Mapping

import keras

# TensorFlow counts scopes: a layer's is called dense_1 where the layer is dense
_COUNT = re.compile(r"_\d+$")


def layers_of_tensors(
    originals: Mapping[str, str], model: keras.Model
) -> dict[str, str]:
    """Return the layer that makes each tensor, or whose weights it holds.

    Args:
        originals: The converter's name of each tensor, a list of scopes of fused
            operators, by its name in the file.
        model: What was converted.

    Returns:
        The path of a layer, ``nested_model/layer``, by the tensor's name in the file;
        of fused layers the one with a kernel. Tensors that no layer makes are left out.
    """
    made = {}
    for tensor, original in originals.items():
        # an operator's operands are called after it, whatever the converter says
        if "/" not in tensor and (layer := _main_layer(original, model)):
            made[tensor] = layer
    operands = {tensor: tensor.rsplit("/", 1)[0] for tensor in originals}
    return made | {
        tensor: made[operator]
        for tensor, operator in operands.items()
        if operator in made
    }


def _main_layer(original: str, model: keras.Model) -> str | None:
    """Return the layer with a kernel, else the last: operators are fused behind it."""
    found = [
        path
        for scope in original.split(";")
        if (path := _path(scope.split("/")[1:], model))
    ]
    kernels = (path for path in found if _has_kernel(path, model))
    return next(kernels, found[-1] if found else None)


def _has_kernel(path: str, model: keras.Model) -> bool:
    """Whether a weight of the layer has more than one side."""
    for name in path.split("/"):
        model = model.get_layer(name)
    return any(len(weight.shape) > 1 for weight in model.weights)


def _path(parts: list[str], model: keras.Model) -> str | None:
    """Follow the scopes down the nested models to a layer."""
    layers = {layer.name: layer for layer in model.layers}
    for index, part in enumerate(parts):
        name = _COUNT.sub("", part)
        layer = layers.get(name) or layers.get(part)
        if layer is None:
            continue
        if not isinstance(layer, keras.Model):
            return layer.name
        rest = _path(parts[index + 1 :], layer)
        return f"{layer.name}/{rest}" if rest else layer.name
    return None
