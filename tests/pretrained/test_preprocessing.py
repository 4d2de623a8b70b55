"""Pixels before a network: the conventions of the libraries, by hand and by Keras."""

import keras
import numpy as np
import pytest

from kerasnets import applications
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import CAFFE, RAW, TORCH, UNIT

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


def test_model_knows_its_own():
    model = applications.MobileNet((96, 96, 3), alpha=0.25)
    assert applications.preprocessing(model) == UNIT.fitted(96)
    assert applications.preprocessing(applications.ResNet20(name="mine")).size == 32


def test_loaded_model_knows_it_by_name(tmp_path):
    applications.MobileNet((96, 96, 3), alpha=0.25).save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert applications.preprocessing(loaded) == UNIT.fitted(96)


def test_form_is_part_of_the_name_and_decides(tmp_path):
    model = applications.ResNet50((64, 64, 3), classes=2, form="keras")
    assert model.name == "resnet50_keras"
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert applications.preprocessing(loaded) == CAFFE.fitted(64)
    model = applications.ResNet50((64, 64, 3), classes=2, form="torch")
    assert applications.preprocessing(model) == TORCH.fitted(64)


def test_unknown_model_is_refused():
    image = keras.Input((8, 8, 3))
    with pytest.raises(KerasnetsError, match="'mine' is not named like a network"):
        applications.preprocessing(keras.Model(image, image * 2.0, name="mine"))


def test_is_told_in_a_line():
    assert str(UNIT) == "RGB, (x - [127.5]) / [127.5]"
    assert str(CAFFE) == "BGR, (x - [103.939 116.779 123.68]) / [1]"
