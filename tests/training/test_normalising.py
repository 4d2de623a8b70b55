"""Images made alike by the training images: what the network then gets."""

import keras
import numpy as np
import pytest

from kerasnets import applications
from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, Preprocessing, pixels_of
from kerasnets.saving import load_model, save_model
from kerasnets.training import with_normalised_images

SHAPE = (6, 6, 3)


@pytest.fixture(scope="module")
def split():
    """Neighbouring pixels are alike, as in photographs; channels differ."""
    draw = np.random.default_rng(0)
    rough = draw.normal(0, 60, (800, 7, 7, 3))
    smooth = rough[:, 1:, 1:] + rough[:, :-1, 1:] + rough[:, 1:, :-1]
    images = np.clip(smooth / 3 * [1.0, 0.7, 0.4] + [100, 120, 140], 0, 255)
    labels = np.arange(800) % 2
    return Split(images.astype("uint8"), labels, tuple(map(str, range(800))))


def network():
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE, name="image")
    x = applications.builder.carry(image, UNIT)
    return keras.Model(image, keras.layers.Identity(name="seen")(x), name="net")


def seen(how, split, images=None):
    """What the network behind the front gets of images, given as it wants them."""
    model = with_normalised_images(network(), how, split)
    assert model.name == "net"
    pixels = split.images if images is None else images
    return np.asarray(model(pixels_of(model)(pixels.astype("float32"))))


def test_channels_have_mean_0_and_deviation_1(split):
    found = seen("channels", split).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-4)
    model = with_normalised_images(network(), "channels", split)
    pixels = split.images.reshape(-1, 3)
    assert pixels_of(model).mean == pytest.approx(tuple(pixels.mean(axis=0)))
    assert pixels_of(model).std == pytest.approx(tuple(pixels.std(axis=0)))


def test_the_mean_of_each_pixel_is_subtracted(split):
    found = seen("pixels", split)
    expected = (split.images - split.images.mean(axis=0)) / 127.5
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_each_image_has_its_own_contrast(split):
    found = seen("contrast", split).reshape(800, -1)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=1), 1, atol=0.02)


def test_whitened_pixels_are_no_longer_correlated(split):
    """Against whitening by the singular values of the images in rows."""
    rows = seen("contrast", split).reshape(800, -1).astype("float64")
    centred = rows - rows.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred / np.sqrt(800), full_matrices=False)
    shrunk = 1 / np.sqrt(sizes**2 + 0.1 * np.square(centred).sum() / 800 / 108)
    expected = centred @ (directions.T * shrunk) @ directions
    found = seen("whitened", split).reshape(800, -1)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    before = np.corrcoef(centred.T)[0, 3]  # neighbours of one channel
    assert before > 0.3
    assert abs(np.corrcoef(found.T)[0, 3]) < 0.25 * before


@pytest.mark.parametrize("how", ["channels", "pixels", "contrast", "whitened"])
def test_it_is_saved_with_the_network(split, how, tmp_path):
    model = with_normalised_images(network(), how, split)
    save_model(model, tmp_path / "net.keras")
    again = load_model(tmp_path / "net.keras")
    images = np.random.default_rng(1).normal(size=(4, *SHAPE)).astype("float32")
    np.testing.assert_array_equal(again(images), model(images))
    assert pixels_of(again) == pixels_of(model)


def test_large_images_are_not_whitened():
    image = keras.Input((96, 96, 3))
    model = keras.Model(image, applications.builder.carry(image, UNIT))
    with pytest.raises(KerasnetsError, match="27648 x 27648: up to 64 x 64 x 3"):
        with_normalised_images(model, "whitened", None)


def test_nothing_is_nothing(split):
    model = network()
    assert with_normalised_images(model, "", split) is model
    assert isinstance(pixels_of(model), Preprocessing)
