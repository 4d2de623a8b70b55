"""Every network of the zoo can be trained."""

import keras
import numpy as np
import pytest
from support import tiny_zoo
from support.tiers import slowly
from support.tiny_zoo import DRAWN, TINY, images

from kerasnets import applications


@pytest.mark.parametrize(
    "name", slowly(TINY, {*tiny_zoo.one_a_function()} - {*tiny_zoo.LONG})
)
def test_every_weight_gets_a_finite_gradient(name):
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = TINY[name](classifier_activation=None)

    @tf.function
    def differentiate(x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                y, model(x, training=True)
            )
        return tape.gradient(losses, [v.value for v in model.trainable_variables])

    found = differentiate(images(model, 8), labels(model, 8))
    for variable, gradient in zip(model.trainable_variables, found, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


# steps of Adam: without batch norm a large one kills the ReLUs
RATES = {"vgg11lrn": 1e-4, "googlenet": 1e-4}
RATES |= {"alexnet": 1e-3, "preluneta": 3e-4}


class StopWhenRight(keras.callbacks.Callback):
    """Ends the training when every image is answered right."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["accuracy"] == 1


# the others learn digits in jobs/test_every_family.py; first weights may be unlucky on
# one CPU and not on another
@pytest.mark.parametrize("name", slowly(DRAWN, {"vgg11lrn", "resnet18"}))
def test_learns_a_handful_of_images(name):
    assert any(learns(name, seed) for seed in range(3))


def learns(name, seed: int) -> bool:
    """Whether three images are answered right within 300 steps."""
    keras.utils.set_random_seed(seed)
    model = TINY[name]()
    x, y = applications.preprocessing(model)(pictures(model, 3)), labels(model, 3)
    model.compile(
        keras.optimizers.Adam(RATES.get(name, 0.003)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(x, y, epochs=300, verbose=0, callbacks=[StopWhenRight()])
    return history.history["accuracy"][-1] == 1


def labels(model, count):
    """0, 1, 2, ..., or maps of 0, maps of 1, ... where each pixel has a class."""
    maps = model.output_shape[1:-1]
    numbers = np.arange(count).reshape(count, *[1] * len(maps))
    return np.broadcast_to(numbers, (count, *maps))


def pictures(model, count):
    """Waves of different colours, (count, height, width, channels), 0 to 255."""
    random = np.random.default_rng(0)
    height, width, channels = model.input_shape[1:]
    rows, columns = np.mgrid[:height, :width] / 8
    shape = (count, channels, 1, 1)
    down, across, phase = random.normal(0, 2, (3, *shape))
    waves = 128 + 60 * np.sin(down * rows + across * columns + phase)
    return np.moveaxis(waves + random.normal(0, 40, shape), 1, -1).clip(0, 255)
