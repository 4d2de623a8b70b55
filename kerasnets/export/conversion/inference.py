"""What of a model answers: without what only training needs, in float32."""

import keras

from kerasnets.applications import without_auxiliary
from kerasnets.errors import KerasnetsError
from kerasnets.graph import all_layers
from kerasnets.layers import LocalResponseNorm
from kerasnets.training import to_float32


def inference_model(model: keras.Model) -> keras.Model:
    """Return the model that a file answers like.

    The student of a distiller, without auxiliary classifiers, computing in float32.
    Dropout and augmentation layers stay: called with ``training=False`` they pass on
    what they get. The weights are shared where nothing had to be rebuilt.

    Args:
        model: A functional Keras model, a built Sequential or a Distiller of one.

    Raises:
        KerasnetsError: The model is a subclass, which no configuration describes.
    """
    model = _student(model)
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise KerasnetsError(
            f"{model.name!r} ({type(model).__name__}) has no graph of layers; a"
            " functional model or a Sequential with an Input is accepted"
        )
    answering = to_float32(without_auxiliary(model))
    if isinstance(answering, keras.Sequential):
        # one that was never called has no ``input``
        (image,), (answer,) = answering.inputs, answering.outputs
        return keras.Model(image, answer, name=answering.name)
    return answering


def _student(model: keras.Model) -> keras.Model:
    """Return the student of a distiller, any other model as it is."""
    return model.student if isinstance(model, keras.distillation.Distiller) else model


def with_builtin_response_norm(model: keras.Model) -> keras.Model:
    """Return the model with LiteRT's own local response normalisation.

    One operator in place of a dozen, which stays in float in an int8 file: eight bits
    are too few for the sum of squares. The weights are shared; the model itself where
    it has no such layer.
    """
    if not any(type(layer) is LocalResponseNorm for layer in all_layers(model)):
        return model
    return keras.models.clone_model(
        model, clone_function=_builtin_or_same, recursive=True
    )


def _builtin_or_same(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Replace a local response normalisation, pass on any other layer."""
    if type(layer) is LocalResponseNorm:
        return _BuiltinResponseNorm.from_config(layer.get_config())
    return layer


class _BuiltinResponseNorm(LocalResponseNorm):
    """The operation that the converter knows."""

    def call(self, inputs):
        import tensorflow as tf

        return tf.nn.local_response_normalization(
            inputs,
            depth_radius=self.depth // 2,
            bias=self.bias,
            alpha=self.alpha,
            beta=self.beta,
        )
