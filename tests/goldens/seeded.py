"""Weights and images that two libraries draw alike: from the names of the tensors."""

import zlib

import numpy as np

CLASSES = 12


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The float32 tensor of that name in a Torch state dict, in Torch's order of axes.

    Of a size that keeps activations in bounds: kernels by He's rule, batch-norm scales
    and variances around 1, shifts, means and biases around 0.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return random.uniform(0.5, 1.5, shape).astype("float32")
    values = random.standard_normal(shape, "float32")
    if len(shape) == 1:
        return 0.1 * values
    return values * np.float32(np.sqrt(2 / np.prod(shape[1:])))


def images(size: int) -> np.ndarray:
    """Two images (2, size, size, 3), smooth as pictures are, in about [-1, 1]."""
    random = np.random.default_rng(size)
    rows, columns = np.mgrid[:size, :size] / size
    waves = random.normal(0, 6, (2, 3, 4, 2))
    phases = random.uniform(0, 2 * np.pi, (2, 3, 4))
    angle = waves[..., 0, None, None] * rows + waves[..., 1, None, None] * columns
    smooth = np.sin(angle + phases[..., None, None]).mean(axis=2)
    return np.moveaxis(smooth, 1, -1).astype("float32")
