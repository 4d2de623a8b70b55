"""Opening a LiteRT file, running a classifier from one; without TensorFlow."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import read_bytes
from kerasnets.export.metadata import read_metadata
from kerasnets.export.sandbox import check_loadable


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


class Classifier:
    """An image classifier read from a LiteRT file.

    Args:
        path: A file of this package: it takes raw pixels and carries its labels.
        threads: How many threads one image may use.

    Attributes:
        labels: Class names, in the order of the probabilities.
        input_size: Height and width of the images it takes.
        quantised: Whether it takes and returns uint8 inside.

    Raises:
        KerasnetsError: The file is missing, damaged, or not an image classifier: one
            ``(1, h, w, 3)`` input, one ``(1, classes)`` output, float32 or uint8.
    """

    def __init__(self, path: Path | str, threads: int = 1):
        self._interpreter = open_interpreter(path, threads)
        _check_classifier(self._interpreter, path)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self.input_size = tuple(map(int, self._input["shape"][1:3]))
        self.quantised = self._input["dtype"] is np.uint8
        metadata = read_metadata(path)
        self.labels = metadata.labels
        if len(self.labels) != self._output["shape"][1]:
            raise KerasnetsError(
                f"{path} names {len(self.labels)} labels for"
                f" {self._output['shape'][1]} classes"
            )
        if (metadata.mean, metadata.std) != (0.0, 1.0):
            raise KerasnetsError(
                f"{path} takes pixels normalised by mean {metadata.mean} and deviation"
                f" {metadata.std}; a file that takes raw pixels is accepted"
            )

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Classify images, one after another.

        Args:
            images: ``(n, h, w, 3)`` uint8 of ``input_size``, RGB.

        Returns:
            ``(n, classes)`` float32 probabilities.

        Raises:
            KerasnetsError: The images have another shape or dtype.
        """
        if images.dtype != np.uint8 or images.shape[1:] != (*self.input_size, 3):
            raise KerasnetsError(
                f"the images have shape {images.shape} and dtype {images.dtype};"
                f" (n, {self.input_size[0]}, {self.input_size[1]}, 3) of uint8 is"
                " accepted"
            )
        answers = np.empty((len(images), self._output["shape"][1]), np.float32)
        for answer, image in zip(answers, images, strict=True):
            pixels = image[None].astype(self._input["dtype"], copy=False)
            self._interpreter.set_tensor(self._input["index"], pixels)
            self._interpreter.invoke()
            answer[:] = self._interpreter.get_tensor(self._output["index"])[0]
        if self._output["dtype"] is np.uint8:
            scale, zero_point = self._output["quantization"]
            answers = (answers - zero_point) * np.float32(scale)
        return answers


def _check_classifier(interpreter: Interpreter, path: Path | str) -> None:
    """Raise unless the file goes from one image to one row of answers."""
    inputs = interpreter.get_input_details()
    outputs = interpreter.get_output_details()
    shapes = [tuple(map(int, tensor["shape"])) for tensor in (*inputs, *outputs)]
    kinds = {tensor["dtype"] for tensor in (*inputs, *outputs)}
    if (
        [len(shape) for shape in shapes] != [4, 2]
        or len(inputs) != 1
        or shapes[0][0] != 1
        or shapes[0][3] != 3
        or kinds - {np.float32, np.uint8}
    ):
        raise KerasnetsError(
            f"{path} is not an image classifier: its tensors have shapes {shapes} of"
            f" {', '.join(sorted(kind.__name__ for kind in kinds))}; (1, h, w, 3) and"
            " (1, classes) of float32 or uint8 are accepted"
        )
