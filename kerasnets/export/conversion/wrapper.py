"""The graph of a file: what is around the network, and what its ends are called."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion.layer_names import plain_layer_names
from kerasnets.graph import maker
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.probabilities import OUTPUTS, gives_probabilities

TASKS = ("classifier", "segmenter", "generic")
# how Keras calls a layer that nobody named: its class, and a count in the process
_COUNTED = re.compile(r"_\d+$")


@dataclass(frozen=True)
class Graph:
    """A graph with named ends.

    Attributes:
        inputs: Shape, without the batch, and dtype of each input, in order, by name.
        outputs: The names of the outputs, in order.
        call: From the inputs to a sequence of outputs.
        variables: Keras weights or TensorFlow variables that it reads.
        image: Whether the one input is an image.
        pixels: Whether it holds pixels, from 0 to 255.
    """

    inputs: dict[str, tuple[tuple[int, ...], str]]
    outputs: Sequence[str]
    call: Callable[..., Sequence[Any]]
    variables: Sequence[Any]
    image: bool = False
    pixels: bool = False


@dataclass(frozen=True)
class Ends:
    """What a file has before and behind its network.

    Attributes:
        task: "classifier", "segmenter", or "generic" for any inputs and outputs: then
            nothing is added around the model.
        softmax: Whether logits of a classifier or segmenter become probabilities.
        preprocessing: Whether the file takes pixels from 0 to 255 and does inside what
            the model wants done to them; else it takes what the model takes.
        pixels: What that is. Default: what ``kerasnets.pixels.pixels_of`` finds.
        output: What the model answers with, "probabilities" or "logits". Default: what
            ``kerasnets.probabilities.gives_probabilities`` finds.
        resize_from: Height and width of the images that the file takes, where it is to
            bring them (bilinearly) to the size of the network.
    """

    task: str = "classifier"
    softmax: bool = True
    preprocessing: bool = True
    pixels: Preprocessing | None = None
    output: str | None = None
    resize_from: tuple[int, int] | None = None

    def __post_init__(self):
        for name, accepted in (("task", TASKS), ("output", (None, *OUTPUTS))):
            value = getattr(self, name)
            if value not in accepted:
                names = ", ".join(str(one) for one in accepted if one is not None)
                raise KerasnetsError(f"{name} is {value!r}; {names} are accepted")


def _as_it_is(x: Any, low: Any, high: Any) -> Any:
    """Leave a tensor unrounded."""
    del low, high
    return x


@dataclass(frozen=True)
class Wrapper:
    """What a file computes before and behind a network of images.

    Attributes:
        image: Height, width and channels of the image it is given.
        size: Height and width that the network takes.
        convention: What is done to the pixels; None where they are taken as they are.
        softmax: Whether a softmax follows the network.
        answer: What the output is called.
    """

    image: tuple[int, int, int]
    size: tuple[int, int]
    convention: Preprocessing | None
    softmax: bool
    answer: str = field(default="probabilities")

    def __call__(
        self, image: Any, network: Callable[[Any], Any], rounded: Callable = _as_it_is
    ) -> Any:
        """Compute the answer for ``(batch, height, width, channels)`` pixels.

        Args:
            image: A Keras tensor or a tensor of TensorFlow.
            network: From preprocessed images to what the network answers.
            rounded: Called with each tensor before the network and its least and
                largest value; what it returns goes on.
        """
        x = rounded(image, 0.0, 255.0)
        if self.image[:2] != self.size:
            x = keras.ops.image.resize(x, self.size, data_format="channels_last")
        if self.convention is not None:
            x = self._preprocessed(x, self.convention, rounded)
        x = network(x)
        return keras.ops.softmax(x) if self.softmax else x

    def _preprocessed(self, x: Any, convention: Preprocessing, rounded: Callable):
        """Order, centre and scale the channels."""
        if convention.channels == "BGR":
            # not flipped: int8 files with LiteRT's reverse answered nothing like the
            # model
            x = keras.ops.take(x, [2, 1, 0], axis=-1)
        mean, scale = np.array(convention.mean), 1 / np.array(convention.std)
        if not mean.any() and (scale == 1).all():
            return x
        low, high = -mean, 255 - mean
        # Subtract first: the factor then folds into the kernel of a convolution that
        # follows, which leaves one operator of the two in x / 127.5 - 1.
        x = rounded(x - _constant(mean), low.min(), high.max())
        return rounded(x * _constant(scale), (low * scale).min(), (high * scale).max())


def _constant(values: np.ndarray) -> Any:
    """A factor or summand for each channel, a number where they are alike."""
    return float(values[0]) if len({*values}) == 1 else values.astype(np.float32)


def wrapper_of(model: keras.Model, ends: Ends) -> Wrapper:
    """Return what goes around a network of images.

    Raises:
        KerasnetsError: It does not take one image, does not answer as the task says, or
            it cannot be known what it wants done to pixels or what it answers with.
    """
    _check_ends(model, ends.task)
    height, width, channels = model.inputs[0].shape[1:]
    given = ends.resize_from or (height, width)
    probable = gives_probabilities(model, output=ends.output, pixels=ends.pixels)
    if ends.softmax and not probable and model.outputs[0].shape[-1] == 1:
        raise KerasnetsError(
            f"{model.name!r} returns one logit, of which a softmax is always 1; end the"
            " model in a sigmoid, or give softmax=False"
        )
    convention = pixels_of(model, ends.pixels) if ends.preprocessing else None
    return Wrapper(
        image=(given[0], given[1], channels),
        size=(height, width),
        convention=convention,
        softmax=ends.softmax and not probable,
        answer="probabilities" if ends.softmax or probable else "logits",
    )


def _check_ends(model: keras.Model, task: str) -> None:
    """Raise unless one image goes to one answer of the task."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise KerasnetsError(
            f"{model.name!r} has {len(model.inputs)} inputs and {len(model.outputs)}"
            f" outputs; a {task} to convert has one of each (task='generic' takes"
            " any number)"
        )
    shape = model.inputs[0].shape
    if len(shape) != 4 or None in shape[1:]:
        raise KerasnetsError(
            f"{model.name!r} has input shape {shape}; a {task} to convert has"
            " (None, height, width, channels) with fixed height and width"
            " (task='generic' takes any fixed shape)"
        )
    ranks = (4,) if task == "segmenter" else (2, 4)
    if len(model.outputs[0].shape) not in ranks:
        maps = "(None, height, width, classes)"
        accepted = maps if task == "segmenter" else f"(None, classes) or {maps}"
        raise KerasnetsError(
            f"{model.name!r} has output shape {model.outputs[0].shape}; a {task} to"
            f" convert has {accepted}"
        )


def image_graph(model: keras.Model, wrapper: Wrapper) -> Graph:
    """Return the graph from ``image`` to the answer."""

    def call(image: Any) -> list[Any]:
        with plain_layer_names(model):
            return [wrapper(image, lambda x: model(x, training=False))]

    return wrapped_graph(wrapper, call, model.weights)


def wrapped_graph(
    wrapper: Wrapper, call: Callable[[Any], list[Any]], variables: Any
) -> Graph:
    """Return a graph with the ends of a wrapper."""
    inputs = {"image": (wrapper.image, "float32")}
    pixels = wrapper.convention is not None
    return Graph(inputs, (wrapper.answer,), call, variables, image=True, pixels=pixels)


def generic_graph(model: keras.Model) -> Graph:
    """Return the graph of the model alone, its ends named as in the model.

    Raises:
        KerasnetsError: A side other than the batch is open, or two ends share a name.
    """
    inputs = {}
    for name, tensor in zip(end_names(model, "input"), model.inputs, strict=True):
        if None in tensor.shape[1:]:
            raise KerasnetsError(
                f"input {name!r} of {model.name!r} has shape {tensor.shape}; all but"
                " the batch must be fixed"
            )
        inputs[name] = (tuple(tensor.shape[1:]), tensor.dtype)

    def call(*tensors: Any) -> list[Any]:
        structure = keras.tree.pack_sequence_as(model.input, list(tensors))
        with plain_layer_names(model):
            return keras.tree.flatten(model(structure, training=False))

    return Graph(inputs, end_names(model, "output"), call, model.weights)


def end_names(model: keras.Model, end: str) -> list[str]:
    """Return the names of the inputs or outputs: keys, or the names of their layers.

    A name that Keras made up, from a class and a count, depends on what else the
    process built; ``input`` or ``input_0``, ``input_1`` stand in for it, likewise for
    outputs.

    Args:
        model: A functional model.
        end: "input" or "output".

    Raises:
        KerasnetsError: Two ends share a name.
    """
    ends = getattr(model, end)
    tensors = keras.tree.flatten(ends)
    if isinstance(ends, dict):
        # in the order in which keras.tree flattens a dictionary
        return sorted(ends)
    numbers = [""] if len(tensors) == 1 else [f"_{i}" for i in range(len(tensors))]
    names = [
        f"{end}{number}" if _is_made_up(tensor) else maker(tensor).operation.name
        for number, tensor in zip(numbers, tensors, strict=True)
    ]
    if len({*names}) < len(names):
        raise KerasnetsError(
            f"{end}s of {model.name!r} share a name: {', '.join(names)}; name their"
            " layers"
        )
    return names


def _is_made_up(tensor: Any) -> bool:
    """Whether Keras named the operation that a tensor comes from."""
    operation = maker(tensor).operation
    plain = _COUNTED.sub("", operation.name).replace("_", "")
    return plain == type(operation).__name__.lower()
