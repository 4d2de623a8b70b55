"""How much of a network is zero."""

import math
from collections.abc import Iterator

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.graph import leaf_layers

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_MOST = 0.98  # share of a kernel that pruning may take
_LAYERS_WITH_KERNELS = tuple(
    getattr(keras.layers, name)
    for name in (
        *(
            f"{kind}Conv{rank}D"
            for kind in ("", "Depthwise", "Separable")
            for rank in (1, 2)
        ),
        "Conv3D",
        *(f"Conv{rank}DTranspose" for rank in (1, 2, 3)),
        "Dense",
    )
)


def sparsity(model: keras.Model) -> float:
    """Share of exact zeros, 0 to 1, among the kernel weights of a Keras model.

    Counted are the kernels of convolutions (transposed, depthwise and separable ones
    too) and of Dense layers, in nested models as well; biases and batch norm are not.
    A model without any such kernel has sparsity 0.
    """
    arrays = list(kernels(model))
    zeros = sum(int(np.sum(array == 0)) for array in arrays)
    return zeros / max(1, sum(array.size for array in arrays))


def kernels(model: keras.Model) -> Iterator[np.ndarray]:
    """The kernel weights of a Keras model, each once."""
    for layer in leaf_layers(model).values():
        if isinstance(layer, _LAYERS_WITH_KERNELS):
            for name in _KERNELS:
                # a separable convolution has a None for the kernel that it lacks
                if getattr(layer, name, None) is not None:
                    yield np.asarray(keras.ops.convert_to_numpy(getattr(layer, name)))


def weights_to_keep(
    sizes: list[int], total: int, sparsity: float, *, zeros: int = 0
) -> list[int]:
    """How many weights of each prunable kernel stay, for a sparsity of the whole.

    The same share of each kernel, at least one weight, rounded towards more zeros.

    Args:
        sizes: weights of each kernel that can be pruned.
        total: weights of all kernels, those included that stay dense.
        sparsity: the share of zeros among ``total``.
        zeros: how many of these other kernels have.

    Raises:
        KerasnetsError: more than 98 % of the prunable weights would have to go.
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
