"""A network as it is, for images of another size."""

import keras
from keras import layers

from kerasnets.applications.builder import channels_last
from kerasnets.errors import KerasnetsError, reason
from kerasnets.graph import deep_graphs, maker

Sides = tuple[int | None, int | None]


def at_size(model: keras.Model, sides: Sides) -> keras.Model:
    """Copy a network, its weights too, for images of other sides.

    Args:
        model: A functional network of one image whose weights do not depend on its
            size, such as one without its classifier.
        sides: Height and width in pixels; None for any.

    Raises:
        KerasnetsError: A layer needs the size that the network has, or the images are
            too small for it.
    """
    image = model.inputs[0]
    inputs = keras.Input(
        (*sides, image.shape[-1]), dtype=image.dtype, name=maker(image).operation.name
    )
    try:
        with deep_graphs(), channels_last():
            copy = keras.models.clone_model(
                keras.Model(image, model.outputs[0], name=model.name),
                input_tensors=inputs,
                clone_function=_copy_of_part,
            )
            for layer in copy.layers:
                layer.set_weights(model.get_layer(layer.name).get_weights())
    except (TypeError, ValueError) as error:
        wanted = " x ".join("any" if side is None else str(side) for side in sides)
        raise KerasnetsError(
            f"model {model.name!r} cannot take images of {wanted} pixels: "
            f"{reason(error)}"
        ) from error
    return copy


def copy_layer(layer: layers.Layer, **changed) -> layers.Layer:
    """Copy a layer, without its weights, with other values in its configuration."""
    return type(layer).from_config({**layer.get_config(), **changed})


def _copy_of_part(layer: layers.Layer) -> layers.Layer:
    """A copy without weights; of a model that takes maps, a model for any size."""
    if isinstance(layer, keras.Model) and [len(x.shape) for x in layer.inputs] == [4]:
        return at_size(layer, (None, None))
    return copy_layer(layer)
