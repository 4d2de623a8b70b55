"""Whether mirrored images of a class look like another class: arrows, letters, digits.

A small classifier, kernel ridge regression on histograms of gradients and on coarse
colours, learns half of the training images and is asked for the other half, as they are
and mirrored left to right. Where mirroring confuses classes it is right far less often
on the mirrored ones.
"""

import math
from dataclasses import dataclass

import numpy as np

from kerasnets.data import Split, resize_images, spread

_SIDE, _CELLS, _ANGLES = 32, 4, 8  # pixels, cells a side, bins of the angle
_IMAGES = 1_000  # at most: some seconds on one core
_LUMA = np.array([0.299, 0.587, 0.114], "float32")  # ITU-R BT.601


@dataclass(frozen=True)
class Mirroring:
    """What a look at the training images found.

    Attributes:
        confuses: Whether mirrored images of a class look like another one.
        accuracy: Share of unseen images that the small classifier gets right.
        mirrored: The same of their mirror images.
    """

    confuses: bool
    accuracy: float
    mirrored: float


def look_at_mirroring(split: Split, *, seed: int) -> Mirroring:
    """Find out whether training may mirror images left to right.

    Args:
        split: Training images; at most 1,000 of them are looked at, spread over the
            classes.
        seed: Random seed of which.
    """
    chosen = spread(split.labels, _IMAGES, seed)
    labels = split.labels[chosen]
    images = resize_images(split.images[chosen], _SIDE)
    features, mirrored = _features(images), _features(images[:, :, ::-1])
    scale = features.std(axis=0) + 1e-3 * features.std()
    features, mirrored = features / scale, mirrored / scale
    halves = np.random.default_rng(seed).permutation(len(labels)) % 2 == 0
    right = np.zeros((2, len(labels)), bool)
    for learned in (halves, ~halves):
        asked = (features[~learned], mirrored[~learned])
        answers = _answers(features[learned], labels[learned], asked)
        right[:, ~learned] = answers == labels[~learned]
    groups = [labels == label for label in set(labels.tolist())]
    confuses = _falls(*right) or any(
        _falls(*right[:, group], tests=len(groups)) for group in groups
    )
    return Mirroring(confuses, float(right[0].mean()), float(right[1].mean()))


def _falls(plain: np.ndarray, mirrored: np.ndarray, *, tests: int = 1) -> bool:
    """Whether mirroring makes a fifth or more wrong, and not by chance (sign test)."""
    lost = int((plain & ~mirrored).sum())
    won = int((mirrored & ~plain).sum())
    changed = lost + won
    tail = sum(math.comb(changed, k) for k in range(lost, changed + 1)) / 2**changed
    return lost - won >= 0.2 * len(plain) and tail < 0.001 / tests


def _features(images: np.ndarray) -> np.ndarray:
    """Histograms of gradients and coarse colours; float32 (n, features)."""
    pixels = images.astype("float32") / 255
    grey = pixels @ _LUMA
    down, across = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(across, down)
    angle = np.arctan2(down, across) / (2 * np.pi) % 1 * _ANGLES
    # each gradient goes to the two bins beside it
    distance = np.abs(angle[..., None] - np.arange(_ANGLES))
    weight = np.maximum(0, 1 - np.minimum(distance, _ANGLES - distance))
    gradients = _cells(strength[..., None] * weight, _CELLS)
    gradients = np.sqrt(gradients / (gradients.sum(axis=1, keepdims=True) + 1e-6))
    return np.hstack([gradients, 0.5 * _cells(pixels, 2 * _CELLS)])


def _cells(maps: np.ndarray, cells: int) -> np.ndarray:
    """The means over a grid of cells, flat."""
    count, side, _, channels = maps.shape
    grid = (count, cells, side // cells, cells, side // cells, channels)
    return maps.reshape(grid).mean(axis=(2, 4)).reshape(count, -1)


def _answers(
    learned: np.ndarray, labels: np.ndarray, asked: tuple[np.ndarray, ...]
) -> np.ndarray:
    """The classes of each array of features, by kernel ridge regression."""
    distances = _distances(learned, learned)
    width = np.median(distances[distances > 0]) if len(learned) > 1 else 1.0
    targets = np.eye(labels.max() + 1)[labels]
    kernel = np.exp(-distances / width) + 0.1 * np.eye(len(learned))
    weights = np.linalg.solve(kernel, targets - targets.mean(axis=0))
    return np.stack(
        [
            (np.exp(-_distances(features, learned) / width) @ weights).argmax(axis=1)
            for features in asked
        ]
    )


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of each to each."""
    a, b = a.astype("float64"), b.astype("float64")
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)
    return np.maximum(squares - 2 * a @ b.T, 0)
