"""What all builders share: the row of a variant, input, head, documentation."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Concatenate, ParamSpec, TypeVar

import keras
from keras import layers

from kerasnets.errors import KerasnetsError
from kerasnets.graph import deep_graphs, gc_paused, maker
from kerasnets.pixels import carry
from kerasnets.pretrained import HEAD, UNIT, Preprocessing, Twin, load_weights, origin


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is printed about a network, where it is printed.

    Attributes:
        params: parameters, as a number (138e6 for "138M"); None where not printed.
        madds: multiply-adds, likewise.
        top1: accuracy in percent; None where not printed.
        top5: share of images with the label among the best five, in percent.
        protocol: the data and how it was shown: "ImageNet, single crop".
        source: where the accuracy is printed.
    """

    params: float | None = None
    madds: float | None = None
    top1: float | None = None
    top5: float | None = None
    protocol: str = ""
    source: str = ""


# what a classifier of images gives
ONE_ANSWER = "(batch, classes)"


@dataclass(frozen=True, kw_only=True)
class Network:
    """What the row of every variant tells: its name, its paper, its cost.

    Attributes:
        name: the public name of the builder, as in ``ResNet20``.
        family: the networks it belongs to.
        year: year of the paper.
        params: parameters at the default arguments, batch-norm statistics included.
        madds: multiply-adds of one image at the default arguments (convolutions and
            dense layers).
        source: paper and section that the row follows.
        published: what the paper prints of it.
        input_shape: of an image in the paper.
        minimum: the smallest side of an image that is of use.
        answer: the shape of what it gives.
        preprocessing: that of the paper, or [-1, 1] where it has none of its own.
        keras: the network in keras.applications, or None.
        torch: the network in torchvision or timm, or None.
    """

    name: str
    family: str
    year: int
    params: int
    madds: int
    source: str
    published: Published = Published()
    input_shape: tuple[int, int, int] = (224, 224, 3)
    minimum: int = 32
    answer: str = ONE_ANSWER
    preprocessing: Preprocessing = UNIT
    keras: Twin | None = None
    torch: Twin | None = None


P = ParamSpec("P")
Row = TypeVar("Row", bound=Network)


def variant(
    build: Callable[Concatenate[Row, P], keras.Model], row: Row
) -> Callable[P, keras.Model]:
    """The public builder of ``row``: ``build`` with its first argument given.

    The builder carries the row as ``builder.network``, and the row's name, signature
    and docstring: that of ``build``, which documents its own arguments, and those that
    all builders share.
    """

    @functools.wraps(build)
    def builder(*args: P.args, **kwargs: P.kwargs) -> keras.Model:
        with gc_paused():
            return build(row, *args, **kwargs)

    parameters = list(inspect.signature(build).parameters.values())[1:]
    builder.__name__ = builder.__qualname__ = row.name
    builder.__doc__ = _documentation(row, inspect.getdoc(build) or "", parameters)
    builder.__dict__.update(
        __signature__=inspect.Signature(parameters, return_annotation=keras.Model),
        network=row,
    )
    return builder


def _documentation(row: Network, own: str, parameters: list) -> str:
    """The docstring of a public builder."""
    what, _, own_arguments = own.partition("\nArgs:\n")
    height, width, channels = row.input_shape
    shared = {
        "input_shape": f"""(height, width, channels), {row.minimum} pixels a side or
        more; sides may be None. ({height}, {width}, {channels}) when None.""",
        "include_top": "end in the classifier and its activation.",
        "weights": """None for random weights; "imagenet" for those of
        keras.applications; the path of a .keras or .weights.h5 file of this network or
        of a .safetensors or .pth file of its twin in torchvision or timm; or
        "timm:NAME" for a model of the Hugging Face hub.""",
        "input_tensor": "a Keras tensor to build on, instead of ``input_shape``.",
        "pooling": """without top, None gives the last map, "avg" or "max" a
        vector.""",
        "classes": "number of classes; weights of a file keep theirs only if equal.",
        "classifier_activation": "activation of the output; None returns logits.",
        "name": "name of the model.",
    }
    arguments = [
        f"    {p.name}: {shared[p.name]}"
        for p in parameters
        if p.name in shared and f"    {p.name}: " not in own_arguments
    ]
    return "\n".join(
        [
            f"{row.name} ({row.source}): {row.params:,} parameters.\n",
            f"{what.strip()}\n",
            "Args:",
            *([own_arguments.rstrip()] if own_arguments else []),
            *arguments,
            "\nReturns:",
            "    A functional ``keras.Model`` from images, scaled as",
            "    ``kerasnets.applications.preprocessing(model)`` says, to",
            f"    {row.answer}.",
            "\nRaises:",
            "    KerasnetsError: an argument is wrong, or the weights do not fit.",
        ]
    )


def manner(form: str | None, weights: str | Path | None, accepted: Mapping) -> str:
    """In whose manner to build: "paper", or of the library that the weights are from.

    Args:
        form: as the user gave it; None chooses by the weights.
        weights: as the user gave them.
        accepted: the forms that the family knows.

    Raises:
        KerasnetsError: the family has no such form.
    """
    if form is None:
        home = origin(weights)
        return home if home in accepted else "paper"
    if form not in accepted:
        raise KerasnetsError(
            f"form {form!r} is unknown: {', '.join(map(repr, accepted))} or None"
        )
    return form


def image_input(network: Network, input_shape=None, input_tensor=None):
    """The images of a network: new ones of ``input_shape``, or ``input_tensor``.

    They carry what is to be done to their pixels, which ``finish`` makes what the
    weights say.

    Args:
        network: the row, for its shape and smallest side.
        input_shape: (height, width, channels), sides may be None; or None for the
            row's.
        input_tensor: a Keras tensor of shape (batch, height, width, channels).

    Raises:
        KerasnetsError: the shape is not that of an image or is too small.
    """
    given = input_shape if input_tensor is None else input_tensor.shape[1:]
    shape = tuple(network.input_shape if given is None else given)
    if len(shape) != 3 or not isinstance(shape[2], int) or shape[2] < 1:
        raise KerasnetsError(
            f"input_shape {shape} is not (height, width, channels) of an image"
        )
    if any(side is not None and side < network.minimum for side in shape[:2]):
        raise KerasnetsError(
            f"input_shape {shape} is too small: a side needs {network.minimum} pixels "
            "or more"
        )
    if input_tensor is None:
        return carry(keras.Input(shape, name="image"), network.preprocessing)
    if input_shape is not None and tuple(input_shape) != shape:
        raise KerasnetsError(
            f"input_shape {tuple(input_shape)} contradicts input_tensor of shape "
            f"{shape}: give one of them"
        )
    return carry(input_tensor, network.preprocessing)


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


def averaged_top(
    x,
    include_top: bool,
    pooling: str | None,
    classes: int,
    classifier_activation,
    *,
    dropout: float = 0.0,
    initializer=None,
):
    """The classifier on the average of the map, or the map pooled on request."""
    if not include_top:
        return pooled_features(x, pooling)
    return average_and_classify(
        x,
        classes=classes,
        classifier_activation=classifier_activation,
        dropout=dropout,
        initializer=initializer,
    )


def average_and_classify(
    x, *, classes: int, classifier_activation, dropout: float = 0.0, initializer=None
):
    """Global average pooling, dropout (where not 0), dense, activation."""
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return classify(x, classes, classifier_activation, initializer)


def flatten(x):
    """The map as a vector, for dense layers; its size must be known."""
    if None in x.shape[1:]:
        raise KerasnetsError(
            f"a map of {x.shape[1]}x{x.shape[2]} pixels has no fixed length for dense "
            "layers: give input_shape with both sides, or include_top=False, or see "
            "applications.to_fully_convolutional"
        )
    return layers.Flatten(name="flatten")(x)


def classify(
    x, classes: int, classifier_activation, initializer=None, *, prefix: str = ""
):
    """The dense layer ``logits`` and, unless it is None, the activation on it.

    Both stay in float32 under every precision policy: half precision has too few
    digits for a loss. ``prefix`` goes before their names, for auxiliary classifiers.
    """
    check_count("classes", classes)
    x = layers.Dense(
        classes,
        kernel_initializer=initializer or "glorot_uniform",
        dtype="float32",
        name=f"{prefix}{HEAD}",
    )(x)
    return activate(x, classifier_activation, prefix=prefix)


def activate(logits, classifier_activation, *, prefix: str = ""):
    """The layer ``predictions`` on the logits, or the logits where it is None."""
    if classifier_activation is None:
        return logits
    return layers.Activation(
        classifier_activation, dtype="float32", name=f"{prefix}predictions"
    )(logits)


def check_count(name: str, value: int) -> None:
    """Raise where the argument is no number of classes, units, ..."""
    if not isinstance(value, int) or value < 1:
        raise KerasnetsError(f"{name} {value!r} is not a whole number of 1 or more")


def check_rate(name: str, value: float) -> None:
    """Raise where the argument is no share that may be dropped."""
    if not 0 <= value < 1:
        raise KerasnetsError(f"{name} {value!r} is not a rate: 0 or more, less than 1")


def finish(
    inputs,
    outputs,
    *,
    network: Network,
    weights: str | Path | None,
    name: str | None,
    form: str | None = None,
    title: str | None = None,
    twin_arguments: Mapping = MappingProxyType({}),
) -> keras.Model:
    """The model from ``inputs`` to ``outputs`` with the weights that were asked for.

    Args:
        inputs: the image input; where it was made from other tensors, the model
            starts at those.
        outputs: the output tensor; with auxiliary classifiers a list, theirs after it.
        network: the row of the variant.
        weights: as the user gave them.
        name: as the user gave it; None makes one of ``title`` and the form.
        form: from ``manner``, for families that have forms.
        title: the name without the form; the row's name when None.
        twin_arguments: with which the network in keras.applications is the same one.

    Raises:
        KerasnetsError: the weights are missing, of another kind or do not fit.
    """
    form = form or origin(weights)
    title = title or network.name.lower()
    with deep_graphs():
        sources = keras.utils.get_source_inputs(inputs)
        model = keras.Model(
            sources[0] if len(sources) == 1 else sources,
            outputs,
            name=name or (title if form == "paper" else f"{title}_{form}"),
        )
    told = None
    if weights is not None:
        told = load_weights(
            model,
            weights,
            keras_twin=network.keras,
            torch_twin=network.torch,
            twin_arguments=twin_arguments,
        )
    told = told or convention(network, form)
    pixels = maker(inputs).operation
    pixels.preprocessing = told.fitted(inputs.shape[1], inputs.shape[3])
    return model


def convention(network: Network, form: str) -> Preprocessing:
    """The preprocessing of a network in the manner of the paper or of a library."""
    twin = {"keras": network.keras, "torch": network.torch}.get(form)
    return network.preprocessing if twin is None else twin.preprocessing
