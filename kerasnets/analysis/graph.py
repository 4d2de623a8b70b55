"""The calls of layers that a model makes, in order, and what feeds each.

A functional model is walked node by node, nested models in their place. What has no
graph (a subclassed model, a user's layer made of layers) is run once on symbolic
tensors while every call of a layer is written down.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from kerasnets.errors import KerasnetsError


@dataclass(frozen=True)
class Use:
    """One use of a layer.

    Attributes:
        layer: the layer, or the operation of ``keras.ops``.
        inputs: shapes of its inputs, batch first.
        outputs: shapes of its outputs, likewise.
        sources: positions, in the list of uses, of those whose outputs it takes; None
            where that is not known.
    """

    layer: Any
    inputs: tuple[tuple, ...]
    outputs: tuple[tuple, ...]
    sources: tuple[int, ...] | None


def shapes_only(build: Callable[[], keras.Model]) -> keras.Model:
    """A network whose weights have shapes but no values: enough to count and to draw.

    The 144 million weights of VGG-19 are not drawn: 0.03 s instead of 3.5 s. The names
    that Keras counts up start again.

    Args:
        build: builds the network.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            return build()
    finally:
        # the next scope of this kind would give values to all that wait for them
        keras.utils.clear_session(free_memory=False)


def model_uses(model: keras.Model, input_shape: tuple | None = None) -> list[Use]:
    """Every use of a layer, from the inputs to the outputs.

    Args:
        model: any Keras model.
        input_shape: of one image, without the batch, for a model that is not built or
            that leaves sides open; None for the model's own.

    Raises:
        KerasnetsError: the shape of the input is not known or does not fit.
    """
    if not model.built:
        _build(model, input_shape)
    graph = graph_of(model)
    uses: list[Use] = []
    if graph is None:
        shape = input_shape or _shape_built_with(model)
        _record(model, (keras.KerasTensor((1, *shape)),), {}, uses)
        return uses
    inputs = keras.tree.flatten(graph.inputs)
    specs = [_fitted(model, tensor, input_shape) for tensor in inputs]
    _walk(graph, specs, [None] * len(specs), uses)
    return uses


def graph_of(model: Any) -> Any:
    """The functional graph of a model; None where it has none."""
    graph = model._functional if isinstance(model, keras.Sequential) else model
    return graph if isinstance(graph, keras.Function) else None


def _build(model: keras.Model, input_shape: tuple | None) -> None:
    """Build a model that was made without the shape of its input."""
    if input_shape is None:
        raise KerasnetsError(
            f"model {model.name!r} is not built: give input_shape, the (height, width, "
            "channels) of an image"
        )
    with _explained(model, input_shape):
        if isinstance(model, keras.Sequential):
            model.build((None, *input_shape))
        else:
            model(keras.KerasTensor((1, *input_shape)))


def _shape_built_with(model: keras.Model) -> tuple:
    """The shape of one image that a subclassed model was built on."""
    shape = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, tuple | list) or None in shape[1:]:
        raise KerasnetsError(
            f"model {model.name!r} does not tell the shape of its input: give "
            "input_shape, the (height, width, channels) of an image"
        )
    return tuple(shape[1:])


def _fitted(model: keras.Model, tensor, input_shape: tuple | None):
    """The input tensor with the sides that it leaves open filled in."""
    if input_shape is None:
        return tensor
    own = tensor.shape[1:]
    if len(own) != len(input_shape) or any(
        side not in (None, given) for side, given in zip(own, input_shape, strict=True)
    ):
        raise KerasnetsError(
            f"input_shape {tuple(input_shape)} does not fit model {model.name!r}, "
            f"which takes {own}"
        )
    return keras.KerasTensor((tensor.shape[0], *input_shape), dtype=tensor.dtype)


def _walk(graph, specs: list, sources: list[int | None], uses: list[Use]) -> list:
    """Add the uses of ``graph`` on inputs like ``specs``, fed by ``sources``.

    Returns:
        The output tensors' (spec, position of the use that makes it).
    """
    # by the identity of a tensor of the graph: what stands for it here, who made it
    spec = {id(t): s for t, s in zip(graph.inputs, specs, strict=True)}
    maker = {id(t): s for t, s in zip(graph.inputs, sources, strict=True)}
    same = all(id(t) == id(s) for t, s in zip(graph.inputs, specs, strict=True))
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            made = _visit(node, spec, maker, uses, same)
            for tensor, (output, position) in zip(
                node.output_tensors, made, strict=True
            ):
                spec[id(tensor)], maker[id(tensor)] = output, position
    return [(spec[id(tensor)], maker[id(tensor)]) for tensor in graph.outputs]


def _visit(node, spec: dict, maker: dict, uses: list[Use], same: bool) -> list:
    """Add the uses of one node; its outputs as (spec, position of the maker)."""
    layer, graph = node.operation, graph_of(node.operation)
    tensors = node.input_tensors or node.output_tensors
    inputs = [spec[id(tensor)] for tensor in tensors]
    sources = [maker[id(tensor)] for tensor in tensors]
    if graph is not None:
        return _walk(graph, inputs, sources, uses)
    arguments, options = node.arguments.fill_in(spec)
    if node.is_input:
        outputs = inputs
    elif same:
        outputs = node.output_tensors
    else:
        outputs = keras.tree.flatten(layer.compute_output_spec(*arguments, **options))
    if not _is_one(layer):
        _record(layer, arguments, options, uses)
        return [(output, len(uses) - 1) for output in outputs]
    known = tuple(position for position in sources if position is not None)
    uses.append(Use(layer, _shapes(inputs), _shapes(outputs), known))
    return [(output, len(uses) - 1) for output in outputs]


def _is_one(layer) -> bool:
    """Whether a layer counts as one: Keras's own, or not made of layers."""
    if isinstance(layer, keras.Model):
        return False
    own = type(layer).__module__.startswith("keras.")
    return own or not getattr(layer, "_layers", [])


def _record(layer, arguments: tuple, options: dict, uses: list[Use]) -> None:
    """Add every call of a layer that ``layer`` makes, and itself for its own weights.

    What feeds a call is not known then.
    """
    start = len(uses)
    shapes = _shapes(keras.tree.flatten(arguments))
    with _explained(layer, [shape[1:] for shape in shapes]), _calls_into(uses):
        outputs = keras.Operation.compute_output_spec(layer, *arguments, **options)
    inner = {id(weight) for use in uses[start:] for weight in _weights(use.layer)}
    if len(uses) == start or any(id(w) not in inner for w in _weights(layer)):
        uses.append(Use(layer, shapes, _shapes(keras.tree.flatten(outputs)), None))


def _weights(layer) -> list:
    return getattr(layer, "weights", [])


@contextlib.contextmanager
def _calls_into(uses: list[Use]) -> Iterator[None]:
    """Write down the calls of layers that count as one, for the time of the block."""
    original = keras.Layer.__call__

    def call(layer, *args, **kwargs):
        start = len(uses)
        outputs = original(layer, *args, **kwargs)
        if _is_one(layer):
            del uses[start:]  # what Keras's own layer is made of
            inputs = _shapes(keras.tree.flatten((args, kwargs)))
            uses.append(Use(layer, inputs, _shapes(keras.tree.flatten(outputs)), None))
        return outputs

    keras.Layer.__call__ = call
    try:
        yield
    finally:
        keras.Layer.__call__ = original


@contextlib.contextmanager
def _explained(layer, shape) -> Iterator[None]:
    """Turn what Keras raises about an input into one line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, KerasnetsError):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise KerasnetsError(
            f"model {layer.name!r} does not run on an input of shape {shape}: "
            f"{lines[-1] if lines else type(error).__name__}"
        ) from error


def _shapes(tensors) -> tuple[tuple, ...]:
    return tuple(tuple(t.shape) for t in tensors if getattr(t, "shape", None))
