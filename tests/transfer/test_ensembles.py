"""Several networks that teach as one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasnets.errors import KerasnetsError
from kerasnets.pixels import CAFFE, RAW, UNIT, carry, pixels_of
from kerasnets.transfer import ensemble, ten_crop


def constant(*logits, size=4):
    """A network that answers alike whatever it sees."""
    image = keras.Input((size, size, 3))
    x = layers.GlobalAveragePooling2D()(carry(image, UNIT))
    head = layers.Dense(len(logits))
    model = keras.Model(image, head(x))
    head.set_weights([np.zeros((3, len(logits))), np.array(logits)])
    return model


def softmax(logits, temperature):
    powers = np.exp(np.asarray(logits, "float64") / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


IMAGES = np.zeros((1, 4, 4, 3), "float32")
# (1/4, 3/4) and (1/2, 1/2)
FIRST, SECOND = (0.0, float(np.log(3))), (1.0, 1.0)


def test_arithmetic_mean_by_hand():
    members = [constant(*FIRST), constant(*SECOND)]
    for member in members:
        member.name = "the same"
    logits = ensemble(members)(IMAGES)
    np.testing.assert_allclose(softmax(logits, 1), [[3 / 8, 5 / 8]], atol=1e-6)


def test_geometric_mean_by_hand():
    # sqrt(1/8) to sqrt(3/8)
    teacher = ensemble([constant(*FIRST), constant(*SECOND)], mean="geometric")
    expected = [[1 / (1 + np.sqrt(3)), np.sqrt(3) / (1 + np.sqrt(3))]]
    np.testing.assert_allclose(softmax(teacher(IMAGES), 1), expected, atol=1e-6)


def test_the_mean_is_that_at_the_temperature():
    # at T = 2 the first is (1, sqrt 3) / (1 + sqrt 3), the second even
    teacher = ensemble([constant(*FIRST), constant(*SECOND)], temperature=2.0)
    expected = (1 / (1 + np.sqrt(3)) + 0.5) / 2
    found = softmax(teacher(IMAGES), 2)
    np.testing.assert_allclose(found, [[expected, 1 - expected]], atol=1e-6)


def test_one_logit_stands_for_two_classes():
    logits = ensemble([constant(float(np.log(3))), constant(*SECOND)])(IMAGES)
    np.testing.assert_allclose(softmax(logits, 1), [[3 / 8, 5 / 8]], atol=1e-6)


def seeing(size, given):
    """A network whose logits are the mean of each colour, as it gets them."""
    image = keras.Input((size, size, 3))
    return keras.Model(image, layers.GlobalAveragePooling2D()(carry(image, given)))


def test_each_member_gets_its_size_and_its_pixels():
    colours = np.random.default_rng(0).uniform(0, 255, (2, 3))
    raw = np.tile(colours[:, None, None], (1, 8, 8, 1))
    small, large = seeing(4, CAFFE), seeing(8, UNIT)
    teacher = ensemble([small, large], mean="geometric")
    assert teacher.input_shape == (None, 8, 8, 3)
    assert (pixels_of(teacher).mean, pixels_of(teacher).channels) == (CAFFE.mean, "BGR")
    caffe = colours[:, ::-1] - np.array(CAFFE.mean)
    unit = colours / 127.5 - 1
    given = raw[..., ::-1] - np.array(CAFFE.mean)
    found = teacher(given.astype("float32"))
    np.testing.assert_allclose(found, (caffe + unit) / 2, atol=1e-3)


@pytest.mark.parametrize(
    ("members", "how", "text"),
    [
        ([], {}, "one member at least"),
        ([constant(*FIRST), constant(1.0, 2.0, 3.0)], {}, "know 2, 3 classes"),
        ([constant(*FIRST)], {"mean": "harmonic"}, "mean 'harmonic': arithmetic, geo"),
        ([constant(*FIRST)], {"temperature": 0.0}, "temperature 0.0: above 0"),
    ],
)
def test_what_does_not_go_together_is_refused(members, how, text):
    with pytest.raises(KerasnetsError, match=text):
        ensemble(members, **how)


def test_probabilities_are_refused():
    image = keras.Input((4, 4, 3))
    x = layers.GlobalAveragePooling2D()(carry(image, UNIT))
    softmax_model = keras.Model(image, layers.Dense(2, activation="softmax")(x))
    with pytest.raises(KerasnetsError, match=r"member 2 .* gives probabilities"):
        ensemble([constant(*FIRST), softmax_model])


def test_ten_crops_by_hand():
    """Two logits: the first pixel of a part, green, against nothing."""
    image = keras.Input((3, 3, 3))
    green = carry(image, RAW)[:, 0, 0, 1:2]
    model = keras.Model(image, ops.concatenate([green, ops.zeros_like(green)], axis=-1))
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    # corners and middle, each from its left and, mirrored, from its right
    corners = [(0, 0), (0, 3), (3, 0), (3, 3), (1, 1)]
    seen = [images[:, y, x + right, 1] for y, x in corners for right in (0, 2)]
    p = np.mean([1 / (1 + np.exp(-np.array(each) / 2)) for each in seen], axis=0)
    teacher = ten_crop(model, 6, temperature=2.0)
    assert teacher.input_shape == (None, 6, 6, 3)
    np.testing.assert_allclose(softmax(teacher(images), 2)[:, 0], p, rtol=1e-5)
    logits = np.asarray(ten_crop(model, 6, mean="geometric")(images))
    np.testing.assert_allclose(
        logits[:, 0] - logits[:, 1], np.mean(seen, axis=0), atol=1e-5
    )


def test_crops_as_large_as_the_image_are_refused():
    with pytest.raises(KerasnetsError, match="4 x 4 pixels of images of 4 x 4: square"):
        ten_crop(constant(*FIRST), 4)
