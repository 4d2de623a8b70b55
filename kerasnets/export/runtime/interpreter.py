"""LiteRT files, from arrays to arrays, without TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import read_bytes
from kerasnets.export.runtime.sandbox import check_loadable


def open_interpreter(
    source: bytes | Path | str,
    threads: int = 1,
    *,
    keep_tensors: bool = False,
    trusted: bool = False,
) -> Interpreter:
    """Return an interpreter of a LiteRT file, its tensors allocated.

    Args:
        source: The file's bytes or its path.
        threads: How many threads it may use.
        keep_tensors: Whether every tensor can be read after a run. It then runs
            LiteRT's own kernels, without XNNPACK.
        trusted: Whether the file was made here or loaded before, so that it need not
            be tried out again.

    Raises:
        KerasnetsError: The file is missing, damaged or nothing that LiteRT runs.
    """
    if threads < 1:
        raise KerasnetsError(f"threads is {threads}; it must be 1 or more")
    buffer = read_bytes(source)
    name = "the buffer" if isinstance(source, bytes) else str(source)
    if not trusted:
        check_loadable(buffer, name)
    resolver = (
        OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        if keep_tensors
        else OpResolverType.AUTO
    )
    try:
        interpreter = Interpreter(
            model_content=buffer,
            num_threads=threads,
            experimental_op_resolver_type=resolver,
            experimental_preserve_all_tensors=keep_tensors,
        )
        interpreter.allocate_tensors()
        # its Python layer reads what a damaged file may lack
        interpreter.get_input_details()
        interpreter.get_output_details()
    # ValueError, RuntimeError, and what its Python layer meets in a damaged file
    except Exception as error:
        reason = " ".join(str(error).split())
        raise KerasnetsError(f"{name} cannot be loaded by LiteRT: {reason}") from error
    return interpreter


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a file.

    Attributes:
        name: As the signature calls it, or else the graph.
        shape: Its sizes, None where any is taken.
        dtype: Of the values in the file.
        index: Where the interpreter has it.
        scale: The step of a quantised tensor; 0 for one that is not quantised.
        zero_point: The quantised value that stands for 0.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype
    index: int = 0
    scale: float = 0.0
    zero_point: int = 0

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Return real values as the file holds them; its own dtype stays as it is."""
        if values.dtype == self.dtype:
            return values
        if self.scale:
            values = np.round(values / self.scale) + self.zero_point
        if self.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            values = np.clip(values, limits.min, limits.max)
        return values.astype(self.dtype)

    def real(self, values: np.ndarray) -> np.ndarray:
        """Return what the file's values stand for."""
        if not self.scale:
            return values
        return (values.astype(np.float32) - self.zero_point) * np.float32(self.scale)


class LiteRTModel:
    """Any LiteRT file, from arrays to arrays.

    Args:
        source: The file's bytes or its path.
        threads: How many threads a run may use.
        keep_tensors: See ``open_interpreter``.
        trusted: Likewise.

    Attributes:
        inputs: What it takes, in the order of ``predict``.
        outputs: What it returns, likewise.

    Raises:
        KerasnetsError: The file is missing, damaged or nothing that LiteRT runs.
    """

    def __init__(
        self,
        source: bytes | Path | str,
        threads: int = 1,
        *,
        keep_tensors: bool = False,
        trusted: bool = False,
    ):
        self._interpreter = open_interpreter(
            source, threads, keep_tensors=keep_tensors, trusted=trusted
        )
        names = _signature_names(self._interpreter)
        self.inputs = tuple(
            _tensor_info(details, names[0])
            for details in self._interpreter.get_input_details()
        )
        self.outputs = tuple(
            _tensor_info(details, names[1])
            for details in self._interpreter.get_output_details()
        )

    def predict(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the file over examples, as many at once as it takes.

        Args:
            inputs: An array ``(n, ...)`` for each input: of the file's dtype, or real
                values, which are quantised where the file asks for it.

        Returns:
            An array ``(n, ...)`` for each output, dequantised.

        Raises:
            KerasnetsError: The arrays do not fit the file.
        """
        check_inputs(inputs, self.inputs)
        count = len(inputs[0])
        # a file of any batch gets all examples, one of batch b gets b at a time
        batch = self.inputs[0].shape[0] or max(count, 1)
        parts = [
            self._run([_batch_at(array, start, batch) for array in inputs])
            for start in range(0, count, batch)
        ]
        if not parts:
            return [np.empty((0, *_known(info.shape[1:]))) for info in self.outputs]
        return [np.concatenate(column)[:count] for column in zip(*parts, strict=True)]

    def tensor(self, index: int) -> TensorInfo:
        """Return what the interpreter says about a tensor."""
        return _tensor_info(self._interpreter._get_tensor_details(index, 0), {})

    def _run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run one batch."""
        self._resize(arrays)
        for info, array in zip(self.inputs, arrays, strict=True):
            self._interpreter.set_tensor(info.index, info.stored(array))
        self._interpreter.invoke()
        return [
            info.real(self._interpreter.get_tensor(info.index)) for info in self.outputs
        ]

    def _resize(self, arrays: Sequence[np.ndarray]) -> None:
        """Give the inputs of free size that of the arrays."""
        changed = False
        for info, array in zip(self.inputs, arrays, strict=True):
            if None in info.shape:
                now = self._interpreter._get_tensor_details(info.index, 0)["shape"]
                if tuple(now) != array.shape:
                    self._interpreter.resize_tensor_input(info.index, array.shape)
                    changed = True
        if changed:
            self._interpreter.allocate_tensors()


def check_inputs(arrays: Sequence[np.ndarray], infos: Sequence[TensorInfo]) -> None:
    """Raise unless the arrays are examples that a file with these inputs takes."""
    accepted = ", ".join(_shape_text(info.shape) for info in infos)
    given = ", ".join(str(array.shape) for array in arrays)
    fits = len(arrays) == len(infos) and len({len(array) for array in arrays}) == 1
    for array, info in zip(arrays, infos, strict=False):
        fits = fits and len(array.shape) == len(info.shape)
        fits = fits and all(
            wanted in (None, size)
            for size, wanted in zip(array.shape[1:], info.shape[1:], strict=False)
        )
    if not fits:
        raise KerasnetsError(
            f"arrays of shape {given} were given to a file that takes {accepted}, n the"
            " same in all"
        )


def operators_of(interpreter: Interpreter) -> list[dict[str, Any]]:
    """Return the operators of a loaded file in running order, as LiteRT tells them.

    Each has "index", "op_name", and the tensors "inputs" and "outputs"; what a delegate
    took over is one operator more, "DELEGATE".
    """
    return interpreter._get_ops_details()


def _signature_names(interpreter: Interpreter) -> tuple[dict, dict]:
    """Return what the one signature calls inputs and outputs, by tensor index."""
    signatures = list(interpreter._get_full_signature_list().values())
    if len(signatures) != 1:
        return {}, {}
    inputs, outputs = (
        {int(index): name for name, index in signatures[0][side].items()}
        for side in ("inputs", "outputs")
    )
    return inputs, outputs


def _tensor_info(details: dict[str, Any], names: dict[int, str]) -> TensorInfo:
    """Return what the interpreter says about an input or output."""
    index = int(details["index"])
    scale, zero_point = details["quantization"]
    return TensorInfo(
        name=names.get(index) or str(details["name"]),
        shape=tuple(
            None if size == -1 else int(size) for size in details["shape_signature"]
        ),
        dtype=np.dtype(details["dtype"]),
        index=index,
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _batch_at(array: np.ndarray, start: int, batch: int) -> np.ndarray:
    """Return a batch of an array, the last example repeated where it ends early."""
    return array[np.minimum(np.arange(start, start + batch), len(array) - 1)]


def _known(shape: Sequence[int | None]) -> tuple[int, ...]:
    """A shape with 1 for every free size."""
    return tuple(size or 1 for size in shape)


def _shape_text(shape: Sequence[int | None]) -> str:
    """An accepted shape: (n, 32, 32, 3)."""
    sizes = ("any" if size is None else str(size) for size in shape[1:])
    return f"({', '.join(('n', *sizes))})"
