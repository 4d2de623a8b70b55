"""Files for LiteRT from anywhere: tried out where a crash does no harm.

LiteRT checks how a flatbuffer is built, but not all that the kernels rely on: an index
out of range, a buffer shorter than its tensor or a shape of a terabyte ends the process
that loads the file. So a file that does not carry this package's checksum is inspected
and run once in a process of its own, with little memory and time.
"""

import math
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import kerasnets
from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import BITS, check_identifier, unpack
from kerasnets.export.metadata.archive import check_sum

_SECONDS = 60
# What a model may need beside its file: the runtime, its tensors and packed kernels.
_MEMORY = 4 << 30
_MEMORY_A_BYTE = 6
_REFUSED = 3


def check_loadable(buffer: bytes, name: str) -> None:
    """Refuse a file that LiteRT cannot load, before it is loaded here.

    A file with this package's checksum is compared with it, which takes no time. Any
    other is tried out in a child process, without TensorFlow. Linux and macOS only, as
    the limits of the child are.

    Args:
        buffer: The file.
        name: What errors call it.

    Raises:
        KerasnetsError: It is no LiteRT file, it is damaged, or loading or running it
            fails, crashes, or takes more than a minute or more memory than 4 GiB and
            six times the file's size.
    """
    check_identifier(buffer, name)
    if not check_sum(buffer, name):
        _try_out(buffer, name)


def _try_out(buffer: bytes, name: str) -> None:
    """Load and run a file in a child process."""
    command = [sys.executable, "-m", "kerasnets.export.runtime.sandbox"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        end = subprocess.run(
            command,
            input=buffer,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            # where the package lies, so that the child finds it
            cwd=Path(kerasnets.__file__).parents[1],
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise KerasnetsError(
            f"{name} is refused: LiteRT did not run it within {_SECONDS} seconds"
        ) from error
    if end.returncode == 0:
        return
    if end.returncode == _REFUSED:
        reason = end.stdout.decode(errors="replace").strip()
    elif end.returncode < 0:
        reason = f"LiteRT crashes on it ({signal.Signals(-end.returncode).name})"
    else:
        reason = "trying it out failed: " + _last_line(end.stderr)
    raise KerasnetsError(f"{name} is refused: {reason}")


def _last_line(output: bytes) -> str:
    """What a process said last."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "the process said nothing"


def main() -> int:
    """Try out the file on standard input; the reason against it goes to the output."""
    buffer = sys.stdin.buffer.read()
    _limit(resource.RLIMIT_AS, _MEMORY + _MEMORY_A_BYTE * len(buffer))
    _limit(resource.RLIMIT_CPU, _SECONDS)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        check_structure(buffer)
        _run(buffer)
    # whatever LiteRT's Python layer meets in a damaged file
    except Exception as error:
        print(" ".join(str(error).split()) or type(error).__name__)
        return _REFUSED
    return 0


def _limit(kind: int, most: int) -> None:
    """Lower one of the process's own limits."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(kind, (most, most))


def _run(buffer: bytes) -> None:
    """Answer zeros once, with XNNPACK and with LiteRT's own kernels."""
    from ai_edge_litert.interpreter import OpResolverType

    from kerasnets.export.runtime.smoke_run import answers_to_zeros

    for kernels in (
        OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        OpResolverType.AUTO,
    ):
        answers_to_zeros(buffer, kernels=kernels)


def check_structure(buffer: bytes) -> None:
    """Refuse a flatbuffer whose parts do not fit each other.

    Run it under limits of memory and time: parts of a damaged flatbuffer may overlap a
    thousandfold.

    Raises:
        KerasnetsError: It is no model of LiteRT's schema 3, an index is out of range,
            or a buffer is not as large as its tensor.
    """
    model = unpack(buffer)
    if model.version != 3:
        raise KerasnetsError(f"its schema is {model.version}; 3 is accepted")
    for part in ("subgraphs", "buffers"):
        if not getattr(model, part):
            raise KerasnetsError(f"it has no {part}")
    for graph in model.subgraphs:
        _check_graph(graph, model)
    for entry in _listed(model.metadata):
        _check_index("metadata", [entry.buffer], len(model.buffers))
    for signature in model.signatureDefs or ():
        _check_index("a signature", [signature.subgraphIndex], len(model.subgraphs))
        known = len(_listed(model.subgraphs[signature.subgraphIndex].tensors))
        ends = [*_listed(signature.inputs), *_listed(signature.outputs)]
        _check_index("a signature", [end.tensorIndex for end in ends], known)


def _check_graph(graph: Any, model: Any) -> None:
    """The tensors and operators of one graph."""
    tensors = _listed(graph.tensors)
    operators, codes = _listed(graph.operators), _listed(model.operatorCodes)
    for index, tensor in enumerate(tensors):
        _check_index(f"tensor {index}", [tensor.buffer], len(model.buffers))
        _check_tensor(tensor, model.buffers[tensor.buffer], f"tensor {index}")
    for side in (graph.inputs, graph.outputs):
        _check_index("the graph", _listed(side), len(tensors))
    for index, operator in enumerate(operators):
        what = f"operator {index}"
        _check_index(what, [operator.opcodeIndex], len(codes))
        for side in (operator.inputs, operator.outputs, operator.intermediates):
            # -1 stands for an operand left out
            _check_index(what, [i for i in _listed(side) if i != -1], len(tensors))


def _check_tensor(tensor: Any, stored: Any, what: str) -> None:
    """Shape, quantisation and stored bytes of one tensor."""
    shape = _listed(tensor.shape)
    if any(side < 0 for side in shape):
        raise KerasnetsError(f"{what} has the shape {shape}")
    bits = BITS.get(tensor.type)
    if bits is None:
        return
    needed = (math.prod(shape) * bits + 7) // 8
    if needed > _MEMORY:
        raise KerasnetsError(f"{what} of shape {shape} needs {needed} bytes")
    stores = stored.size or (0 if stored.data is None else len(stored.data))
    # a sparse tensor stores less
    if stores and stores != needed and tensor.sparsity is None:
        raise KerasnetsError(
            f"{what} of shape {shape} needs {needed} bytes; {stores} are stored"
        )
    _check_scales(tensor.quantization, shape, what)


def _check_scales(quantization: Any, shape: list[int], what: str) -> None:
    """One scale and zero point, or one for each slice of a dimension."""
    if quantization is None or not _listed(quantization.scale):
        return
    scales = _listed(quantization.scale)
    axis = quantization.quantizedDimension
    zeros = len(_listed(quantization.zeroPoint))
    per_slice = shape[axis] if 0 <= axis < len(shape) else 1
    if len(scales) not in (1, per_slice) or zeros not in (0, len(scales)):
        raise KerasnetsError(
            f"{what} of shape {shape} has {len(scales)} scales and {zeros} zero points"
            f" along dimension {axis}"
        )


def _listed(vector: Any) -> list:
    """A vector of the flatbuffer; what is left out is empty, an empty one is 0."""
    if vector is None or isinstance(vector, int):
        return []
    # Python's numbers do not overflow
    return vector if isinstance(vector, list) else vector.tolist()


def _check_index(what: str, indices: list[int], count: int) -> None:
    """Refuse an index that names nothing."""
    for index in indices:
        if not 0 <= index < count:
            raise KerasnetsError(f"{what} names part {index} of {count}")


if __name__ == "__main__":
    sys.exit(main())
