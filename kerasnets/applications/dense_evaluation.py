"""Dense evaluation: a classifier of one image size slid over larger images.

Sermanet et al. 2013, "OverFeat", section 3; Simonyan and Zisserman 2014, section 3.2:
the first dense layer becomes a convolution of the size of the map that it read, the
others 1x1 convolutions; the map of class scores is averaged over all positions.
"""

import keras
from keras import layers

from kerasnets.applications.builder import channels_last
from kerasnets.applications.resized import at_size, copy_layer
from kerasnets.errors import KerasnetsError
from kerasnets.graph import deep_graphs, maker
from kerasnets.traits import traits_of

_POOLS = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)


def to_fully_convolutional(model: keras.Model) -> keras.Model:
    """The classifier for images of any size, with copies of its weights.

    A model that flattens its last map must do so once, and only dense layers,
    activations, dropout and batch normalisation may follow. A model that ends in global
    pooling needs no other layers; it comes back for any size. Layers keep their names.

    At the model's own size the answers are the model's. On a larger image the class
    scores (before the activation) are the mean over all positions at which the model
    fits the map, as if the image had been cut; but the padding of the layers is at the
    borders of the image, not of each cut.

    Args:
        model: Functional or sequential, from one image (batch, height, width, channels)
            to (batch, classes); not changed.

    Returns:
        A functional model from (batch, any height, any width, channels) to (batch,
        classes); sides below those of ``model`` are too small where it flattens.

    Raises:
        KerasnetsError: The model cannot be converted; the message says why.

    Source: Simonyan and Zisserman 2014, section 3.2.
    """
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise _refusal(model, "is not functional, or not built yet")
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
        raise _refusal(
            model,
            f"has {len(inputs)} inputs and {len(outputs)} outputs; it needs one image "
            "and one output (see applications.without_auxiliary)",
        )
    with deep_graphs(), channels_last():
        features, tail = _split(model)
        trunk = at_size(keras.Model(inputs, features, name=model.name), (None, None))
        x = trunk.outputs[0]
        if tail:
            x = _dense_tail(model, x, features.shape[1:3], tail)
        return keras.Model(trunk.inputs[0], x, name=f"{model.name}_at_any_size")


def _split(model: keras.Model):
    """The tensor that Flatten reads and the layers after it.

    Of a model that pools globally, its output and no layers.
    """
    tensor, tail = model.outputs[0], []
    while True:
        call = maker(tensor)
        layer, read = call.operation, call.inputs
        if isinstance(layer, _POOLS):
            return model.outputs[0], []
        if len(read) != 1:
            raise _refusal(
                model,
                "has neither global pooling nor Flatten and dense layers at its end; "
                "where vectors of several poolings are joined, as in PReLU-nets, the "
                "network takes any size as it is: build it with sides of None",
            )
        # MobileNet v3 of Keras flattens after pooling and its classifier
        dense = any(isinstance(layer, layers.Dense) for layer in tail)
        if dense and isinstance(layer, layers.Flatten) and len(read[0].shape) == 4:
            if layer.data_format != "channels_last":
                raise _refusal(model, "has its channels first: build it channels_last")
            _check(model, tail)
            return read[0], tail
        tail.insert(0, layer)
        tensor = read[0]


def _check(model: keras.Model, tail: list) -> None:
    """Raise where a layer after Flatten cannot be moved to a map."""
    first = next(i for i, x in enumerate(tail) if isinstance(x, layers.Dense))
    for i, layer in enumerate(tail):
        # what does the same at every position of a map may stand among dense layers;
        # before the first of them weights are laid out by pixels
        if not traits_of(layer).pointwise or (i < first and layer.weights):
            raise _refusal(
                model,
                f"has {layer.name!r} ({type(layer).__name__}) after Flatten, which has "
                "no counterpart on a map",
            )


def _dense_tail(model: keras.Model, x, window: tuple[int, int], tail: list):
    """The layers up to the last dense one at every position, the others on the mean."""
    last = max(i for i, layer in enumerate(tail) if isinstance(layer, layers.Dense))
    scores = tail[last]
    for layer in tail[:last]:
        x = _on_map(x, layer, window)
        window = (1, 1) if isinstance(layer, layers.Dense) else window
    x = _convolution(x, scores, window, activation=None)
    x = layers.GlobalAveragePooling2D(
        dtype=scores.dtype_policy, name=_free("mean_over_positions", model)
    )(x)
    if scores.activation is not keras.activations.linear:
        x = layers.Activation(
            scores.activation,
            dtype=scores.dtype_policy,
            name=_free(f"{scores.name}_activation", model),
        )(x)
    for layer in tail[last + 1 :]:
        x = copy_layer(layer)(x)
        _carry(x, layer)
    return x


def _on_map(x, layer: layers.Layer, window: tuple[int, int]):
    """The layer, which was made for vectors, at every position of a map."""
    if isinstance(layer, layers.Dense):
        return _convolution(x, layer, window, activation=layer.activation)
    changed = {}
    if isinstance(layer, layers.PReLU):
        changed = {"shared_axes": [1, 2]}
    elif isinstance(layer, layers.BatchNormalization):
        changed = {"axis": -1}
    x = copy_layer(layer, **changed)(x)
    _carry(x, layer)
    return x


def _convolution(x, dense: layers.Dense, window: tuple[int, int], *, activation):
    """The dense layer as a convolution of its name over ``window``."""
    x = layers.Conv2D(
        dense.units,
        window,
        activation=activation,
        use_bias=dense.use_bias,
        kernel_initializer="zeros",  # those of the dense layer come later
        trainable=dense.trainable,
        dtype=dense.dtype_policy,
        name=dense.name,
    )(x)
    _carry(x, dense)
    return x


def _carry(x, source: layers.Layer) -> None:
    """Give the weights of ``source`` to the layer that made ``x``.

    Their shapes hold as much in the same order: Flatten goes row by row, and so does a
    kernel.
    """
    target = maker(x).operation
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        ours.assign(keras.ops.reshape(theirs, ours.shape))


def _free(name: str, model: keras.Model) -> str:
    """The name, with as many "_" as it takes to be the only one."""
    while any(layer.name == name for layer in model.layers):
        name += "_"
    return name


def _refusal(model: keras.Model, why: str) -> KerasnetsError:
    return KerasnetsError(f"model {getattr(model, 'name', model)!r} {why}")
