"""LiteRT files written tensor by tensor, so that every number in them is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasnets.export.flatbuffer import pack

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}


@dataclass
class Tensor:
    """A tensor of a file: with ``values`` a constant."""

    name: str
    shape: Sequence[int]
    dtype: Any = np.float32
    scale: float = 0.0
    zero_point: int = 0
    values: Any = None


@dataclass
class Operator:
    """An operator of a file, its operands by name; "" leaves one out."""

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    options: Any = None


def write_file(
    tensors: Sequence[Tensor],
    operators: Sequence[Operator],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> bytes:
    """Return the bytes of a file without signature or metadata."""
    numbers = {tensor.name: i for i, tensor in enumerate(tensors)} | {"": -1}
    kinds = list(dict.fromkeys(operator.kind for operator in operators))
    buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(tensor, buffers) for tensor in tensors]
    graph.inputs = [numbers[name] for name in inputs]
    graph.outputs = [numbers[name] for name in outputs]
    graph.operators = [_operator(op, kinds, numbers) for op in operators]
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [_code(kind) for kind in kinds]
    model.subgraphs = [graph]
    model.buffers = buffers
    return pack(model)


def _tensor(tensor: Tensor, buffers: list) -> Any:
    entry = schema.TensorT()
    entry.name, entry.shape = tensor.name, list(tensor.shape)
    entry.type = _TYPES[np.dtype(tensor.dtype)]
    if tensor.scale:
        entry.quantization = schema.QuantizationParametersT()
        entry.quantization.scale = [tensor.scale]
        entry.quantization.zeroPoint = [tensor.zero_point]
    if tensor.values is not None:
        entry.buffer = len(buffers)
        data = np.asarray(tensor.values, tensor.dtype).tobytes()
        buffers.append(schema.BufferT(data=np.frombuffer(data, np.uint8)))
    return entry


def _operator(operator: Operator, kinds: list[str], numbers: dict[str, int]) -> Any:
    entry = schema.OperatorT()
    entry.opcodeIndex = kinds.index(operator.kind)
    entry.inputs = [numbers[name] for name in operator.inputs]
    entry.outputs = [numbers[name] for name in operator.outputs]
    if operator.options is not None:
        name = type(operator.options).__name__.removesuffix("T")
        entry.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        entry.builtinOptions = operator.options
    return entry


def _code(kind: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 3 if kind == "CONV_2D" else 1
    return code


def convolution() -> Any:
    """The options of a convolution: stride 1, no padding."""
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = 1
    options.dilationHFactor = options.dilationWFactor = 1
    return options


def float_file(weight: float = 0.3) -> bytes:
    """One 1x1 convolution of one channel: ``(1, 2, 2, 1)`` times the weight."""
    return write_file(
        [
            Tensor("x", (1, 2, 2, 1)),
            Tensor("kernel", (1, 1, 1, 1), values=weight),
            Tensor("bias", (1,), values=0.0),
            Tensor("conv", (1, 2, 2, 1)),
        ],
        [Operator("CONV_2D", ("x", "kernel", "bias"), ("conv",), convolution())],
        ("x",),
        ("conv",),
    )


def int8_file(weight: float = 0.3, step: float = 0.25, relu: bool = False) -> bytes:
    """The same in int8, float outside: input in steps of 1, output in ``step``."""
    tensors = [
        Tensor("x", (1, 2, 2, 1)),
        Tensor("x8", (1, 2, 2, 1), np.int8, 1.0),
        Tensor("kernel", (1, 1, 1, 1), np.int8, weight / 127, values=127),
        Tensor("bias", (1,), np.int32, weight / 127, values=0),
        Tensor("conv8", (1, 2, 2, 1), np.int8, step),
        Tensor("relu8", (1, 2, 2, 1), np.int8, step),
        Tensor("y", (1, 2, 2, 1)),
    ]
    operators = [
        Operator("QUANTIZE", ("x",), ("x8",)),
        Operator("CONV_2D", ("x8", "kernel", "bias"), ("conv8",), convolution()),
        *([Operator("RELU", ("conv8",), ("relu8",))] if relu else []),
        Operator("DEQUANTIZE", ("relu8" if relu else "conv8",), ("y",)),
    ]
    return write_file(tensors, operators, ("x",), ("y",))
