"""Keras's graph of layers: read, walked and called again.

Everything in the package that follows a graph does it with these functions, on every
Keras backend. They and ``saving`` alone touch Keras's private attributes;
``tests/test_graph.py`` names each of them and what it means.

A functional model is walked node by node. What has no graph (a subclassed model, a
user's layer made of layers) is run once on symbolic tensors while every call of a layer
is written down.
"""

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from kerasnets.errors import KerasnetsError, reason


@dataclass(frozen=True)
class Call:
    """One call of an operation in a functional graph.

    Attributes:
        operation: The layer, the nested model or the operation of ``keras.ops``.
        inputs: Tensors of the graph that it takes; none for an input layer.
        outputs: Tensors that it gives.
        args: What it is called with by position, tensors where they belong.
        kwargs: What it is called with by name, likewise.
    """

    operation: Any
    inputs: tuple
    outputs: tuple
    args: tuple
    kwargs: dict[str, Any]


def graph_of(model: Any) -> Any:
    """Give the functional graph of a model; None where it has none.

    A built Sequential keeps one inside.
    """
    graph = model._functional if isinstance(model, keras.Sequential) else model
    return graph if isinstance(graph, keras.Function) else None


def calls(model: Any) -> list[Call]:
    """List the calls of a functional model from its inputs to its outputs.

    Input layers come first; a nested model is one call.

    Raises:
        KerasnetsError: The model has no graph.
    """
    return [_call(node) for node in _nodes(_require_graph(model))]


def maker(tensor: Any) -> Call:
    """Give the call that made a tensor of a graph: its history, one step back."""
    history = tensor._keras_history
    return _call(history.operation._inbound_nodes[history.node_index])


def output_index(tensor: Any) -> int:
    """Tell which of the outputs of its maker a tensor is, from 0."""
    return tensor._keras_history.tensor_index


def input_like(tensor: Any) -> Any:
    """Make an input of the same name, shape and type as that of another model."""
    name = maker(tensor).operation.name
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)


def consumers(model: Any, tensor: Any) -> list[Call]:
    """List the calls of a functional model that take a tensor, in running order.

    Args:
        model: The model.
        tensor: A tensor of its graph: one of ``model.inputs``, or of the outputs of a
            call.

    Raises:
        KerasnetsError: The model has no graph.
    """
    return [call for call in calls(model) if any(one is tensor for one in call.inputs)]


def calls_of(model: Any, layer: Any) -> list[Call]:
    """List the calls of a layer within a model, in running order.

    ``layer.input`` and ``layer.output`` are those of its first call, which is another
    model's where a graph was called again.

    Args:
        model: The model.
        layer: One of its layers.

    Raises:
        KerasnetsError: The model has no graph.
    """
    return [call for call in calls(model) if call.operation is layer]


def leaf_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Give the layers that compute, each once, by path: ``nested_model/layer``.

    Input layers are left out; what a layer that is no model is made of is its own.
    """
    found: dict[int, tuple[str, keras.layers.Layer]] = {}

    def collect(model: keras.Model, prefix: str) -> None:
        for layer in model.layers:
            path = prefix + layer.name
            if isinstance(layer, keras.Model):
                collect(layer, f"{path}/")
            elif not isinstance(layer, keras.layers.InputLayer):
                found.setdefault(id(layer), (path, layer))

    collect(model, "")
    return dict(found.values())


def all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """List all layers of a model, nested models and what layers are made of too."""
    return list(model._flatten_layers(include_self=False))


def replay(
    model: Any,
    inputs: Any,
    call: Callable,
    *,
    path: tuple[str, ...] = (),
    training: bool | None = None,
) -> Any:
    """Call something else for each operation of a functional model, in its order.

    Shared layers, lists and keyword arguments come as the graph has them. Nested models
    are gone through in their place.

    Args:
        model: Functional, or a built Sequential.
        inputs: What stands for the model's inputs, in their structure.
        call: ``call(operation, path, args, kwargs, training)`` with the names of the
            nested models and of the operation, what stands for its arguments, and the
            mode that a model around it was called in (None: that of the whole model).
            What it returns stands for the operation's outputs.
        path: Names of the models around this one.
        training: The mode that they were called in.

    Returns:
        What stands for the model's outputs, in their structure.

    Raises:
        KerasnetsError: The model has no graph.
    """
    graph = _require_graph(model)
    if isinstance(inputs, dict) and not isinstance(graph.input, dict):
        inputs = [inputs[tensor.name] for tensor in graph.inputs]

    def stand_in(operation) -> Callable:
        here = (*path, operation.name)

        def run(*args, **kwargs):
            if isinstance(operation, keras.Layer):  # what was not said
                kwargs = {k: value for k, value in kwargs.items() if value is not None}
            if graph_of(operation) is None:
                return call(operation, here, args, kwargs, training)
            given = args[0] if args else kwargs["inputs"]
            mode = kwargs.get("training") if training is None else training
            return replay(operation, given, call, path=here, training=mode)

        return run

    # Keras's own walk over its nodes
    return graph._run_through_graph(inputs, operation_fn=stand_in)


def takes_training(operation: Any) -> bool:
    """Whether an operation is called otherwise in training."""
    return isinstance(operation, keras.Layer) and operation._call_has_training_arg


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Keep Python's garbage collector still while a network is built.

    It would go through all that was built so far again and again, and find nothing.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def deep_graphs() -> Iterator[None]:
    """Let Keras, which follows a graph by recursion, follow a thousand layers."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 50_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _require_graph(model: Any) -> Any:
    graph = graph_of(model)
    if graph is None:
        raise KerasnetsError(
            f"model {model.name!r} ({type(model).__name__}) is not a functional model "
            "or a built Sequential"
        )
    return graph


def _nodes(graph: Any) -> list:
    """Keras's nodes of a graph, in the order in which it runs them."""
    depths = graph._nodes_by_depth
    return [node for depth in sorted(depths, reverse=True) for node in depths[depth]]


def _call(node: Any) -> Call:
    return Call(
        node.operation,
        tuple(node.input_tensors),
        tuple(node.output_tensors),
        tuple(node.arguments.args),
        dict(node.arguments.kwargs),
    )


@dataclass(frozen=True)
class Use:
    """One use of a layer.

    Attributes:
        layer: The layer, or the operation of ``keras.ops``.
        inputs: Shapes of its inputs, batch first.
        outputs: Shapes of its outputs, likewise.
        sources: Positions, in the list of uses, of those whose outputs it takes; None
            where that is not known.
    """

    layer: Any
    inputs: tuple[tuple, ...]
    outputs: tuple[tuple, ...]
    sources: tuple[int, ...] | None


def shapes_only(build: Callable[[], keras.Model]) -> keras.Model:
    """Build a network whose weights have shapes but no values: enough to count.

    The 144 million weights of VGG-19 are not drawn: 0.03 s instead of 3.5 s. The names
    that Keras counts up start again.

    Args:
        build: Builds the network.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            return build()
    finally:
        # the next scope of this kind would give values to all that wait for them
        keras.utils.clear_session(free_memory=False)


def model_uses(model: keras.Model, input_shape: tuple | None = None) -> list[Use]:
    """List every use of a layer, from the inputs to the outputs.

    Args:
        model: Any Keras model.
        input_shape: Of one image, without the batch, for a model that is not built or
            that leaves sides open; None for the model's own.

    Raises:
        KerasnetsError: The shape of the input is not known or does not fit.
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
    made_by = {id(t): s for t, s in zip(graph.inputs, sources, strict=True)}
    same = all(id(t) == id(s) for t, s in zip(graph.inputs, specs, strict=True))
    for node in _nodes(graph):
        made = _visit(node, spec, made_by, uses, same)
        for tensor, (output, position) in zip(node.output_tensors, made, strict=True):
            spec[id(tensor)], made_by[id(tensor)] = output, position
    return [(spec[id(tensor)], made_by[id(tensor)]) for tensor in graph.outputs]


def _visit(node, spec: dict, made_by: dict, uses: list[Use], same: bool) -> list:
    """Add the uses of one node; its outputs as (spec, position of the maker)."""
    layer, graph = node.operation, graph_of(node.operation)
    tensors = node.input_tensors or node.output_tensors
    inputs = [spec[id(tensor)] for tensor in tensors]
    sources = [made_by[id(tensor)] for tensor in tensors]
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
        raise KerasnetsError(
            f"model {layer.name!r} does not run on an input of shape {shape}: "
            f"{reason(error)}"
        ) from error


def _shapes(tensors) -> tuple[tuple, ...]:
    return tuple(tuple(t.shape) for t in tensors if getattr(t, "shape", None))
