"""Pixels before a network: the conventions of the libraries, by hand and by Keras."""

import keras
import numpy as np
import pytest
from keras import layers
from support.tiny_files import network

from kerasnets import applications
from kerasnets.errors import KerasnetsError
from kerasnets.graph import shapes_only
from kerasnets.pixels import (
    CAFFE,
    RAW,
    TORCH,
    UNIT,
    Pixels,
    Preprocessing,
    describe,
    parse_pixels,
    pixels_of,
    with_pixels,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype("float32")


@pytest.mark.parametrize(
    ("convention", "module"),
    [
        (CAFFE, keras.applications.vgg16),
        (CAFFE, keras.applications.resnet50),
        (UNIT, keras.applications.mobilenet),
        (UNIT, keras.applications.inception_v3),
        (TORCH, keras.applications.densenet),
        (RAW, keras.applications.mobilenet_v3),
    ],
)
def test_equals_keras_applications(convention, module):
    np.testing.assert_allclose(
        convention(PIXELS), module.preprocess_input(PIXELS.copy()), atol=1e-4
    )


def test_torch_by_hand():
    # (pixel / 255 - mean) / deviation, for one grey pixel
    grey = np.full((1, 1, 3), 102.0)
    expected = (0.4 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(TORCH(grey)[0, 0], expected, rtol=1e-5)


def test_shorter_side_is_resized_so_that_the_crop_fits():
    assert (TORCH.size, TORCH.resize) == (224, 256)
    assert UNIT.fitted(299).resize == 342
    assert UNIT.fitted(None) == UNIT


def test_grey_images_have_the_average_of_mean_and_deviation():
    grey = TORCH.fitted(28, 1)
    np.testing.assert_allclose(grey.mean, [(123.675 + 116.28 + 103.53) / 3])
    assert np.asarray(grey(np.zeros((2, 28, 28, 1)))).shape == (2, 28, 28, 1)
    assert CAFFE.fitted(28, 4).channels == "RGB"
    model = applications.LeNet5()
    assert applications.preprocessing(model) == UNIT.fitted(32, 1)


def vgg(**options):
    """Of the zoo; its pixels are those of Caffe."""
    options = {"classes": 2, "name": "flowers", **options}
    return shapes_only(lambda: applications.VGG16((64, 64, 3), **options))


def headed(*before, side=32):
    """A user's own network behind layers."""
    return keras.Sequential(
        [keras.Input((side, side, 3)), *before, layers.Conv2D(4, 3), layers.Flatten()],
        name="mine",
    )


def behind(function):
    """A user's own network behind operations on a tensor."""
    image = keras.Input((32, 32, 3))
    return keras.Model(image, layers.Conv2D(4, 3)(function(image)), name="mine")


def test_model_knows_its_own():
    model = applications.MobileNet((96, 96, 3), alpha=0.25)
    assert applications.preprocessing(model) == UNIT.fitted(96)
    assert applications.preprocessing(applications.ResNet20(name="mine")).size == 32
    assert pixels_of(vgg()) == CAFFE.fitted(64)


def test_survives_saving_cloning_and_nesting(tmp_path):
    model = applications.SqueezeNet1_1((64, 64, 3), classes=2, name="flowers")
    own = pixels_of(model)
    assert own.channels == "BGR"
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert pixels_of(loaded) == own
    assert pixels_of(keras.models.clone_model(loaded)) == own
    nested = keras.Sequential(
        [keras.Input((64, 64, 3)), layers.RandomFlip(), loaded, layers.Dense(3)]
    )
    assert pixels_of(nested) == own
    renamed = keras.Model(model.input, model.output, name="resnet50_keras")
    assert pixels_of(renamed) == own


def test_survives_the_bridge_and_the_loss_of_channels():
    # both are compression's, which the other tests here do without
    from kerasnets.compression import from_tf_keras, prune_channels, to_tf_keras

    options = {"form": "keras", "classes": 2, "name": "flowers"}
    model = applications.ResNet50((32, 32, 3), **options)
    own = pixels_of(model)
    assert own.channels == "BGR"
    assert pixels_of(from_tf_keras(to_tf_keras(model), like=model)) == own
    assert pixels_of(prune_channels(model, madds=0.5)) == own


class Counting(layers.Layer):
    """Passes images on and counts how often."""

    calls = 0

    def call(self, inputs):
        self.calls += 1
        return inputs


def test_probes_go_through_each_layer_once():
    images = keras.Input((8, 8, 3))
    first = Counting()
    x = first(images)
    for _ in range(4):
        x = layers.Rescaling(2.0)(x)
    x = layers.Rescaling(1 / (16 * 127.5), offset=-1)(x)
    model = keras.Model(images, layers.Dense(2)(layers.Conv2D(2, 3)(x)))
    built = first.calls
    assert pixels_of(model) == RAW.fitted(8)
    assert first.calls == built + 1


def test_costs_no_byte_of_a_file():
    from kerasnets.export import convert

    def bare(layer):
        return layers.Identity(name="bare") if isinstance(layer, Pixels) else layer

    model = network()
    without = keras.models.clone_model(model, clone_function=bare)
    with pytest.raises(KerasnetsError, match="not known"):
        pixels_of(without)
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), "uint8")
    for calibration in (None, images):
        file = convert(model, calibration=calibration)
        stated = convert(without, pixels=UNIT, calibration=calibration)
        assert file == stated


def test_weights_and_form_decide():
    def build(form):
        return applications.ResNet50((64, 64, 3), classes=2, form=form, name="m")

    assert pixels_of(shapes_only(lambda: build("keras"))) == CAFFE.fitted(64)
    assert pixels_of(shapes_only(lambda: build("torch"))) == TORCH.fitted(64)


def test_layer_passes_images_on_in_any_precision():
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    for policy in ("float32", "mixed_float16"):
        image = keras.Input((8, 8, 3))
        layer = keras.Model(
            image, applications.builder.carry(image, UNIT)
        )  # as a network would begin
        layer.layers[1].dtype_policy = policy
        np.testing.assert_array_equal(layer(x), x)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("VGG19", CAFFE),
        ("ResNet101", CAFFE),
        ("ResNet50V2", UNIT),
        ("DenseNet169", TORCH),
        ("MobileNet", UNIT),
        ("MobileNetV2", UNIT),
        ("MobileNetV3Small", RAW),
        ("InceptionV3", UNIT),
        ("InceptionResNetV2", UNIT),
        ("Xception", UNIT),
        ("NASNetMobile", UNIT),
        ("EfficientNetB0", RAW),
        ("EfficientNetV2B0", RAW),
    ],
)
def test_networks_of_keras_are_known_by_their_layers(name, expected):
    """Whatever the model around them is called."""
    build = getattr(keras.applications, name)

    def mine():
        inside = build(weights=None, include_top=False, input_shape=(96, 96, 3))
        pooled = layers.GlobalAveragePooling2D()
        return keras.Sequential(
            [keras.Input((96, 96, 3)), inside, pooled, layers.Dense(3)], name="vgg16"
        )

    # those that scale pixels themselves are run on some: weights need values
    model = mine() if expected == RAW else shapes_only(mine)
    assert pixels_of(model) == expected.fitted(96)


def test_networks_of_keras_without_their_scaling():
    def build():
        return keras.applications.MobileNetV3Large(
            (96, 96, 3), weights=None, include_preprocessing=False
        )

    assert pixels_of(shapes_only(build)) == UNIT.fitted(96)


@pytest.mark.parametrize(
    "model",
    [
        lambda: headed(layers.Rescaling(1 / 255)),
        lambda: headed(layers.RandomFlip(), layers.Rescaling(1 / 127.5, -1)),
        lambda: headed(
            keras.Sequential([layers.RandomZoom(0.1), layers.Rescaling(0.01)])
        ),
        lambda: headed(layers.Normalization(mean=[120.0] * 3, variance=[60.0**2] * 3)),
        lambda: headed(
            layers.Rescaling(1 / 255),
            layers.Normalization(mean=[0.5] * 3, variance=[0.25**2] * 3),
        ),
        lambda: behind(lambda x: x / 127.5 - 1.0),
        lambda: behind(keras.applications.mobilenet.preprocess_input),
        lambda: behind(keras.applications.vgg16.preprocess_input),
        lambda: behind(keras.applications.densenet.preprocess_input),
    ],
)
def test_models_that_scale_pixels_take_them_as_they_are(model):
    assert pixels_of(model()) == RAW.fitted(32)


def test_integers_are_pixels_as_they_are():
    image = keras.Input((32, 32, 3), dtype="uint8")
    assert pixels_of(keras.Model(image, layers.Flatten()(image))) == RAW.fitted(32)


@pytest.mark.parametrize(
    "model",
    [
        headed,
        # what these take is 0 to 1 already: 255 would become hundreds
        lambda: headed(layers.Rescaling(2, -1)),
        lambda: headed(layers.Normalization(mean=[0.5] * 3, variance=[0.25**2] * 3)),
        lambda: behind(lambda x: (x - 0.5) / 0.25),
        lambda: behind(lambda x: x - 0.5),
        # some of it sees them as they are
        lambda: behind(lambda x: layers.Concatenate()([x, x / 255.0])),
        lambda: headed(layers.BatchNormalization()),
        # stems that are no network of Keras's, whatever the layers' names
        lambda: behind(lambda x: layers.Conv2D(8, 3, name="conv1")(x)),
    ],
)
def test_what_cannot_be_known_is_an_error_that_says_how_to_say_it(model):
    model = model()
    with pytest.raises(
        KerasnetsError, match=r"'mine' wants .* not known: say --pixels"
    ):
        pixels_of(model)
    assert pixels_of(model, TORCH) == TORCH.fitted(32)
    assert pixels_of(with_pixels(model, TORCH)) == TORCH.fitted(32)


def test_what_is_stated_goes_before_what_is_carried():
    model = applications.SqueezeNet1_1((64, 64, 3), classes=2)
    assert pixels_of(model, RAW) == RAW.fitted(64)
    said = with_pixels(model, RAW)
    assert pixels_of(said) == RAW.fitted(64)
    assert pixels_of(model).channels == "BGR"
    x = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype("float32")
    np.testing.assert_array_equal(said(x), model(x))


def test_a_model_of_vectors_has_no_pixels():
    vector = keras.Input((4,))
    with pytest.raises(KerasnetsError, match="one batch of images"):
        pixels_of(keras.Model(vector, layers.Dense(2)(vector)), UNIT)


@pytest.mark.parametrize(
    ("text", "pixel", "expected"),
    [
        ("0..255", [255.0, 0.0, 51.0], [255.0, 0.0, 51.0]),
        ("0..1", [255.0, 0.0, 51.0], [1.0, 0.0, 0.2]),
        ("-1..1", [255.0, 0.0, 102.0], [1.0, -1.0, -0.2]),
        ("127.5:51", [255.0, 0.0, 51.0], [2.5, -2.5, -1.5]),
        ("1,2,3:4,5,6", [5.0, 12.0, 21.0], [1.0, 2.0, 3.0]),
        # blue first, the mean pixel subtracted
        ("caffe", [123.68, 116.779, 104.939], [1.0, 0.0, 0.0]),
    ],
)
def test_stated_by_hand(text, pixel, expected):
    said = parse_pixels(text)
    np.testing.assert_allclose(said(np.array(pixel)), expected, atol=1e-5)


@pytest.mark.parametrize("text", ["", "0-1", "1:0", "1:-2", "1,2:3", "nan:1", "1:inf"])
def test_what_is_stated_wrongly_says_what_is_accepted(text):
    with pytest.raises(
        KerasnetsError, match=r"accepted: 0\.\.255, 0\.\.1, -1\.\.1, torch"
    ):
        parse_pixels(text)


def test_one_channel_is_stated_like_three():
    assert parse_pixels("10:20", 1) == Preprocessing((10.0,), (20.0,))


def test_is_told_in_a_line():
    assert describe(UNIT) == "pixels 0 to 255, normalised inside: (x - 127.5) / 127.5"
    assert describe(RAW) == "pixels 0 to 255, taken as they are"
    assert describe(CAFFE) == (
        "pixels 0 to 255, normalised inside: BGR, x - [103.939 116.779 123.68]"
    )
    assert describe(parse_pixels("0..1"), inside=False) == (
        "pixels 0 to 255, normalised outside, before the file: x / 255"
    )
    assert str(UNIT) == "RGB, (x - [127.5]) / [127.5]"


def test_a_network_of_grey_images_sees_rgb_in_grey():
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (4, 5, 6, 3), dtype="uint8")
    grey = UNIT.fitted(5, 1)
    # 0.299 R + 0.587 G + 0.114 B, in whole levels
    levels = np.round(rgb @ np.array([0.299, 0.587, 0.114]))[..., None]
    np.testing.assert_allclose(grey(rgb), (levels - 127.5) / 127.5, atol=1e-6)
    # what is grey already stays as it is
    np.testing.assert_allclose(grey(levels), grey(rgb), atol=1e-6)
