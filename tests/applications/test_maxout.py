"""The maxout network against the released configuration and the formula."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasnets.applications import builder
from kerasnets.applications.maxout import MaxoutCIFAR10
from kerasnets.errors import KerasnetsError


def changed(build, **changes):
    """The builder of the same network with another row."""
    row = dataclasses.replace(build.network, **changes)
    return builder.variant(build.__wrapped__, row)


@pytest.fixture(scope="module")
def model():
    return MaxoutCIFAR10()


@pytest.fixture
def narrow():
    """Four units in each convolution, six dense ones."""
    rows = MaxoutCIFAR10.network.convolutions
    rows = tuple(dataclasses.replace(row, filters=4) for row in rows)
    return changed(MaxoutCIFAR10, convolutions=rows, units=6)()


# by hand from cifar10.yaml: two pieces a unit, five in the dense ones, tied biases
@pytest.mark.parametrize(
    ("layer", "params"),
    [
        ("conv1", 37_056),
        ("conv2", 2_359_680),
        ("conv3", 1_843_584),
        ("fc1", 12_002_500),
        ("logits", 5_010),
    ],
)
def test_layers_have_the_parameters_of_the_release(model, layer, params):
    assert model.get_layer(layer).count_params() == params


# partial_sum of cifar10.yaml tells the maps before pooling: 33 and 15
def test_maps_have_the_sizes_of_the_release(model):
    shapes = [
        (f"conv{i}_{part}", model.get_layer(f"conv{i}_{part}").output.shape[1:])
        for i in (1, 2, 3)
        for part in ("maxout", "pool")
    ]
    assert shapes == [
        ("conv1_maxout", (33, 33, 96)),
        ("conv1_pool", (16, 16, 96)),
        ("conv2_maxout", (15, 15, 192)),
        ("conv2_pool", (7, 7, 192)),
        ("conv3_maxout", (9, 9, 192)),
        ("conv3_pool", (5, 5, 192)),
    ]
    assert model.get_layer("fc1_maxout").output.shape == (None, 500)


# Romero et al. 2015, Table 5: 9 million, as the teacher of the FitNets
def test_printed_parameters_are_weights_without_biases_and_two_dense_pieces():
    two = changed(MaxoutCIFAR10, dense_pieces=2)()
    assert sum(np.prod(w.shape) for w in two.weights if w.name == "kernel") == 9_044_360


def test_convolution_is_the_largest_of_its_pieces(narrow):
    random = np.random.default_rng(0)
    kernel, bias = random.normal(0, 1, (8, 8, 3, 8)), random.normal(0, 1, 8)
    narrow.get_layer("conv1").set_weights([kernel, bias])
    x = random.normal(0, 1, (1, 32, 32, 3)).astype("float32")
    out = keras.Model(narrow.input, narrow.get_layer("conv1_maxout").output)(x)
    padded = np.pad(x[0], [(4, 4), (4, 4), (0, 0)])
    for row, column in [(0, 0), (12, 20), (32, 32)]:
        window = padded[row : row + 8, column : column + 8]
        pieces = np.tensordot(window, kernel, 3) + bias
        expected = [max(pieces[2 * i : 2 * i + 2]) for i in range(4)]
        np.testing.assert_allclose(out[0, row, column], expected, rtol=1e-4, atol=1e-4)


def test_pooling_keeps_negative_maps(narrow):
    for i in (1, 2, 3):
        layer = narrow.get_layer(f"conv{i}")
        layer.set_weights([np.zeros(layer.kernel.shape), np.full(8, -i)])
    outputs = [narrow.get_layer(f"conv{i}_pool").output for i in (1, 2, 3)]
    for i, map_ in enumerate(
        keras.Model(narrow.input, outputs)(np.ones((1, 32, 32, 3)))
    ):
        np.testing.assert_array_equal(map_, np.full(map_.shape, -i - 1))


# max_kernel_norm and max_col_norm of cifar10.yaml
LIMITS = {"conv1": 0.9, "conv2": 1.9365, "conv3": 1.9365, "fc1": 1.9, "logits": 1.9365}


def test_a_step_limits_the_norm_of_each_piece(narrow):
    random = np.random.default_rng(0)
    before = {}
    for name, limit in LIMITS.items():
        shape = narrow.get_layer(name).kernel.shape
        unit = random.normal(0, 1, (np.prod(shape[:-1]), shape[-1]))
        unit /= np.linalg.norm(unit, axis=0)
        # every other piece is within the limit
        kernel = unit * limit * np.where(np.arange(shape[-1]) % 2, 3.0, 0.5)
        narrow.get_layer(name).kernel.assign(kernel.reshape(shape))
        before[name] = unit, kernel
    # at a rate of 0 nothing but the limit moves a weight, whatever dropout leaves
    narrow.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    narrow.train_on_batch(random.normal(0, 1, (2, 32, 32, 3)), np.arange(2))
    for name, (unit, kernel) in before.items():
        after = np.asarray(narrow.get_layer(name).kernel).reshape(unit.shape)
        np.testing.assert_allclose(after[:, ::2], kernel[:, ::2], atol=1e-5)
        np.testing.assert_allclose(
            after[:, 1::2], LIMITS[name] * unit[:, 1::2], atol=1e-5
        )


# irange of cifar10.yaml
@pytest.mark.parametrize("name", LIMITS)
def test_initial_weights_are_uniform(model, name):
    kernel, bias = model.get_layer(name).get_weights()
    assert 0.00495 < kernel.max() <= 0.005
    assert -0.005 <= kernel.min() < -0.00495
    np.testing.assert_allclose(kernel.std(), 0.005 / 3**0.5, rtol=0.05)
    assert not bias.any()


def dropouts(model):
    """What each dropout reads, and its rate."""
    return {
        layer.input._keras_history.operation.name: layer.rate
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout)
    }


def test_dropout_is_on_the_image_and_before_every_later_layer(model):
    hidden = ["conv1_pool", "conv2_pool", "flatten", "fc1_maxout"]
    assert dropouts(model) == {"pixels": 0.2, **dict.fromkeys(hidden, 0.5)}
    other = MaxoutCIFAR10(input_dropout=0.1, dropout=0.3)
    assert dropouts(other) == {"pixels": 0.1, **dict.fromkeys(hidden, 0.3)}
    assert dropouts(MaxoutCIFAR10(dropout=0)) == {"pixels": 0.2}
    assert dropouts(MaxoutCIFAR10(input_dropout=0)) == dict.fromkeys(hidden, 0.5)


@pytest.mark.parametrize("sides", [(8, 8), (9, 8), (11, 13)])
def test_smallest_images(sides):
    features = MaxoutCIFAR10((*sides, 3), include_top=False)
    out = features(np.zeros((1, *sides, 3)))
    assert out.shape == (1, *features.output_shape[1:])
    assert min(out.shape) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_dropout": 1.0}, "input_dropout 1.0 is not a rate"),
        ({"dropout": -0.1}, "dropout -0.1 is not a rate"),
        ({"classes": 0}, "classes 0"),
        ({"input_shape": (7, 32, 3)}, "a side needs 8"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        MaxoutCIFAR10(**arguments)
