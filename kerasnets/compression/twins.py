"""Which tf_keras layer stands in for which Keras layer."""

import functools
import inspect
from collections.abc import Callable

import keras
import tf_keras

from kerasnets import layers as own_layers
from kerasnets.errors import KerasnetsError

_MAKERS: dict[type, Callable] = {}

# What a config says about training from scratch, number formats and random state:
# a twin gets its weights by copy, computes in float32, draws from tf_keras's seeds.
_NOT_CARRIED = ("initializer", "regularizer", "constraint", "dtype", "seed")

# hard_sigmoid is relu6(x + 3) / 6 in Keras 3, and clip(0.2 x + 0.5, 0, 1) in tf_keras
_OTHER_FORMULA = ("hard_sigmoid",)


def register_twin(
    layer_class: type[keras.layers.Layer],
    make: Callable[[keras.layers.Layer], tf_keras.layers.Layer],
) -> None:
    """Tell the bridge how to make the tf_keras twin of a layer class.

    Args:
        layer_class: the Keras 3 class; subclasses need a twin of their own.
        make: called with each layer of that class, returns a new tf_keras layer whose
            weights have the shapes and the order of the layer's weights. The bridge
            names it and copies the weights. ``KerasInside`` is such a function.
    """
    _MAKERS[layer_class] = make


def make_twin(layer: keras.layers.Layer, name: str) -> tf_keras.layers.Layer:
    """The tf_keras layer that computes what ``layer`` does, weights not yet copied.

    Raises:
        KerasnetsError: tf_keras has no such layer and no twin is registered.
    """
    make = _MAKERS.get(type(layer))
    if make is None:
        if not _is_of_both_kerases(layer):
            raise KerasnetsError(
                f"layer {name!r} ({type(layer).__name__}) has no twin in tf_keras; "
                "give it one with kerasnets.compression.register_twin"
            )
        make = _same_class
    twin = make(layer)
    twin._name = name  # where Layer keeps it; the constructor may not take a name
    return twin


def _is_of_both_kerases(layer: keras.layers.Layer) -> bool:
    """Whether Keras itself has the layer and tf_keras one of the same name."""
    name = type(layer).__name__
    return (
        getattr(keras.layers, name, None) is type(layer)
        and hasattr(tf_keras.layers, name)
        # its function calls one Keras, and is code, not configuration
        and name != "Lambda"
    )


def _same_class(layer: keras.layers.Layer) -> tf_keras.layers.Layer:
    """The tf_keras layer of the same class and configuration."""
    twin_class = getattr(tf_keras.layers, type(layer).__name__)
    known = _init_arguments(twin_class)
    config = {
        key: value
        for key, value in layer.get_config().items()
        if key in known and not key.endswith(_NOT_CARRIED)
    }
    if callable(activation := getattr(layer, "activation", None)):
        config["activation"] = _activation(activation)
    return twin_class(**config)


def _init_arguments(layer_class: type) -> set[str]:
    """Names that the constructor takes itself or hands to its base classes."""
    return {
        name
        for base in layer_class.__mro__
        if "__init__" in vars(base)
        for name in inspect.signature(base.__init__).parameters
    } | {"name", "trainable"}


def _activation(function: Callable) -> Callable:
    """tf_keras's function of that name, else Keras's own, which runs on TensorFlow."""
    name = getattr(function, "__name__", "")
    if name in _OTHER_FORMULA:
        return function
    return getattr(tf_keras.activations, name, function)


class KerasInside(tf_keras.layers.Layer):
    """A tf_keras layer that runs a Keras layer on weights of its own.

    The twin for layers that tf_keras lacks. TF-MOT trains its weights and leaves them
    dense, as it does with every layer that it does not know.

    Args:
        layer: a built Keras layer (TensorFlow backend); it stays as it is.
    """

    def __init__(self, layer: keras.layers.Layer):
        super().__init__(trainable=layer.trainable)
        # in a closure: tf_keras counts the variables of layers it holds as its own
        self._keras_layer = lambda: layer

    def build(self, input_shape):
        """Make a weight for each variable of the layer, random state included."""
        layer = self._keras_layer()
        trained = {id(variable) for variable in layer.trainable_variables}
        self._twin_of = {
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
        layer = self._keras_layer()
        if "training" in inspect.signature(layer.call).parameters:
            kwargs["training"] = training
        fixed = self._twins(layer.non_trainable_variables)
        outputs, new_values, *_ = layer.stateless_call(
            self._twins(layer.trainable_variables), fixed, *args, **kwargs
        )
        for twin, value in zip(fixed, new_values, strict=True):
            twin.assign(value)
        return outputs

    def get_weights(self):
        """The weights in the order of the Keras layer's, without random state."""
        return [w.numpy() for w in self._twins(self._keras_layer().weights)]

    def set_weights(self, weights):
        """Set what ``get_weights`` returns."""
        twins = self._twins(self._keras_layer().weights)
        for twin, value in zip(twins, weights, strict=True):
            twin.assign(value)

    def _twins(self, variables) -> list:
        return [self._twin_of[id(variable)] for variable in variables]


def _value_of(variable, shape, dtype=None):
    """An initialiser: what the variable holds now."""
    del shape, dtype
    return variable.numpy()


for _layer_class in vars(own_layers).values():
    if isinstance(_layer_class, type) and issubclass(_layer_class, keras.Layer):
        register_twin(_layer_class, KerasInside)


def _batch_normalization(layer: keras.layers.BatchNormalization):
    """Batch norm from Keras 3's own operations.

    TensorFlow's fused kernel gives other last digits, and a moving variance that is
    larger by n / (n - 1).
    """
    twin = _same_class(layer)
    twin.fused = False
    return twin


register_twin(keras.layers.BatchNormalization, _batch_normalization)
