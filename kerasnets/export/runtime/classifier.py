"""An image classifier of a LiteRT file, without TensorFlow."""

from pathlib import Path
from typing import cast

import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.metadata.tflite import read_metadata
from kerasnets.export.runtime.interpreter import LiteRTModel


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
        self._model = LiteRTModel(path, threads)
        _check_classifier(self._model, path)
        image, answer = self._model.inputs[0], self._model.outputs[0]
        self.input_size = cast(tuple[int, int], image.shape[1:3])
        self.quantised = image.dtype == np.uint8
        metadata = read_metadata(path)
        self.labels = metadata.labels
        if len(self.labels) != answer.shape[1]:
            raise KerasnetsError(
                f"{path} names {len(self.labels)} labels for {answer.shape[1]} classes"
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
        return self._model.predict([images])[0]


def _check_classifier(model: LiteRTModel, path: Path | str) -> None:
    """Raise unless the file goes from one image to one row of answers."""
    ends = (*model.inputs, *model.outputs)
    kinds = {end.dtype for end in ends}
    if (
        [len(end.shape) for end in ends] != [4, 2]
        or len(model.inputs) != 1
        or ends[0].shape[0] != 1
        or ends[0].shape[3] != 3
        or kinds - {np.dtype(np.float32), np.dtype(np.uint8)}
    ):
        raise KerasnetsError(
            f"{path} is not an image classifier: its tensors have shapes"
            f" {[end.shape for end in ends]} of"
            f" {', '.join(sorted(kind.name for kind in kinds))}; (1, h, w, 3) and"
            " (1, classes) of float32 or uint8 are accepted"
        )
