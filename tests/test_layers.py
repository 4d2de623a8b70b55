"""Our layers against numbers made by hand."""

import keras
import numpy as np
import pytest

from kerasnets.layers import (
    ChannelPad,
    LocalResponseNorm,
    PartialConv2D,
    RadialBasis,
    ScaledTanh,
    Subsampling,
    fan_in_uniform,
)


def test_channel_pad_appends_zeros():
    out = ChannelPad(2)(np.array([[[[1.0, 2.0]]]]))
    np.testing.assert_array_equal(out, [[[[1, 2, 0, 0]]]])


def test_scaled_tanh_keeps_one_at_one():
    # the amplitude is chosen so that f(1) = 1 and f(-1) = -1
    out = ScaledTanh()(np.array([1.0, -1.0, 0.0]))
    np.testing.assert_allclose(out, [1, -1, 0], atol=1e-4)


def test_subsampling_sums_scales_and_shifts():
    layer = Subsampling()
    layer.build((None, 2, 2, 2))
    layer.coefficient.assign([2.0, 0.5])
    layer.bias.assign([1.0, -1.0])
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    # channel 0 sums 0+2+4+6 = 12, channel 1 sums 1+3+5+7 = 16
    np.testing.assert_allclose(layer(x), [[[[2 * 12 + 1, 0.5 * 16 - 1]]]])


def test_partial_convolution_sees_its_links_only():
    layer = PartialConv2D([[0], [0, 1]], kernel_size=1)
    layer.build((None, 1, 1, 2))
    layer.kernel.assign(np.array([[[2.0, 3.0, 5.0]]]))
    layer.bias.assign([0.0, 10.0])
    out = layer(np.array([[[[1.0, 100.0]]]]))
    np.testing.assert_allclose(out, [[[[2 * 1, 3 * 1 + 5 * 100 + 10]]]])


def test_partial_convolution_with_all_links_is_a_convolution():
    layer = PartialConv2D([[0, 1, 2]] * 4, kernel_size=3)
    x = np.random.default_rng(0).normal(size=(2, 6, 7, 3)).astype("float32")
    ours = layer(x)
    full = keras.layers.Conv2D(4, 3)
    full.build(x.shape)
    links = np.asarray(layer.kernel).reshape(3, 3, 4, 3)
    full.kernel.assign(links.transpose(0, 1, 3, 2))
    np.testing.assert_allclose(ours, full(x), rtol=1e-5, atol=1e-5)
    assert layer.count_madds(ours.shape) == 4 * 5 * 4 * 3 * 9


def test_local_response_norm_by_hand():
    layer = LocalResponseNorm(depth=3, bias=1.0, alpha=0.5, beta=2.0)
    out = np.asarray(layer(np.array([[[[1.0, 2.0, 3.0, 4.0]]]])))[0, 0, 0]
    # sums of squares of the neighbours, fewer at the ends: 5, 14, 29, 25
    expected = [1 / 3.5**2, 2 / 8**2, 3 / 15.5**2, 4 / 13.5**2]
    np.testing.assert_allclose(out, expected, rtol=1e-5)


def test_local_response_norm_is_tensorflows():
    import tensorflow as tf

    x = np.random.default_rng(0).normal(0, 30, (2, 3, 4, 9)).astype("float32")
    expected = tf.nn.local_response_normalization(x, 2, 2.0, 1e-4, 0.75)
    np.testing.assert_allclose(LocalResponseNorm()(x), expected, rtol=1e-5)
    # Caffe and Torch divide alpha by the depth: their 5e-4 is our 1e-4
    np.testing.assert_allclose(
        LocalResponseNorm(alpha=5e-4 / 5)(x), expected, rtol=1e-5
    )


def test_radial_basis_is_the_squared_distance():
    layer = RadialBasis([[1, -1], [0, 2]])
    np.testing.assert_allclose(layer(np.array([[1.0, 1.0]])), [[0 + 4, 1 + 1]])


def test_fan_in_uniform_stays_in_its_bounds():
    values = np.asarray(fan_in_uniform([1, 24])((1000, 2), "float32"))
    limits = np.abs(values).max(axis=0)
    assert 2.3 < limits[0] <= 2.4
    assert 0.095 < limits[1] <= 0.1


@pytest.mark.parametrize(
    "layer",
    [
        ChannelPad(3),
        LocalResponseNorm(depth=3, bias=1.0, alpha=0.1, beta=0.5),
        ScaledTanh(),
        Subsampling(),
        PartialConv2D([[0], [0, 1]], 3),
    ],
)
def test_layers_come_back_from_their_configuration(layer):
    shape = (2, 6, 6, 2)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = layer(x)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    if not again.built:  # a serialised layer remembers the shape it was built for
        again.build(shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), expected)
    assert again.compute_output_shape((None, *shape[1:])) == (None, *expected.shape[1:])
