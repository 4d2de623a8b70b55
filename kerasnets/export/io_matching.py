"""Which input and output of a model belongs to which of its file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.inference import gives_probabilities, inference_model
from kerasnets.export.inspection import ends_in_softmax
from kerasnets.export.metadata import read_metadata
from kerasnets.export.predictors import Predictor
from kerasnets.export.runtime import LiteRTModel, TensorInfo
from kerasnets.export.wrapper import end_names
from kerasnets.pixels import Preprocessing, pixels_of

# how a file of this package calls the pixels it takes
_PIXELS = "image"


class IOMatching:
    """A file and the Keras model that it should answer like.

    Args:
        path: The file.
        file: The same, opened.
        model: Functional, or a distiller of such; its auxiliary heads are left out, it
            answers in float32.
        preprocessing: What the model takes. Default: what
            ``applications.preprocessing(model)`` says, else [-1, 1].
        normalise: What the file takes. Default: the normalisation in its metadata; raw
            pixels where its input is called "image"; else what the model takes. A
            uint8 input is given the pixels as they are.

    Attributes:
        model: What answers for the model.
        softmax: Whether the file ends in a softmax that the model does not have.

    Raises:
        KerasnetsError: Inputs or outputs of the two do not fit each other.
    """

    def __init__(
        self,
        path: Path | str,
        file: Predictor,
        model: keras.Model,
        *,
        preprocessing: Preprocessing | None = None,
        normalise: Preprocessing | None = None,
    ):
        self.file, self.model = file, inference_model(model)
        self._name, self._given = str(path), normalise
        if preprocessing is None and self.takes_images:
            preprocessing = pixels_of(self.model)
        self._convention = preprocessing
        self._normalise = normalise or self._stated(path)
        self.softmax = (
            isinstance(file, LiteRTModel)
            and ends_in_softmax(path) == (True,)
            and not gives_probabilities(self.model)
        )
        self._inputs = self._matched("input", self.model.inputs, file.inputs)
        self._outputs = self._matched("output", self.model.outputs, file.outputs)

    @property
    def takes_images(self) -> bool:
        """Whether the one input of the model has the shape of an image."""
        return len(self.model.inputs) == 1 and len(self.model.inputs[0].shape) == 4

    @property
    def normalised_outside(self) -> bool:
        """Whether pixels are normalised before the file gets them, not inside."""
        return self._normalise is not None

    @property
    def classes(self) -> bool:
        """Whether the one output, of one image, holds a score for each class."""
        return (
            self.takes_images
            and len(self.file.outputs) == 1
            and len(self.file.outputs[0].shape) in (2, 4)
            and (self.model.outputs[0].shape[-1] or 0) > 1
        )

    @property
    def resize_from(self) -> tuple[int, int] | None:
        """The size of the images, where the file brings them to that of the model."""
        if not self.takes_images:
            return None
        height, width = self.file.inputs[0].shape[1:3]
        if height is None or width is None:
            return None
        size = (height, width)
        return None if size == tuple(self.model.inputs[0].shape[1:3]) else size

    def file_inputs(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return what the file is given, for what the model is given or for pixels."""
        if not self._are_pixels(arrays):
            return [arrays[index] for index in self._inputs]
        (pixels,) = arrays
        info = self.file.inputs[0]
        if info.dtype == np.uint8 and self._given is None:
            return [pixels]
        if self._normalise is None:
            return [pixels.astype(np.float32)]
        return [np.asarray(self._normalise(pixels))]

    def model_inputs(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return what the model is given, pixels preprocessed."""
        if not self._are_pixels(arrays):
            return list(arrays)
        return [np.asarray(self._preprocessed(arrays[0]))]

    def expected(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return what the model answers, in the order of the file's outputs."""
        tensors = [
            keras.ops.convert_to_tensor(array, tensor.dtype)
            for array, tensor in zip(
                self.model_inputs(arrays), self.model.inputs, strict=True
            )
        ]
        structure = keras.tree.pack_sequence_as(self.model.input, tensors)
        answers = keras.tree.flatten(self.model(structure, training=False))
        if self.softmax:
            answers = [keras.ops.softmax(answers[0])]
        return [np.asarray(answers[i]) for i in self._outputs]

    def check(self, arrays: Sequence[np.ndarray]) -> None:
        """Raise unless the arrays are examples for the model or pixels for the file."""
        shapes = [tuple(array.shape[1:]) for array in arrays]
        if self._are_pixels(arrays):
            accepted = [tuple(self.file.inputs[0].shape[1:])]
        else:
            accepted = [tuple(tensor.shape[1:]) for tensor in self.model.inputs]
        fits = len(shapes) == len(accepted) and all(
            len(given) == len(wanted)
            and all(b in (None, a) for a, b in zip(given, wanted, strict=True))
            for given, wanted in zip(shapes, accepted, strict=True)
        )
        counts = {len(array) for array in arrays}
        if not fits or len(counts) != 1 or counts == {0}:
            raise KerasnetsError(
                f"arrays of shape {', '.join(str(a.shape) for a in arrays)} were given"
                f" to verify {self._name}; n examples, 1 or more, of shape"
                f" {', '.join(map(str, accepted))} are accepted"
            )

    def _are_pixels(self, arrays: Sequence[np.ndarray]) -> bool:
        """Whether the arrays are pixels from 0 to 255, not what the model takes."""
        return len(arrays) == 1 and arrays[0].dtype == np.uint8 and self.takes_images

    def _preprocessed(self, pixels: np.ndarray) -> Any:
        """Return what the model gets of pixels, as the graph in the file does it."""
        x: Any = keras.ops.convert_to_tensor(pixels, "float32")
        size = tuple(self.model.inputs[0].shape[1:3])
        if None not in size and x.shape[1:3] != size:
            x = keras.ops.image.resize(x, size, data_format="channels_last")
        return x if self._convention is None else self._convention(x)

    def _stated(self, path: Path | str) -> Preprocessing | None:
        """What the file takes, by its metadata or its name; None for raw pixels."""
        if not self.takes_images:
            return None
        if isinstance(self.file, LiteRTModel):
            try:
                metadata = read_metadata(path)
            except KerasnetsError:
                pass  # a file from elsewhere need not have any
            else:
                mean, std = (_each(x) for x in (metadata.mean, metadata.std))
                raw = {*mean} == {0.0} and {*std} == {1.0}
                return None if raw else Preprocessing(mean, std)
        return None if self.file.inputs[0].name == _PIXELS else self._convention

    def _matched(
        self,
        end: str,
        tensors: Sequence[keras.KerasTensor],
        infos: Sequence[TensorInfo],
    ) -> list[int]:
        """Return the model's number of each input or output of the file.

        By name where the names are the same, else in order.
        """
        names = [info.name for info in infos]
        order = list(range(len(names)))
        for known in (end_names(self.model, end), [x.name for x in tensors]):
            if sorted(known) == sorted(names):
                order = [known.index(name) for name in names]
                break
        given = [info.shape[1:] for info in infos]
        shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
        sides = end == "output" or not self.takes_images
        if len(shapes) != len(given) or not all(
            _alike(shapes[i], given[n], sides=sides) for n, i in enumerate(order)
        ):
            raise KerasnetsError(
                f"{self._name} has {end}s of shape {', '.join(map(str, given))},"
                f" {self.model.name!r} of shape {', '.join(map(str, shapes))} (each"
                " without the batch); a file of this model is accepted"
            )
        return order


def _alike(model: Sequence, file: Sequence, *, sides: bool) -> bool:
    """Whether shapes fit, None fitting all; without ``sides`` the channels alone."""
    if len(model) != len(file):
        return False
    pairs = list(zip(model, file, strict=True))
    return all(
        None in pair or pair[0] == pair[1] for pair in pairs[0 if sides else -1 :]
    )


def _each(value: float | Sequence[float]) -> tuple[float, ...]:
    """One number, or one a channel, as a tuple."""
    return tuple(value) if isinstance(value, Sequence) else (value,)
