"""The LiteRT file as the flatbuffer it is: unpack, pack, name, count zeros."""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasnets.errors import KerasnetsError

_IDENTIFIER = b"TFL3"
_DAMAGED = "the LiteRT file is damaged or cut short"
# name of each operator by its code
OPERATORS = {
    code: name
    for name, code in vars(schema.BuiltinOperator).items()
    if not name.startswith("_")
}
KERNEL_OPERATORS = {
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
    schema.BuiltinOperator.TRANSPOSE_CONV,
}
# Bits an element, by type; strings, resources and variants have no fixed size.
BITS = {
    getattr(schema.TensorType, name): bits
    for bits, names in {
        128: ("COMPLEX128",),
        64: ("COMPLEX64", "FLOAT64", "INT64", "UINT64"),
        32: ("FLOAT32", "INT32", "UINT32"),
        16: ("FLOAT16", "BFLOAT16", "INT16", "UINT16"),
        8: ("INT8", "UINT8", "BOOL", "FLOAT8_E4M3FN", "FLOAT8_E5M2"),
        4: ("INT4", "UINT4"),
        2: ("INT2",),
    }.items()
    for name in names
    if hasattr(schema.TensorType, name)
}
_UNPACKING = {schema.BuiltinOperator.DEQUANTIZE, schema.BuiltinOperator.DENSIFY}
_NUMPY = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
}


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
    check_identifier(buffer, name)
    return buffer


def check_identifier(buffer: bytes, name: str) -> None:
    """Raise unless bytes begin like a LiteRT file; errors call it ``name``."""
    if buffer[4:8] != _IDENTIFIER:
        raise KerasnetsError(
            f"{name} is not a LiteRT file: it lacks the identifier TFL3"
        )


def unpack(buffer: bytes) -> Any:
    """Return the file as a tree of objects (``schema.ModelT``).

    Raises:
        KerasnetsError: The buffer is damaged.
    """
    try:
        model: Any = schema.ModelT.InitFromPackedBuf(buffer, 0)
        for entry in model.buffers or ():
            _take_in(entry, buffer)
    # whatever a wrong offset leads to: the generated reader checks nothing
    except Exception as error:
        raise KerasnetsError(_DAMAGED) from error
    return model


def _take_in(entry: Any, buffer: bytes) -> None:
    """Give an entry the bytes that large files keep behind the flatbuffer."""
    if entry.offset > 1:  # 0 and 1 stand for none
        end = entry.offset + entry.size
        if end > len(buffer):
            raise KerasnetsError(_DAMAGED)
        entry.data = np.frombuffer(buffer[entry.offset : end], np.uint8)
        entry.offset = entry.size = 0


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


def file_sparsity(source: bytes | Path | str) -> float:
    """Return the share of exact zeros among the kernel weights of a LiteRT file.

    Kernels are those of convolutions, depthwise and transposed convolutions and dense
    layers, in float or quantised, stored with their zeros or without; biases do not
    count. Quantisation rounds small weights to zero, so the int8 file of a network has
    at least the zeros of its float file.

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
    total = sum(size for size, _ in kernels)
    if not total:
        raise KerasnetsError("the LiteRT file holds no kernels to count zeros in")
    return (total - sum(nonzeros for _, nonzeros in kernels)) / total


def _kernels(model: Any) -> list[tuple[int, int]]:
    """Return how many weights and how many other than zero each kernel has.

    Those of the main graph; one that layers share comes once.
    """
    graph = model.subgraphs[0]
    codes = [code.builtinCode for code in model.operatorCodes]
    # unpacked while running: the kernel is what goes into these
    packed = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if codes[operator.opcodeIndex] in _UNPACKING
    }
    kernels = {}
    for operator in graph.operators:
        if codes[operator.opcodeIndex] in KERNEL_OPERATORS:
            index = operator.inputs[1]
            for _ in range(2):  # without zeros, and in half precision
                index = packed.get(index, index)
            tensor = graph.tensors[index]
            data = model.buffers[tensor.buffer].data
            if data is not None:  # else it is computed, not stored
                kernels[tensor.buffer] = _count(tensor, bytes(data))
    return list(kernels.values())


def _count(tensor: Any, data: bytes) -> tuple[int, int]:
    """Return the size of a kernel and how many of its weights are not zero."""
    size = int(np.prod(tensor.shape))
    if tensor.type == schema.TensorType.INT4:  # two to a byte
        octets = np.frombuffer(data, np.uint8)
        values = np.stack([octets & 15, octets >> 4], axis=-1).ravel()[:size]
    else:
        values = np.frombuffer(data, _NUMPY[tensor.type])
    return size, int(np.count_nonzero(values))
