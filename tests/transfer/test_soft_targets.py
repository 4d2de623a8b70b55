"""What a teacher says of fixed views is what it would say of them in a training."""

import keras
import numpy as np
import pytest

from kerasnets.data import Augment, Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, Pixels
from kerasnets.training import Recipe, seed_everything, train
from kerasnets.transfer import soft_targets

MOVES = Augment(translate=0.2, flip=True)
HOW = {"augment": MOVES, "views": 2, "seed": 5}


@pytest.fixture
def split():
    images = np.random.default_rng(0).integers(0, 256, (10, 12, 12, 3), "uint8")
    return Split(images, np.arange(10) % 3, tuple(map(str, range(10))))


def network(side, activation=None):
    seed_everything(0)
    image = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(4, 3)(Pixels(UNIT.mean, UNIT.std)(image))
    x = keras.layers.Dense(3, activation)(keras.layers.Flatten()(x))
    return keras.Model(image, x)


def test_answers_are_those_of_a_live_teacher(split, tmp_path):
    teacher, student = network(12), network(8)
    soft = soft_targets(teacher, split, folder=tmp_path, batch_size=4, **HOW)
    assert soft.shape == (2, 10, 3)
    assert soft.dtype == np.float32
    recipe = Recipe(3, 0.01, batch_size=5, soft_weight=0.7, temperature=2)
    how = {"batch_size": 5, "preprocessing": UNIT, **HOW}
    # the teacher is asked anew, at its own size, for the same view of each image
    live = batches(split, size=12, targets={"soft": soft}, **how)
    for epoch in range(3):
        for images, targets in live.dataset(2 * epoch, 2 * epoch + 2):
            asked = teacher(images, training=False)
            np.testing.assert_allclose(targets["soft"], asked, atol=1e-5)
    feed = batches(split, size=8, targets={"soft": soft}, **how)
    before = student.get_weights()[0].copy()
    assert np.isfinite(train(student, feed, recipe).loss)
    assert np.abs(student.get_weights()[0] - before).max() > 0


def test_asked_again_it_asks_the_teacher_for_what_is_missing(split, tmp_path):
    told = []
    first = soft_targets(network(12), split, folder=tmp_path, batch_size=4, **HOW)
    (tmp_path / "view1.npy").unlink()
    again = soft_targets(
        network(12),
        split,
        folder=tmp_path,
        batch_size=4,
        progress=lambda done, total, note="": told.append((done, total)),
        **HOW,
    )
    np.testing.assert_array_equal(first, again)
    assert told == [(4, 6), (5, 6), (6, 6)]


def test_teacher_that_gives_probabilities_is_refused(split, tmp_path):
    with pytest.raises(KerasnetsError, match="teacher"):
        soft_targets(network(12, "softmax"), split, folder=tmp_path, **HOW)
