"""What a LiteRT file is made of: operators, partitions, memory, numbers."""

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerasnets.export.flatbuffer import BITS, OPERATORS, read_bytes, unpack
from kerasnets.export.runtime.interpreter import open_interpreter, operators_of

_INTEGERS = {schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT16}
# What a softmax may be followed by without being another function.
_KEEP_VALUES = {"QUANTIZE", "DEQUANTIZE", "RESHAPE", "CAST", "TRANSPOSE", "SQUEEZE"}


@dataclass(frozen=True)
class Inspection:
    """What a LiteRT file is made of.

    Attributes:
        size: Bytes of the file.
        gzip_size: Bytes of the file behind gzip: what a download weighs.
        format: "float32", "float16", "dynamic", "int8", "int8_weights" or
            "int4_weights".
        operators: How many operators of each kind.
        partitions: In how many pieces XNNPACK, LiteRT's default delegate, takes over.
        outside: How many operators of each kind stay with LiteRT's own kernels.
        arena: Bytes of ``arena_bytes``.
    """

    size: int
    gzip_size: int
    format: str
    operators: Mapping[str, int]
    partitions: int
    outside: Mapping[str, int]
    arena: int


def inspect(source: bytes | Path | str, *, trusted: bool = False) -> Inspection:
    """Read operators, partitions, size and memory of a LiteRT file.

    Args:
        source: The file's bytes or its path.
        trusted: See ``open_interpreter``.

    Raises:
        KerasnetsError: The file is missing, damaged or nothing that LiteRT runs.
    """
    buffer = read_bytes(source)
    partitions, outside = delegation(source, trusted=trusted)
    model = unpack(buffer)
    return Inspection(
        size=len(buffer),
        gzip_size=len(gzip.compress(buffer, mtime=0)),
        format=_format(model),
        operators=_counted(kind for kind, _ in _operators(model)),
        partitions=partitions,
        outside=outside,
        arena=_arena(model),
    )


def number_format(source: bytes | Path | str) -> str:
    """Return the ``format`` of an ``Inspection`` alone.

    Raises:
        KerasnetsError: The file cannot be read or is damaged.
    """
    return _format(unpack(read_bytes(source)))


def arena_bytes(source: bytes | Path | str) -> int:
    """Return the largest sum of activations that are alive at once, in bytes.

    An arena that gives each activation a place of its own cannot be smaller; gaps and
    alignment come on top, operators that write over their input save some, XNNPACK
    plans its own. As for LiteRT's planner (``arena_planner.cc``), an activation lives
    from the operator that writes it to the last that reads it, inputs and outputs of
    the graph to the end. Weights do not count, nor weights unpacked once.

    Raises:
        KerasnetsError: The file cannot be read or is damaged.
    """
    return _arena(unpack(read_bytes(source)))


def ends_in_softmax(source: bytes | Path | str) -> tuple[bool, ...]:
    """Whether each output of the file is a softmax.

    Raises:
        KerasnetsError: The file cannot be read or is damaged.
    """
    model = unpack(read_bytes(source))
    makers = {
        int(tensor): (kind, operator)
        for kind, operator in _operators(model)
        for tensor in operator.outputs
    }
    answers = []
    for tensor in model.subgraphs[0].outputs:
        kind, operator = makers.get(int(tensor), ("", None))
        while operator is not None and kind in _KEEP_VALUES:
            kind, operator = makers.get(int(operator.inputs[0]), ("", None))
        answers.append(kind == "SOFTMAX")
    return tuple(answers)


def _operators(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield kind and entry of each operator of the main graph, in running order."""
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex]
        # files before schema 3a have the code in the old field alone
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        kind = OPERATORS.get(number, f"operator {number}")
        if kind == "CUSTOM":
            kind = (code.customCode or b"CUSTOM").decode(errors="replace")
        yield kind, operator


def _counted(kinds: Iterator[str]) -> dict[str, int]:
    """Count kinds, the most frequent first."""
    return dict(sorted(Counter(kinds).items(), key=lambda item: (-item[1], item[0])))


def _constants(model: Any) -> set[int]:
    """Tensors of the main graph that the file holds the values of."""
    return {
        index
        for index, tensor in enumerate(model.subgraphs[0].tensors)
        if model.buffers[tensor.buffer].data is not None
    }


def _arena(model: Any) -> int:
    """Follow the activations through the graph; see ``arena_bytes``."""
    graph = model.subgraphs[0]
    steps = len(graph.operators)
    constants = _constants(model)
    first = {int(tensor): 0 for tensor in graph.inputs}
    last = dict.fromkeys(first, steps - 1)
    for step, operator in enumerate(graph.operators):
        operands = {int(tensor) for tensor in operator.inputs} - {-1}
        results = [int(tensor) for tensor in operator.outputs]
        if operands and operands <= constants:
            constants.update(results)
            continue
        for tensor in (operands & first.keys()) - {*map(int, graph.inputs)}:
            last[tensor] = step
        for tensor in results:
            first.setdefault(tensor, step)
            last.setdefault(tensor, step)
    last.update({int(t): steps - 1 for t in graph.outputs if int(t) in first})
    alive = np.zeros(max(steps, 1), np.int64)
    for tensor, start in first.items():
        alive[start : last[tensor] + 1] += _tensor_bytes(graph.tensors[tensor])
    return int(alive.max())


def _tensor_bytes(tensor: Any) -> int:
    """The bytes of a tensor, a free size taken for 1."""
    shape = () if tensor.shape is None else tensor.shape
    count = int(np.prod([max(int(size), 1) for size in shape], dtype=np.int64))
    return -(-count * BITS.get(tensor.type, 0) // 8)


def _format(model: Any) -> str:
    """Name the numbers that a file holds and computes with."""
    types = schema.TensorType
    tensors = model.subgraphs[0].tensors
    constants = _constants(model)
    weights: dict[int, set[str]] = {}
    for kind, operator in _operators(model):
        operands = {int(tensor) for tensor in operator.inputs} - {-1}
        if kind not in ("QUANTIZE", "DEQUANTIZE") and any(
            tensors[int(result)].type in _INTEGERS
            and tensors[int(result)].quantization is not None
            for result in operator.outputs
        ):
            return "int8"
        for tensor in operands & constants:
            weights.setdefault(tensors[tensor].type, set()).add(kind)
    if types.INT4 in weights:
        return "int4_weights"
    if types.INT8 in weights:
        unpacked = weights[types.INT8] == {"DEQUANTIZE"}
        return "int8_weights" if unpacked else "dynamic"
    return "float16" if types.FLOAT16 in weights else "float32"


def delegation(
    source: bytes | Path | str, *, trusted: bool = False
) -> tuple[int, dict[str, int]]:
    """Return what LiteRT's default delegate, XNNPACK, leaves outside on this machine.

    Args:
        source: The file's bytes or its path.
        trusted: See ``open_interpreter``.

    Returns:
        The number of partitions that it takes over, and how many operators of each
        kind stay with LiteRT's own kernels.

    Raises:
        KerasnetsError: The file is missing, damaged or nothing that LiteRT runs.
    """
    nodes = operators_of(open_interpreter(source, trusted=trusted))
    delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
    own = [node for node in nodes if node["op_name"] != "DELEGATE"]
    inside: set[int] = set()
    for delegate in delegates:
        inside |= _behind(delegate, own)
    return len(delegates), _counted(
        node["op_name"] for node in own if node["index"] not in inside
    )


def _behind(delegate: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> set:
    """Indices of the operators between the outputs and the inputs of a delegate."""
    makers = {int(out): node for node in nodes for out in node["outputs"]}
    known = {int(tensor) for tensor in delegate["inputs"]}
    todo = [int(tensor) for tensor in delegate["outputs"]]
    found = set()
    while todo:
        tensor = todo.pop()
        if tensor in known or tensor not in makers:
            continue
        known.add(tensor)
        found.add(makers[tensor]["index"])
        todo += [int(operand) for operand in makers[tensor]["inputs"]]
    return found
