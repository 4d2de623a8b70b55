import keras
import numpy as np
import pytest

from kerasnets import applications
from kerasnets.data import Split, Window
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import JudgedModel, judge, protocol_of
from kerasnets.evaluation.protocols import Protocol
from kerasnets.pixels import RAW, UNIT


def split(images):
    return Split(
        images, np.zeros(len(images), "int64"), tuple(map(str, range(len(images))))
    )


class MeanOf:
    """Answers with how red and how green a view is on average, as shares of 255."""

    name, resize, classes = "mean", 4, 2

    def __init__(self, size):
        self.size, self.asked = size, []

    def answers(self, images):
        self.asked.append(images.shape)
        return images.mean(axis=(1, 2))[:, :2] / 255.0


@pytest.fixture
def images():
    """Left half red, right half green, and one the other way round."""
    pixels = np.zeros((2, 8, 8, 3), "uint8")
    pixels[0, :, :4, 0] = pixels[0, :, 4:, 1] = 255
    pixels[1] = pixels[0, :, ::-1]
    return split(pixels)


def protocol(*windows, size=4, **more):
    return Protocol("own", size, (), lambda _: list(windows), **more)


def test_mean_of_views(images):
    left, right = Window(0, 0, 4, 4), Window(0, 4, 4, 4)
    assert judge([MeanOf(4)], images, protocol(left)).tolist() == [[1, 0], [0, 1]]
    both = judge([MeanOf(4)], images, protocol(left, right))
    assert both.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    thrice = judge([MeanOf(4)], images, protocol(left, left, right))
    np.testing.assert_allclose(thrice, [[2 / 3, 1 / 3], [1 / 3, 2 / 3]])


def test_mirrored_views(images):
    whole = Window(0, 0, 8, 8)

    class LeftHalf(MeanOf):
        def answers(self, images):
            return super().answers(images[:, :, : self.size // 2])

    plain = judge([LeftHalf(8)], images, protocol(whole, size=8))
    assert plain.tolist() == [[1, 0], [0, 1]]
    mirrored = whole._replace(is_mirrored=True)
    turned = judge([LeftHalf(8)], images, protocol(mirrored, size=8))
    assert turned.tolist() == [[0, 1], [1, 0]]


def test_images_of_other_numbers_of_views_and_large_batches(monkeypatch):
    """Views of an image stay with it, however they fall into batches."""
    monkeypatch.setattr("kerasnets.evaluation.judging.images_at_once", lambda _: 3)
    pixels = np.arange(7, dtype="uint8")[:, None, None, None] * np.ones(
        (7, 4, 4, 3), "uint8"
    )
    judged = MeanOf(4)
    found = judge([judged], split(pixels), protocol(*[Window(0, 0, 4, 4)] * 5))
    np.testing.assert_allclose(found[:, 0], np.arange(7) / 255)
    assert max(shape[0] for shape in judged.asked) == 3


def test_ensemble_is_the_mean_of_probabilities(images):
    class Fixed(MeanOf):
        def answers(self, images):
            return np.tile([[0.9, 0.1]], (len(images), 1))

    left = protocol(Window(0, 0, 4, 4))
    found = judge([MeanOf(4), Fixed(4)], images, left)
    np.testing.assert_allclose(found, [[0.95, 0.05], [0.45, 0.55]])
    with pytest.raises(KerasnetsError, match="8 pixels and 2 classes: 4 and 2"):
        judge([MeanOf(4), Fixed(8)], images, left)


def test_parts_count_as_much_as_scales(images):
    """VGG's Table 5: the mean of both ways, however many views each has."""
    left = Window(0, 0, 4, 4)
    both = Protocol("own", 4, (8, 16), lambda _: [left], slides=True)
    judged = MeanOf(4)
    found = judge([judged], images, both)
    # (1, 0) for the left part, (0.5, 0.5) for the whole at any scale
    np.testing.assert_allclose(found, [[0.75, 0.25], [0.25, 0.75]])
    assert (2, 16, 16, 3) in judged.asked


def test_sides_keep_their_proportion():
    judged = MeanOf(4)
    wide = split(np.zeros((1, 6, 9, 3), "uint8"))
    judge([judged], wide, Protocol("own", 4, (8,), None, slides=True))
    assert judged.asked == [(2, 8, 12, 3)]


# --- models -------------------------------------------------------------------------


def classifier(activation=None, side=8, units=3, channels=3):
    keras.utils.set_random_seed(0)
    image = keras.Input((side, side, channels))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(units, activation=activation)(x)
    return keras.Model(image, x)


def test_logits_and_probabilities_are_told_apart():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype="uint8")
    logits = JudgedModel(classifier(), pixels=UNIT)
    shares = JudgedModel(classifier("softmax"), pixels=UNIT)
    found = logits.answers(pixels)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, shares.answers(pixels), atol=1e-6)


def test_a_sigmoid_tells_two_classes():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype="uint8")
    sigmoid = JudgedModel(classifier("sigmoid", units=1), pixels=UNIT)
    logit = JudgedModel(classifier(units=1), pixels=UNIT)
    assert sigmoid.classes == logit.classes == 2
    np.testing.assert_allclose(
        sigmoid.answers(pixels), logit.answers(pixels), atol=1e-6
    )
    second = np.asarray(classifier("sigmoid", units=1)(UNIT(pixels)))[:, 0]
    np.testing.assert_allclose(sigmoid.answers(pixels)[:, 1], second, atol=1e-6)


def test_grey_networks_see_grey():
    judged = JudgedModel(classifier(channels=1), pixels=RAW)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), dtype="uint8")
    found = judged.answers(np.repeat(pixels, 3, axis=3))
    logits = np.asarray(classifier(channels=1)(pixels.astype("float32")))
    np.testing.assert_allclose(found, keras.ops.softmax(logits), atol=1e-5)


def test_what_pools_globally_sees_a_repeated_image_as_one():
    judged = JudgedModel(classifier(), pixels=RAW)
    tile = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 3), dtype="uint8")
    # of 8 and of 14 pixels, so that 3 x 3 pixels lie at each place once and four times
    small, large = (np.tile(tile, (1, 3, 3, 1))[:, :n, :n] for n in (8, 14))
    np.testing.assert_allclose(judged.answers(large), judged.answers(small), atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_dense_and_sliding_window_agree(stride):
    """What flattens: the mean score of all windows that its strides allow."""
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 2, strides=stride, activation="relu")(image)
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(3)(x))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 12, 12, 3), dtype="uint8")
    places = range(0, 5, stride)
    cuts = np.concatenate(
        [pixels[:, i : i + 8, j : j + 8] for i in places for j in places]
    )
    scores = np.asarray(model(UNIT(cuts))).mean(axis=0)
    expected = np.exp(scores) / np.exp(scores).sum()
    judged = JudgedModel(model, pixels=UNIT)
    np.testing.assert_allclose(judged.answers(pixels)[0], expected, atol=1e-5)


def test_what_no_protocol_can_ask():
    wide = keras.Input((8, 10, 3))
    x = keras.layers.GlobalAveragePooling2D()(wide)
    model = keras.Model(wide, keras.layers.Dense(2)(x), name="wide")
    with pytest.raises(KerasnetsError, match=r"wide goes from .*square images"):
        JudgedModel(model, pixels=RAW)
    with pytest.raises(KerasnetsError, match=r"what model .* wants done to its pixels"):
        JudgedModel(classifier())


def test_network_of_the_zoo_by_ten_crops():
    keras.utils.set_random_seed(0)
    model = applications.LeNet5(classes=10, classifier_activation=None)
    judged = JudgedModel(model)
    random = np.random.default_rng(0)
    pixels = split(random.integers(0, 256, (3, 36, 30, 3), dtype="uint8"))
    ten = protocol_of("ten-crop", size=judged.size, resize=judged.size + 4)
    found = judge([judged], pixels, ten)
    assert found.shape == (3, 10)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
