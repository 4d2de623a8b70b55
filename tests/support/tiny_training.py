"""A training of a tiny network in this process: ``FILE HOW``, HOW as JSON."""

import functools
import json
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kerasnets.data import Augment, Split, batches
from kerasnets.pixels import UNIT, carry
from kerasnets.training import Recipe, find_devices, seed_everything, train
from kerasnets.transfer import Match, distill

# halves of a batch fill whole vectors of the CPU: the rest of one rounds otherwise, and
# the loss is float32 in any case
SIDE, BATCH = 8, 16


def split():
    """Dark images are 0, bright ones 1."""
    random = np.random.default_rng(0)
    labels = np.arange(80) % 2
    noise = random.integers(0, 100, (80, SIDE, SIDE, 3))
    images = noise + 150 * labels[:, None, None, None]
    return Split(images.astype("uint8"), labels, tuple(map(str, range(80))))


def network(dropout, seed=1):
    seed_everything(seed)
    image = x = keras.Input((SIDE, SIDE, 3))
    x = carry(image, UNIT)
    for stride in (1, 2):
        x = layers.Conv2D(4, 3, stride, use_bias=False, name=f"maps{stride}")(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(x))
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(2, dtype=keras.config.floatx())(x))


def main(out, how):
    if how.get("virtual"):
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * how["virtual"],
        )
    devices = find_devices(how.get("devices"))
    keras.config.set_floatx(how.get("floatx", "float32"))
    keras.config.set_dtype_policy(how.get("policy", keras.config.floatx()))
    recipe = Recipe(
        epochs=how.get("epochs", 1),
        batch_size=BATCH,
        learning_rate=0.01,
        **how.get("recipe", {}),
    )
    model = network(how.get("dropout", 0.0))
    told, learn = [], train
    if how.get("matched"):
        matches = [Match("maps1", "maps1"), Match("maps2", "maps2", "attention", 10.0)]
        teacher = network(0.0, seed=2)
        learn = functools.partial(distill, teacher, matches=matches)
    result = learn(
        model,
        batches(
            split(),
            size=SIDE,
            batch_size=BATCH,
            seed=3,
            augment=Augment(translate=0.2, flip=True),
            preprocessing=UNIT,
        ),
        recipe,
        devices=devices,
        each_epoch=lambda epoch, training: told.append(training.loss),
    )
    weights = {f"weight_{i}": np.asarray(w) for i, w in enumerate(model.weights)}
    np.savez(out, **weights, told=told, loss=result.loss, labels=result.labels)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
