"""What a teacher says of fixed views is what it would say of them in a training."""

import keras
import numpy as np
import pytest

from kerasnets.data import Augment, Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, Preprocessing, carry
from kerasnets.training import Recipe, seed_everything, train
from kerasnets.transfer import soft_targets

MOVES = Augment(translate=0.2, flip=True)
HOW = {"augment": MOVES, "views": 2, "seed": 5}


@pytest.fixture
def split():
    images = np.random.default_rng(0).integers(0, 256, (10, 12, 12, 3), "uint8")
    return Split(images, np.arange(10) % 3, tuple(map(str, range(10))))


def network(side, activation=None, preprocessing=UNIT):
    seed_everything(0)
    image = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(4, 3)(carry(image, preprocessing))
    x = keras.layers.Dense(3, activation)(keras.layers.Flatten()(x))
    return keras.Model(image, x)


def test_answers_are_those_of_a_live_teacher(split, tmp_path):
    teacher, student = network(12), network(8)
    soft = soft_targets(teacher, split, folder=tmp_path, batch_size=4, **HOW)
    assert [(view.shape, view.dtype) for view in soft] == [((10, 3), np.float16)] * 2
    recipe = Recipe(3, 0.01, batch_size=5, soft_weight=0.7, temperature=2)
    how = {"batch_size": 5, "preprocessing": UNIT, **HOW}
    # the teacher is asked anew, at its own size, for the same view of each image
    live = batches(split, size=12, targets={"soft": soft}, **how)
    for epoch in range(3):
        for images, targets in live.dataset(2 * epoch, 2 * epoch + 2):
            asked = teacher(images, training=False)
            np.testing.assert_array_equal(targets["soft"], np.float16(asked))
    feed = batches(split, size=8, targets={"soft": soft}, **how)
    before = student.get_weights()[0].copy()
    assert np.isfinite(train(student, feed, recipe).loss)
    assert np.abs(student.get_weights()[0] - before).max() > 0


def test_asked_again_it_asks_the_teacher_for_what_is_missing(split, tmp_path):
    told = []
    first = soft_targets(network(12), split, folder=tmp_path, batch_size=4, **HOW)
    (folder,) = tmp_path.iterdir()
    (folder / "view1.npy").unlink()
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


def kept(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}


def test_answers_are_found_again_where_they_would_be_the_same(split, tmp_path):
    soft_targets(network(12), split, folder=tmp_path, **HOW)
    first = kept(tmp_path)
    # another load, and more views
    soft_targets(network(12), split, folder=tmp_path, **{**HOW, "views": 3})
    again = kept(tmp_path)
    assert again.items() > first.items()
    assert len(again) == 3


@pytest.mark.parametrize("other", ["weights", "pixels", "image", "changes", "seed"])
def test_those_of_anything_else_are_not_taken_for_them(split, tmp_path, other):
    teacher, how = network(12), dict(HOW)
    soft_targets(teacher, split, folder=tmp_path, **how)
    if other == "weights":
        teacher.set_weights([1.1 * weights for weights in teacher.get_weights()])
    elif other == "pixels":
        same = teacher.get_weights()
        teacher = network(12, preprocessing=Preprocessing((0.0,) * 3, (99.0,) * 3))
        teacher.set_weights(same)
    elif other == "image":
        split.images[9, 3, 3, 0] ^= 1
    elif other == "changes":
        how["augment"] = Augment(translate=0.3, flip=True)
    else:
        how["seed"] = 6
    soft_targets(teacher, split, folder=tmp_path, **how)
    assert len(kept(tmp_path)) == 4


def test_images_that_nothing_changes_have_one_view(split, tmp_path):
    how = {**HOW, "augment": None, "views": 1}
    (soft,) = soft_targets(network(12), split, folder=tmp_path, **how)
    pixels = split.images.astype("float32") / 127.5 - 1
    asked = network(12)(pixels, training=False)
    np.testing.assert_allclose(soft, asked, atol=2e-3)
    # the seed changes nothing
    soft_targets(network(12), split, folder=tmp_path, **{**how, "seed": 6})
    assert len(kept(tmp_path)) == 1
    with pytest.raises(KerasnetsError, match="2 fixed views without augmentation"):
        soft_targets(network(12), split, folder=tmp_path, **{**how, "views": 2})


def test_logits_that_float16_does_not_hold_are_refused(split, tmp_path):
    teacher = network(12)
    teacher.set_weights([1e6 * weights for weights in teacher.get_weights()])
    with pytest.raises(KerasnetsError, match="those of up to 65504 can be kept"):
        soft_targets(teacher, split, folder=tmp_path, **HOW)
    assert not kept(tmp_path)


def test_teacher_that_gives_probabilities_is_refused(split, tmp_path):
    with pytest.raises(KerasnetsError, match="teacher"):
        soft_targets(network(12, "softmax"), split, folder=tmp_path, **HOW)
