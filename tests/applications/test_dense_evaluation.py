"""Dense evaluation against the model itself on windows cut by hand."""

import keras
import numpy as np
import pytest
from keras import layers
from support.weights import randomise

from kerasnets.applications import ResNet20
from kerasnets.applications.alexnet import AlexNet, AlexNetOWT
from kerasnets.applications.dense_evaluation import to_fully_convolutional
from kerasnets.applications.prelu_net import PReLUNetA
from kerasnets.applications.vgg import VGG11
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Pixels, pixels_of

SMALL = {"dense_units": 16, "classes": 5, "classifier_activation": None}


def images(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def assert_close(found, expected):
    assert np.abs(expected - expected[:1]).max() > 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def padless(activation=None, *, tail=()):
    """12x12 images, a 4x4 map without padding; a position is 2 pixels from the next."""
    return randomise(
        keras.Sequential(
            [
                keras.Input((12, 12, 3)),
                layers.Conv2D(6, 3, activation="relu", name="conv"),
                layers.MaxPooling2D(2, name="pool"),
                layers.Conv2D(5, 2, activation="tanh", name="conv2"),
                layers.Dropout(0.5, name="early"),
                layers.Flatten(name="flat"),
                layers.Dense(7, activation="relu", name="hidden"),
                *tail,
                layers.Dropout(0.5, name="late"),
                layers.Dense(4, activation=activation, name="classes"),
            ]
        )
    )


@pytest.mark.parametrize(
    "tail",
    [(), (layers.BatchNormalization(name="bn"), layers.PReLU(name="slopes"))],
    ids=["dense", "bn_prelu"],
)
def test_larger_image_gets_the_mean_over_windows(tail):
    model = padless(tail=tail)
    dense = to_fully_convolutional(model)
    x = images(3, 14, 16, 3)  # 2 x 3 positions
    windows = [
        model.predict(x[:, i : i + 12, j : j + 12], verbose=0)
        for i in (0, 2)
        for j in (0, 2, 4)
    ]
    assert np.ptp(windows, axis=0).min() > 0.01  # the positions do differ
    assert_close(dense.predict(x, verbose=0), np.mean(windows, axis=0))


def test_activation_follows_the_mean():
    model, x = padless("softmax"), images(3, 14, 14, 3)
    scores = padless()
    windows = [
        scores.predict(x[:, i : i + 12, j : j + 12], verbose=0)
        for i in (0, 2)
        for j in (0, 2)
    ]
    odds = np.exp(np.mean(windows, axis=0))
    expected = odds / odds.sum(axis=1, keepdims=True)
    assert_close(to_fully_convolutional(model).predict(x, verbose=0), expected)


def pooled_then_flat():
    """A tail as of MobileNet v3 in keras.applications."""
    return keras.Sequential(
        [
            keras.Input((9, 11, 3)),
            layers.Conv2D(6, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Conv2D(4, 1),
            layers.Flatten(),
        ]
    )


@pytest.mark.parametrize(
    "model",
    [
        lambda: AlexNet((67, 83, 3), **SMALL),
        lambda: AlexNetOWT((95, 63, 1), **SMALL),
        lambda: VGG11((64, 96, 3), **SMALL),
        lambda: ResNet20((40, 32, 3), classifier_activation=None),
        pooled_then_flat,
    ],
    ids=["alexnet", "owt", "vgg", "resnet", "pooled_then_flat"],
)
def test_answers_are_the_models_at_its_own_size(model):
    model = randomise(model())
    dense = to_fully_convolutional(model)
    channels = model.input_shape[-1]
    assert dense.input_shape == (None, None, None, channels)
    x = images(2, *model.input_shape[1:])
    assert_close(dense.predict(x, verbose=0), model.predict(x, verbose=0))
    larger = dense.predict(images(1, 131, 150, channels), verbose=0)
    assert larger.shape == (1, model.output_shape[1])
    if any(isinstance(layer, Pixels) for layer in model.layers):
        assert pixels_of(dense) == pixels_of(model)


def test_keras_vgg_keeps_names_and_weights():
    model = keras.applications.VGG16(weights=None, classes=5, input_shape=(32, 32, 3))
    dense = to_fully_convolutional(model)
    names = [layer.name for layer in dense.layers]
    own = [layer.name for layer in model.layers if layer.name != "flatten"]
    assert [name for name in names if name in own] == own
    assert dense.get_layer("fc1").kernel.shape == (1, 1, 512, 4096)
    assert dense.get_layer("fc2").activation is keras.activations.relu
    assert dense.count_params() == model.count_params()
    x = 9 * images(2, 32, 32, 3)
    np.testing.assert_allclose(
        dense.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-4
    )


def test_weights_are_copies_and_the_saved_model_answers_the_same(tmp_path):
    model = padless("softmax")
    dense, x = to_fully_convolutional(model), images(2, 14, 18, 3)
    before = dense.predict(x, verbose=0)
    randomise(model, seed=9)
    dense.save(tmp_path / "dense.keras")
    loaded = keras.saving.load_model(tmp_path / "dense.keras")
    np.testing.assert_array_equal(dense.predict(x, verbose=0), before)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), before)


def test_a_model_inside_the_model_takes_any_size():
    image = keras.Input((64, 64, 3))
    trunk = VGG11((64, 64, 3), include_top=False)
    x = layers.Dense(4, name="classes")(layers.Flatten()(trunk(image / 255.0)))
    model = randomise(keras.Model(image, x))
    dense, x = to_fully_convolutional(model), 255 * images(2, 64, 64, 3)
    assert_close(dense.predict(x, verbose=0), model.predict(x, verbose=0))
    assert dense.predict(images(1, 96, 64, 3), verbose=0).shape == (1, 4)


def two_outputs():
    image = keras.Input((8, 8, 3))
    x = layers.Flatten()(image)
    return keras.Model(image, [layers.Dense(2)(x), layers.Dense(2)(x)])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: PReLUNetA((32, 32, 3), dense_units=2), "takes any size as it is"),
        (two_outputs, "1 inputs and 2 outputs"),
        (lambda: keras.Sequential([layers.Dense(2)]), "not functional"),
        (
            lambda: keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten()]),
            "neither global pooling nor Flatten",
        ),
        (
            lambda: padless(tail=(layers.LayerNormalization(name="norm"),)),
            r"'norm' \(LayerNormalization\)",
        ),
    ],
    ids=["pyramid", "outputs", "unbuilt", "flat", "layer"],
)
def test_what_cannot_be_converted_is_named(model, message):
    with pytest.raises(KerasnetsError, match=message):
        to_fully_convolutional(model())
