"""Small classifiers, images they tell apart, and the files made from both."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from support.weights import randomise

from kerasnets.export import add_metadata, convert
from kerasnets.pixels import UNIT, carry

LABELS = tuple(f"class {index}" for index in range(10))


def build_small(seed: int = 0, prefix: str | None = None) -> keras.Model:
    """Conv, depthwise, residual pointwise, pooling, dense: 16x16 pixels to 10 logits.

    Without a prefix the layers get the names that Keras counts up.
    """
    layers = keras.layers

    def name(part: str) -> str | None:
        return None if prefix is None else f"{prefix}_{part}"

    def bn_relu6(x, part: str):
        x = layers.BatchNormalization(name=name(f"{part}_bn"))(x)
        return layers.ReLU(6.0, name=name(f"{part}_relu"))(x)

    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(
        8, 3, strides=2, padding="same", use_bias=False, name=name("stem")
    )(carry(inputs, UNIT))
    x = shortcut = bn_relu6(x, "stem")
    x = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, name=name("depthwise")
    )(x)
    x = bn_relu6(x, "depthwise")
    x = layers.Conv2D(8, 1, use_bias=False, name=name("pointwise"))(x)
    x = layers.Add(name=name("add"))([bn_relu6(x, "pointwise"), shortcut])
    x = layers.GlobalAveragePooling2D(name=name("pool"))(x)
    x = layers.Dense(10, name=name("head"))(x)
    return randomise(keras.Model(inputs, x, name=name("net")), seed=seed, head=3)


def build_mobilenet() -> keras.Model:
    """MobileNet 0.25 at 32x32 from keras.applications, taught the brightest channel.

    Untrained, so deep a network turns the noise of one grey level into other answers;
    a comparison with its int8 file would say nothing about the file.
    """
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNet(
        (32, 32, 3),
        alpha=0.25,
        weights=None,  # pyright: ignore[reportArgumentType] (annotated as str)
        classes=10,
        classifier_activation=None,  # pyright: ignore[reportArgumentType] (as str)
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8  # statistics that settle within 120 steps
    images = make_images(600, 32, seed=3)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = 0.005
    pixels = images.astype(np.float32) / 127.5 - 1
    model.fit(pixels, brightest_channel(images), batch_size=40, epochs=8, verbose=0)
    return model


def brightest_channel(images: np.ndarray) -> np.ndarray:
    """Three classes: red, green, blue."""
    return images.mean(axis=(1, 2)).argmax(axis=1)


def make_images(count: int, size: int, seed: int = 2) -> np.ndarray:
    """Two-colour gradients with noise: images that differ in more than noise."""
    random = np.random.default_rng(seed)
    colours = random.uniform(0, 255, (2, count, 1, 1, 3))
    ramp = np.linspace(0, 1, size)[None, :, None, None]
    images = colours[0] * ramp + colours[1] * (1 - ramp)
    images = images + random.normal(0, 20, (count, size, size, 3))
    return np.clip(images, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def small() -> keras.Model:
    return build_small()


@pytest.fixture(scope="session")
def mobilenet() -> keras.Model:
    return build_mobilenet()


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return make_images(200, 16)


@pytest.fixture(scope="session")
def save(tmp_path_factory) -> Callable[[bytes], Path]:
    """Write a converted file, with labels, to a path of its own."""
    folder = tmp_path_factory.mktemp("files")

    def write(buffer: bytes) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.tflite"
        path.write_bytes(add_metadata(buffer, name="small", labels=LABELS))
        return path

    return write


@pytest.fixture(scope="session")
def float_file(small, save) -> Path:
    return save(convert(small))


@pytest.fixture(scope="session")
def int8_file(small, images, save) -> Path:
    return save(convert(small, calibration=images[:100]))
