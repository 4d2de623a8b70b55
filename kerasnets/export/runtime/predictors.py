"""Exported models of every format behind one call: LiteRT, ONNX, SavedModel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.runtime.interpreter import LiteRTModel, TensorInfo, check_inputs

_ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}


class Predictor(Protocol):
    """What an exported model of any format is to a comparison.

    Attributes:
        inputs: What it takes, in the order of ``predict``.
        outputs: What it returns, likewise.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    def predict(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return an array ``(n, ...)`` for each output, given one for each input."""
        ...


def is_litert(path: Path | str) -> bool:
    """Whether a path is taken for a LiteRT file: no folder, and not ``.onnx``."""
    path = Path(path)
    return not path.is_dir() and path.suffix != ".onnx"


def open_predictor(
    path: Path | str, threads: int = 1, *, trusted: bool = False
) -> Predictor:
    """Open an exported model: a folder is a SavedModel, ``.onnx`` ONNX, else LiteRT.

    A SavedModel is a program: open only what you trust.

    Args:
        path: A file or a folder.
        threads: How many threads it may use. TensorFlow, which runs a SavedModel,
            has one number for the whole process and keeps it.
        trusted: Of a LiteRT file, see ``open_interpreter``.

    Raises:
        KerasnetsError: It is missing, damaged or cannot be run here.
    """
    path = Path(path)
    if path.is_dir():
        return SavedModel(path)
    if path.suffix == ".onnx":
        return OnnxModel(path, threads)
    return LiteRTModel(path, threads, trusted=trusted)


class OnnxModel:
    """An ONNX file, run by onnxruntime; see ``Predictor``."""

    def __init__(self, path: Path | str, threads: int = 1):
        try:
            import onnxruntime
        except ImportError as error:
            raise KerasnetsError(
                f"{path} is an ONNX file: pip install onnxruntime to run it"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors alone
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # it has an exception for each status, with no common class
        except Exception as error:
            reason = " ".join(str(error).split())
            raise KerasnetsError(
                f"{path} cannot be loaded by onnxruntime: {reason}"
            ) from error
        self.inputs = tuple(map(_onnx_info, self._session.get_inputs()))
        self.outputs = tuple(map(_onnx_info, self._session.get_outputs()))

    def predict(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the file; see ``LiteRTModel.predict``."""
        check_inputs(inputs, self.inputs)
        feed = {
            info.name: info.stored(array)
            for info, array in zip(self.inputs, inputs, strict=True)
        }
        names = [info.name for info in self.outputs]
        return [np.asarray(array) for array in self._session.run(names, feed)]


def _onnx_info(tensor: Any) -> TensorInfo:
    """Return what onnxruntime says about an input or output."""
    return TensorInfo(
        name=tensor.name,
        shape=tuple(size if isinstance(size, int) else None for size in tensor.shape),
        dtype=np.dtype(_ONNX_TYPES.get(tensor.type, np.float32)),
    )


class SavedModel:
    """The ``serving_default`` signature of a SavedModel; see ``Predictor``."""

    def __init__(self, path: Path | str):
        import tensorflow as tf

        try:
            # kept: a signature does not hold the variables that it reads
            self._loaded = tf.saved_model.load(str(path))
            self._call = self._loaded.signatures["serving_default"]
        # OSError, KeyError, and what a damaged graph leads to
        except Exception as error:
            reason = " ".join(str(error).split())
            raise KerasnetsError(
                f"{path} is not a SavedModel with the signature serving_default:"
                f" {reason}"
            ) from error
        arguments = self._call.structured_input_signature[1]
        self.inputs = tuple(_spec_info(name, arguments[name]) for name in arguments)
        results = self._call.structured_outputs
        self.outputs = tuple(_spec_info(name, results[name]) for name in results)

    def predict(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the signature; see ``LiteRTModel.predict``."""
        import tensorflow as tf

        check_inputs(inputs, self.inputs)
        feed = {
            info.name: tf.constant(info.stored(array))
            for info, array in zip(self.inputs, inputs, strict=True)
        }
        results = self._call(**feed)
        return [results[info.name].numpy() for info in self.outputs]


def _spec_info(name: str, spec: Any) -> TensorInfo:
    """Return what a TensorSpec says."""
    return TensorInfo(name, tuple(spec.shape), np.dtype(spec.dtype.as_numpy_dtype))
