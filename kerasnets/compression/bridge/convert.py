"""The bridge between Keras 3 and tf_keras: a model crosses with its weights.

TF-MOT works on tf_keras models only. The functional graph is replayed from inputs to
outputs with a tf_keras layer for each Keras layer (see ``counterparts``) and each call
of an operation (``x + 3``, ``keras.ops.mean(x)``), nested models flattened, and the
weights are copied layer by layer. Layers that give what they take, in training too,
stay on this side. Both models are run on the same numbers at every crossing: what comes
out answers like what went in.
"""

import inspect
import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from kerasnets.compression.bridge.counterparts import make_counterpart
from kerasnets.compression.bridge.wrappers import call_operation
from kerasnets.errors import KerasnetsError
from kerasnets.graph import graph_of, input_like, leaf_layers, replay
from kerasnets.traits import is_identity

# Largest difference of outputs, relative to their largest value: a few units in the
# last place of float32. Measured on the networks of the tests: 0.0.
TOLERANCE = 1e-6

# Sides of the examples where a model leaves them open: the first that it takes.
_SIDES = (32, 64, 128, 256, 512)

# Those that a layer may compute in: weights are float32, indices are not.
_FORMATS = ("float32", "int32", "int64", "uint8", "bool")


def to_tf_keras(model: keras.Model) -> tf_keras.Model:
    """Rebuild a functional Keras 3 model in tf_keras, in float32, weights included.

    Nested models are flattened: their layers are named ``nested_model/layer``. Names
    that TensorFlow does not take are changed (see ``names_in_tf_keras``). Initialisers,
    regularisers and constraints stay behind. Which layers cross, and as what: see
    ``counterparts``.

    Raises:
        KerasnetsError: The model is not functional (or a built Sequential), computes
            in another format than float32, holds a layer without a counterpart (see
            ``register_counterpart``), or its counterpart gives other outputs.
    """
    _require_crossable(model)
    layers, names = _layers_that_cross(model), _Names()
    made = {
        id(layer): make_counterpart(layer, names.of(path))
        for path, layer in layers.items()
    }
    inputs = keras.tree.map_structure(
        lambda tensor: tf_keras.Input(
            batch_shape=tensor.shape, dtype=tensor.dtype, name=names.of(tensor.name)
        ),
        graph_of(model).input,
    )
    outputs = replay(model, inputs, _Replay(made, names).call)
    net = tf_keras.Model(inputs, outputs, name=_Names().of(model.name))
    for path, layer in layers.items():
        _copy_weights(layer, made[id(layer)], path)
    check_equal(model, net)
    return net


def from_tf_keras(net: tf_keras.Model, like: keras.Model) -> keras.Model:
    """Give a new Keras 3 model built like ``like``, with the weights of ``net``.

    Args:
        net: What ``to_tf_keras(like)`` returned, with other weights by now.
        like: Gives configuration and names; it stays as it is.

    Raises:
        KerasnetsError: ``net`` lacks a layer of ``like``, has weights of another shape
            or gives other outputs.
    """
    _require_crossable(like)
    model = _clone(like)
    crossed, names = _layers_that_cross(model), names_in_tf_keras(like)
    known = {layer.name: layer for layer in net.layers}
    for path, layer in crossed.items():
        if names[path] not in known:
            raise KerasnetsError(
                f"the tf_keras model {net.name!r} has no layer {names[path]!r}: it was "
                f"not made of {like.name!r}"
            )
        _copy_weights(known[names[path]], layer, path)
    check_equal(model, net)
    return model


def names_in_tf_keras(model: keras.Model) -> dict[str, str]:
    """Give the name that each layer has in tf_keras, by its path in the Keras model.

    Keras takes any name, TensorFlow letters, digits and a few signs: others become _,
    and where two names are the same then, the second gets a number.
    """
    names = _Names()
    return {path: names.of(path) for path in _layers_that_cross(model)}


def _layers_that_cross(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers that have a counterpart, by path."""
    return {
        path: layer
        for path, layer in leaf_layers(model).items()
        if not is_identity(layer)
    }


def _clone(model: keras.Model) -> keras.Model:
    """A model of the same configuration with weights of its own."""
    inputs = None  # Keras names those that it makes after tensors, not after layers
    if not isinstance(model, keras.Sequential):
        inputs = keras.tree.map_structure(input_like, model.input)
    try:
        return keras.models.clone_model(
            model, inputs, clone_function=_cloned, recursive=True
        )
    except TypeError as error:  # compiled with a loss, say, that is not registered
        raise KerasnetsError(
            f"model {model.name!r} cannot be cloned: give one that is not compiled, or "
            "register what it was compiled with, by "
            "keras.saving.register_keras_serializable"
        ) from error


def _cloned(operation: keras.Operation) -> keras.Operation:
    """A new layer of the same configuration; operations hold nothing, and stay."""
    if not isinstance(operation, keras.Layer):
        return operation
    config = operation.get_config()
    for name in config:
        if "activation" in name and callable(own := getattr(operation, name, None)):
            config[name] = own  # itself, registered or not
    try:
        return type(operation).from_config(config)
    except (TypeError, ValueError) as error:
        raise KerasnetsError(
            f"layer {operation.name!r} ({type(operation).__name__}) cannot be made "
            "again from its get_config(): register what it holds with "
            "keras.saving.register_keras_serializable"
        ) from error


def _copy_weights(source: Any, target: Any, path: str) -> None:
    """Copy the weights from a layer to its counterpart, whichever way."""
    weights = source.get_weights()
    shapes = [weight.shape for weight in weights]
    expected = [weight.shape for weight in target.get_weights()]
    if shapes != expected:
        raise KerasnetsError(
            f"layer {path!r} and its counterpart ({type(target).__name__}) have "
            f"weights of other shapes: {shapes} and {expected}"
        )
    target.set_weights(weights)
    if hasattr(target, "finalize_state"):  # Normalization computes with what it keeps
        target.finalize_state()


def check_equal(model: keras.Model, net: tf_keras.Model) -> None:
    """Run both models on the same random inputs and compare all outputs.

    On the CPU, where both call the same kernels: a GPU may choose another algorithm
    for each.

    Raises:
        KerasnetsError: Outputs differ by more than 1e-6 of their largest value.
    """
    rng = np.random.default_rng(0)
    side = _open_side(model)
    inputs = keras.tree.map_structure(
        lambda tensor: _example(tensor, side, rng), graph_of(model).input
    )
    with tf.device("CPU"):
        ours = keras.tree.flatten(model(inputs, training=False))
        theirs = keras.tree.flatten(net(inputs, training=False))
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        expected = np.asarray(ours_one, "float64")
        if expected.shape != theirs_one.shape:
            raise KerasnetsError(
                f"{model.name!r} gives outputs of shape {expected.shape}, its tf_keras "
                f"counterpart of {tuple(theirs_one.shape)}"
            )
        difference = np.max(np.abs(np.asarray(theirs_one) - expected))
        if not difference <= TOLERANCE * np.max(np.abs(expected)):  # NaN fails too
            raise KerasnetsError(
                f"{model.name!r} and its tf_keras counterpart differ by "
                f"{difference:.2g} in outputs of up to "
                f"{np.max(np.abs(expected)):.2g}; at most {TOLERANCE:g} of these is "
                "accepted"
            )


def _open_side(model: keras.Model) -> int:
    """A side that the model takes where it leaves one open."""
    graph = graph_of(model)
    for side in _SIDES[:-1]:
        examples = keras.tree.map_structure(
            lambda t, side=side: keras.KerasTensor(_closed(t.shape, side), t.dtype),
            graph.input,
        )
        try:
            graph.compute_output_spec(examples)
        except ValueError:  # too small for a layer of the network
            continue
        return side
    return _SIDES[-1]


def _closed(shape: tuple, side: int) -> tuple[int, ...]:
    """The shape with two examples and ``side`` where it is left open."""
    batch, *sides = shape
    return (batch or 2, *(side if length is None else length for length in sides))


def _example(
    tensor: keras.KerasTensor, side: int, rng: np.random.Generator
) -> np.ndarray:
    """Random examples for an input."""
    shape = _closed(tensor.shape, side)
    if np.dtype(tensor.dtype).kind == "f":
        return rng.uniform(-1.0, 1.0, shape).astype(tensor.dtype)
    return rng.integers(0, 2, shape).astype(tensor.dtype)


def _require_crossable(model: keras.Model) -> None:
    if keras.backend.backend() != "tensorflow":
        raise KerasnetsError(
            f"the Keras backend is {keras.backend.backend()!r}; compression works with "
            "'tensorflow'"
        )
    _require_functional(model)
    for tensor in graph_of(model).inputs:
        if tensor.dtype == "string" or tensor.sparse:
            raise KerasnetsError(
                f"input {tensor.name!r} of {model.name!r} is a "
                f"{'sparse' if tensor.sparse else tensor.dtype} tensor; dense ones of "
                "numbers are accepted"
            )
    for path, layer in leaf_layers(model).items():
        number_format = layer.dtype_policy.quantization_mode or layer.compute_dtype
        if number_format not in _FORMATS:
            raise KerasnetsError(
                f"layer {path!r} computes in {number_format}; compression takes "
                "float32 models: use kerasnets.training.to_float32 first, or the model "
                "as it was before quantize()"
            )


def _require_functional(model: keras.Model) -> None:
    graph = graph_of(model)
    if graph is None:
        raise KerasnetsError(
            f"model {model.name!r} ({type(model).__name__}) is not a functional model "
            "or a built Sequential"
        )
    for operation in graph.operations:
        if isinstance(operation, keras.Model):
            _require_functional(operation)


class _Replay:
    """Calls the counterpart of each layer of a graph, in order, on tf_keras tensors.

    Args:
        made: Layers of tf_keras by the ``id`` of the Keras layer.
        names: Gives the layers that call operations theirs.
    """

    def __init__(self, made: dict[int, tf_keras.layers.Layer], names: "_Names"):
        self._made, self._names = made, names

    def call(self, operation, path: tuple, args, kwargs: dict, training) -> Any:
        """Call what stands in for an operation of the graph."""
        place = "/".join(path)
        if is_identity(operation):
            return args[0] if args else next(iter(kwargs.values()))
        if isinstance(operation, keras.Layer):
            return self._call_layer(operation, place, args, kwargs, training)
        return call_operation(operation, args, kwargs, self._names.of(place))

    def _call_layer(self, layer, path: str, args, kwargs: dict, training) -> Any:
        if id(layer) not in self._made:
            raise KerasnetsError(
                f"layer {path!r} is in a keras.Function, which keeps no weights: make "
                "that a keras.Model"
            )
        made = self._made[id(layer)]
        parameters = inspect.signature(layer.call).parameters
        mode = kwargs.pop("training", None)
        if training is not None:
            mode = training
        elif "training" in parameters and mode == parameters["training"].default:
            mode = None  # filled in by Keras: the mode of the call decides
        if mode is not None and made._expects_training_arg:
            kwargs["training"] = mode
        if not args:  # tf_keras wants the first argument of all by position
            args = (kwargs.pop(next(iter(parameters))),)
        return made(*args, **_without_own_masks(kwargs, made))


class _Names:
    """Names that TensorFlow takes, each its own."""

    def __init__(self):
        self._given: set[str] = set()

    def of(self, path: str) -> str:
        """Give the path, _ for other signs than letters and digits, /2 if it's gone."""
        plain = re.sub(r"[^A-Za-z0-9_./-]", "_", path)
        plain = name = re.sub(r"^[^A-Za-z0-9]", "x", plain) or "x"
        count = 1
        while name in self._given:
            count += 1
            name = f"{plain}/{count}"
        self._given.add(name)
        return name


def _without_own_masks(kwargs: dict, made: tf_keras.layers.Layer) -> dict:
    """Without masks that Keras hands on by name and tf_keras with the tensors."""
    parameters = inspect.signature(made.call).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return kwargs
    return {
        key: value
        for key, value in kwargs.items()
        if key in parameters or not key.endswith("mask")
    }
