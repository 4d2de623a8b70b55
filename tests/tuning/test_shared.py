"""One network for all of a space: its parts, and how they learn together."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasnets.data import Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.training import Recipe, seed_everything, train
from kerasnets.tuning import (
    Budget,
    SharedNetwork,
    build_candidate,
    feasible_candidates,
    sandwich,
    shared as tuning_shared,
)

AXES = {"alpha": (0.125, 0.25), "rho": (0.8, 1.0)}
SIDE, CLASSES = 40, 3


def networks(network="mobilenet", axes=AXES):
    return feasible_candidates(
        network, axes, resolution=SIDE, classes=CLASSES, budget=Budget()
    )


@pytest.fixture(scope="module")
def shared():
    seed_everything(0)
    return SharedNetwork("mobilenet", networks(), CLASSES)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(-1, 1, (6, SIDE, SIDE, 3)).astype("float32")


@pytest.mark.parametrize("number", range(4))
def test_part_is_the_network_of_the_first_channels(shared, images, number):
    """Beside a network of its own, whose batch norms have seen the same batch."""
    part = shared.parts[number]
    side = part.cost.size
    own = build_candidate("mobilenet", part.values, size=side, classes=CLASSES)
    own.set_weights(
        [
            np.asarray(whole)[tuple(slice(n) for n in variable.shape)]
            for whole, variable in zip(shared.widest.weights, own.weights, strict=True)
        ]
    )
    for layer in own.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    small = ops.image.resize(images, (side, side), antialias=True)
    own(small, training=True)
    expected = np.asarray(own(small, training=False))
    logits = shared.predict(number, [images[:4], images[4:]], [images])
    assert expected.std() > 1e-3
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_statistics_of_batches_are_those_of_all_their_images():
    draws = np.random.default_rng(0).normal(3, 2, (4, 10, 5))
    pooled = tuning_shared._pooled([(x.mean(0), x.var(0)) for x in draws])
    rows = draws.reshape(40, 5)
    np.testing.assert_allclose(pooled[0], rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(pooled[1], rows.var(0), rtol=1e-5)


def split(count=32):
    draws = np.random.default_rng(1)
    labels = np.arange(count) % CLASSES
    shades = (
        draws.integers(0, 60, (count, SIDE, SIDE, 3)) + 80 * labels[:, None, None, None]
    )
    return Split(shades.astype("uint8"), labels, np.arange(count).astype(str))


def learned(shared, recipe, seed=0):
    feed = batches(
        split(), size=SIDE, batch_size=recipe.batch_size, seed=0, classes=CLASSES
    )
    model, turns, recipe, objective = sandwich(shared, feed, recipe, seed)
    return train(model, turns, recipe, objective=objective)


@pytest.mark.slow
def test_all_parts_learn(shared):
    seed_everything(0)
    learned(shared, Recipe(20, 0.05, batch_size=16))
    part = split()
    given = batches(part, size=SIDE, batch_size=16, seed=0, shuffle=False)
    seen = [x for x, _ in given.dataset(0, 2)]
    for number in range(len(shared.parts)):
        right = shared.predict(number, seen, seen).argmax(axis=1) == part.labels
        assert right.mean() > 0.9


def test_turns_are_the_widest_the_narrowest_and_two_others():
    shared = SharedNetwork("mobilenet", networks(), CLASSES)
    feed = batches(split(), size=SIDE, batch_size=16, seed=0)
    model, turns, recipe, _ = sandwich(shared, feed, Recipe(50, 0.05, batch_size=16), 0)
    assert turns.steps_per_epoch == 4 * feed.steps_per_epoch == 8
    assert recipe.accumulate == 4
    order = model.get_layer("sandwich")._turns.reshape(-1, 4)
    assert len(order) == 100
    assert set(order[:, 0]) == {3}
    assert set(order[:, 1]) == {0}
    assert set(order[:, 2:].ravel()) == {0, 1, 2, 3}
    # from any turn to any other, as a training that goes on needs them
    labels = [np.asarray(y).tolist() for _, y in turns.dataset(0, 12)]
    plain = [np.asarray(y).tolist() for _, y in feed.dataset(0, 3)]
    assert labels == [each for each in plain for _ in range(4)]
    assert [np.asarray(y).tolist() for _, y in turns.dataset(3, 9)] == labels[3:9]


def test_narrower_networks_learn_the_answers_of_the_widest(shared):
    import tensorflow as tf

    feed = batches(split(), size=SIDE, batch_size=16, seed=0)
    model, _, _, objective = sandwich(shared, feed, Recipe(1, 0.05, batch_size=16), 0)
    images, labels = next(iter(feed.dataset(0, 1)))
    losses, answers = [], []
    answer = tf.function(lambda x: model(x, training=False))
    for _ in range(2):
        outputs = answer(images)
        losses.append(float(objective({"labels": labels}, outputs)))
        answers.append(np.asarray(outputs[0], "float64"))
    widest, narrowest = (x - np.log(np.exp(x).sum(1, keepdims=True)) for x in answers)
    hard = -widest[np.arange(16), np.asarray(labels)].mean()
    soft = (np.exp(widest) * (widest - narrowest)).sum(1).mean()
    assert losses == pytest.approx([hard, soft], rel=1e-4)


def test_narrow_part_changes_its_own_channels_alone(shared, images):
    import tensorflow as tf

    kernel = shared.widest.get_layer("stage2_block1_pointwise_conv").kernel

    @tf.function
    def gradient_of(part):
        with tf.GradientTape() as tape:
            logits = shared.answer(images, part, training=True)
            loss = tf.reduce_sum(logits**2)
        return tape.gradient(loss, kernel.value)

    gradient = gradient_of(tf.constant(0)).numpy()
    own = build_candidate("mobilenet", {"alpha": 0.125}, size=SIDE, classes=CLASSES)
    ins, outs = own.get_layer("stage2_block1_pointwise_conv").kernel.shape[2:]
    assert (gradient[..., :ins, :outs] != 0).mean() > 0.5
    gradient[..., :ins, :outs] = 0
    assert not gradient.any()


@pytest.mark.parametrize(
    ("network", "axes", "message"),
    [
        ("mobilenet", {"padding": ("same", "symmetric")}, "makes other networks"),
        ("mobilenetv2", {"stochastic_depth": (0.0, 0.2)}, "has other layers"),
    ],
)
def test_networks_that_share_nothing_are_told(network, axes, message):
    with pytest.raises(KerasnetsError, match=message):
        SharedNetwork(network, networks(network, axes), CLASSES)


@pytest.mark.parametrize("layer", ["side_by_side", "flat"])
def test_layer_that_moves_channels_is_told(layer):
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 1)(image)
    if layer == "flat":
        x = keras.layers.Flatten(name="flat")(x)
    else:
        x = keras.layers.Concatenate(name="side_by_side")([x, image])
    said = f"{layer} of net puts channels side by side"
    with pytest.raises(KerasnetsError, match=said):
        tuning_shared._check_channels(keras.Model(image, x, name="net"))


def test_channels_stay_where_a_vector_is_flattened():
    image = keras.Input((1, 1, 3))
    x = keras.layers.Flatten()(keras.layers.ReLU()(image))
    tuning_shared._check_channels(keras.Model(image, x))


def test_other_backends_are_told(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(KerasnetsError, match="backend tensorflow, not on jax"):
        SharedNetwork("mobilenet", networks(), CLASSES)


@pytest.mark.slow
def test_same_seed_learns_the_same():
    weights = []
    for _ in range(2):
        seed_everything(3)
        shared = SharedNetwork("mobilenet", networks(), CLASSES)
        learned(shared, Recipe(1, 0.05, batch_size=16), seed=3)
        weights.append(shared.widest.get_weights())
    assert all(itertools.starmap(np.array_equal, zip(*weights, strict=True)))
