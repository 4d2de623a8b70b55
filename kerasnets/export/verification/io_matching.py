"""Which input and output of a model belongs to which of its file."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets.data import images_at_once
from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion.inference import inference_model
from kerasnets.export.conversion.wrapper import end_names
from kerasnets.export.metadata.tflite import read_metadata
from kerasnets.export.runtime.interpreter import LiteRTModel, TensorInfo
from kerasnets.export.runtime.predictors import Predictor
from kerasnets.export.verification.comparison import softmax
from kerasnets.export.verification.inspection import ends_in_softmax
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.probabilities import LOGITS, PROBABILITIES, by_structure, by_values

# how a file of this package calls the pixels it takes
_PIXELS = "image"


class IOMatching:
    """A file and the Keras model that it should answer like.

    Nothing here is taken from the exporter: the model is called as its owner calls it,
    with its own pixels and its own answers, and the file as an app calls it.

    Args:
        path: The file.
        file: The same, opened.
        model: Functional, or a distiller of such; its auxiliary heads are left out, it
            answers in float32.
        pixels: What the model wants done to pixels. Default: what ``pixels_of`` finds.
        file_pixels: What must be done to pixels before the file gets them. Default: the
            normalisation in its metadata; nothing where its input is called "image";
            else what the model wants. A uint8 input is given the pixels as they are.
        output: What the model answers with. Default: its answers say, else its graph.

    Attributes:
        model: What answers for the model.

    Raises:
        KerasnetsError: Inputs or outputs of the two do not fit each other.
    """

    def __init__(
        self,
        path: Path | str,
        file: Predictor,
        model: keras.Model,
        *,
        pixels: Preprocessing | None = None,
        file_pixels: Preprocessing | None = None,
        output: str | None = None,
    ):
        self.file, self.model = file, inference_model(model)
        self.pixels_stated = pixels is not None
        self._name, self._path = str(path), path
        self._pixels, self._file_pixels, self._output = pixels, file_pixels, output
        self._inputs = self._matched("input", self.model.inputs, file.inputs)
        self._outputs = self._matched("output", self.model.outputs, file.outputs)

    @functools.cached_property
    def preprocessing(self) -> Preprocessing:
        """What the model wants done to pixels."""
        return pixels_of(self.model, self._pixels)

    @functools.cached_property
    def file_preprocessing(self) -> Preprocessing | None:
        """What must be done to pixels before the file gets them; None for nothing."""
        if self._file_pixels is not None or not self.takes_images:
            return self._file_pixels
        if isinstance(self.file, LiteRTModel):
            try:
                metadata = read_metadata(self._path)
            except KerasnetsError:
                pass  # a file from elsewhere need not have any
            else:
                mean, std = (_each(x) for x in (metadata.mean, metadata.std))
                raw = {*mean} == {0.0} and {*std} == {1.0}
                # one number stands for all channels
                channels = self.file.inputs[0].shape[-1] or len(mean)
                found = Preprocessing(mean, std).fitted(None, channels)
                return None if raw else found
        return None if self.file.inputs[0].name == _PIXELS else self.preprocessing

    def find_output(self, arrays: Sequence[np.ndarray]) -> None:
        """Find out what model and file answer with, from some examples.

        The model's answers go before its graph: the exporter had the graph to go by.
        """
        self.gives_probabilities = self.softmax = False
        if len(self.model.outputs) != 1:
            return
        answers = self.own_answers(arrays)[0]
        found = self._output or by_values(answers)
        if found is None:
            found = by_structure(self.model)
        # neither tells: what the file gives is compared as it is
        self.gives_probabilities = found == PROBABILITIES
        self.softmax = found == LOGITS and self._file_ends_in_softmax()

    def _file_ends_in_softmax(self) -> bool:
        """Whether the file answers with probabilities, made of logits perhaps."""
        if isinstance(self.file, LiteRTModel):
            return ends_in_softmax(self._path) == (True,)
        return self.file.outputs[0].name == PROBABILITIES

    @property
    def takes_images(self) -> bool:
        """Whether the one input of the model has the shape of an image."""
        return len(self.model.inputs) == 1 and len(self.model.inputs[0].shape) == 4

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
        if not self.are_pixels(arrays):
            return [arrays[index] for index in self._inputs]
        (pixels,) = arrays
        info = self.file.inputs[0]
        if info.dtype == np.uint8 and self._file_pixels is None:
            return [pixels]
        if self.file_preprocessing is None:
            return [pixels.astype(np.float32)]
        return [np.asarray(self.file_preprocessing(pixels))]

    def model_inputs(
        self, arrays: Sequence[np.ndarray], pixels: Preprocessing | None = None
    ) -> list[np.ndarray]:
        """Return what the model is given: pixels resized and preprocessed.

        Args:
            arrays: What the model takes, or uint8 pixels.
            pixels: What is done to these in the place of what the model wants.
        """
        if not self.are_pixels(arrays):
            return list(arrays)
        x: Any = keras.ops.convert_to_tensor(arrays[0], "float32")
        size = tuple(self.model.inputs[0].shape[1:3])
        if None not in size and x.shape[1:3] != size:
            x = keras.ops.image.resize(x, size, data_format="channels_last")
        return [np.asarray((pixels or self.preprocessing)(x))]

    def own_answers(
        self, arrays: Sequence[np.ndarray], pixels: Preprocessing | None = None
    ) -> list[np.ndarray]:
        """Return what the model itself answers, in the order of the file's outputs."""
        inputs = self.model_inputs(arrays, pixels)
        parts = []
        for start in range(0, len(inputs[0]), self._at_once):
            tensors = [
                keras.ops.convert_to_tensor(
                    array[start : start + self._at_once], tensor.dtype
                )
                for array, tensor in zip(inputs, self.model.inputs, strict=True)
            ]
            answers = self._call(*tensors)
            parts.append([np.asarray(answers[i]) for i in self._outputs])
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    @functools.cached_property
    def _call(self) -> Callable[..., list[Any]]:
        """The model, called with the tensors of its inputs.

        Compiled where that can be: it answers three times as fast, and lets go of a map
        that nobody reads any more.
        """

        def call(*tensors):
            structure = keras.tree.pack_sequence_as(self.model.input, [*tensors])
            return keras.tree.flatten(self.model(structure, training=False))

        if keras.backend.backend() != "tensorflow":
            return call
        import tensorflow as tf

        return tf.function(call, reduce_retracing=True)

    @functools.cached_property
    def _at_once(self) -> int:
        """Examples at once, as their maps fit in memory."""
        shape = self.model.inputs[0].shape
        return images_at_once(max((side or 224 for side in shape[1:3]), default=1))

    def expected(
        self, arrays: Sequence[np.ndarray], pixels: Preprocessing | None = None
    ) -> list[np.ndarray]:
        """Return what the file should answer: logits through a softmax if it has one.

        Raises:
            AttributeError: ``find_output`` was not called.
        """
        answers = self.own_answers(arrays, pixels)
        return [softmax(answers[0])] if self.softmax else answers

    def check(self, arrays: Sequence[np.ndarray]) -> None:
        """Raise unless the arrays are examples for the model or pixels for the file."""
        shapes = [tuple(array.shape[1:]) for array in arrays]
        if self.are_pixels(arrays):
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

    def are_pixels(self, arrays: Sequence[np.ndarray]) -> bool:
        """Whether the arrays are pixels from 0 to 255, not what the model takes."""
        return len(arrays) == 1 and arrays[0].dtype == np.uint8 and self.takes_images

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
