"""CNN codes are what the classifier reads, of any network at any size it can take."""

import keras
import numpy as np
import pytest
from keras import layers
from support.tiny_zoo import images, one_a_family
from support.weights import randomise

from kerasnets import applications
from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import CAFFE
from kerasnets.transfer import body, features

CLASSIFIERS = {name: build for name, build in one_a_family().items() if name != "unet"}


def pictures(side, count=5, seed=0):
    random = np.random.default_rng(seed)
    values = random.integers(0, 256, (count, side, side, 3), "uint8")
    return Split(values, np.arange(count) % 2, tuple(map(str, range(count))))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_classifier_reads_the_codes(name):
    model = randomise(CLASSIFIERS[name](classifier_activation=None))
    x = images(model)
    codes = body(model).predict(x, verbose=0)
    head = model.get_layer("logits")
    read = keras.Model(model.inputs, head.input).predict(x, verbose=0)
    expected = read.mean(axis=(1, 2)) if read.ndim == 4 else read
    assert codes.ndim == 2
    np.testing.assert_allclose(codes, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("builder", "side", "arguments"),
    [
        ("MobileNet", 64, {"alpha": 0.25}),
        ("MobileNetV2", 64, {"alpha": 0.35}),
        *(
            pytest.param(*row, marks=pytest.mark.slow)
            for row in (
                ("MobileNetV3Small", 64, {"minimalistic": True}),
                ("ResNet50", 40, {}),
                ("EfficientNetB0", 40, {}),
            )
        ),
    ],
)
def test_codes_of_keras_networks_are_those_without_their_top(builder, side, arguments):
    make = getattr(keras.applications, builder)
    shape = {"input_shape": (side, side, 3), **arguments, "weights": None}
    model = make(classes=7, **shape)
    bare = make(include_top=False, pooling="avg", **shape)
    # Keras counts some of its layers up, so by position
    for ours, theirs in zip(bare.layers, model.layers, strict=False):
        if ours.weights:
            assert type(ours) is type(theirs)
            ours.set_weights(theirs.get_weights())
    split = pictures(side)
    codes = features(model, split)
    x = applications.preprocessing(model)(split.images.astype("float32"))
    expected = bare.predict(x, verbose=0)
    if builder == "MobileNetV3Small":  # it has a hidden layer behind the pooling
        assert codes.shape == (5, 1024)
        codes = features(model, split, layer=model.layers[len(bare.layers) - 2].name)
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-5)
    assert features(bare, split).shape == expected.shape


def test_a_network_at_another_size_is_the_same_network():
    small = applications.MobileNet((64, 64, 3), alpha=0.25, classes=3)
    large = applications.MobileNet((96, 96, 3), alpha=0.25, classes=3)
    randomise(small)
    large.set_weights(small.get_weights())
    split = pictures(96)
    codes = features(small, split, size=96)
    np.testing.assert_allclose(codes, features(large, split), rtol=1e-5, atol=1e-6)
    anywhere = applications.MobileNet(
        (None, None, 3), alpha=0.25, include_top=False, pooling="avg"
    )
    with pytest.raises(KerasnetsError, match=r"\(None, None\): give size"):
        features(anywhere, split)
    assert features(anywhere, split, size=64).shape == (5, 256)


def test_a_map_is_averaged_and_a_layer_is_named():
    model = applications.LeNet5()
    split = pictures(32)
    grey = Split(split.images[..., :1], split.labels, split.ids)
    read = keras.Model(model.inputs, model.get_layer("c3").output)
    x = applications.preprocessing(model)(grey.images.astype("float32"))
    expected = read.predict(x, verbose=0).mean(axis=(1, 2))
    codes = features(model, grey, layer="c3")
    np.testing.assert_allclose(codes, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(KerasnetsError, match=r"no layer 'c33'; near it are c3"):
        features(model, grey, layer="c33")


def test_what_needs_its_size_says_so():
    model = applications.AlexNet((67, 67, 3), classes=2, dense_units=8)
    with pytest.raises(KerasnetsError, match="cannot take images of 99 x 99 pixels"):
        body(model, size=99)
    with pytest.raises(KerasnetsError, match="cannot take images of 3 x 3 pixels"):
        body(applications.VGG16((32, 32, 3), include_top=False), size=3)


def test_pixels_are_those_that_the_network_wants():
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, layers.GlobalAveragePooling2D()(image))
    split = pictures(4)
    with pytest.raises(KerasnetsError, match="pixels="):
        features(model, split)
    means = split.images.mean(axis=(1, 2))[:, ::-1] - [103.939, 116.779, 123.68]
    np.testing.assert_allclose(features(model, split, pixels=CAFFE), means, rtol=1e-4)
