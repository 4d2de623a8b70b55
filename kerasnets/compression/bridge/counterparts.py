"""Which tf_keras layer stands in for which Keras layer.

=====================================  ================================================
layer                                  counterpart
=====================================  ================================================
Keras's, tf_keras has it too           the tf_keras layer of the same configuration
Keras's, tf_keras lacks it, or one of  ``KerasInside``: the Keras layer itself, on
its settings, or it wraps layers       weights that tf_keras trains and TF-MOT leaves
                                       dense
of kerasnets                           ``KerasInside``
that gives what it takes               none: the tensors go past it
yours                                  what ``register_counterpart`` was told
Lambda and layers of other libraries   none
=====================================  ================================================
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import tf_keras

from kerasnets import layers as own_layers
from kerasnets.compression.bridge.wrappers import KerasInside
from kerasnets.errors import KerasnetsError

_MAKERS: dict[type, Callable] = {}

# What a config says about training from scratch, number formats and random state:
# weights come by copy, all is computed in float32, tf_keras's seeds are drawn from.
_NOT_CARRIED = ("initializer", "regularizer", "constraint", "dtype", "seed")

_OTHER_NAME = {("LeakyReLU", "negative_slope"): "alpha"}
# what a layer of tf_keras does when it lacks the argument
_WITHOUT = {"data_format": "channels_last"}

# hard_sigmoid is relu6(x + 3) / 6 in Keras 3, and clip(0.2 x + 0.5, 0, 1) in tf_keras
_OTHER_FORMULA = ("hard_sigmoid",)

# crops at inference in tf_keras, leaves images as they are in Keras 3
_OTHER_MEANING = ("RandomCrop",)

# their functions are code, not configuration, or run on another library
_FOREIGN = ("Lambda", "TFSMLayer", "FlaxLayer", "JaxLayer", "TorchModuleWrapper")


def register_counterpart(
    layer_class: type[keras.layers.Layer],
    make: Callable[[keras.layers.Layer], tf_keras.layers.Layer],
) -> None:
    """Tell the bridge how to make the tf_keras counterpart of a layer class.

    Args:
        layer_class: The Keras 3 class; subclasses need a counterpart of their own.
        make: Called with each layer of that class, returns a new tf_keras layer whose
            weights have the shapes and the order of the layer's weights. The bridge
            names it and copies the weights. ``KerasInside`` is such a function.
    """
    _MAKERS[layer_class] = make


def make_counterpart(layer: keras.layers.Layer, name: str) -> tf_keras.layers.Layer:
    """Make the tf_keras layer that computes what ``layer`` does; no weights are copied.

    Raises:
        KerasnetsError: tf_keras has no such layer and no counterpart is registered.
    """
    make = _MAKERS.get(type(layer), _of_keras if _is_of_keras(layer) else None)
    if make is None:
        raise KerasnetsError(
            f"layer {name!r} ({type(layer).__name__}) has no counterpart in tf_keras; "
            "give it one with kerasnets.compression.register_counterpart (KerasInside "
            "runs the layer as it is)"
        )
    made = make(layer)
    made._name = name  # where Layer keeps it; the constructor may not take a name
    return made


def _is_of_keras(layer: keras.layers.Layer) -> bool:
    """Whether Keras itself has the class: one of its layers, or of its networks'."""
    library = type(layer).__module__.partition(".")[0]
    return library == "keras" and type(layer).__name__ not in _FOREIGN


def _of_keras(layer: keras.layers.Layer) -> tf_keras.layers.Layer:
    """The tf_keras layer of the same class and configuration, else the layer itself."""
    name = type(layer).__name__
    tf_class = getattr(tf_keras.layers, name, None)
    same = getattr(keras.layers, name, None) is type(layer)
    if tf_class is None or not same or name in _OTHER_MEANING:
        return KerasInside(layer)
    config = _config_in_tf_keras(layer, _init_arguments(tf_class))
    return KerasInside(layer) if config is None else tf_class(**config)


def _config_in_tf_keras(layer: keras.layers.Layer, known: set[str]) -> dict | None:
    """The configuration in tf_keras's words; None where it has no words for it."""
    config: dict[str, Any] = {"dtype": layer.compute_dtype}
    settings: dict[str, Any] = layer.get_config()
    for name, value in settings.items():
        tf_name = _OTHER_NAME.get((type(layer).__name__, name), name)
        if tf_name in known and name.endswith("_initializer"):
            config[name] = "zeros"  # overwritten by the copy; draws no numbers
        elif name.endswith(_NOT_CARRIED):
            continue
        elif callable(function := getattr(layer, name, None)) and "activation" in name:
            config[tf_name] = _activation(function)
        elif tf_name in known and not _holds_layer(value):
            config[tf_name] = value
        elif not _is_default(layer, name, value):
            return None
    return config


def _holds_layer(value: Any) -> bool:
    """Whether a configuration's value is that of a layer: wrappers, recurrent cells."""
    return isinstance(value, dict) and "class_name" in value


def _is_default(layer: keras.layers.Layer, name: str, value: Any) -> bool:
    parameters = inspect.signature(type(layer).__init__).parameters
    if name not in parameters:  # of a base class, or no longer welcome
        return not value
    return value in (parameters[name].default, _WITHOUT.get(name))


def _init_arguments(layer_class: type) -> set[str]:
    """Names that the constructor takes itself or hands to its base classes."""
    return {
        name
        for base in layer_class.__mro__
        if "__init__" in vars(base)
        for name in inspect.signature(base.__init__).parameters
    } | {"name", "trainable"}


def _activation(function: Callable) -> Callable:
    """tf_keras's function for Keras's of the same formula, else the function itself."""
    name = getattr(function, "__name__", "")
    if name in _OTHER_FORMULA or getattr(keras.activations, name, None) is not function:
        return function
    return getattr(tf_keras.activations, name, function)


for _layer_class in vars(own_layers).values():
    if isinstance(_layer_class, type) and issubclass(_layer_class, keras.Layer):
        register_counterpart(_layer_class, KerasInside)


def _batch_normalization(layer: keras.layers.BatchNormalization):
    """Batch norm from Keras 3's own operations.

    TensorFlow's fused kernel gives other last digits, and a moving variance that is
    larger by n / (n - 1).
    """
    made = _of_keras(layer)
    made.fused = False
    return made


register_counterpart(keras.layers.BatchNormalization, _batch_normalization)

# tf_keras finds Keras's own activations under these names when it copies a layer
for _name, _function in vars(keras.activations).items():
    if inspect.isfunction(_function) and _activation(_function) is _function:
        tf_keras.saving.register_keras_serializable("kerasnets", _name)(_function)
