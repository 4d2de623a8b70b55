"""What a network costs: parameters and multiply-adds, layer by layer.

A multiply and an add together count 1. Counted are convolutions and dense layers, as
in the papers' tables; batch normalisation, pooling and activations are left out.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers

from kerasnets.errors import KerasnetsError


@dataclass(frozen=True)
class LayerCost:
    """One layer of a network.

    Attributes:
        name: the layer's name.
        kind: its class.
        output_shape: shape of its output for one image, without the batch.
        params: its parameters, batch-norm statistics included.
        madds: its multiply-adds for one image.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    params: int
    madds: int


def layer_costs(model: keras.Model) -> list[LayerCost]:
    """The cost of each layer of a functional model, in the order of the graph.

    A layer that is used more than once appears once a use, with its parameters on the
    first. The layers of nested models are listed in their place.

    Raises:
        KerasnetsError: the model's image size is not fixed.
    """
    costs, counted = [], set()
    for layer, inputs, outputs in _uses(model):
        first_use = id(layer) not in counted
        counted.add(id(layer))
        costs.append(
            LayerCost(
                name=layer.name,
                kind=type(layer).__name__,
                output_shape=tuple(outputs[1:]),
                params=layer.count_params() if first_use else 0,
                madds=_madds(layer, inputs, outputs),
            )
        )
    return costs


def count_params(model: keras.Model) -> int:
    """All parameters, batch-norm statistics included, as Keras counts them."""
    return model.count_params()


def count_madds(model: keras.Model) -> int:
    """Multiply-adds for one image.

    Raises:
        KerasnetsError: the model's image size is not fixed.
    """
    return sum(_madds(*use) for use in _uses(model))


def _uses(model: keras.Model):
    """(layer, input shape, output shape) of each use of a layer, inputs to outputs."""
    model = getattr(model, "_functional", None) or model
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer = node.operation
            if isinstance(layer, keras.Model):
                yield from _uses(layer)
            elif isinstance(layer, layers.Layer):
                outputs = node.output_tensors[0].shape
                inputs = node.input_tensors[0].shape if node.input_tensors else outputs
                yield layer, inputs, outputs


def _madds(layer: layers.Layer, input_shape: tuple, output_shape: tuple) -> int:
    """Multiply-adds of one use of ``layer`` for one image."""
    kernels = [
        getattr(layer, name)
        for name in ("kernel", "depthwise_kernel", "pointwise_kernel")
        if hasattr(layer, name)
    ]
    if not kernels and not hasattr(layer, "count_madds"):
        return 0
    # a transposed convolution spreads each input position, the others gather for
    # each output position
    transposed = isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose)
    shape = input_shape if transposed else output_shape
    if None in shape[1:]:
        raise KerasnetsError(
            f"layer {layer.name!r} has no fixed size {shape[1:]}: build the model with "
            "the height and width of the image"
        )
    if hasattr(layer, "count_madds"):
        return layer.count_madds(shape)
    return math.prod(shape[1:-1]) * sum(math.prod(kernel.shape) for kernel in kernels)
