"""Our layers against numbers made by hand."""

import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.layers import (
    CeilMaxPooling2D,
    ChannelPad,
    HighwayGate,
    LocalResponseNorm,
    Maxout,
    PartialConv2D,
    RadialBasis,
    SAFPooling2D,
    ScaledTanh,
    StochasticDepth,
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


def gradient(layer, *inputs, training=False):
    """Of the sum of the outputs, for each input."""
    import tensorflow as tf

    tensors = [tf.constant(x, "float32") for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        argument = tensors if len(tensors) > 1 else tensors[0]
        mode = {"training": True} if training else {}
        total = tf.reduce_sum(layer(argument, **mode))
    return [np.asarray(g) for g in tape.gradient(total, tensors)]


def test_maxout_takes_the_largest_piece_of_each_unit():
    x = np.array([[[[1.0, 5.0, -3.0, -2.0]]]])
    np.testing.assert_array_equal(Maxout(2)(x), [[[[5, -2]]]])
    np.testing.assert_array_equal(Maxout(4)(x), [[[[5]]]])
    # only the piece that won learns
    np.testing.assert_array_equal(gradient(Maxout(2), x)[0], [[[[0, 1, 0, 1]]]])
    np.testing.assert_array_equal(Maxout(3)(np.array([[1.0, 2, 3, 6, 5, 4]])), [[3, 6]])


def test_maxout_wants_whole_units():
    with pytest.raises(KerasnetsError, match=r"10 channels.*units of 3 pieces"):
        Maxout(3)(np.zeros((1, 10)))


def test_highway_gate_mixes_by_the_gate():
    h, t, x = np.array([[8.0, 8.0]]), np.array([[0.25, 1.0]]), np.array([[4.0, 4.0]])
    # 8/4 + 4 * 3/4 = 5; an open gate gives the transformed input alone
    np.testing.assert_array_equal(HighwayGate()([h, t, x]), [[5, 8]])
    by_h, by_t, by_x = gradient(HighwayGate(), h, t, x)
    np.testing.assert_array_equal(by_h, t)
    np.testing.assert_array_equal(by_t, h - x)
    np.testing.assert_array_equal(by_x, 1 - t)


def test_saf_pooling_is_maximum_pooling_then_dropout():
    x = np.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    layer = SAFPooling2D(0.2, seed=0)
    np.testing.assert_array_equal(layer(x)[0, ..., 0], [[6, 8], [14, 16]])
    maxima = np.array([6.0, 8.0, 14.0, 16.0])
    draws = np.array([np.ravel(layer(x, training=True)) for _ in range(2000)])
    # each maximum is 0 or 1 / 0.8 of itself; the expectation is what inference gives
    np.testing.assert_allclose(draws.mean(axis=0), maxima, rtol=0.05)
    np.testing.assert_allclose((draws == 0).mean(axis=0), 0.2, atol=0.03)
    np.testing.assert_allclose(
        draws[draws > 0] * 0.8, np.tile(maxima, 2000)[draws.ravel() > 0]
    )
    one, two = draws[:, 0] == 0, draws[:, 1] == 0
    assert 0.02 < (one & two).mean() < 0.06  # independent: 0.04
    learned = gradient(layer, x)[0][0, ..., 0]
    np.testing.assert_array_equal(
        np.argwhere(learned), [[1, 1], [1, 3], [3, 1], [3, 3]]
    )


def test_stochastic_depth_leaves_the_whole_batch_out_or_none_of_it():
    x = np.ones((3, 2, 2, 2), "float32")
    layer = StochasticDepth(0.25, seed=0)
    np.testing.assert_array_equal(layer(x), x)
    draws = np.array([np.asarray(layer(x, training=True)) for _ in range(2000)])
    per_draw = draws.reshape(2000, -1)
    assert (per_draw == per_draw[:, :1]).all()
    np.testing.assert_allclose(np.unique(draws), [0, 1 / 0.75])
    np.testing.assert_allclose((per_draw[:, 0] == 0).mean(), 0.25, atol=0.03)
    np.testing.assert_allclose(draws.mean(), 1, atol=0.04)
    kept = [gradient(layer, x, training=True)[0].max() for _ in range(30)]
    np.testing.assert_allclose(np.unique(kept), [0, 1 / 0.75])


@pytest.mark.parametrize(("side", "pooled"), [(33, 16), (15, 7), (9, 4), (32, 15)])
def test_ceil_max_pooling_counts_windows_that_hang_over(side, pooled):
    x = -np.random.default_rng(0).uniform(1, 2, (1, side, side, 2))
    out = np.asarray(CeilMaxPooling2D(4, 2)(x))
    for i, j in [(0, 0), (pooled - 1, 0), (pooled - 1, pooled - 1)]:
        window = x[0, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4]
        np.testing.assert_allclose(out[0, i, j], window.max(axis=(0, 1)), rtol=1e-6)
    assert out.shape == (1, pooled, pooled, 2)


def test_ceil_max_pooling_teaches_the_largest_only():
    x = np.array([[[-3.0], [-1.0], [-2.0]]])[None]
    out = CeilMaxPooling2D(2, 2)(np.repeat(x, 2, axis=1))
    np.testing.assert_array_equal(np.ravel(out), [-1, -2])
    rows = np.concatenate([x, x - 1], axis=1)
    np.testing.assert_array_equal(
        gradient(CeilMaxPooling2D(2, 2), rows)[0][0, ..., 0], [[0, 1, 1], [0, 0, 0]]
    )


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
        Maxout(2),
        StochasticDepth(0.3, seed=1),
        SAFPooling2D(0.3, pool_size=3),
        CeilMaxPooling2D(3, 2),
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
