"""Whose weights a distillation moves, and what each network is shown."""

from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import (
    CAFFE,
    RAW,
    TORCH,
    UNIT,
    Preprocessing,
    carry,
    with_pixels,
)
from kerasnets.training import Objective, Recipe
from kerasnets.transfer import (
    check_knows,
    check_teacher,
    distill,
    ensemble,
    with_input_adapter,
)

RECIPE = Recipe(epochs=1, batch_size=4, learning_rate=0.1, warmup=0.0, soft_weight=0.9)


@dataclass
class Feed:
    """Two batches of four images."""

    images: np.ndarray
    steps_per_epoch: int = 2

    def dataset(self, first, last):
        labels = np.arange(8) % 3
        pairs = tf.data.Dataset.from_tensor_slices((self.images, labels))
        return (
            pairs.batch(4, drop_remainder=True).repeat().skip(first).take(last - first)
        )


def noise(size):
    images = np.random.default_rng(0).normal(size=(8, size, size, 3))
    return Feed(images.astype("float32"))


def network(size=4, classes=3, activation=None, name=None):
    image = keras.Input((size, size, 3))
    x = layers.Conv2D(5, 3, padding="same", activation="relu", name="conv")(
        carry(image, UNIT)
    )
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(classes, activation=activation)(x)
    return keras.Model(image, outputs, name=name)


@pytest.mark.parametrize(("teacher_size", "student_size"), [(4, 4), (8, 4), (4, 6)])
def test_only_the_student_learns(teacher_size, student_size):
    teacher, student = network(teacher_size), network(student_size)
    taught, learnt = teacher.get_weights(), student.get_weights()
    distill(teacher, student, noise(max(teacher_size, student_size)), RECIPE)
    for before, after in zip(taught, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    # the convolution's bias moves, too, and so do the batch-norm statistics
    for before, after in zip(learnt, student.get_weights(), strict=True):
        assert not np.array_equal(before, after)


def test_the_student_runs_once_a_step():
    """Batch-norm statistics move once, and the loss is that of the logits shown."""
    teacher, student = network(), network()
    feed = noise(4)
    teacher.get_layer("norm").moving_mean.assign(np.arange(5.0))
    recipe = replace(RECIPE, learning_rate=1e-9, temperature=2.0)
    convolution, norm = student.get_layer("conv"), student.get_layer("norm")
    shown, means = [], []
    for images, labels in feed.dataset(0, 2):
        logits = student(images, training=True)
        shown.append((teacher(images), logits, labels))
        means.append(np.mean(convolution(images), axis=(0, 1, 2)))
    norm.moving_mean.assign(np.zeros(5))
    trained = distill(teacher, student, feed, recipe)
    expected = 0.01 * (0.99 * means[0] + means[1])
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-4, atol=1e-7)
    losses = [
        Objective(recipe)({"labels": labels, "soft": soft}, logits)
        for soft, logits, labels in shown
    ]
    np.testing.assert_allclose(trained.loss, np.mean(losses), rtol=1e-5)


def test_fed_its_own_size_is_the_model_itself():
    model = network(4)
    assert with_input_adapter(model, 4, UNIT) is model
    assert with_input_adapter(model, 6, UNIT).input_shape == (None, 6, 6, 3)


def test_resizing_shares_the_weights():
    model = network(4)
    wrapped = with_input_adapter(model, 8, UNIT)
    model.layers[-1].bias.assign([5.0, 6.0, 7.0])
    # an even picture stays even when it is resized
    even = np.ones((1, 8, 8, 3), "float32")
    np.testing.assert_allclose(wrapped(even), model(even[:, :4, :4]), rtol=1e-5)
    assert [id(v) for v in wrapped.weights] == [id(v) for v in model.weights]


def ends_in_activation_layer(layer):
    bare = network(name="net")
    return keras.Model(bare.inputs, layer(bare.output), name="net")


@pytest.mark.parametrize("role", ["teacher", "student"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: network(activation="softmax", name="net"),
        lambda: ends_in_activation_layer(layers.Activation("softmax")),
        lambda: ends_in_activation_layer(layers.Softmax()),
    ],
    ids=["dense", "activation", "softmax layer"],
)
def test_probabilities_are_refused(role, make):
    models = {"teacher": network(), "student": network(), role: make()}
    with pytest.raises(KerasnetsError, match=f"the {role} 'net' gives probabilities"):
        distill(models["teacher"], models["student"], noise(4), RECIPE)


def test_linear_activation_is_no_activation():
    model = network(activation="linear")
    distill(model, network(), noise(4), RECIPE)


def test_other_classes_are_refused():
    with pytest.raises(KerasnetsError, match=r"knows 5 classes, the student 3"):
        distill(network(classes=5), network(), noise(4), RECIPE)


def test_a_teacher_of_grey_images_sees_colours_in_grey():
    grey = Preprocessing((100.0,), (50.0,))
    image = keras.Input((4, 4, 1))
    logits = layers.Dense(3)(layers.Flatten()(carry(image, grey)))
    teacher = keras.Model(image, logits, name="grey")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3)).astype("float32")
    # ITU-R BT.601, in whole levels
    shades = np.round(pixels @ [0.299, 0.587, 0.114])[..., None]
    fed = with_input_adapter(teacher, 4, UNIT)
    assert fed.input_shape == (None, 4, 4, 3)
    expected = teacher((shades - 100) / 50)
    np.testing.assert_allclose(fed(UNIT(pixels)), expected, rtol=1e-3, atol=1e-4)
    distill(teacher, network(), noise(4), RECIPE)
    several = ensemble([teacher, network()], temperature=RECIPE.temperature)
    assert several.input_shape == (None, 4, 4, 3)
    with pytest.raises(KerasnetsError, match="accepted, or a teacher of grey images"):
        check_teacher(network(), 3, 1)
    four = keras.Sequential([keras.Input((4, 4, 4)), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(KerasnetsError, match="images of 3, 4 channels: as many are"):
        ensemble([network(), four], temperature=1.0)


@pytest.mark.parametrize("own", [CAFFE, TORCH, UNIT])
def test_teacher_gets_its_own_preprocessing(own):
    model = with_pixels(network(), own)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3)).astype("float32")
    fed = with_input_adapter(model, 4, given=UNIT)
    assert (fed is model) == (own is UNIT)
    np.testing.assert_allclose(fed(UNIT(pixels)), model(own(pixels)), rtol=1e-3)


def test_teacher_answers_the_images_that_the_student_gets():
    """At a size and in a preprocessing of its own: the loss shows what it said."""
    teacher = with_pixels(network(4), CAFFE)
    student = with_pixels(network(8), TORCH)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)).astype("float32")
    recipe = replace(RECIPE, learning_rate=1e-9, soft_weight=1.0, batch_size=8)
    own = keras.layers.Resizing(4, 4, antialias=True)(CAFFE(pixels))
    soft = teacher(own)
    logits = np.concatenate(
        [student(TORCH(half), training=True) for half in np.split(pixels, 2)]
    )
    expected = Objective(recipe)({"soft": soft}, logits)
    trained = distill(teacher, student, Feed(np.asarray(TORCH(pixels))), recipe)
    np.testing.assert_allclose(trained.loss, expected, rtol=1e-3)


def answering(answers, classes):
    """A network that reads its answer, a class, from the first pixel; and images."""
    image = keras.Input((2, 2, 3))
    x = layers.GlobalAveragePooling2D()(carry(image, RAW))
    head = layers.Dense(classes)
    model = keras.Model(image, head(x))
    # -(x - c)^2 but for x^2: the nearest class is the largest
    kernel = np.zeros((3, classes))
    kernel[0] = 2 * np.arange(classes)
    head.set_weights([kernel, -np.square(np.arange(classes, dtype="float32"))])
    pixels = np.tile(np.array(answers, "uint8")[:, None, None, None], (1, 2, 2, 3))
    return model, pixels


def split_of(pixels, labels):
    return Split(pixels, np.array(labels), tuple(map(str, range(len(labels)))))


def test_teachers_that_know_the_labels_are_told_from_others():
    labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    model, pixels = answering([0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3], 4)
    assert check_knows(model, split_of(pixels, labels)) == 10 / 12
    # two swapped of four: half is right, more than the most common class
    model, pixels = answering([1, 1, 1, 0, 0, 0, 2, 2, 2, 3, 3, 3], 4)
    with pytest.raises(KerasnetsError, match="classes 0, 1 for one other each"):
        check_knows(model, split_of(pixels, labels))
    model, pixels = answering([0] * 12, 4)
    with pytest.raises(KerasnetsError, match=r"25\.0 % of 12 .* most common class"):
        check_knows(model, split_of(pixels, labels))
