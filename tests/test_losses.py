"""Our losses against numbers made by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.losses import MulticlassSquaredHinge

LOGITS = np.array([[2.0, -0.5, 0.0], [0.5, 1.0, -3.0]], "float32")
LABELS = np.array([0, 2])
# image 0: (1 - 2 is met) 0 + (1 - 0.5)^2 + (1 + 0)^2 = 1.25
# image 1: (1 + 0.5)^2 + (1 + 1)^2 + (1 + 3)^2 = 22.25
EACH = [1.25, 22.25]


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [(None, EACH), ("sum", 23.5), ("sum_over_batch_size", 11.75)],
)
def test_squared_hinge_by_hand(reduction, expected):
    loss = MulticlassSquaredHinge(reduction=reduction)
    np.testing.assert_allclose(loss(LABELS, LOGITS), expected)
    np.testing.assert_allclose(loss(LABELS[:, None], LOGITS), expected)


def test_squared_hinge_is_zero_beyond_the_margins_and_one_a_class_at_zero():
    loss, labels = MulticlassSquaredHinge(), np.array([1])
    met = np.array([[-1.0, 1.0, -7.0, -1.0]])
    assert loss(labels, met) == 0
    assert loss(labels, 0 * met) == 4
    # a step inside a margin costs its square
    assert loss(labels, met - [[0, 0.5, 0, 0]]) == 0.25


def test_squared_hinge_is_that_of_keras_summed_over_the_classes():
    signs = np.where(np.eye(3)[LABELS] == 1, 1.0, -1.0)
    theirs = keras.losses.SquaredHinge(reduction=None)(signs, LOGITS)
    ours = MulticlassSquaredHinge(reduction=None)(LABELS, LOGITS)
    np.testing.assert_allclose(ours, 3 * np.asarray(theirs))


def test_squared_hinge_has_the_gradient_of_the_formula():
    x = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = MulticlassSquaredHinge()(LABELS, x)
    # -2 s max(0, 1 - s z), over 2 images
    expected = np.array([[0.0, 0.5, 1.0], [1.5, 2.0, -4.0]])
    np.testing.assert_allclose(tape.gradient(loss, x), expected)


def test_squared_hinge_is_float32_of_half_precision():
    loss = MulticlassSquaredHinge()(LABELS, tf.constant(100 * LOGITS, "float16"))
    assert loss.dtype == "float32"
    # (0 + 0 + 1 + 51^2 + 101^2 + 301^2) / 2; 301^2 is more than half precision holds
    np.testing.assert_allclose(loss, (1 + 51**2 + 101**2 + 301**2) / 2)


def test_squared_hinge_is_saved_with_its_configuration():
    loss = MulticlassSquaredHinge(reduction="sum", name="companion")
    loaded = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(loaded) is MulticlassSquaredHinge
    assert (loaded.reduction, loaded.name) == ("sum", "companion")
    np.testing.assert_allclose(loaded(LABELS, LOGITS), 23.5)


def test_squared_hinge_trains_a_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.3), MulticlassSquaredHinge())
    losses = [model.train_on_batch(np.eye(3), np.arange(3)) for _ in range(50)]
    assert losses[-1] < losses[0] / 10
    np.testing.assert_array_equal(np.argmax(model(np.eye(3)), axis=1), np.arange(3))
