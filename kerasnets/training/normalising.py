"""Images made alike by what the training images are: means, contrast, whitening.

What was found is part of the network, as weights of layers right behind its input, so
that it is saved with it, and exported, and never assumed.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasnets.data import ImageStore, Split, batches, some_pixels
from kerasnets.errors import KerasnetsError
from kerasnets.graph import replay
from kerasnets.pixels import Pixels, Preprocessing, pixels_of, with_pixels

# what a variance counts at least, in units of the mean variance of a pixel: beyond it
# whitening would show the noise of flat directions
_LEAST = 0.1
_AT_ONCE = 512


def with_normalised_images(
    model: keras.Model, how: str, split: ImageStore | None
) -> keras.Model:
    """Return a network that makes its images alike before it looks at them.

    Args:
        model: A network of the zoo, with random weights.
        how: "channels", mean 0 and deviation 1 of each channel over the training
            images; "pixels", the mean of each pixel subtracted (He et al. 2015,
            section 4.2); "contrast", each image's own mean 0 and deviation 1;
            "whitened", the same, and then ZCA: pixels that are no longer correlated
            over the training images (Goodfellow et al. 2013, section 5.2). "" leaves
            the network as it is.
        split: The training images; None for numbers that are loaded later.

    Raises:
        KerasnetsError: The images are large, and are to be whitened, or are not
            decoded to the network's size, which all but "channels" needs.
    """
    if not how:
        return model
    given = pixels_of(model)
    if how == "channels":
        return model if split is None else with_pixels(model, _channels(split, given))
    if not isinstance(split, Split | None):
        raise KerasnetsError(
            f"images are to be made alike by {how!r}, and are no squares of one size: "
            "'channels' is accepted for parts of images"
        )
    height, width, channels = model.input_shape[1:]
    shape, count = (height, width, channels), height * width * channels
    all_axes: Any = (1, 2, 3)  # Keras annotates one alone
    contrast = layers.LayerNormalization(
        axis=all_axes, center=False, scale=False, dtype="float32", name="contrast"
    )
    if how == "contrast":
        return _with_front(model, [contrast])
    if how == "pixels":
        mean = _mean(split, given, shape) if split is not None else np.zeros(shape)
        return _with_front(model, [_minus(mean)])
    if count > 64 * 64 * 3:
        raise KerasnetsError(
            f"images of {height} x {width} x {channels} are to be whitened, by a "
            f"matrix of {count} x {count}: up to 64 x 64 x 3 are accepted"
        )
    whiten: Any = layers.Dense(count, trainable=False, dtype="float32", name="whiten")
    front = [
        contrast,
        layers.Reshape((count,), name="pixels_in_a_row"),
        whiten,
        layers.Reshape(shape, name="image_again"),
    ]
    whiten.build((None, count))
    if split is not None:
        matrix, mean = _whitening(split, given, contrast, count)
        whiten.set_weights([matrix, -mean @ matrix])
    return _with_front(model, front)


def _with_front(model: keras.Model, front: list[Any]) -> keras.Model:
    """The network with layers right behind the one that carries its pixels."""

    def call(operation, path, args, kwargs, training):
        del path, training
        x = operation(*args, **kwargs)
        if isinstance(operation, Pixels):
            for layer in front:
                x = layer(x)
        return x

    image = model.inputs[0]
    new = keras.Input(batch_shape=image.shape, dtype=image.dtype, name=image.name)
    return keras.Model(new, replay(model, new, call), name=model.name)


def _minus(mean: np.ndarray) -> Any:
    """A layer that subtracts the mean of each pixel."""
    all_axes: Any = (1, 2, 3)
    return layers.Normalization(
        axis=all_axes,
        mean=mean.astype("float32"),
        variance=np.ones_like(mean, "float32"),
        dtype="float32",
        name="minus_mean_image",
    )


def _images(split: Split, given: Preprocessing | None) -> Iterator[np.ndarray]:
    """The images as the network gets them, some hundred at once."""
    feed = batches(
        split,
        size=split.images.shape[1],
        batch_size=_AT_ONCE,
        seed=0,
        shuffle=False,
        preprocessing=given,
    )
    for images, _ in feed.dataset(0, feed.steps_per_epoch):
        yield np.asarray(ops.convert_to_numpy(images))


def _channels(split: ImageStore, given: Preprocessing) -> Preprocessing:
    """Mean and deviation of each channel of the set, in levels."""
    plain = replace(given, mean=(0.0,) * len(given.mean), std=(1.0,) * len(given.std))
    pixels = np.asarray(ops.convert_to_numpy(plain(some_pixels(split))), "float64")
    mean, deviation = pixels.mean(axis=0), np.maximum(pixels.std(axis=0), 1e-3)
    return replace(
        given, mean=tuple(map(float, mean)), std=tuple(map(float, deviation))
    )


def _mean(split: Split, given: Preprocessing, shape: tuple[int, ...]) -> np.ndarray:
    total = np.zeros(shape)
    for images in _images(split, given):
        total += images.sum(axis=0, dtype="float64")
    return total / len(split.labels)


def _whitening(
    split: Split, given: Preprocessing, contrast: Any, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The symmetric matrix that whitens images in a row, and their mean."""
    total, products = np.zeros(count), np.zeros((count, count))
    for images in _images(split, given):
        rows = np.asarray(ops.convert_to_numpy(contrast(images))).reshape(-1, count)
        total += rows.sum(axis=0, dtype="float64")
        products += rows.T @ rows
    mean = total / len(split.labels)
    covariance = products / len(split.labels) - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance)
    least = _LEAST * values.mean()
    matrix = (vectors / np.sqrt(np.maximum(values, 0) + least)) @ vectors.T
    return matrix, mean
