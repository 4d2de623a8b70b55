"""Which layers of a tf_keras twin a step works on."""

from collections.abc import Collection, Mapping

import numpy as np
import tf_keras

from kerasnets.errors import KerasnetsError

# The kernels that TF-MOT prunes and clusters. It leaves depthwise ones as they are: few
# weights, and the accuracy hangs on them.
_KERNELS = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Dense"), "kernel"),
    **dict.fromkeys(("Conv2DTranspose", "Conv3DTranspose"), "kernel"),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), "pointwise_kernel"),
}


def kernel_of(layer: tf_keras.layers.Layer) -> np.ndarray:
    """The kernel of a layer that can be pruned and clustered."""
    return getattr(layer, _KERNELS[type(layer).__name__]).numpy()


def chosen_layers(
    twin: tf_keras.Model,
    *,
    names: Collection[str] = (),
    spare_ends: bool = False,
    classes: Collection[str] = tuple(_KERNELS),
) -> Mapping[str, tf_keras.layers.Layer]:
    """The layers to prune or to cluster by name, in the order of the network.

    Args:
        twin: the network.
        names: of them; without any all that can be.
        spare_ends: leave the first and the last layer that could be out.
        classes: of the layers that can be.

    Raises:
        KerasnetsError: a name is not one of such a layer, or none is left.
    """
    able = {
        layer.name: layer
        for layer in twin.layers
        if type(layer).__name__ in _KERNELS and type(layer).__name__ in classes
    }
    known = ", ".join(able) or "none"
    if unknown := [name for name in names if name not in able]:
        raise KerasnetsError(
            f"layers {', '.join(unknown)} of {twin.name!r} have no kernel to compress; "
            f"layers that have one: {known}"
        )
    ends = {*list(able)[:1], *list(able)[-1:]} if spare_ends else set()
    chosen = {
        name: layer
        for name, layer in able.items()
        if name not in ends and (not names or name in names)
    }
    if not chosen:
        raise KerasnetsError(
            f"{twin.name!r} has no convolution or dense kernel to compress; layers "
            f"that have one: {known}{' (the ends are spared)' if ends else ''}"
        )
    return chosen
