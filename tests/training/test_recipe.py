"""The recipe: rates and decays against numbers worked out by hand."""

import math

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.errors import KerasnetsError
from kerasnets.training import Objective, Recipe, suggest_learning_rate
from kerasnets.training.optimizers import learning_rate, make_optimizer


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.0),
        (5, 0.2),  # half of the warm-up of 10 steps
        (10, 0.4),
        (40, 0.3),  # a third of the cosine: (1 + cos 60 degrees) / 2 = 3/4
        (55, 0.2),  # half of it
        (70, 0.1),
        (99, 0.4 * (1 + math.cos(math.pi * 89 / 90)) / 2),
        (100, 0.0),
    ],
)
def test_rate_rises_linearly_and_falls_along_a_cosine(step, rate):
    recipe = Recipe(epochs=1, learning_rate=0.4, warmup=0.1)
    np.testing.assert_allclose(learning_rate(recipe, step, 100), rate, atol=1e-7)


def test_without_warmup_the_peak_comes_first():
    recipe = Recipe(epochs=1, learning_rate=0.4, warmup=0.0)
    rates = [float(learning_rate(recipe, step, 100)) for step in (0, 50, 100)]
    np.testing.assert_allclose(rates, [0.4, 0.2, 0.0], atol=1e-7)


def test_one_step_is_a_whole_training():
    recipe = Recipe(epochs=1, learning_rate=0.4)
    np.testing.assert_allclose(learning_rate(recipe, 0, 1), 0.4)


def test_constant_rate_stays_after_the_warmup():
    recipe = Recipe(epochs=1, learning_rate=0.4, warmup=0.1, schedule="constant")
    rates = [float(learning_rate(recipe, step, 100)) for step in (0, 5, 10, 99)]
    np.testing.assert_allclose(rates, [0.0, 0.2, 0.4, 0.4], atol=1e-7)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"optimizer": "adamv"}, "no optimizer 'adamv', the nearest is 'adam"),
        ({"schedule": "cosinus"}, "no schedule 'cosinus', the nearest is 'cosine'"),
        ({"loss": "hinge"}, "no loss 'hinge', the nearest is 'squared_hinge'"),
        ({"epochs": 0}, "epochs is 0; 1 or more"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; above 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"warmup": 1.5}, "warmup is 1.5; 0 to 1"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0; 0 to below 1"),
        ({"temperature": 0.0}, "temperature is 0.0; above 0"),
        ({"soft_weight": 1.5}, "soft_weight is 1.5; 0 to 1"),
    ],
)
def test_what_no_training_takes_is_named(changed, text):
    with pytest.raises(KerasnetsError, match=text):
        Recipe(**{"epochs": 1, "learning_rate": 0.1, **changed})


def test_rate_follows_from_normalisation():
    image = keras.Input((8, 8, 3))
    bare = keras.Model(image, layers.Conv2D(4, 3)(image))
    inner = keras.Sequential([image, layers.Conv2D(4, 3), layers.BatchNormalization()])
    nested = keras.Model(image, inner(image))
    assert suggest_learning_rate(bare) == 0.01
    assert suggest_learning_rate(nested) == 0.1
    assert suggest_learning_rate(bare, "adamw") < suggest_learning_rate(nested, "adamw")


def small_network():
    """All kinds of weights; the names of those that decay end in "decayed"."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv_decayed")(image)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Conv2D(6, 1, use_bias=False, name="pointwise_decayed")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(2, name="dense_decayed")(x))


def moved_by_decay(model, recipe):
    """The variables that one step on gradients of zero scales by 1 - rate * decay."""
    for variable in model.trainable_variables:
        variable.assign(np.full(variable.shape, 2.0))
    before = {v.path: v.numpy() for v in model.trainable_variables}
    optimizer = make_optimizer(recipe, model, 100)
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.zeros_like(v) for v in model.trainable_variables])
    moved = set()
    for variable in model.trainable_variables:
        if np.array_equal(variable, before[variable.path]):
            continue
        moved.add(variable.path)
        # 0.5 * 0.1 of the weight
        np.testing.assert_allclose(variable, np.full(variable.shape, 1.9), rtol=1e-6)
    return moved


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_only_dense_and_full_kernels_decay(optimizer):
    recipe = Recipe(
        epochs=1,
        learning_rate=0.5,
        warmup=0.0,
        optimizer=optimizer,
        weight_decay=0.1,
    )
    assert moved_by_decay(small_network(), recipe) == {
        "conv_decayed/kernel",
        "pointwise_decayed/kernel",
        "dense_decayed/kernel",
    }


def test_pointwise_half_of_a_separable_convolution_decays():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.SeparableConv2D(4, 3, name="separable")(image))
    recipe = Recipe(epochs=1, learning_rate=0.5, warmup=0.0, weight_decay=0.1)
    assert moved_by_decay(model, recipe) == {"separable/pointwise_kernel"}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_without_decay_nothing_moves(optimizer):
    recipe = Recipe(epochs=1, learning_rate=0.5, warmup=0.0, optimizer=optimizer)
    assert moved_by_decay(small_network(), recipe) == set()


def test_sgd_has_nesterov_momentum():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    (kernel,) = model.trainable_variables
    kernel.assign([[1.0]])
    recipe = Recipe(epochs=1, learning_rate=0.5, warmup=0.0)
    optimizer = make_optimizer(recipe, model, 10**6)
    optimizer.build([kernel])
    optimizer.apply([keras.ops.ones((1, 1))])
    # velocity -0.5; Nesterov looks ahead: 0.9 * -0.5 - 0.5
    np.testing.assert_allclose(kernel, [[1.0 - 0.95]], rtol=1e-5)
    optimizer.apply([keras.ops.ones((1, 1))])
    # velocity 0.9 * -0.5 - 0.5 = -0.95: 0.9 * -0.95 - 0.5
    np.testing.assert_allclose(kernel, [[0.05 - 1.355]], rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # of the softmax of 0.5, -1, 2 for class 1: log of a sum, minus the logit
        ("cross_entropy", math.log(math.exp(0.5) + math.exp(-1) + math.exp(2)) + 1),
        ("squared_hinge", 1.5**2 + 2**2 + 3**2),
    ],
)
def test_loss_of_the_recipe(loss, expected):
    recipe = Recipe(epochs=1, learning_rate=0.1, loss=loss)
    logits = np.array([[0.5, -1.0, 2.0]], "float32")
    value = Objective(recipe)({"labels": np.array([1])}, logits)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
