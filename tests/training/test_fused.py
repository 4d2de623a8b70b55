"""The fused kernel computes what Keras's batch normalisation does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasnets.training.fused import fused_batch_norm


def one_layer(shape=(5, 6, 3), **arguments):
    """A model of one batch normalisation with drawn weights."""
    image = keras.Input(shape)
    norm = layers.BatchNormalization(momentum=0.6, name="bn", **arguments)
    model = keras.Model(image, norm(image))
    random = np.random.default_rng(0)
    norm.set_weights([random.uniform(0.5, 1.5, w.shape) for w in norm.weights])
    return model


def step(model, x, upstream):
    """Outputs in training, gradients, and the weights after it."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = model(x, training=True)
        loss = tf.reduce_sum(outputs * upstream)
    gradients = tape.gradient(loss, [x, *model.trainable_variables])
    return [np.asarray(a) for a in (outputs, *gradients, *model.get_weights())]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"scale": False}, {"center": False}, {"epsilon": 1e-5}],
    ids=str,
)
def test_same_outputs_gradients_and_statistics(arguments):
    random = np.random.default_rng(1)
    x = tf.constant(random.normal(2, 3, (4, 5, 6, 3)), "float32")
    upstream = tf.constant(random.normal(size=x.shape), "float32")
    expected = step(one_layer(**arguments), x, upstream)
    model = one_layer(**arguments)
    with fused_batch_norm(model):
        found = step(model, x, upstream)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def operations(model, training=True):
    """Kinds of operations of a traced call."""
    x = tf.zeros((2, *model.input_shape[1:]))
    traced = tf.function(lambda x: model(x, training=training)).get_concrete_function(x)
    return {operation.type for operation in traced.graph.get_operations()}


def frozen():
    model = one_layer()
    model.get_layer("bn").trainable = False
    return model


@pytest.mark.parametrize(
    ("model", "training", "fused"),
    [
        (one_layer, True, True),
        (one_layer, False, False),
        (frozen, True, False),
        (lambda: one_layer(axis=1), True, False),
        (lambda: one_layer(shape=(7,)), True, False),
        (lambda: one_layer(dtype="mixed_float16"), True, False),
        (lambda: one_layer(synchronized=True), True, False),
    ],
)
def test_kernel_is_used_where_it_fits(model, training, fused):
    model = model()
    with fused_batch_norm(model):
        inside = operations(model, training)
    assert ("FusedBatchNormV3" in inside) == fused
    assert "FusedBatchNormV3" not in operations(model, training)


def test_nested_models_are_reached_and_nothing_stays():
    image = keras.Input((5, 6, 3))
    inner = one_layer()
    model = keras.Model(image, inner(image))
    before = set(vars(inner.get_layer("bn")))
    with fused_batch_norm(model):
        assert "FusedBatchNormV3" in operations(model)
    assert set(vars(inner.get_layer("bn"))) == before
