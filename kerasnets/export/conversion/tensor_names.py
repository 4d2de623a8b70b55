"""What a file calls its tensors: their places, and the Keras layers behind them."""

import re
from collections.abc import Mapping
from typing import Any

import keras

from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import KERNEL_OPERATORS, OPERATORS, pack, unpack

# Operand 1 of each operator with a kernel is the kernel, operand 2 its bias.
_OPERANDS = {1: "kernel", 2: "bias"}
# written by the converter: its version, and a hash of the graph with its names
_NOT_KEPT = (b"CONVERSION_METADATA",)
# TensorFlow counts scopes: a layer's is called dense_1 where the layer is dense
_COUNT = re.compile(r"_\d+$")


def canonical(buffer: bytes, names: Mapping[str, str]) -> bytes:
    """Name and number everything by its place in the graph.

    The converter names and sorts tensors by layer names, which count how many layers a
    process has made so far, and adds a hash of the graph that contains them. After
    this, equal weights give equal bytes: the output of operator 3, a convolution, is
    called ``conv_2d_3``, its weights ``conv_2d_3/kernel`` and ``conv_2d_3/bias``.
    Inputs and outputs are called as in the signature.

    Args:
        buffer: A file as the converter wrote it.
        names: What the ends are to be called, by their names in its signature, in the
            order that they get.

    Raises:
        KerasnetsError: The graph has branches or loops, or not one signature.
    """
    return pack(_renamed(unpack(buffer), names)[0])


def original_names(buffer: bytes, names: Mapping[str, str]) -> dict[str, str]:
    """Return the converter's names of tensors by those that ``canonical`` gives.

    Args:
        buffer: A file as the converter wrote it.
        names: What the ends are to be called, by their names in its signature, in the
            order that they get.
    """
    return _renamed(unpack(buffer), names)[1]


def _renamed(model: Any, ends: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
    """Rename everything in place; return the model, and old names by new ones."""
    if len(model.subgraphs) != 1:
        raise KerasnetsError(
            f"the model converts to {len(model.subgraphs)} graphs; one without branches"
            " and loops is accepted"
        )
    (graph,) = model.subgraphs
    (signature,) = model.signatureDefs
    for maps in (signature.inputs, signature.outputs):
        maps.sort(key=lambda tensor_map: [*ends].index(tensor_map.name.decode()))
        for tensor_map in maps:
            tensor_map.name = ends[tensor_map.name.decode()]
    graph.inputs = [tensor_map.tensorIndex for tensor_map in signature.inputs]
    graph.outputs = [tensor_map.tensorIndex for tensor_map in signature.outputs]
    names = _plain_names(graph, signature, [c.builtinCode for c in model.operatorCodes])
    numbers = {old: new for new, old in enumerate(names)}
    for operator in graph.operators:
        # -1 stands for an operand left out
        operator.inputs = [numbers.get(old, -1) for old in operator.inputs]
        operator.outputs = [numbers[old] for old in operator.outputs]
    for tensor_map in (*signature.inputs, *signature.outputs):
        tensor_map.tensorIndex = numbers[tensor_map.tensorIndex]
    graph.inputs = [numbers[old] for old in graph.inputs]
    graph.outputs = [numbers[old] for old in graph.outputs]
    graph.tensors = [graph.tensors[old] for old in names]
    originals = {}
    for tensor, name in zip(graph.tensors, names.values(), strict=True):
        originals[name] = tensor.name.decode()
        tensor.name = name
    _number_buffers(model)
    return model, originals


def _plain_names(graph: Any, signature: Any, codes: list[int]) -> dict[int, str]:
    """Return a name for every tensor in use, in the order of use."""
    ends = {
        tensor_map.tensorIndex: tensor_map.name
        for tensor_map in (*signature.inputs, *signature.outputs)
    }
    names = {tensor: ends[tensor] for tensor in graph.inputs}
    for index, operator in enumerate(graph.operators):
        code = codes[operator.opcodeIndex]
        name = f"{OPERATORS[code].lower()}_{index}"
        operands = _OPERANDS if code in KERNEL_OPERATORS else {}
        for position, tensor in enumerate(operator.inputs):
            if tensor != -1:
                operand = operands.get(position, f"operand_{position}")
                names.setdefault(tensor, f"{name}/{operand}")
        for position, tensor in enumerate(operator.outputs):
            names[tensor] = f"{name}/{position}" if position else name
    for tensor in graph.outputs:
        names[tensor] = ends[tensor]
    return names


def _number_buffers(model: Any) -> None:
    """Keep buffer 0, which is empty by convention, and those in use, in that order."""
    model.metadata = [e for e in model.metadata or () if e.name not in _NOT_KEPT]
    numbers = {0: 0}
    for user in (*model.subgraphs[0].tensors, *model.metadata):
        if model.buffers[user.buffer].data is None:
            user.buffer = 0
        else:
            user.buffer = numbers.setdefault(user.buffer, len(numbers))
    model.buffers = [model.buffers[old] for old in numbers]


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
