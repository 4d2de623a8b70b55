"""Trainings that are averaged, clipped, accumulated, slowed down and taken back."""

import itertools
import math
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.data import Augment, Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.layers import StochasticDepth
from kerasnets.pixels import UNIT, carry
from kerasnets.training import (
    Checkpoint,
    DivergedError,
    Recipe,
    StuckError,
    precision_policy,
    seed_everything,
    train,
    trainer,
)
from kerasnets.training.optimizers import Pace, learning_rate

IDENTITY = {"training": "tiny"}
PLAIN = {
    "warmup": 0.0,
    "schedule": "constant",
    "momentum": 0.0,
    "nesterov": False,
    "batch_size": 8,
}


@pytest.fixture(scope="module")
def split():
    return dark_and_bright()


def dark_and_bright():
    """Dark images are 0, bright ones 1."""
    random = np.random.default_rng(0)
    labels = np.arange(32) % 2
    images = random.integers(0, 100, (32, 6, 6, 3)) + 150 * labels[:, None, None, None]
    return Split(images.astype("uint8"), labels, tuple(map(str, range(32))))


def feed_of(split, **how):
    return batches(
        split, size=6, seed=3, preprocessing=UNIT, **{"batch_size": 8, **how}
    )


def linear(dtype=None):
    """Logits are sums of pixels: gradients are known."""
    seed_everything(0)
    image = keras.Input((6, 6, 3))
    x = layers.Flatten()(carry(image, UNIT))
    return keras.Model(image, layers.Dense(2, dtype=dtype)(x))


def with_everything():
    """All that draws numbers or keeps some."""
    seed_everything(1)
    with precision_policy("mixed_bfloat16"):
        image = keras.Input((6, 6, 3))
        x = layers.Conv2D(4, 3, use_bias=False)(carry(image, UNIT))
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(x))
        branch = layers.Conv2D(4, 3, padding="same")(x)
        x = layers.Add()([x, StochasticDepth(0.5)(branch)])
        x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
        return keras.Model(image, layers.Dense(2, dtype="float32")(x))


class Stopped(Exception):  # noqa: N818  (no error: it stands for a kill)
    """The process ends here."""


def stop_at(last):
    def stop(done, *_):
        if done == last:
            raise Stopped

    return stop


def weights(model):
    return [np.array(variable) for variable in model.variables]


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


EVERYTHING = Recipe(
    epochs=15,
    learning_rate=0.1,
    batch_size=8,
    weight_decay=1e-3,
    ema=0.8,
    clip_norm=1.0,
    accumulate=3,
    schedule="plateau",
    patience=1,
    gamma=0.5,
    rollback=True,
)


@pytest.mark.slow
def test_with_all_that_draws_and_counts_it_goes_on_at_any_step(
    split, tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer, "_LOOK", 0.0)
    augment = Augment(translate=0.2, elastic=2.0, flip=True, contrast=0.2)
    judged = []

    def fit(name, progress=lambda *_: None):
        model = with_everything()

        def judge(epoch, _):
            judged.append((epoch, float(np.sum(model.get_weights()[0]))))
            return 0.5  # never better

        train(
            model,
            feed_of(split, augment=augment),
            replace(EVERYTHING, epochs=4),
            checkpoint=Checkpoint(tmp_path / f"{name}.npz", IDENTITY, seconds=0),
            each_epoch=judge,
            progress=progress,
        )
        return weights(model)

    unbroken = fit("whole")
    expected, judged[:] = judged[:], []
    for last in (1, 6, 8, 13):
        with pytest.raises(Stopped):
            fit("broken", stop_at(last))
    assert_same(fit("broken"), unbroken)
    # judged by the averages, the same ones
    assert dict(judged) == dict(expected)


def test_averages_of_weights_take_their_place_in_the_end(split):
    """After three steps of a constant gradient, which is what one batch gives here."""
    raw, averaged = linear(), linear()
    first = averaged.get_weights()[0].copy()
    how = {**PLAIN, "epochs": 3, "learning_rate": 1e-4, "batch_size": 32}
    seen = []

    def judge(epoch, training):
        del epoch, training
        seen.append(averaged.get_weights()[0].copy())

    feed = feed_of(split, batch_size=32)
    train(raw, feed, Recipe(**how))
    train(averaged, feed, Recipe(**how, ema=0.9), each_epoch=judge)
    step = (raw.get_weights()[0] - first) / 3
    # w1 = s; then 0.9 of the old and 0.1 of the new: 0.9 + 0.2, 0.99 + 0.3
    for found, steps in zip(seen, (1.0, 1.1, 1.29), strict=True):
        np.testing.assert_allclose(found - first, steps * step, rtol=0.03, atol=1e-8)
    np.testing.assert_array_equal(averaged.get_weights()[0], seen[-1])


def test_accumulated_batches_are_one_large_batch(split):
    """Without statistics of the batch, whose steps would differ."""
    whole, parts = linear(), linear()
    how = {**PLAIN, "learning_rate": 0.1, "epochs": 3}
    # one order for both: an epoch's batches of 8 are four rows of its batch of 32
    train(whole, feed_of(split, batch_size=32), Recipe(**{**how, "batch_size": 32}))
    train(parts, feed_of(split), Recipe(**how, accumulate=4))
    np.testing.assert_allclose(
        parts.get_weights()[0], whole.get_weights()[0], rtol=1e-4, atol=1e-6
    )


def test_clipped_gradients_have_the_norm_that_is_given(split):
    model = linear()
    before = model.get_weights()
    recipe = Recipe(
        **{**PLAIN, "batch_size": 32}, epochs=1, learning_rate=1.0, clip_norm=0.01
    )
    train(model, feed_of(split, batch_size=32), recipe)
    moved = [a - b for a, b in zip(model.get_weights(), before, strict=True)]
    norm = math.sqrt(sum(float(np.square(x).sum()) for x in moved))
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_rate_falls_where_accuracy_rests(split):
    """The learning rate is what a step of black images' decay tells."""
    images = np.zeros_like(split.images)
    feed = batches(
        Split(images, split.labels, split.ids), size=6, batch_size=32, seed=0
    )
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(image)))
    accuracies = iter([0.5, 0.6, 0.6, 0.55, 0.7, 0.7])
    kernels = [model.get_weights()[0].copy()]

    def judge(epoch, training):
        del epoch, training
        kernels.append(model.get_weights()[0].copy())
        return next(accuracies)

    recipe = Recipe(
        **{**PLAIN, "schedule": "plateau", "batch_size": 32},
        epochs=6,
        learning_rate=0.5,
        weight_decay=0.1,
        decay="l2",
        patience=2,
        gamma=0.1,
    )
    train(model, feed, recipe, each_epoch=judge)
    shares = [
        1 - float(np.sum(b * a) / np.sum(a * a)) for a, b in itertools.pairwise(kernels)
    ]
    # 0.6 stands for two epochs; 0.7 for one only
    expected = [0.05, 0.05, 0.05, 0.05, 0.005, 0.005]
    np.testing.assert_allclose(shares, expected, rtol=1e-3)


def test_pace_by_hand():
    recipe = Recipe(1, 0.1, schedule="plateau", patience=2, gamma=0.5)
    pace = Pace()
    for accuracy, expected in (
        (0.5, (1.0, 0.5, 0)),
        (0.5, (1.0, 0.5, 1)),
        (0.4, (0.5, 0.5, 0)),
        (0.6, (0.5, 0.6, 0)),
    ):
        pace = pace.after(accuracy, recipe)
        assert pace[:3] == expected
    assert float(learning_rate(recipe, 3, 10)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(1, 0.1, rollback=True), "rollback needs a checkpoint"),
        (Recipe(1, 0.1, schedule="plateau"), '"plateau" needs each_epoch'),
    ],
)
def test_what_a_recipe_needs_is_told_before(split, recipe, message):
    with pytest.raises(KerasnetsError, match=message):
        train(linear(), feed_of(split), recipe)


def test_an_epoch_that_broke_is_done_again_at_half_the_rate(split, tmp_path):
    """Of black images weights are multiplied by 1 - rate * decay in each step."""
    feed = batches(
        Split(np.zeros_like(split.images), split.labels, split.ids),
        size=6,
        batch_size=8,
        seed=0,
    )
    told = []

    def fit(name, **changes):
        seed_everything(0)
        image = keras.Input((6, 6, 3))
        model = keras.Model(image, layers.Dense(2)(layers.Flatten()(image)))
        recipe = Recipe(
            **PLAIN,
            epochs=20,
            learning_rate=1.0,
            weight_decay=4.0,  # three times as large, the other way round
            decay="l2",
            **changes,
        )
        first = model.get_weights()[0].astype("float64")
        checkpoint = Checkpoint(tmp_path / f"{name}.npz", IDENTITY, seconds=0)
        told.clear()
        train(
            model,
            feed,
            recipe,
            checkpoint=checkpoint,
            each_epoch=lambda epoch, _: told.append(epoch),
        )
        return model.get_weights()[0] / first

    with pytest.raises(DivergedError) as caught:
        fit("plain")
    # their squares are beyond 3.4e38 when they are beyond 1.8e19: 3^41 is 3.6e19
    assert re.search(
        r"inf in epoch 1[01] of 20 \(step 4\d, first of the loss\)", str(caught.value)
    )
    broke = len(told)  # and the epoch before it
    # at half the rate they keep their size, and change signs
    found = fit("back", rollback=True)
    assert told == [*range(1, broke + 1), *range(broke, 21)]
    np.testing.assert_allclose(found, 3.0 ** (4 * (broke - 1)), rtol=1e-4)


def test_a_training_that_learns_nothing_ends_soon(split, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_STUCK_STEPS", 20)
    seed_everything(0)
    image = keras.Input((6, 6, 3))
    low = keras.initializers.Constant(-100.0)
    x = layers.Conv2D(4, 3, activation="relu", bias_initializer=low)(carry(image, UNIT))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    told = []
    with pytest.raises(StuckError, match=r"after 5 epochs \d\d.\d% are right"):
        train(
            model,
            feed_of(split),
            Recipe(epochs=20, learning_rate=0.1, rollback=True),
            checkpoint=Checkpoint(tmp_path / "stuck.npz", IDENTITY, seconds=0),
            each_epoch=lambda epoch, _: told.append(epoch),
            stop_at_chance=True,
        )
    # from the start once more, before it gives up
    assert told == [1, 2, 3, 4, 1, 2, 3, 4]
