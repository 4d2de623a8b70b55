"""TensorFlow's kernels compute what the layers of Keras do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasnets.training.native import native_kernels

SHAPE = (5, 6, 8)


def with_layer(layer, shape=SHAPE):
    """A model of one layer with drawn weights."""
    image = keras.Input(shape)
    model = keras.Model(image, layer(image))
    random = np.random.default_rng(0)
    layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.weights])
    return model


def norm(shape=SHAPE, **arguments):
    return with_layer(layers.BatchNormalization(momentum=0.6, **arguments), shape)


def convolution(**arguments):
    arguments = {"groups": 4, "padding": "same", **arguments}
    return with_layer(layers.Conv2D(12, (3, 2), **arguments))


def step(model, x, upstream):
    """Outputs in training, gradients, and the weights after it."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = model(x, training=True)
        loss = tf.reduce_sum(outputs * upstream)
    gradients = tape.gradient(loss, [x, *model.trainable_variables])
    return [np.asarray(a) for a in (outputs, *gradients, *model.get_weights())]


@pytest.mark.parametrize(
    "build",
    [
        norm,
        lambda: norm(scale=False),
        lambda: norm(center=False),
        lambda: norm(epsilon=1e-5),
        convolution,
        lambda: convolution(strides=2),
        lambda: convolution(padding="valid", use_bias=False),
        lambda: convolution(dilation_rate=2),
    ],
)
def test_same_outputs_gradients_and_statistics(build):
    random = np.random.default_rng(1)
    x = tf.constant(random.normal(2, 3, (4, *SHAPE)), "float32")
    model = build()
    upstream = random.normal(size=model(x).shape).astype("float32")
    expected = step(build(), x, upstream)
    with native_kernels(model):
        found = step(model, x, upstream)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.max())


@pytest.mark.parametrize("channels", [1, 4, 7, 12, 16])
@pytest.mark.parametrize(("side", "strides"), [(32, 2), (31, 2), (48, 3)])
def test_gradient_of_strided_pointwise_convolutions(channels, side, strides):
    """Of few channels oneDNN's is wrong (its issue 6035), or ends the process."""
    random = np.random.default_rng(0)
    x = random.normal(size=(8, side, side, channels)).astype("float32")
    model = with_layer(
        layers.Conv2D(8, 1, strides=strides, padding="same", use_bias=False),
        x.shape[1:],
    )
    pixels = x[:, ::strides, ::strides]
    upstream = random.normal(size=(*pixels.shape[:-1], 8)).astype("float32")
    (kernel,) = model.get_weights()
    with native_kernels(model):
        outputs, images, kernels = step(model, tf.constant(x), upstream)[:3]
    np.testing.assert_allclose(outputs, pixels @ kernel[0, 0], rtol=1e-4, atol=1e-4)
    expected = np.zeros_like(x)
    expected[:, ::strides, ::strides] = upstream @ kernel[0, 0].T
    np.testing.assert_allclose(images, expected, rtol=1e-4, atol=1e-4)
    expected = np.einsum("nhwi,nhwo->io", pixels, upstream)
    np.testing.assert_allclose(kernels[0, 0], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("build", [norm, convolution])
@pytest.mark.parametrize(
    # rounding to 10 and to 7 bits
    ("policy", "error"),
    [("mixed_float16", 2**-9), ("mixed_bfloat16", 2**-6)],
)
def test_half_precision_differs_by_its_rounding(build, policy, error):
    """Against float32: statistics and parameters have its digits."""
    random = np.random.default_rng(1)
    x = tf.constant(random.normal(2, 3, (4, *SHAPE)), "float32")
    model = build(dtype=policy)
    outputs = model(x)
    upstream = tf.cast(random.normal(size=outputs.shape), outputs.dtype)
    expected = step(build(), x, tf.cast(upstream, "float32"))
    with native_kernels(model):
        found = step(model, x, upstream)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            ours.astype("float32"), theirs, atol=4 * error * np.abs(theirs).max()
        )
    if build is norm:
        for ours, theirs in zip(model.get_weights(), expected[-4:], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=error)


def operations(model, training=True):
    """Kinds of operations of a traced call, those compiled by XLA as one."""
    x = tf.zeros((2, *model.input_shape[1:]))
    traced = tf.function(lambda x: model(x, training=training)).get_concrete_function(x)
    return {operation.type for operation in traced.graph.get_operations()}


def frozen():
    model = norm()
    model.layers[1].trainable = False
    return model


@pytest.mark.parametrize(
    ("build", "training", "kernel", "used"),
    [
        (norm, True, "FusedBatchNormV3", True),
        (norm, False, "FusedBatchNormV3", False),
        (frozen, True, "FusedBatchNormV3", False),
        (lambda: norm(axis=1), True, "FusedBatchNormV3", False),
        (lambda: norm(shape=(7,)), True, "FusedBatchNormV3", False),
        (lambda: norm(dtype="mixed_float16"), True, "FusedBatchNormV3", True),
        (lambda: norm(dtype="mixed_bfloat16"), True, "FusedBatchNormV3", True),
        (lambda: norm(dtype="float64"), True, "FusedBatchNormV3", False),
        (lambda: norm(synchronized=True), True, "FusedBatchNormV3", False),
        (convolution, True, "Conv2D", True),
    ],
)
def test_kernel_is_used_where_it_fits(build, training, kernel, used):
    model = build()
    with native_kernels(model):
        inside = operations(model, training)
    assert (kernel in inside) == used
    assert kernel not in operations(model, training)


def test_nested_models_are_reached_and_nothing_stays():
    image = keras.Input(SHAPE)
    inner = norm()
    model = keras.Model(image, inner(image))
    before = set(vars(inner.layers[1]))
    with native_kernels(model):
        assert "FusedBatchNormV3" in operations(model)
    assert set(vars(inner.layers[1])) == before
