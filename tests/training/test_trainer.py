"""Training: it learns, it repeats, and a stopped one ends like one that was not."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasnets.applications import without_auxiliary
from kerasnets.data import Augment, Feed, Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.pixels import UNIT, carry
from kerasnets.training import (
    Checkpoint,
    DivergedError,
    Objective,
    Recipe,
    Training,
    seed_everything,
    train,
    trainer,
)

RECIPE = Recipe(epochs=4, learning_rate=0.1, batch_size=8, weight_decay=1e-3)
IDENTITY = {"training": "tiny"}


class Stopped(Exception):  # noqa: N818  (no error: it stands for a kill)
    """The process ends here."""


@pytest.fixture(scope="module")
def split():
    """Dark images are 0, bright ones 1."""
    random = np.random.default_rng(0)
    labels = np.arange(32) % 2
    images = random.integers(0, 100, (32, 6, 6, 3)) + 150 * labels[:, None, None, None]
    return Split(images.astype("uint8"), labels, tuple(map(str, range(32))))


def new_model(seed=1):
    """Batch-norm statistics and dropout's random numbers are state, too."""
    seed_everything(seed)
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, use_bias=False)(carry(image, UNIT))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(x))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.5)(x)
    return keras.Model(image, layers.Dense(2)(x))


def fit(model, split, **arguments):
    feed = batches(
        split,
        size=6,
        batch_size=8,
        seed=3,
        augment=Augment(translate=0.2, flip=True),
        preprocessing=UNIT,
    )
    train(model, feed, RECIPE, **arguments)
    return model


def assert_same_bits(ours, theirs):
    for variable, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(variable, other, err_msg=variable.path)


@pytest.fixture(scope="module")
def unbroken(split):
    return fit(new_model(), split)


def test_tiny_model_learns(unbroken, split):
    untrained = evaluate(new_model(), split)
    trained = evaluate(unbroken, split)
    assert trained.accuracy == 1.0
    assert trained.loss < untrained.loss


def test_same_seed_gives_the_same_bits(unbroken, split):
    assert_same_bits(fit(new_model(), split), unbroken)


def test_another_seed_gives_other_weights(unbroken, split):
    other = fit(new_model(seed=2), split)
    kernels = other.layers[2].kernel, unbroken.layers[2].kernel
    assert not np.array_equal(*kernels)


@pytest.mark.parametrize("last", [1, 2, 4, 7, 11, 15])
def test_stopped_training_ends_like_an_unbroken_one(
    unbroken, split, tmp_path, last, monkeypatch
):
    """Epochs are of four steps; each state is kept, and each step told."""
    monkeypatch.setattr(trainer, "_LOOK", 0.0)

    def stop(done, *_):
        if done == last:
            raise Stopped

    path = tmp_path / "tiny.npz"
    with pytest.raises(Stopped):
        fit(
            new_model(),
            split,
            checkpoint=Checkpoint(path, IDENTITY, seconds=0),
            progress=stop,
        )
    told = []
    model = fit(
        new_model(),
        split,
        checkpoint=Checkpoint(path, IDENTITY, seconds=0),
        progress=lambda *report: told.append(report),
    )
    # a step is told before its state is kept, an epoch behind it
    again = last if last % 4 else last + 1
    assert [report[:2] for report in told] == [(n, 16) for n in range(again, 17)]
    assert_same_bits(model, unbroken)


def test_finished_training_is_not_done_again(unbroken, split, tmp_path):
    path = tmp_path / "tiny.npz"
    # ten seconds do not pass, but the last epoch is written in any case
    fit(new_model(), split, checkpoint=Checkpoint(path, IDENTITY))

    def refuse(done, *_):
        pytest.fail(f"epoch {done} is done again")

    again = fit(
        new_model(), split, checkpoint=Checkpoint(path, IDENTITY), progress=refuse
    )
    assert_same_bits(again, unbroken)


def test_progress_tells_epochs_and_loss(split, monkeypatch):
    monkeypatch.setattr(trainer, "_LOOK", 1e9)
    told = []
    fit(new_model(), split, progress=lambda *report: told.append(report))
    assert [report[:2] for report in told] == [(step, 16) for step in (4, 8, 12, 16)]
    for epoch, (_, _, note) in enumerate(told, start=1):
        assert note.startswith(f"epoch {epoch}/4  ")
        assert " images/s  loss 0." in note
        assert "accuracy 0." in note


@dataclass
class OwnFeed:
    """Whatever has the two members is a feed."""

    images: np.ndarray
    labels: np.ndarray
    steps_per_epoch: int = 2

    def dataset(self, first, last):
        pairs = tf.data.Dataset.from_tensor_slices((self.images, self.labels))
        return pairs.batch(4).repeat().skip(first).take(last - first)


def test_a_feed_of_ones_own_with_a_label_for_each_pixel():
    seed_everything(0)
    image = keras.Input((6, 6, 1))
    model = keras.Model(image, layers.Conv2D(2, 1)(image))
    images = np.random.default_rng(0).normal(size=(8, 6, 6, 1)).astype("float32")
    feed = OwnFeed(images, (images[..., 0] > 0).astype("int64"))
    assert isinstance(feed, Feed)
    before = evaluate(model, feed)
    train(model, feed, Recipe(epochs=10, learning_rate=0.5))
    after = evaluate(model, feed)
    assert after.accuracy > 0.95
    assert after.loss < before.loss


def test_auxiliary_classifiers_learn_with_their_weight_and_vanish():
    seed_everything(0)
    image = keras.Input((6, 6, 3))
    x = layers.Flatten()(carry(image, UNIT))
    main = layers.Dense(2, name="logits")(x)
    auxiliary = layers.Dense(2, name="auxiliary1_logits")(x)
    model = keras.Model(image, [main, auxiliary], name="both")
    random = np.random.default_rng(0)
    labels = np.arange(8) % 2
    images = random.integers(0, 256, (8, 6, 6, 3)).astype("uint8")
    split = Split(images, labels, tuple(map(str, range(8))))
    for layer in (model.get_layer("logits"), model.get_layer("auxiliary1_logits")):
        layer.kernel.assign(np.zeros((108, 2)))
    feed = batches(split, size=6, batch_size=8, seed=0, preprocessing=UNIT)
    # one step of plain gradient descent: the gradients are in proportion 1 to 0.3
    train(model, feed, Recipe(epochs=1, learning_rate=0.1, optimizer="sgd"))
    moved = [
        np.asarray(model.get_layer(name).kernel)
        for name in ("logits", "auxiliary1_logits")
    ]
    np.testing.assert_allclose(moved[1], 0.3 * moved[0], rtol=1e-4)
    assert evaluate(model, split).examples == 8
    alone = without_auxiliary(model)
    assert alone.output_shape == (None, 2)
    assert "auxiliary1_logits" not in [layer.name for layer in alone.layers]


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_loss_that_is_no_number_ends_the_training(split, tmp_path, epochs):
    recipe = Recipe(epochs=epochs, learning_rate=1e30, warmup=0.0, batch_size=8)
    feed = batches(split, size=6, batch_size=8, seed=3)
    checkpoint = Checkpoint(tmp_path / "tiny.npz", IDENTITY, seconds=0)
    # the first step makes the weights infinite, the second sees it
    where = (
        rf"epoch 1 of {epochs} \(step [23], first of layer 'dense.*'\): take a smaller"
    )
    with pytest.raises(DivergedError, match=where):
        train(new_model(), feed, recipe, checkpoint=checkpoint)
    with pytest.raises(DivergedError, match=rf"epoch 1 of {epochs} \(step [23]\): "):
        train(new_model(), feed, recipe)


def test_what_a_training_came_to(unbroken, split, tmp_path):
    """The last epoch's figures, the same after a restart that had nothing to do."""
    path = tmp_path / "tiny.npz"
    results = []
    for _ in range(2):
        feed = batches(split, size=6, batch_size=8, seed=3)
        checkpoint = Checkpoint(path, IDENTITY, seconds=0)
        results.append(train(new_model(), feed, RECIPE, checkpoint=checkpoint))
    first, again = results
    assert first == again
    assert (first.labels, first.chance) == (32, 0.5)
    assert 0.5 < first.accuracy <= 1
    assert not first.at_chance


def test_a_network_that_stays_at_chance_is_found_out(split):
    """Its first layer gives zero to every image: dead ReLUs, as a large rate leaves."""
    seed_everything(0)
    image = keras.Input((6, 6, 3))
    low = keras.initializers.Constant(-100.0)
    x = layers.Conv2D(4, 3, activation="relu", bias_initializer=low)(carry(image, UNIT))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    feed = batches(split, size=6, batch_size=8, seed=3)
    recipe = Recipe(epochs=2, learning_rate=0.1)
    notes = []
    training = train(model, feed, recipe, progress=lambda *told: notes.append(told[2]))
    assert training.at_chance
    assert notes[-1].endswith("(as by chance)")
    with pytest.raises(KerasnetsError) as caught:
        training.check("the teacher", recipe)
    assert "the teacher has learned nothing" in str(caught.value)
    assert "the most frequent class has 50.0%" in str(caught.value)


@pytest.mark.parametrize(
    ("accuracy", "labels", "stuck"),
    [
        # two standard deviations of 0.1: 0.06 of 100 labels, 0.006 of 10,000
        (0.1, 100, True),
        (0.155, 100, True),
        (0.165, 100, False),
        (0.105, 10_000, True),
        (0.107, 10_000, False),
        (0.05, 10_000, True),
    ],
)
def test_chance_is_that_of_the_most_frequent_label(accuracy, labels, stuck):
    assert Training(2.3, accuracy, 0.1, labels).at_chance == stuck


def test_penalties_of_layers_are_learned_too():
    seed_everything(0)
    image = keras.Input((6, 6, 3))
    dense = layers.Dense(2, use_bias=False, kernel_regularizer=keras.regularizers.L2(1))
    model = keras.Model(image, dense(layers.Flatten()(carry(image, UNIT))))
    dense.kernel.assign(np.ones((108, 2)))
    split = Split(np.full((8, 6, 6, 3), 128, "uint8"), np.arange(8) % 2, tuple("a" * 8))
    feed = batches(split, size=6, batch_size=8, seed=0)
    trained = train(model, feed, Recipe(epochs=1, learning_rate=0.01, warmup=0.0))
    # the logits are equal: log 2, and the 216 ones squared
    np.testing.assert_allclose(trained.loss, np.log(2) + 216, rtol=1e-6)
    # 0.01 * 1.9 * 2, Nesterov's first step
    np.testing.assert_allclose(dense.kernel, np.full((108, 2), 0.962), atol=1e-3)


def test_one_logit_learns_two_classes(split):
    """The same gradient as two logits that differ by it: binary cross-entropy."""
    seed_everything(0)
    image = keras.Input((6, 6, 3))
    x = layers.Flatten()(carry(image, UNIT))
    one = keras.Model(image, layers.Dense(1, kernel_initializer="zeros")(x))
    feed = batches(split, size=6, batch_size=32, seed=3, preprocessing=UNIT)
    step = Recipe(epochs=1, learning_rate=0.1, warmup=0.0)
    images = split.images.reshape(32, -1) / 127.5 - 1
    gradient = ((0.5 - split.labels)[:, None] * images).mean(axis=0)
    train(one, feed, step)
    kernel = np.asarray(one.layers[-1].kernel)[:, 0]
    np.testing.assert_allclose(kernel, -0.19 * gradient, atol=1e-6)
    trained = train(one, feed, Recipe(epochs=30, learning_rate=0.1))
    assert not trained.at_chance
    assert trained.chance == 0.5
    assert evaluate(one, split).accuracy == 1.0


@pytest.mark.parametrize("classes", [1, 2])
def test_a_sigmoid_or_softmax_at_the_end_learns_as_its_logits(split, classes):
    models = []
    for activation in (None, "sigmoid" if classes == 1 else "softmax"):
        seed_everything(0)
        image = keras.Input((6, 6, 3))
        x = layers.Conv2D(4, 3, activation="relu")(carry(image, UNIT))
        dense = layers.Dense(classes, activation=activation)
        models.append(fit(keras.Model(image, dense(layers.Flatten()(x))), split))
    logits, probabilities = models
    assert_same_bits(logits, probabilities)
    images = np.random.default_rng(0).normal(0, 0.1, (4, 6, 6, 3))
    end = keras.ops.sigmoid if classes == 1 else keras.ops.softmax
    np.testing.assert_array_equal(probabilities(images), end(logits(images)))
    assert evaluate(probabilities, split) == evaluate(logits, split)


def test_hints_are_learned_without_labels():
    """FitNets, stage one: the middle of a student learns its teacher's."""
    seed_everything(0)
    image = keras.Input((6, 6, 1))
    student = keras.Model(image, layers.Conv2D(3, 1)(image))
    teacher = keras.Model(image, layers.Conv2D(3, 1)(image))
    images = np.random.default_rng(0).normal(size=(8, 6, 6, 1)).astype("float32")
    feed = OwnFeed(images, np.zeros(8, "int64"))
    recipe = Recipe(epochs=20, learning_rate=0.001)
    trained = train(
        student,
        feed,
        recipe,
        teach=lambda x: {"hints": [teacher(x)]},
        objective=Objective(recipe, weights=()),
    )
    far = np.square(np.asarray(teacher(images)) - np.asarray(student(images)))
    assert 0.5 * far.sum(axis=(1, 2, 3)).mean() < 0.1
    assert trained.loss < 1
    assert (trained.labels, trained.at_chance) == (0, False)


def test_l2_makes_weights_smaller_by_rate_and_decay():
    """Of black images no kernel has a gradient but that of its own squares."""
    images = np.zeros((16, 4, 4, 1), "uint8")
    feed = batches(
        Split(images, np.arange(16) % 2, tuple(map(str, range(16)))),
        size=4,
        batch_size=8,
        seed=0,
    )
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(image)))
    before = np.array(model.get_weights()[0])
    recipe = Recipe(
        epochs=3,
        learning_rate=0.5,
        warmup=0.0,
        schedule="constant",
        momentum=0.0,
        nesterov=False,
        weight_decay=0.1,
        decay="l2",
    )
    train(model, feed, recipe)
    # 0.05 of it goes in each of two steps of three epochs
    np.testing.assert_allclose(model.get_weights()[0], before * 0.95**6, rtol=1e-5)


def test_each_epoch_is_told_and_may_judge(split):
    told = []
    model = new_model()

    def each(epoch, training):
        told.append((epoch, training.labels, evaluate(model, split).accuracy))

    fit(model, split, each_epoch=each)
    assert [epoch for epoch, *_ in told] == [1, 2, 3, 4]
    assert {labels for _, labels, _ in told} == {32}
    # judging in between changes nothing
    assert told[-1][2] == evaluate(model, split).accuracy
    assert_same_bits(model, fit(new_model(), split))
