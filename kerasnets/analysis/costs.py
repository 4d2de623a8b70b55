"""What a network costs: parameters, multiply-adds and memory, layer by layer.

A multiply and an add together count 1. Counted are convolutions and dense layers, as
in the papers' tables; batch normalisation, pooling and activations are left out, and
so are Keras's own attention and recurrent layers. A layer of the user's own is counted
where it says so itself, by ``count_madds(output_shape)``, or is made of layers.
"""

import math
from dataclasses import dataclass

import keras

from kerasnets.analysis.receptive_field import ReceptiveField, receptive_fields
from kerasnets.errors import KerasnetsError
from kerasnets.graph import Use, model_uses
from kerasnets.traits import kernels_of, sides, traits_of

_FLOAT32 = 4


@dataclass(frozen=True)
class LayerCost:
    """One use of a layer of a network.

    Attributes:
        name: The layer's name.
        kind: Its class.
        output_shape: Shape of its output for one image, without the batch.
        kernel: Its window, "3x3", "3x3/2" with stride 2, "3x3/2 g32" with 32 groups;
            "" where it has none.
        params: Its parameters, batch-norm statistics included.
        madds: Its multiply-adds for one image.
        activation_bytes: Size of its outputs for one image in float32.
        receptive_field: Pixels of the image that one position of its output sees:
            (rows, columns), "all", or None where that is not known.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    kernel: str
    params: int
    madds: int
    activation_bytes: int
    receptive_field: ReceptiveField


@dataclass(frozen=True)
class ModelCost:
    """A network: its sums, and its layers in the order of the graph.

    Attributes:
        name: The model's name.
        params: Parameters, batch-norm statistics included.
        trainable_params: Those that training changes.
        madds: Multiply-adds for one image.
        activation_bytes: Size of the outputs of all layers for one image in float32.
        layers: The cost of each use of a layer.
    """

    name: str
    params: int
    trainable_params: int
    madds: int
    activation_bytes: int
    layers: tuple[LayerCost, ...]


def cost(model: keras.Model, input_shape: tuple[int, ...] | None = None) -> ModelCost:
    """Count what a model costs for one image; any Keras model, the user's own too.

    Args:
        model: Functional, Sequential or subclassed.
        input_shape: (height, width, channels) of the image, for a model that is not
            built yet (it is then built) or that leaves its sides open.

    Raises:
        KerasnetsError: The model's image size is not known or not fixed, or
            ``input_shape`` does not fit the model.
    """
    rows = layer_costs(model, input_shape)
    return ModelCost(
        name=model.name,
        params=count_params(model),
        trainable_params=sum(math.prod(w.shape) for w in model.trainable_weights),
        madds=sum(row.madds for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
        layers=tuple(rows),
    )


def layer_costs(
    model: keras.Model, input_shape: tuple[int, ...] | None = None
) -> list[LayerCost]:
    """List the cost of each layer of a model, in the order of the graph.

    A layer that is used more than once appears once a use, with its parameters on the
    first. The layers of nested models are listed in their place.

    Args:
        model: Any Keras model.
        input_shape: As in ``cost``.

    Raises:
        KerasnetsError: As in ``cost``.
    """
    uses = model_uses(model, input_shape)
    counted: set[int] = set()
    return [
        _layer_cost(use, field, counted)
        for use, field in zip(uses, receptive_fields(uses), strict=True)
    ]


def count_params(model: keras.Model) -> int:
    """Count all parameters, batch-norm statistics included, as Keras does."""
    return model.count_params()


def count_madds(model: keras.Model, input_shape: tuple[int, ...] | None = None) -> int:
    """Count the multiply-adds for one image; arguments and errors as in ``cost``."""
    return sum(_madds(use) for use in model_uses(model, input_shape))


def _layer_cost(use: Use, field: ReceptiveField, counted: set[int]) -> LayerCost:
    """The row of one use; ``counted`` are the weights of the uses before it."""
    new = {id(w): w for w in getattr(use.layer, "weights", []) if id(w) not in counted}
    counted.update(new)
    madds = _madds(use)
    for shape in use.outputs:
        _require_fixed(use, shape)
    return LayerCost(
        name=use.layer.name,
        kind=type(use.layer).__name__,
        output_shape=use.outputs[0][1:] if use.outputs else (),
        kernel=kernel_text(use.layer),
        params=sum(math.prod(weight.shape) for weight in new.values()),
        madds=madds,
        activation_bytes=_FLOAT32 * sum(math.prod(s[1:]) for s in use.outputs),
        receptive_field=field,
    )


def kernel_text(layer) -> str:
    """Write the window of a layer, its stride and its groups, as in "3x3/2 g32"."""
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if window is None:
        return ""
    strides = getattr(layer, "strides", 1)
    groups = getattr(layer, "groups", 1)
    sides = (window, window) if isinstance(window, int) else window
    steps = {strides} if isinstance(strides, int) else set(strides)
    text = "x".join(map(str, sides))
    if steps != {1}:
        text += "/" + "x".join(map(str, sorted(steps)))
    return text + (f" g{groups}" if groups != 1 else "")


def _madds(use: Use) -> int:
    """Multiply-adds of one use of a layer for one image."""
    layer, kernels = use.layer, kernels_of(use.layer)
    if not kernels and not hasattr(layer, "count_madds"):
        return 0
    # a transposed convolution spreads each input position, the others gather for
    # each output position
    shape = (use.inputs if traits_of(layer).transposed else use.outputs)[0]
    _require_fixed(use, shape)
    if hasattr(layer, "count_madds"):
        return layer.count_madds(shape)
    weights = sum(math.prod(kernel.shape) for kernel in kernels.values())
    return math.prod(sides(layer, shape)) * weights


def _require_fixed(use: Use, shape: tuple) -> None:
    if None in shape[1:]:
        raise KerasnetsError(
            f"layer {use.layer.name!r} has no fixed size {shape[1:]}: build the model "
            "with the height and width of the image, or give input_shape"
        )
