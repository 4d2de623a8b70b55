"""The LiteRT file as the flatbuffer it is: unpack, pack, name, count zeros."""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasnets.errors import KerasnetsError

_IDENTIFIER = b"TFL3"
_DAMAGED = "the LiteRT file is damaged or cut short"
_OPERATORS = {
    code: name.lower()
    for name, code in vars(schema.BuiltinOperator).items()
    if not name.startswith("_")
}
_KERNEL_OPERATORS = {
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
    schema.BuiltinOperator.TRANSPOSE_CONV,
}
# Operand 1 of each operator above is its kernel, operand 2 its bias.
_OPERAND_NAMES = {1: "kernel", 2: "bias"}
_NUMPY = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT8: np.int8}


def read_bytes(source: bytes | Path | str) -> bytes:
    """Return the bytes of a LiteRT file, given as bytes or by its path.

    Raises:
        KerasnetsError: There is no such file, or it is not a LiteRT file.
    """
    if isinstance(source, bytes):
        name, buffer = "the buffer", source
    else:
        name = str(source)
        try:
            buffer = Path(source).read_bytes()
        except OSError as error:
            raise KerasnetsError(
                f"{name} cannot be read: {error.strerror or error}"
            ) from error
    if buffer[4:8] != _IDENTIFIER:
        raise KerasnetsError(
            f"{name} is not a LiteRT file: it lacks the identifier TFL3"
        )
    return buffer


def unpack(buffer: bytes) -> Any:
    """Return the file as a tree of objects (``schema.ModelT``).

    Raises:
        KerasnetsError: The buffer is damaged.
    """
    try:
        return schema.ModelT.InitFromPackedBuf(buffer, 0)
    # whatever a wrong offset leads to: the generated reader checks nothing
    except Exception as error:
        raise KerasnetsError(_DAMAGED) from error


def pack(model: Any) -> bytes:
    """Return the file that a tree of objects describes; equal trees, equal bytes."""
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in model.buffers]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


class _AlignedBuffer(schema.BufferT):
    """A buffer at a multiple of 16 bytes, as the schema demands.

    The generated Python writer ignores ``force_align``, and kernels read weights with
    aligned vector loads.
    """

    def Pack(self, builder: flatbuffers.Builder) -> int:
        """Write the bytes, then the table that points to them."""
        if self.data is None:
            schema.BufferStart(builder)
            return schema.BufferEnd(builder)
        data = bytes(self.data)
        builder.StartVector(1, len(data), 16)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def in_plain_form(buffer: bytes) -> bytes:
    """Name and number everything by its place in the graph.

    The converter names and sorts tensors by layer names, which count how many layers a
    process has made so far, and adds a hash of the graph that contains them. After
    this, equal weights give equal bytes: the output of operator 3, a convolution, is
    called ``conv_2d_3``, its weights ``conv_2d_3/kernel`` and ``conv_2d_3/bias``.

    Raises:
        KerasnetsError: The graph has branches or loops, which no classifier needs.
    """
    model = unpack(buffer)
    if len(model.subgraphs) != 1:
        raise KerasnetsError(
            f"the model converts to {len(model.subgraphs)} graphs; one without branches"
            " and loops is accepted"
        )
    (graph,) = model.subgraphs
    names = _plain_names(graph, [code.builtinCode for code in model.operatorCodes])
    numbers = {old: new for new, old in enumerate(names)}
    for operator in graph.operators:
        # -1 stands for an operand left out
        operator.inputs = [numbers.get(old, -1) for old in operator.inputs]
        operator.outputs = [numbers[old] for old in operator.outputs]
    (signature,) = model.signatureDefs
    for tensor_map in (*signature.inputs, *signature.outputs):
        tensor_map.tensorIndex = numbers[tensor_map.tensorIndex]
    graph.inputs = [numbers[old] for old in graph.inputs]
    graph.outputs = [numbers[old] for old in graph.outputs]
    graph.tensors = [graph.tensors[old] for old in names]
    for tensor, name in zip(graph.tensors, names.values(), strict=True):
        tensor.name = name
    _number_buffers(model)
    return pack(model)


def _plain_names(graph: Any, codes: list[int]) -> dict[int, str]:
    """Return a name for every tensor in use, in the order of use."""
    names = {graph.inputs[0]: "image"}
    for index, operator in enumerate(graph.operators):
        code = codes[operator.opcodeIndex]
        name = f"{_OPERATORS[code]}_{index}"
        operands = _OPERAND_NAMES if code in _KERNEL_OPERATORS else {}
        for position, tensor in enumerate(operator.inputs):
            if tensor != -1:
                operand = operands.get(position, f"operand_{position}")
                names.setdefault(tensor, f"{name}/{operand}")
        for position, tensor in enumerate(operator.outputs):
            names[tensor] = f"{name}/{position}" if position else name
    names[graph.outputs[0]] = "probabilities"
    return names


def _number_buffers(model: Any) -> None:
    """Keep buffer 0, which is empty by convention, and those in use, in that order."""
    model.metadata = [e for e in model.metadata if e.name != b"CONVERSION_METADATA"]
    numbers = {0: 0}
    for user in (*model.subgraphs[0].tensors, *model.metadata):
        if model.buffers[user.buffer].data is None:
            user.buffer = 0
        else:
            user.buffer = numbers.setdefault(user.buffer, len(numbers))
    model.buffers = [model.buffers[old] for old in numbers]


def file_sparsity(source: bytes | Path | str) -> float:
    """Return the share of exact zeros among the kernel weights of a LiteRT file.

    Kernels are those of convolutions, depthwise and transposed convolutions and dense
    layers, in float32 or int8; biases do not count. Quantisation rounds small weights
    to zero, so the int8 file of a network has at least the zeros of its float file.

    Args:
        source: The file's bytes or its path.

    Returns:
        A share between 0 and 1.

    Raises:
        KerasnetsError: The file cannot be read, is damaged or holds no kernels.
    """
    try:
        kernels = _kernels(unpack(read_bytes(source)))
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, KerasnetsError):
            raise
        raise KerasnetsError(_DAMAGED) from error
    total = sum(kernel.size for kernel in kernels)
    if not total:
        raise KerasnetsError("the LiteRT file holds no kernels to count zeros in")
    return sum(int((kernel == 0).sum()) for kernel in kernels) / total


def _kernels(model: Any) -> list[np.ndarray]:
    """Return the kernels of the main graph; one that layers share comes once."""
    graph = model.subgraphs[0]
    kernels = {}
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode in _KERNEL_OPERATORS:
            tensor = graph.tensors[operator.inputs[1]]
            data = model.buffers[tensor.buffer].data
            if data is not None:  # else it is computed, not stored
                kernels[tensor.buffer] = np.frombuffer(bytes(data), _NUMPY[tensor.type])
    return list(kernels.values())
