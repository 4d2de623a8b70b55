"""Layers of Keras, settings that tf_keras calls otherwise included, cross alike."""

from typing import Any

import keras
import numpy as np
import pytest
import tf_keras
from keras import layers

from kerasnets.compression import KerasInside, from_tf_keras, to_tf_keras
from kerasnets.errors import KerasnetsError


def of_rank(rank):
    """Layers for 1 to 3 sides."""
    same = {"strides": 2, "padding": "same"}

    def ranked(name, *args, **kwargs):
        return getattr(layers, f"{name}{rank}D")(*args, **kwargs)

    def transposed(*args, **kwargs):
        layer_class = getattr(layers, f"Conv{rank}DTranspose")
        return layer_class(*args, **kwargs)

    yield ranked("Conv", 3, 3, activation="hard_sigmoid", **same)
    yield ranked("Conv", 4, 2, dilation_rate=2, use_bias=False, activation="leaky_relu")
    yield transposed(3, 3, activation="silu", **same)
    yield ranked("MaxPooling", 3, **same)
    yield ranked("AveragePooling", 3, **same)
    yield ranked("GlobalMaxPooling", keepdims=True)
    yield ranked("GlobalAveragePooling")
    yield ranked("ZeroPadding", 2)
    yield ranked("Cropping", 1)
    yield ranked("UpSampling", 2)
    yield ranked("SpatialDropout", 0.5)
    if rank < 3:
        yield ranked("DepthwiseConv", 3, depth_multiplier=2, activation="relu6")
        yield ranked("SeparableConv", 5, 3, depth_multiplier=2, activation="gelu")


def adapted():
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (50, 4)).astype("float32"))
    return layer


MAP = (8, 6, 4)
SIDES: Any = [1, 2]  # Keras declares one axis, and takes several
ALIKE = {
    "1 side": ((9, 4), lambda: of_rank(1)),
    "2 sides": ((9, 8, 4), lambda: of_rank(2)),
    "3 sides": ((9, 8, 7, 4), lambda: of_rank(3)),
    "normalisation": (
        MAP,
        lambda: (
            layers.BatchNormalization(axis=1, scale=False),
            layers.LayerNormalization(),
            layers.LayerNormalization(axis=SIDES, epsilon=1e-6, center=False),
            layers.GroupNormalization(2),
            layers.UnitNormalization(axis=SIDES),
            adapted(),
            layers.Normalization(mean=0.5, variance=4.0, invert=True),
        ),
    ),
    "activations": (
        MAP,
        lambda: (
            layers.ReLU(0.3, negative_slope=0.1, threshold=0.05),
            layers.LeakyReLU(negative_slope=0.05),
            layers.PReLU(shared_axes=[1, 2]),
            layers.ELU(0.7),
            layers.Softmax(axis=1),
            layers.Activation(keras.ops.square),
        ),
    ),
    "images": (
        MAP,
        lambda: (
            layers.Rescaling([1.0, 2.0, 3.0, 4.0], -1.0),
            layers.Resizing(5, 11, interpolation="bicubic"),
            layers.Resizing(5, 4, crop_to_aspect_ratio=True),
            layers.CenterCrop(5, 4),
            layers.UpSampling2D((2, 3), interpolation="bilinear"),
            layers.RandomFlip(),
            layers.RandomRotation(0.1),
            layers.Conv2D(4, 3, groups=2),
        ),
    ),
    "shapes and noise": (
        MAP,
        lambda: (
            layers.Reshape((-1, 2)),
            layers.Permute((3, 1, 2)),
            layers.Flatten(),
            layers.ActivityRegularization(0.1),
            layers.Dropout(0.5, noise_shape=(None, 1, 1, 4), seed=1),
            layers.AlphaDropout(0.5),
            layers.GaussianDropout(0.5),
            layers.GaussianNoise(0.5),
            layers.Dense(3, activation="softmax"),
            layers.EinsumDense("abcd,de->abce", (None, None, 5), bias_axes="e"),
        ),
    ),
    "sequences": (
        (5, 4),
        lambda: (
            layers.LSTM(3, recurrent_activation="hard_sigmoid"),
            layers.GRU(3, return_sequences=True),
            layers.SimpleRNN(3),
            layers.Masking(0.5),
        ),
    ),
}


def drawn(model):
    """The model with weights that differ from all initialisers'."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if not weight.path.startswith("normalization") and "float" in weight.dtype:
            weight.assign(rng.uniform(0.1, 1.0, weight.shape))
    return model


def there_and_back(model):
    """The net; the outputs of the model, its net and what comes back are equal."""
    net = to_tf_keras(drawn(model))
    rng = np.random.default_rng(2)
    inputs = keras.tree.map_structure(
        lambda x: rng.uniform(-1, 1, (3, *x.shape[1:])).astype("float32"), model.input
    )
    expected = keras.tree.flatten(model(inputs, training=False))
    for crossed in (net, from_tf_keras(net, like=model)):
        found = keras.tree.flatten(crossed(inputs, training=False))
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-6, atol=2e-6)
    return net


@pytest.mark.parametrize("name", ALIKE)
def test_tf_keras_layer_of_the_same_class(name):
    shape, make = ALIKE[name]
    made = list(make())
    image = keras.Input(shape)
    net = there_and_back(keras.Model(image, [layer(image) for layer in made]))
    for layer in made:
        crossed = net.get_layer(layer.name)
        assert type(crossed) is getattr(tf_keras.layers, type(layer).__name__)


INSIDE = {
    "images": (
        (8, 6, 3),
        lambda: (
            layers.AdaptiveAveragePooling2D(2),
            layers.RMSNormalization(),
            layers.SpectralNormalization(layers.Conv2D(3, 3)),
            layers.Resizing(5, 5, antialias=True),
            layers.Resizing(5, 5, pad_to_aspect_ratio=True),
            layers.RandomErasing(value_range=(-1, 1)),
            layers.RandomCrop(5, 5),  # tf_keras's crops at inference
            layers.TimeDistributed(layers.Dense(2)),
        ),
    ),
    "sequences": (
        (5, 4),
        lambda: (
            layers.Bidirectional(layers.GRU(3)),
            layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]),
        ),
    ),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_tf_keras_lacks_or_wraps_runs_as_it_is(name):
    shape, make = INSIDE[name]
    made = list(make())
    image = keras.Input(shape)
    net = there_and_back(keras.Model(image, [layer(image) for layer in made]))
    for layer in made:
        assert type(net.get_layer(layer.name)) is KerasInside


def test_layers_of_two_inputs():
    a, b = keras.Input((4, 6)), keras.Input((4, 6))
    merges = (
        *(layers.Add(), layers.Subtract(), layers.Multiply(), layers.Average()),
        *(layers.Maximum(), layers.Minimum(), layers.Concatenate(axis=1)),
        layers.Dot(axes=(1, 1), normalize=True),
        *(layers.Attention(use_scale=True), layers.AdditiveAttention()),
    )
    heads = layers.MultiHeadAttention(2, 3, value_dim=5)
    model = keras.Model(
        [a, b],
        [
            *(merge([a, b]) for merge in merges),
            heads(query=a, value=b, use_causal_mask=True),
        ],
    )
    net = there_and_back(model)
    assert not any(isinstance(layer, KerasInside) for layer in net.layers)


def test_masks_go_along():
    numbers = keras.Input((5,), dtype="int32")
    words = layers.Embedding(7, 4, mask_zero=True)(numbers)
    model = keras.Model(
        numbers,
        [
            layers.GlobalAveragePooling1D()(words),
            layers.LSTM(3)(words),
            layers.MultiHeadAttention(2, 3)(words, words),
            layers.GlobalAveragePooling1D()(words * 2.0),  # operations drop the mask
        ],
    )
    net = to_tf_keras(drawn(model))
    inputs = np.array([[1, 2, 0, 0, 0], [3, 0, 4, 0, 6]])
    for one, other in zip(model(inputs), net(inputs), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, function in vars(keras.activations).items()
        if getattr(function, "__name__", "") == name
        and name not in ("get", "serialize", "deserialize", "threshold")
    ],
)
def test_every_activation_keeps_its_formula(name):
    function = getattr(keras.activations, name)
    image = keras.Input((8,))
    layer = layers.Activation(function, name="activation")
    net = to_tf_keras(keras.Model(image, layer(image))).get_layer("activation")
    net = type(net).from_config(net.get_config())  # as TF-MOT copies it
    inputs = np.linspace(-4, 4, 16, dtype="float32").reshape(2, 8)
    np.testing.assert_allclose(net(inputs), function(inputs), rtol=1e-6, atol=1e-7)


def test_a_function_with_the_name_of_an_activation_is_not_taken_for_it():
    def relu(x):
        return x * 3.0

    image = keras.Input((2,))
    model = keras.Model(image, layers.Activation(relu)(image))
    np.testing.assert_array_equal(to_tf_keras(model)(-np.ones((1, 2))), [[-3, -3]])


def test_a_layer_with_the_name_of_keras_s_is_not_taken_for_it():
    class ReLU(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    image = keras.Input((2,))
    with pytest.raises(KerasnetsError, match=r"'mine' \(ReLU\) has no counterpart"):
        to_tf_keras(keras.Model(image, ReLU(name="mine")(image)))


def test_code_in_a_layer_does_not_cross():
    image = keras.Input((2,))
    twice = layers.Lambda(lambda x: 2 * x, name="twice")
    with pytest.raises(
        KerasnetsError, match=r"'twice' \(Lambda\).*register_counterpart"
    ):
        to_tf_keras(keras.Model(image, twice(image)))
