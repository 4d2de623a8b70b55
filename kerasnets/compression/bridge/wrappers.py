"""tf_keras layers that run a part of Keras 3: its layers, and its operations."""

import functools
import inspect
from typing import Any

import keras
import tensorflow as tf
import tf_keras

_registered = tf_keras.saving.register_keras_serializable("kerasnets")
# Keras's code runs as it is written: no rewriting of its loops and conditions
_as_it_is = tf.autograph.experimental.do_not_convert


class _Held:
    """Carries an object through tf_keras configurations, which get copied."""

    def __init__(self, value):
        self.value = value

    def __deepcopy__(self, memo):
        return self


@_registered
class KerasInside(tf_keras.layers.Layer):
    """A tf_keras layer that runs a Keras layer on weights of its own.

    The counterpart for layers that tf_keras lacks. TF-MOT trains its weights and leaves
    them dense, as it does with every layer that it does not know.

    Args:
        layer: A built Keras layer (TensorFlow backend); it stays as it is.
    """

    def __init__(self, layer: keras.layers.Layer, name=None):
        super().__init__(
            trainable=layer.trainable, name=name, dtype="float32", autocast=False
        )
        # in a closure: tf_keras counts the variables of layers it holds as its own
        self._keras_layer = lambda: layer

    def build(self, input_shape):
        """Make a weight for each variable of the layer, random state included."""
        layer = self._keras_layer()
        trained = {id(variable) for variable in layer.trainable_variables}
        self._own_of = {
            id(variable): self.add_weight(
                name=variable.name,
                shape=variable.shape,
                dtype=variable.dtype,
                initializer=functools.partial(_value_of, variable),
                trainable=id(variable) in trained,
            )
            for variable in layer.variables
        }
        super().build(input_shape)

    def call(self, *args, training=None, **kwargs):
        """Run the layer; what it changes in its fixed variables is kept."""
        return _as_it_is(self._run)(*args, training=training, **kwargs)

    def _run(self, *args, training, **kwargs):
        layer = self._keras_layer()
        if "mask" not in inspect.signature(layer.call).parameters:
            kwargs.pop("mask", None)  # tf_keras hands it to whoever takes **kwargs
        pairs = list(zip(layer.variables, self._own(layer.variables), strict=True))
        with keras.StatelessScope(state_mapping=pairs) as scope:
            outputs = layer(*args, training=training, **kwargs)
        for variable, own in pairs:
            value = scope.get_current_value(variable)
            if value is not own:
                own.assign(value)
        return outputs

    def compute_mask(self, inputs, mask=None):
        """Ask the Keras layer about its outputs."""
        layer = self._keras_layer()
        return layer.compute_mask(inputs, mask) if layer.supports_masking else None

    def get_weights(self):
        """Give the weights in the order of the Keras layer's, without random state."""
        return [w.numpy() for w in self._own(self._keras_layer().weights)]

    def set_weights(self, weights):
        """Set what ``get_weights`` returns."""
        own_ones = self._own(self._keras_layer().weights)
        for own, value in zip(own_ones, weights, strict=True):
            own.assign(value)

    def get_config(self):
        """Describe it for copies within this process: the layer itself is in it."""
        return {"name": self.name, "layer": _Held(self._keras_layer())}

    @classmethod
    def from_config(cls, config):
        """Make a copy with weights of its own."""
        return cls(config["layer"].value, name=config["name"])

    def _own(self, variables) -> list:
        return [self._own_of[id(variable)] for variable in variables]


@_registered
class OperationInside(tf_keras.layers.Layer):
    """A tf_keras layer that calls a Keras operation: ``keras.ops``, no weights.

    Args:
        operation: The operation of a Keras graph.
        arguments: What it is called with, positional and by name, with
            ``TensorAt(i)`` wherever the i-th of the layer's tensors belongs.
    """

    def __init__(self, operation: keras.Operation, arguments: Any, name=None):
        super().__init__(name=name, dtype="float32", autocast=False)
        # in a closure: tf_keras wraps the lists and layers it holds
        self._held = lambda: (operation, arguments)

    def call(self, inputs):
        """Call the operation with the tensors where they belong."""
        return _as_it_is(self._run)(inputs)

    def _run(self, inputs):
        operation, arguments = self._held()
        tensors = tf.nest.flatten(inputs)  # copied graphs hand a single one bare
        filled: Any = keras.tree.map_structure(
            lambda x: tensors[x.index] if isinstance(x, TensorAt) else x, arguments
        )
        args, kwargs = filled
        return operation(*args, **kwargs)

    def compute_mask(self, *args):
        """Give None: Keras's operations pass no masks on."""
        del args

    def get_config(self):
        """Describe it for copies within this process: the operation itself is in it."""
        operation, arguments = self._held()
        return {
            "name": self.name,
            "operation": _Held(operation),
            "arguments": _Held(arguments),
        }

    @classmethod
    def from_config(cls, config):
        """Make a copy."""
        return cls(
            config["operation"].value, config["arguments"].value, name=config["name"]
        )


class TensorAt:
    """Where the tensor ``index`` of a layer's inputs belongs."""

    def __init__(self, index: int):
        self.index = index


def call_operation(operation: keras.Operation, args, kwargs, name: str) -> Any:
    """Call a Keras operation on tensors of tf_keras's graph, through a new layer."""
    tensors: list = []

    def taken(x):
        if not (tf.is_tensor(x) and tf_keras.backend.is_keras_tensor(x)):
            return x
        tensors.append(x)
        return TensorAt(len(tensors) - 1)

    layer = OperationInside(
        operation, keras.tree.map_structure(taken, (tuple(args), kwargs))
    )
    layer._name = name  # where Layer keeps it; the constructor takes no "/"
    return layer(tensors)


def _value_of(variable, shape, dtype=None):
    """An initialiser: what the variable holds now."""
    del shape, dtype
    return variable.numpy()
