"""Small networks and images that a test writes to disk in no time."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from kerasnets.pixels import UNIT, carry

_DECIDED = 8  # times the kernel at the end: no two classes are as good as each other


def network(
    shape=(8, 8, 3), classes: int = 3, *, norm: bool = True, softmax: bool = False
) -> keras.Model:
    """Two convolutions of 16 channels, pooling, logits."""
    keras.utils.set_random_seed(0)
    image = keras.Input(shape, name="image")
    x = carry(image, UNIT) if len(shape) == 3 else image
    for name in ("first", "second"):
        x = layers.Conv2D(16, 3, padding="same", use_bias=not norm, name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x) if norm else x
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(classes, "softmax" if softmax else None, name="logits")(x)
    model = keras.Model(image, x, name="net")
    head = model.get_layer("logits")
    head.kernel.assign(_DECIDED * head.kernel)
    return model


def save_colours(path: Path) -> None:
    """An npz file of 120 images of three classes: red, green and blue."""
    random = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = random.integers(0, 100, (120, 8, 8, 3))
    images[np.arange(120), :, :, labels] += 120
    np.savez(path, x_train=images.astype("uint8"), y_train=labels)
