"""The recipe: rates and decays against numbers worked out by hand."""

import json
import math
from dataclasses import asdict

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.data import Augment
from kerasnets.errors import KerasnetsError
from kerasnets.training import Objective, Recipe, suggest_learning_rate
from kerasnets.training.optimizers import (
    decayed_variables,
    learning_rate,
    make_optimizer,
    penalty,
)
from kerasnets.training.recipe import OPTIMIZERS


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
    ("step", "rate"),
    [(0, 0.1), (49, 0.1), (50, 0.01), (74, 0.01), (75, 0.001), (99, 0.001)],
)
def test_rate_of_the_residual_networks(step, rate):
    """He et al. 2015, section 4.2: a tenth at 32k and at 48k of 64k steps."""
    recipe = Recipe(
        epochs=1,
        learning_rate=0.1,
        warmup=0.0,
        schedule="step",
        milestones=(0.5, 0.75),
    )
    np.testing.assert_allclose(learning_rate(recipe, step, 100), rate, rtol=1e-6)


@pytest.mark.parametrize(("power", "rates"), [(1, (4, 3, 2, 1)), (2, (4, 2.25, 1))])
def test_rate_along_a_line_and_a_parabola(power, rates):
    recipe = Recipe(
        epochs=1, learning_rate=4.0, warmup=0.0, schedule="polynomial", power=power
    )
    found = [learning_rate(recipe, step, 100) for step in (0, 25, 50, 75)]
    np.testing.assert_allclose(found[: len(rates)], rates, rtol=1e-6)
    np.testing.assert_allclose(learning_rate(recipe, 100, 100), 0, atol=1e-7)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"decay": "l1"}, "no decay 'l1', the nearest is 'l2'"),
        ({"momentum": 1.0}, "momentum is 1.0; 0 to below 1"),
        ({"discount": -0.1}, "discount is -0.1; 0 to below 1"),
        ({"epsilon": 0.0}, "epsilon is 0.0; above 0"),
        ({"gamma": 0.0}, "gamma is 0.0; above 0"),
        ({"power": 0.0}, "power is 0.0; above 0"),
        ({"schedule": "step"}, "schedule is 'step', its milestones are .*has some"),
        ({"milestones": (0.5,)}, r"'cosine', its milestones are \(0.5,\)"),
        (
            {"schedule": "step", "milestones": (0.5, 0.4)},
            r"milestones is \(0.5, 0.4\); shares between 0 and 1, ascending",
        ),
        ({"schedule": "step", "milestones": (0.5, 1.0)}, "milestones is"),
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


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
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


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
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


def steps_of(recipe, gradients):
    """A weight of 1 after each step on these gradients."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    (kernel,) = model.trainable_variables
    kernel.assign([[1.0]])
    optimizer = make_optimizer(recipe, model, 10**6)
    optimizer.build([kernel])
    found = []
    for gradient in gradients:
        optimizer.apply([keras.ops.full((1, 1), gradient)])
        found.append(float(np.asarray(kernel)[0, 0]))
    return found


def test_plain_momentum_by_hand():
    recipe = Recipe(epochs=1, learning_rate=0.5, warmup=0.0, nesterov=False)
    # velocities -0.5, and 0.9 * -0.5 - 0.5
    np.testing.assert_allclose(steps_of(recipe, [1, 1]), [0.5, -0.45], rtol=1e-5)
    plain = Recipe(
        epochs=1, learning_rate=0.5, warmup=0.0, nesterov=False, momentum=0.0
    )
    np.testing.assert_allclose(steps_of(plain, [1, 1]), [0.5, 0.0], atol=1e-5)


def test_rmsprop_and_adadelta_by_hand():
    how = {"epochs": 1, "warmup": 0.0, "momentum": 0.0, "epsilon": 1e-6}
    rmsprop = Recipe(learning_rate=0.1, optimizer="rmsprop", discount=0.9, **how)
    # 0.1 * 2 / sqrt(0.1 * 4 + 1e-6)
    first = 1 - 0.1 * 2 / math.sqrt(0.4 + 1e-6)
    np.testing.assert_allclose(steps_of(rmsprop, [2])[0], first, rtol=1e-5)
    adadelta = Recipe(learning_rate=1.0, optimizer="adadelta", discount=0.95, **how)
    # sqrt(1e-6) / sqrt(0.05 * 4 + 1e-6) * 2
    first = 1 - math.sqrt(1e-6) / math.sqrt(0.2 + 1e-6) * 2
    np.testing.assert_allclose(steps_of(adadelta, [2])[0], first, rtol=1e-6)


def test_l2_is_half_of_the_squares():
    model = small_network()
    for variable in model.trainable_variables:
        variable.assign(np.full(variable.shape, 2.0))
    decayed = decayed_variables(model)
    assert {v.path for v in decayed} == {
        *("conv_decayed/kernel", "pointwise_decayed/kernel", "dense_decayed/kernel")
    }
    count = 3 * 3 * 3 * 4 + 4 * 6 + 6 * 2
    recipe = Recipe(epochs=1, learning_rate=0.1, weight_decay=0.01, decay="l2")
    np.testing.assert_allclose(penalty(recipe, decayed), 0.005 * 4 * count, rtol=1e-6)
    # and the optimizer leaves it alone
    assert moved_by_decay(model, recipe) == set()
    assert penalty(Recipe(1, 0.1, weight_decay=0.01), decayed) == 0


def test_recipe_comes_back_from_json():
    recipe = Recipe(
        epochs=3,
        learning_rate=0.1,
        schedule="step",
        milestones=(0.5, 0.75),
        augment=Augment(flip=True),
    )
    assert Recipe.from_json(json.loads(json.dumps(asdict(recipe)))) == recipe
    # as an earlier version wrote it
    assert Recipe.from_json({"epochs": 3, "learning_rate": 0.1}) == Recipe(3, 0.1)


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
