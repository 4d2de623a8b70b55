"""Layers at rates of their own, and batch norms that keep their statistics."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasnets.data import Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.training import Checkpoint, LayerRate, Recipe, seed_everything, train
from kerasnets.training.optimizers import make_optimizer

ONES = {"low": [[1.0]], "high": [[1.0]]}


def chain():
    """Two layers of a weight each."""
    one = keras.Input((1,))
    x = layers.Dense(1, use_bias=False, name="low")(one)
    model = keras.Model(one, layers.Dense(1, use_bias=False, name="high")(x))
    for variable in model.trainable_variables:
        variable.assign([[1.0]])
    return model


def steps(recipe, rates, gradients, count=100):
    """Weights of the lower layer after each step on these gradients, and the upper's.

    ``count`` steps are an epoch.
    """
    model = chain()
    optimizer = make_optimizer(recipe, model, recipe.epochs * count, rates)
    optimizer.build(model.trainable_variables)
    weights = []
    for gradient in gradients:
        both = [ops.full((1, 1), gradient) for _ in model.trainable_variables]
        optimizer.apply(both)
        weights.append([float(w[0, 0]) for w in model.get_weights()])
    return np.array(weights).T


def test_sgd_at_a_tenth_of_the_rate():
    recipe = Recipe(epochs=1, learning_rate=0.5, warmup=0.0, schedule="constant")
    low, high = steps(recipe, {"low": LayerRate(0.1)}, [1.0, 1.0])
    # velocity -0.05, then -0.095; Nesterov adds 0.9 of it and the step again
    np.testing.assert_allclose(low, [1 - 0.095, 1 - 0.095 - 0.1355], rtol=1e-5)
    np.testing.assert_allclose(high, [1 - 0.95, 1 - 0.95 - 1.355], rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adam_at_a_tenth_of_the_rate(optimizer):
    recipe = Recipe(
        epochs=1,
        learning_rate=0.5,
        warmup=0.0,
        schedule="constant",
        optimizer=optimizer,
    )
    low, high = steps(recipe, {"low": LayerRate(0.1)}, [3.0, 3.0])
    # of equal gradients Adam makes 1, whatever their size
    np.testing.assert_allclose(low, [0.95, 0.9], rtol=1e-5)
    np.testing.assert_allclose(high, [0.5, 0.0], atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_decay_goes_with_the_rate(optimizer):
    recipe = Recipe(
        epochs=1,
        learning_rate=0.5,
        warmup=0.0,
        schedule="constant",
        optimizer=optimizer,
        weight_decay=0.1,
    )
    low, high = steps(recipe, {"low": LayerRate(0.1)}, [0.0, 0.0])
    np.testing.assert_allclose(low, [0.995, 0.995**2], rtol=1e-5)
    np.testing.assert_allclose(high, [0.95, 0.95**2], rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_one_rate_for_all_is_the_plain_optimizer(optimizer):
    recipe = Recipe(epochs=2, learning_rate=0.1, optimizer=optimizer, weight_decay=0.01)
    gradients = np.random.default_rng(0).normal(size=12)
    np.testing.assert_array_equal(
        steps(recipe, {"low": LayerRate(1.0)}, gradients, 6),
        steps(recipe, None, gradients, 6),
    )


def test_a_layer_begins_to_learn_in_its_epoch():
    recipe = Recipe(
        epochs=3, learning_rate=0.5, warmup=0.0, schedule="constant", weight_decay=0.1
    )
    low, high = steps(recipe, {"low": LayerRate(0.1, 2)}, [1.0] * 5, count=2)
    np.testing.assert_array_equal(low[:4], 1)
    # as in its first step of all, the decay before it
    np.testing.assert_allclose(low[4], 0.995 - 0.095, rtol=1e-5)
    assert high[0] < 1


def test_a_layer_that_does_not_exist_is_refused():
    with pytest.raises(KerasnetsError, match="no layer 'lo'; near it are low"):
        steps(Recipe(epochs=1, learning_rate=1), {"lo": LayerRate()}, [])
    with pytest.raises(KerasnetsError, match=r"share of a layer's rate is -1"):
        LayerRate(-1)


def normed(seed=0):
    """A batch norm between two layers, whose statistics are those of no batch."""
    seed_everything(seed)
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 3, use_bias=False)(image)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.5, name="norm")(x))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(2, name="logits")(x))
    norm = model.get_layer("norm")
    norm.moving_mean.assign([5.0, -3.0, 0.5, 9.0])
    norm.moving_variance.assign([900.0, 400.0, 100.0, 2500.0])
    return model


@pytest.fixture(scope="module")
def feed():
    labels = np.arange(16) % 2
    random = np.random.default_rng(0)
    images = random.integers(0, 100, (16, 4, 4, 3)) + 100 * labels[:, None, None, None]
    split = Split(images.astype("uint8"), labels, tuple(map(str, range(16))))
    return batches(split, size=4, batch_size=8, seed=0)


RECIPE = Recipe(epochs=2, learning_rate=0.01)


def test_statistics_are_kept_while_scale_and_offset_learn(feed):
    before, model = normed(), normed()
    train(model, feed, RECIPE, batch_norm="inference")
    was, now = before.get_layer("norm"), model.get_layer("norm")
    np.testing.assert_array_equal(now.moving_mean, was.moving_mean)
    np.testing.assert_array_equal(now.moving_variance, was.moving_variance)
    for ours, theirs in ((now.gamma, was.gamma), (now.beta, was.beta)):
        assert not np.array_equal(ours, theirs)
    assert "call" not in vars(now)
    train(model, feed, RECIPE)
    assert not np.array_equal(now.moving_mean, was.moving_mean)


def test_in_inference_mode_a_step_is_that_of_the_network_as_it_answers(feed):
    """The gradient of the loss of the network called with training=False."""
    import tensorflow as tf

    recipe = Recipe(epochs=1, learning_rate=0.01, warmup=0.0, schedule="constant")
    model, ours = normed(), normed()
    one_step = batches(feed.split, size=4, batch_size=16, seed=0)
    train(ours, one_step, recipe, batch_norm="inference")
    images, labels = next(iter(one_step.dataset(0, 1)))
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(
            labels, model(images, training=False), from_logits=True
        )
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient, trained in zip(
        model.trainable_variables, gradients, ours.trainable_variables, strict=True
    ):
        # Nesterov's first step is 1.9 times the rate
        np.testing.assert_allclose(
            trained, variable - 0.019 * gradient, rtol=1e-4, atol=1e-6
        )


def test_stopped_with_rates_and_kept_statistics_ends_alike(feed, tmp_path):
    def fit(stop=None):
        model = normed()

        def told(done, *_):
            if stop and done >= stop:
                raise KeyboardInterrupt

        train(
            model,
            feed,
            Recipe(epochs=3, learning_rate=0.01, optimizer="adam", weight_decay=0.1),
            rates={"conv2d": LayerRate(0.2, 1)},
            batch_norm="inference",
            checkpoint=Checkpoint(tmp_path / "state.npz", {}, seconds=0),
            progress=told,
        )
        return model.get_weights()

    with pytest.raises(KeyboardInterrupt):
        fit(stop=1)
    again = fit()
    (tmp_path / "state.npz").unlink()
    for ours, theirs in zip(again, fit(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_unknown_batch_norm_is_refused(feed):
    with pytest.raises(KerasnetsError, match="'frozen' is unknown: batch, inference"):
        train(normed(), feed, RECIPE, batch_norm="frozen")  # pyright: ignore
