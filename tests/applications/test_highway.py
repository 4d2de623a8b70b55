"""Highway networks against the released prototxts and the equations of the paper."""

import keras
import numpy as np
import pytest

from kerasnets import applications
from kerasnets.applications.highway import Highway10, Highway19
from kerasnets.errors import KerasnetsError


@pytest.fixture(scope="module")
def deep():
    return Highway19()


@pytest.fixture(scope="module")
def digits():
    return Highway10()


def shape(model, name):
    return model.get_layer(name).output.shape[1:]


# cifar10_network.prototxt
def test_stages_of_highway19_are_those_of_the_release(deep):
    assert shape(deep, "stage1_highway4_mix") == (32, 32, 32)
    assert shape(deep, "stage1_pool") == (16, 16, 32)
    assert shape(deep, "stage2_highway5_mix") == (16, 16, 80)
    assert shape(deep, "stage2_pool") == (8, 8, 80)
    assert shape(deep, "stage3_highway5_mix") == (8, 8, 128)
    assert shape(deep, "head_conv") == (8, 8, 100)
    assert shape(deep, "avg_pool") == (100,)
    # 18 convolutions, of which 14 with gates, and the classifier
    gates = [layer for layer in deep.layers if layer.name.endswith("_gate")]
    assert len(gates) == 14
    assert sum(bool(x.weights) for x in deep.layers) - len(gates) == 19


# mnist_network.prototxt: Caffe rounds 24 and 12 up to 12 and 6, not down to 11 and 5
def test_stages_of_highway10_are_those_of_the_release(digits):
    assert shape(digits, "stage1_conv") == (24, 24, 32)
    assert shape(digits, "stage1_highway2_mix") == (24, 24, 32)
    assert shape(digits, "stage1_pool") == (12, 12, 32)
    assert shape(digits, "stage2_highway3_mix") == (12, 12, 32)
    assert shape(digits, "stage2_pool") == (6, 6, 32)
    assert shape(digits, "stage3_highway3_mix") == (6, 6, 32)
    assert shape(digits, "stage3_pool") == (3, 3, 32)
    windows = [digits.get_layer(f"stage{i}_pool").pool_size for i in (1, 2, 3)]
    assert windows == [(3, 3), (3, 3), (2, 2)]
    gates = sum(layer.name.endswith("_gate") for layer in digits.layers)
    assert (gates, sum(bool(x.weights) for x in digits.layers)) == (8, 10 + 8)


# by hand: out * (in * k * k + 1), twice in a highway layer
@pytest.mark.parametrize(
    ("prefix", "params"),
    [
        ("stage1_conv", 896),
        ("stage1_highway1", 18_496),
        ("stage2_conv", 23_120),
        ("stage2_highway5", 115_360),
        ("stage3_conv", 92_288),
        ("stage3_highway5", 295_168),
        ("head_conv", 12_900),
        ("logits", 1_010),
    ],
)
def test_layers_have_the_parameters_of_the_release(deep, prefix, params):
    found = [layer for layer in deep.layers if layer.name.startswith(prefix)]
    assert sum(layer.count_params() for layer in found) == params


@pytest.fixture(scope="module")
def layer(deep):
    """The second highway layer, from its input to its output."""
    before = deep.get_layer("stage1_highway1_mix").output
    return keras.Model(before, deep.get_layer("stage1_highway2_mix").output)


def set_gate(layer, bias):
    gate = layer.get_layer("stage1_highway2_gate")
    gate.set_weights([np.zeros(gate.kernel.shape), np.full(32, bias)])


X = np.random.default_rng(0).normal(size=(2, 32, 32, 32)).astype("float32")


# section 2 of the paper: y = x if T = 0, y = H(x) if T = 1
def test_closed_gates_carry_the_input_on_unchanged(layer):
    set_gate(layer, -200.0)
    np.testing.assert_array_equal(layer(X), X)


@pytest.mark.parametrize(("bias", "gate"), [(200.0, 1.0), (np.log(0.25 / 0.75), 0.25)])
def test_gates_mix_the_rectified_convolution_with_the_input(layer, bias, gate):
    set_gate(layer, bias)
    kernel, _ = layer.get_layer("stage1_highway2_plain").get_weights()
    shift = np.linspace(-1, 1, 32, dtype="float32")
    layer.get_layer("stage1_highway2_plain").set_weights([kernel, shift])
    transformed = keras.ops.relu(keras.ops.conv(X, kernel, padding="same") + shift)
    expected = gate * np.asarray(transformed) + (1 - gate) * X
    np.testing.assert_allclose(layer(X), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("build", "bias"), [(Highway19, -2.0), (Highway10, -1.0)])
def test_gates_are_sigmoids_and_start_almost_closed(build, bias):
    model = build()
    for gate in model.layers:
        if gate.name.endswith("_gate"):
            np.testing.assert_array_equal(gate.bias, np.full(gate.filters, bias))
            plain = model.get_layer(gate.name.replace("_gate", "_plain"))
            assert (gate.activation.__name__, plain.activation.__name__) == (
                "sigmoid",
                "relu",
            )
            assert gate.input is plain.input
            assert not np.asarray(plain.bias).any()


def dropouts(model):
    """What each dropout reads, and its rate."""
    return {
        layer.input._keras_history.operation.name: layer.rate
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout)
    }


RATES = {
    Highway19: {"pixels": 0.2, "stage1_pool": 0.2, "stage2_pool": 0.2, "avg_pool": 0.2},
    Highway10: {"pixels": 0.2, "stage1_pool": 0.3, "stage2_pool": 0.4, "flatten": 0.5},
}


@pytest.mark.parametrize("build", RATES, ids=lambda build: build.network.name)
def test_dropout_is_that_of_the_release_or_all_alike(build):
    assert dropouts(build()) == RATES[build]
    assert dropouts(build(dropout=0.1)) == dict.fromkeys(RATES[build], 0.1)
    assert dropouts(build(dropout=0)) == {}


# Caffe's xavier: uniform of variance 1 / fan-in
def test_initial_weights_are_those_of_the_release(deep, digits):
    def std(model, name):
        return np.asarray(model.get_layer(name).kernel).std()

    np.testing.assert_allclose(std(deep, "stage1_conv"), 0.05, rtol=0.1)
    np.testing.assert_allclose(std(deep, "logits"), 0.05, rtol=0.1)
    np.testing.assert_allclose(std(digits, "logits"), 0.1, rtol=0.1)
    for part in ("plain", "gate"):
        kernel = np.asarray(deep.get_layer(f"stage3_highway5_{part}").kernel)
        np.testing.assert_allclose(kernel.std(), (9 * 128) ** -0.5, rtol=0.02)
        assert np.abs(kernel).max() <= (3 / (9 * 128)) ** 0.5
    np.testing.assert_allclose(std(digits, "stage1_conv"), 0.2, rtol=0.1)
    np.testing.assert_allclose(std(deep, "head_conv"), 128**-0.5, rtol=0.05)


def test_width_is_that_of_every_layer():
    filters = {x.filters for x in Highway10(width=16).layers if hasattr(x, "filters")}
    assert filters == {16}


# transform_param of mnist_network.prototxt: scale 0.00390625
def test_digits_are_scaled_as_in_the_release():
    scaled = applications.preprocessing(Highway10(width=1))
    white = np.asarray(scaled(np.array([[255.0]])))
    np.testing.assert_allclose(white, [[255 * 0.00390625]])
    assert (scaled.size, scaled.resize) == (28, 28)


@pytest.mark.parametrize("sides", [(8, 8), (9, 8), (10, 13)])
def test_smallest_images(sides):
    features = Highway10((*sides, 1), width=2, include_top=False)
    out = features(np.zeros((1, *sides, 1)))
    assert out.shape == (1, *features.output_shape[1:])
    assert min(out.shape) > 0


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (Highway10, {"width": 0}, "width 0 is not a whole number"),
        (Highway10, {"dropout": 1.0}, "dropout 1.0 is not a rate"),
        (Highway19, {"dropout": -1.0}, "dropout -1.0 is not a rate"),
        (Highway10, {"input_shape": (7, 28, 1)}, "a side needs 8"),
    ],
)
def test_bad_arguments_are_named(build, arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        build(**arguments)
