"""Accuracy and loss of a network whose answers are known."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.data import Split, batches
from kerasnets.evaluation import evaluate, predict_logits
from kerasnets.evaluation.single_view import cross_entropies
from kerasnets.pixels import UNIT, carry


@pytest.fixture(scope="module")
def model():
    """Logits (2 r, 2 g, 2 b) of the image's mean colour in [-1, 1]."""
    image = keras.Input((4, 4, 3))
    x = layers.GlobalAveragePooling2D()(carry(image, UNIT))
    return keras.Model(image, layers.Rescaling(2.0)(x))


@pytest.fixture(scope="module")
def split():
    # the pixel 255 is 1, 0 is -1: red, green, blue, black, white
    colours = np.array(
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0], [255, 255, 255]]
    )
    images = np.ones((5, 4, 4, 1), "uint8") * colours[:, None, None, :].astype("uint8")
    return Split(images, np.array([0, 1, 0, 2, 1]), tuple("rgbkw"))


RIGHT = np.log(1 + 2 * np.exp(-4.0))  # logits 2, -2, -2 and the label of the 2
WRONG = RIGHT + 4
EVEN = np.log(3.0)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 256])
def test_accuracy_and_loss(model, split, batch_size):
    figures = evaluate(model, split, batch_size=batch_size)
    # red and green are right, blue is not; of even answers the first counts, class 0
    assert figures.accuracy == 2 / 5
    np.testing.assert_allclose(
        figures.loss, (2 * RIGHT + WRONG + 2 * EVEN) / 5, rtol=1e-6
    )
    assert figures.examples == 5
    # 2 of 5 in a table of Wilson's intervals
    assert (figures.interval.low, figures.interval.high) == pytest.approx(
        (0.1176, 0.7693), abs=1e-4
    )


@pytest.mark.parametrize("batch_size", [2, 256])
def test_logits_keep_the_order_of_the_split(model, split, batch_size):
    np.testing.assert_allclose(
        predict_logits(model, split, batch_size=batch_size),
        [[2, -2, -2], [-2, 2, -2], [-2, -2, 2], [-2, -2, -2], [2, 2, 2]],
    )


def test_images_are_resized_to_the_network(model):
    images = np.full((3, 16, 16, 3), 255, "uint8")
    split = Split(images, np.zeros(3, "int64"), tuple("abc"))
    logits = predict_logits(model, split)
    np.testing.assert_allclose(logits, np.full((3, 3), 2.0), rtol=1e-6)


def test_a_feed_is_judged_as_it_comes(model, split):
    feed = batches(
        split, size=4, batch_size=2, seed=0, shuffle=False, preprocessing=UNIT
    )
    assert evaluate(model, feed) == evaluate(model, split, batch_size=2)


def test_each_pixel_counts_where_each_has_a_label():
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, layers.Rescaling(2.0)(carry(image, UNIT)))
    # all red: logits 2, -2, -2; a quarter of the labels says so
    images = np.full((3, 4, 4, 3), [255, 0, 0], "uint8")
    labels = np.ones((3, 4, 4), "int64")
    labels[:, 0] = 0
    figures = evaluate(model, Split(images, labels, tuple("abc")), batch_size=2)
    assert (figures.accuracy, figures.examples) == (1 / 4, 3)
    np.testing.assert_allclose(figures.loss, RIGHT / 4 + WRONG * 3 / 4, rtol=1e-6)


def test_large_logits_do_not_overflow():
    losses = cross_entropies(np.array([[1e4, 0.0], [1e4, 0.0]]), np.array([0, 1]))
    np.testing.assert_array_equal(losses, [0.0, 1e4])


def test_one_logit_tells_two_classes():
    image = keras.Input((4, 4, 3))
    x = layers.GlobalAveragePooling2D()(carry(image, UNIT))
    mean = keras.ops.mean(x, axis=-1, keepdims=True)
    model = keras.Model(image, layers.Rescaling(3.0)(mean))
    # 3 for white, -3 for black
    images = np.zeros((4, 4, 4, 3), "uint8")
    images[2:] = 255
    split = Split(images, np.array([0, 1, 1, 1]), tuple("abcd"))
    figures = evaluate(model, split)
    assert figures.accuracy == 3 / 4
    # -log sigmoid(3), but for one wrong image: that of -3
    small = np.log(1 + np.exp(-3.0))
    np.testing.assert_allclose(figures.loss, (3 * small + small + 3) / 4, rtol=1e-6)
    np.testing.assert_allclose(
        predict_logits(model, split), [[0, -3], [0, -3], [0, 3], [0, 3]], rtol=1e-6
    )


@pytest.mark.parametrize("end", ["dense", "activation", "softmax layer", "nested"])
def test_of_probabilities_the_logits_are_judged(split, end):
    """Also where they are too far from 0 for probabilities to tell them apart."""
    image = keras.Input((4, 4, 3))
    x = layers.GlobalAveragePooling2D()(carry(image, UNIT))
    kernel = keras.initializers.Constant(np.eye(3) * 200)
    activation = "linear" if "activation" in end or "layer" in end else "softmax"
    x = layers.Dense(3, kernel_initializer=kernel, activation=activation)(x)
    if end == "activation":
        x = layers.Activation("softmax")(x)
    if end == "softmax layer":
        x = layers.Softmax()(x)
    model = keras.Model(image, x)
    if end == "nested":
        model = keras.Model(image, model(image))
    before = np.asarray(model.predict(np.ones((1, 4, 4, 3)), verbose=0))
    np.testing.assert_allclose(before, np.full((1, 3), 1 / 3), rtol=1e-6)
    # blue is taken for red: 400 nats
    np.testing.assert_allclose(
        evaluate(model, split).loss, (400 + 2 * np.log(3)) / 5, rtol=1e-6
    )
    after = np.asarray(model.predict(np.ones((1, 4, 4, 3)), verbose=0))
    np.testing.assert_array_equal(after, before)
