"""The bridge between Keras 3 and tf_keras: a model crosses with its weights.

TF-MOT works on tf_keras models only. The functional graph is replayed from inputs to
outputs with a tf_keras layer for each Keras layer (see ``twins``), nested models
flattened, and the weights are copied layer by layer. Both models are run on the same
numbers at every crossing: what comes out answers like what went in.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from kerasnets.compression.kernels import leaf_layers
from kerasnets.compression.twins import make_twin
from kerasnets.errors import KerasnetsError

# Largest difference of outputs, relative to their largest value: a few units in the
# last place of float32. Measured on the networks of the tests: 0.0.
TOLERANCE = 1e-6


def to_tf_keras(model: keras.Model) -> tf_keras.Model:
    """Rebuild a functional Keras 3 model in tf_keras, in float32, weights included.

    Nested models are flattened: their layers are named ``nested_model/layer``.
    Initialisers, regularisers and constraints stay behind.

    Raises:
        KerasnetsError: the model is not functional (or a built Sequential), computes
            in another format than float32, holds a layer without a twin (see
            ``register_twin``), or its twin gives other outputs.
    """
    _require_crossable(model)
    layers = leaf_layers(model)
    twins = {id(layer): make_twin(layer, path) for path, layer in layers.items()}
    inputs = keras.tree.map_structure(
        lambda tensor: tf_keras.Input(
            batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name
        ),
        _graph(model).input,
    )
    twin = tf_keras.Model(inputs, _replay(model, inputs, twins), name=model.name)
    for layer in layers.values():
        twins[id(layer)].set_weights(layer.get_weights())
    check_equal(model, twin)
    return twin


def from_tf_keras(twin: tf_keras.Model, like: keras.Model) -> keras.Model:
    """A new Keras 3 model built like ``like``, with the weights of its twin.

    Args:
        twin: what ``to_tf_keras(like)`` returned, with other weights by now.
        like: gives the configuration; it stays as it is.

    Raises:
        KerasnetsError: the twin lacks a layer of ``like`` or gives other outputs.
    """
    model = keras.models.clone_model(like)
    twins = {layer.name: layer for layer in twin.layers}
    for path, layer in leaf_layers(model).items():
        if path not in twins:
            raise KerasnetsError(
                f"the tf_keras model {twin.name!r} has no layer {path!r}: it is not a "
                f"twin of {like.name!r}"
            )
        layer.set_weights(twins[path].get_weights())
    check_equal(model, twin)
    return model


def check_equal(model: keras.Model, twin: tf_keras.Model) -> None:
    """Run both models on the same random inputs and compare all outputs.

    On the CPU, where both call the same kernels: a GPU may choose another algorithm
    for each.

    Raises:
        KerasnetsError: outputs differ by more than 1e-6 of their largest value.
    """
    rng = np.random.default_rng(0)
    inputs = keras.tree.map_structure(lambda t: _example(t, rng), _graph(model).input)
    with tf.device("CPU"):
        ours = keras.tree.flatten(model(inputs, training=False))
        theirs = keras.tree.flatten(twin(inputs, training=False))
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        expected = np.asarray(ours_one, "float64")
        difference = np.max(np.abs(np.asarray(theirs_one) - expected))
        if not difference <= TOLERANCE * np.max(np.abs(expected)):  # NaN fails too
            raise KerasnetsError(
                f"{model.name!r} and its tf_keras twin differ by {difference:.2g} in "
                f"outputs of up to {np.max(np.abs(expected)):.2g}; at most "
                f"{TOLERANCE:g} of these is accepted"
            )


def _example(tensor: keras.KerasTensor, rng: np.random.Generator) -> np.ndarray:
    """Two random examples; 32 where a side is left open."""
    shape = (2, *(32 if side is None else side for side in tensor.shape[1:]))
    if np.dtype(tensor.dtype).kind == "f":
        return rng.uniform(-1.0, 1.0, shape).astype(tensor.dtype)
    return rng.integers(0, 2, shape).astype(tensor.dtype)


def _require_crossable(model: keras.Model) -> None:
    if keras.backend.backend() != "tensorflow":
        raise KerasnetsError(
            f"the Keras backend is {keras.backend.backend()!r}; compression works with "
            "'tensorflow'"
        )
    for path, layer in leaf_layers(model).items():
        if layer.compute_dtype != "float32" and layer.weights:
            raise KerasnetsError(
                f"layer {path!r} computes in {layer.compute_dtype}; compression takes "
                "float32 models: use kerasnets.export.to_float32 first"
            )


def _graph(model: keras.Model) -> Any:
    """The functional graph of a model; a built Sequential keeps one inside."""
    graph = model._functional if isinstance(model, keras.Sequential) else model
    if not isinstance(graph, keras.Function):
        raise KerasnetsError(
            f"model {model.name!r} ({type(model).__name__}) is not a functional model "
            "or a built Sequential"
        )
    return graph


def _replay(model: keras.Model, inputs: Any, twins: dict[int, Any], training=None):
    """Call the twin of each layer of the graph, in order, on tf_keras tensors."""

    def twin_of(operation) -> Callable:
        def call(*args, **kwargs):
            kwargs = {key: value for key, value in kwargs.items() if value is not None}
            mode = kwargs.pop("training", None) if training is None else training
            if isinstance(operation, keras.Model):
                return _replay(operation, *args, twins=twins, training=mode)
            if id(operation) not in twins:
                raise KerasnetsError(
                    f"operation {operation.name!r} ({type(operation).__name__}) of the "
                    "graph is not a layer and cannot cross to tf_keras: put it into a "
                    "layer and give that a twin with "
                    "kerasnets.compression.register_twin"
                )
            twin = twins[id(operation)]
            if mode is not None and twin._expects_training_arg:
                kwargs["training"] = mode
            return twin(*args, **kwargs)

        return call

    # Keras's own walk over its nodes: shared layers, lists and keyword arguments
    return _graph(model)._run_through_graph(inputs, operation_fn=twin_of)
