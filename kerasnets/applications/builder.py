"""What all builders share: the row of a variant, input, head, weights."""

import contextlib
import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import keras
from keras import layers

from kerasnets.errors import KerasnetsError


@dataclass(frozen=True)
class Network:
    """What the row of every variant tells: its name, its paper, its cost.

    Attributes:
        name: the public name of the builder, as in ``ResNet20``.
        year: year of the paper.
        params: parameters at the default arguments, batch-norm statistics included.
        madds: multiply-adds of one image at the default arguments (convolutions and
            dense layers).
        source: paper and section that the row follows.
    """

    name: str
    year: int
    params: int
    madds: int
    source: str


P = ParamSpec("P")
Row = TypeVar("Row", bound=Network)


def variant(
    build: Callable[Concatenate[Row, P], keras.Model], row: Row
) -> Callable[P, keras.Model]:
    """The public builder of ``row``: ``build`` with its first argument given.

    The builder carries the row as ``builder.network``, and the row's name, signature
    and docstring.
    """

    @functools.wraps(build)
    def builder(*args: P.args, **kwargs: P.kwargs) -> keras.Model:
        return build(row, *args, **kwargs)

    parameters = list(inspect.signature(build).parameters.values())[1:]
    what = f"{row.name} ({row.source}): {row.params:,} parameters."
    builder.__name__ = builder.__qualname__ = row.name
    builder.__doc__ = f"{what}\n\n{inspect.getdoc(build)}"
    builder.__dict__.update(
        __signature__=inspect.Signature(parameters, return_annotation=keras.Model),
        network=row,
    )
    return builder


def image_input(input_shape, input_tensor, *, default: tuple, minimum: int):
    """The input of a network: a new one of ``input_shape``, or ``input_tensor``.

    Args:
        input_shape: (height, width, channels), sides may be None; or None for
            ``default``.
        input_tensor: a Keras tensor of shape (batch, height, width, channels).
        default: the shape in the paper.
        minimum: the smallest side that is of use.

    Raises:
        KerasnetsError: the shape is not that of an image or is too small.
    """
    given = input_shape if input_tensor is None else input_tensor.shape[1:]
    shape = tuple(default if given is None else given)
    if len(shape) != 3 or not isinstance(shape[2], int) or shape[2] < 1:
        raise KerasnetsError(
            f"input_shape {shape} is not (height, width, channels) of an image"
        )
    if any(side is not None and side < minimum for side in shape[:2]):
        raise KerasnetsError(
            f"input_shape {shape} is too small: a side needs {minimum} pixels or more"
        )
    if input_tensor is None:
        return keras.Input(shape, name="image")
    if input_shape is not None and tuple(input_shape) != shape:
        raise KerasnetsError(
            f"input_shape {tuple(input_shape)} contradicts input_tensor of shape "
            f"{shape}: give one of them"
        )
    return input_tensor


def pooled_features(x, pooling: str | None):
    """The last feature map of a network without top, pooled on request.

    Args:
        x: feature map (batch, height, width, channels).
        pooling: None keeps the map, "avg" or "max" give (batch, channels).
    """
    if pooling is None:
        return x
    pools = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}
    if pooling not in pools:
        raise KerasnetsError(f"pooling {pooling!r} is unknown: None, 'avg' or 'max'")
    return pools[pooling](name=f"{pooling}_pool")(x)


def average_and_classify(
    x, *, classes: int, classifier_activation, dropout: float = 0.0, initializer=None
):
    """Global average pooling, dropout (where not 0), dense, activation."""
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return classify(x, classes, classifier_activation, initializer)


def classify(x, classes: int, classifier_activation, initializer=None):
    """The dense layer ``logits`` and, unless it is None, the activation on it.

    Both stay in float32 under every precision policy: half precision has too few
    digits for a loss.
    """
    check_classes(classes)
    x = layers.Dense(
        classes,
        kernel_initializer=initializer or "glorot_uniform",
        dtype="float32",
        name="logits",
    )(x)
    return activate(x, classifier_activation)


def activate(logits, classifier_activation):
    """The layer ``predictions`` on the logits, or the logits where it is None."""
    if classifier_activation is None:
        return logits
    return layers.Activation(
        classifier_activation, dtype="float32", name="predictions"
    )(logits)


def check_classes(classes: int) -> None:
    """Raise where ``classes`` is no number of classes."""
    if not isinstance(classes, int) or classes < 1:
        raise KerasnetsError(f"classes {classes!r} is not a whole number of 1 or more")


def finish(inputs, outputs, *, name: str, weights: str | Path | None) -> keras.Model:
    """The model from ``inputs`` to ``outputs`` with the weights of a file.

    Args:
        inputs: the image input; where it was made from other tensors, the model
            starts at those.
        outputs: the output tensor.
        name: name of the model.
        weights: None for random weights, or the path of a ``.weights.h5`` file that
            was saved from the same network.

    Raises:
        KerasnetsError: the file is missing, of another kind or does not fit.
    """
    with deep_graphs():
        sources = keras.utils.get_source_inputs(inputs)
        model = keras.Model(
            sources[0] if len(sources) == 1 else sources, outputs, name=name
        )
    if weights is not None:
        _load_weights(model, Path(weights))
    return model


@contextlib.contextmanager
def deep_graphs():
    """Let Keras, which follows a graph by recursion, follow a thousand layers."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 50_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _load_weights(model: keras.Model, path: Path) -> None:
    if not path.name.endswith(".weights.h5") or not path.is_file():
        raise KerasnetsError(
            f"weights {str(path)!r}: give None or the path of an existing .weights.h5 "
            f"file saved from {model.name}"
        )
    try:
        with warnings.catch_warnings():
            # Keras warns of layers that the file lacks and leaves them random
            warnings.filterwarnings("error", "Skipping nested container", UserWarning)
            model.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        reason = str(error).splitlines()[0]
        raise KerasnetsError(f"{path} does not fit {model.name}: {reason}") from error
