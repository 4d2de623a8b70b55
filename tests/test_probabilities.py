"""Whether a model gives probabilities: by its graph, its answers or its owner."""

import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT
from kerasnets.probabilities import (
    LOGITS,
    PROBABILITIES,
    by_structure,
    by_values,
    check_logits,
    gives_probabilities,
)

layers, ops = keras.layers, keras.ops


def end(behind, *, activation="softmax", maps=False) -> keras.Model:
    """A classifier of four classes, and something behind it."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="scores")(image)
    if not maps:
        x = layers.GlobalAveragePooling2D()(x)
    answer = layers.Activation(activation)(x)
    return keras.Model(image, behind(answer))


def again(x):
    return layers.Softmax()(2 * x)


KEEPING = {
    "nothing": lambda x: x,
    "identity": layers.Identity(),
    "dropout": layers.Dropout(0.5),
    "linear": layers.Activation("linear"),
    "reshape": layers.Reshape((2, 2)),
    "flatten": lambda x: layers.Flatten()(layers.Reshape((4, 1))(x)),
    "permute": lambda x: layers.Permute((2, 1))(layers.Reshape((4, 1))(x)),
    "average": lambda x: layers.Average()([x, again(x)]),
    "convex layers": lambda x: layers.Add()(
        [layers.Rescaling(0.25)(x), layers.Rescaling(0.75)(again(x))]
    ),
    "convex operations": lambda x: 0.3 * x + again(x) * 0.7,
    "halves": lambda x: (x + again(x)) / 2,
    "operations": lambda x: ops.squeeze(ops.expand_dims(ops.reshape(x, (-1, 4)), 1), 1),
    "relu": layers.ReLU(),
    "nested": lambda x: keras.Sequential([layers.Identity(), layers.Dropout(0.1)])(x),
    "softmax operation": lambda x: ops.softmax(ops.log(x)),
}
KEEPING_MAPS = {
    "nearest": layers.UpSampling2D(2),
    "bilinear": layers.UpSampling2D(2, interpolation="bilinear"),
    "cropping": layers.Cropping2D(1),
    "padding": layers.ZeroPadding2D(1),
    "pooling": layers.GlobalAveragePooling2D(),
    "resizing": layers.Resizing(12, 12),
    "slice": lambda x: x[:, 1:3, 1:3],
}


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", KEEPING)
def test_probabilities_stay_so(name, activation):
    assert by_structure(end(KEEPING[name], activation=activation)) == PROBABILITIES


@pytest.mark.parametrize("name", KEEPING_MAPS)
def test_maps_of_probabilities_stay_so(name):
    assert by_structure(end(KEEPING_MAPS[name], maps=True)) == PROBABILITIES


WITH_SOFTMAX = {"average", "convex layers", "convex operations", "halves"}
WITH_SOFTMAX |= {"softmax operation"}


@pytest.mark.parametrize("name", [*sorted({*KEEPING} - WITH_SOFTMAX), "half"])
def test_logits_stay_logits(name):
    behind = {**KEEPING, "half": lambda x: 0.5 * x - 3}[name]
    assert by_structure(end(behind, activation="linear")) == LOGITS


def test_a_nested_model_ends_in_a_softmax():
    inner = end(lambda x: x)
    image = keras.Input((8, 8, 3))
    outer = keras.Sequential([keras.Input((8, 8, 3)), layers.Identity(), inner])
    assert by_structure(outer) == PROBABILITIES
    assert by_structure(keras.Model(image, layers.Identity()(inner(image)))) == (
        PROBABILITIES
    )


UNCERTAIN = {
    "twice": lambda x: 2 * x,
    "normalised": lambda x: x / ops.sum(x, axis=-1, keepdims=True),
    "complement": lambda x: 1 - x,
    "mixed by weights": layers.Dense(3, use_bias=False),
    "bicubic": lambda x: layers.Flatten()(
        layers.UpSampling2D(2, interpolation="bicubic")(layers.Reshape((2, 2, 1))(x))
    ),
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_the_graph_does_not_decide_what_it_cannot(name):
    assert by_structure(end(UNCERTAIN[name])) is None


def test_the_answers_decide_where_the_graph_does_not():
    exp = end(lambda x: ops.exp(x) / ops.sum(ops.exp(x), axis=-1, keepdims=True))
    assert gives_probabilities(exp, pixels=UNIT)
    assert not gives_probabilities(end(lambda x: ops.log(x)), pixels=UNIT)
    mixing = end(layers.Dense(2, use_bias=False, name="mix"))
    mixing.get_layer("mix").set_weights([np.array([[1, 0]] * 2 + [[0, 1]] * 2)])
    assert gives_probabilities(mixing, pixels=UNIT)


def test_what_neither_tells_is_an_error_that_says_how_to_say_it():
    model = end(lambda x: ops.exp(x) / 10)
    with pytest.raises(
        KerasnetsError, match=r"--output probabilities\|logits"
    ) as error:
        gives_probabilities(model, pixels=UNIT)
    assert "\n" not in str(error.value)
    assert gives_probabilities(model, output="probabilities")
    assert not gives_probabilities(model, output="logits")
    with pytest.raises(KerasnetsError, match="output is 'odds'; probabilities or"):
        gives_probabilities(model, output="odds")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([[0.25, 0.75], [1, 0]], PROBABILITIES),
        ([[0.2502, 0.75]], PROBABILITIES),
        ([[0.25, 0.8]], None),
        ([[0.5, 0.5], [1.5, -0.5]], LOGITS),
        ([[0.3], [0.9]], None),
        ([[1.0]], None),
        ([[np.nan, 0.5]], None),
    ],
)
def test_answers_by_hand(values, found):
    assert by_values(np.array(values)) == found


def test_a_residual_network_of_hundreds_of_blocks():
    x = image = keras.Input((4, 4, 3))
    x = layers.Conv2D(2, 1)(x)
    for _ in range(400):
        x = layers.ReLU()(layers.Add()([x, layers.Conv2D(2, 1)(x)]))
    x = layers.GlobalAveragePooling2D()(x)
    assert by_structure(keras.Model(image, layers.Dense(5)(x))) == LOGITS


def test_one_check_for_logits():
    logits = end(lambda x: x, activation="linear")
    check_logits(logits, classes=4)
    with pytest.raises(KerasnetsError, match=r"shape \(None, 4\); the data have 5"):
        check_logits(logits, classes=5)
    with pytest.raises(KerasnetsError, match=r"the teacher .* gives probabilities"):
        check_logits(end(layers.Reshape((4,))), "teacher")
