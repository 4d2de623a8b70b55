"""The kernels of a network: how much of them is zero, and which a step works on."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.graph import leaf_layers
from kerasnets.traits import TABLE, kernels_of, traits_of

if TYPE_CHECKING:
    import tf_keras

# What TF-MOT prunes and clusters, by the name of the class, which tf_keras shares: no
# depthwise kernels, which are few weights that the accuracy hangs on, and no
# Conv1DTranspose, which it does not know.
_COMPRESSIBLE = {
    kind.__name__: row.kernels[-1].name
    for kind, row in TABLE.items()
    if row.kernels and not row.depthwise and kind is not keras.layers.Conv1DTranspose
}
_MOST = 0.98  # share of a kernel that pruning may take


def sparsity(model: keras.Model) -> float:
    """Tell the share of exact zeros, 0 to 1, among the kernel weights of a model.

    Counted are the kernels of convolutions (transposed, depthwise and separable ones
    too) and of Dense layers, in nested models as well; biases and batch norm are not.
    A model without any such kernel has sparsity 0.
    """
    arrays = list(kernels(model))
    zeros = sum(int(np.sum(array == 0)) for array in arrays)
    return zeros / max(1, sum(array.size for array in arrays))


def kernels(model: keras.Model) -> Iterator[np.ndarray]:
    """Yield the kernel weights of a Keras model, each once."""
    for layer in leaf_layers(model).values():
        if traits_of(layer).kernels:
            for kernel in kernels_of(layer).values():
                yield np.asarray(keras.ops.convert_to_numpy(kernel))


def weights_to_keep(
    sizes: list[int], total: int, sparsity: float, *, zeros: int = 0
) -> list[int]:
    """Count the weights of each prunable kernel that stay, for a sparsity of the whole.

    The same share of each kernel, at least one weight, rounded towards more zeros.

    Args:
        sizes: Weights of each kernel that can be pruned.
        total: Weights of all kernels, those included that stay dense.
        sparsity: The share of zeros among ``total``.
        zeros: How many of these other kernels have.

    Raises:
        KerasnetsError: More than 98 % of the prunable weights would have to go.
    """
    prunable = sum(sizes)
    needed = max(0, math.ceil(sparsity * total) - zeros)
    if not needed:
        return list(sizes)
    left = prunable - needed
    if left < (1 - _MOST) * prunable or left < len(sizes):
        raise KerasnetsError(
            f"sparsity {sparsity} cannot be reached: {prunable:,} of the {total:,} "
            f"kernel weights can be pruned (depthwise ones stay); with {_MOST} of them "
            f"at most {math.floor(100 * (_MOST * prunable + zeros) / total) / 100} is "
            "accepted"
        )
    # TF-MOT counts in float32, which is off by less than a millionth
    keep = [max(1, int(left / prunable * size) - size // 2**20) for size in sizes]
    keep[int(np.argmax(sizes))] -= max(0, sum(keep) - left)
    return keep


def kernel_of(layer: "tf_keras.layers.Layer") -> np.ndarray:
    """Give the kernel of a layer that can be pruned and clustered."""
    return getattr(layer, _COMPRESSIBLE[type(layer).__name__]).numpy()


def chosen_layers(
    net: "tf_keras.Model",
    *,
    names: Collection[str] = (),
    spare_ends: bool = False,
    classes: Collection[str] = tuple(_COMPRESSIBLE),
) -> Mapping[str, "tf_keras.layers.Layer"]:
    """Choose the layers to prune or to cluster, by name, in the order of the network.

    Args:
        net: The network.
        names: Of them; without any all that can be.
        spare_ends: Leave the first and the last layer that could be out.
        classes: Of the layers that can be.

    Raises:
        KerasnetsError: A name is not one of such a layer, or none is left.
    """
    able = {
        layer.name: layer
        for layer in net.layers
        if type(layer).__name__ in _COMPRESSIBLE and type(layer).__name__ in classes
    }
    known = ", ".join(able) or "none"
    if unknown := [name for name in names if name not in able]:
        raise KerasnetsError(
            f"layers {', '.join(unknown)} of {net.name!r} have no kernel to compress; "
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
            f"{net.name!r} has no convolution or dense kernel to compress; layers "
            f"that have one: {known}{' (the ends are spared)' if ends else ''}"
        )
    return chosen
