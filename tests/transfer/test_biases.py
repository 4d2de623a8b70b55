"""Biases that let classes come as often as they do."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, carry
from kerasnets.transfer import adjust_bias
from kerasnets.transfer.biases import bias_shift


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_one_image_by_hand():
    """(1/4, 3/4) becomes (1/2, 1/2) by log 3 between the classes."""
    shift = bias_shift(np.log([[1.0, 3.0]]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(shift, [np.log(3) / 2, -np.log(3) / 2], atol=1e-5)


def test_change_of_priors_is_found_again():
    """Logits of exact posteriors under other priors: the shift is their log ratio."""
    random = np.random.default_rng(0)
    priors, believed = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.3, 0.1])
    labels = random.choice(3, 20_000, p=priors)
    seen = random.normal(labels[:, None] == np.arange(3), 1.0)
    # log p(seen | class) but for what all classes share, and what is believed of them
    logits = seen + np.log(believed)
    shift = bias_shift(logits, priors)
    expected = np.log(priors / believed)
    np.testing.assert_allclose(shift, expected - expected.mean(), atol=0.03)


def network(classes, **arguments):
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(classes, 1, name="conv", **arguments)(carry(image, UNIT))
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))


def images(count=40):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), "uint8")
    return Split(pixels, np.zeros(count, int), tuple(map(str, range(count))))


@pytest.mark.parametrize("classes", [1, 3])
def test_answers_come_as_often_as_classes_do(classes):
    model, split = network(classes), images()
    priors = [0.7, 0.3] if classes == 1 else [0.6, 0.3, 0.1]
    shift = adjust_bias(model, priors, split)
    assert shift.shape == (len(priors),)
    logits = np.asarray(model((np.asarray(split.images) / 127.5 - 1).astype("float32")))
    if classes == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    np.testing.assert_allclose(softmax(logits).mean(axis=0), priors, atol=1e-4)


@pytest.mark.parametrize(
    ("priors", "how", "text"),
    [
        ([0.5, 0.5], {}, "2 class priors for 3 classes"),
        ([0.5, 0.5, 0.0], {}, "above 0 that sum up to 1"),
        ([0.5, 0.5, 0.5], {}, "that sum up to 1.5: shares"),
        ([0.4, 0.4, 0.2], {"use_bias": False}, "'conv' .* has no biases to adjust"),
        ([0.4, 0.4, 0.2], {"activation": "relu"}, "ends in 'conv'"),
    ],
)
def test_what_does_not_fit_is_refused(priors, how, text):
    with pytest.raises(KerasnetsError, match=text):
        adjust_bias(network(3, **how), priors, images(4))
