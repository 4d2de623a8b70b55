"""The distillation loss against NumPy, and whose weights it moves."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.errors import KerasnetsError
from kerasnets.pixels import CAFFE, TORCH, UNIT, carry, with_pixels
from kerasnets.transfer import distiller, fed_with

TEACHER = np.array([[3.0, 1.0, -2.0], [0.5, 0.0, 4.0]], "float32")
STUDENT = np.array([[1.0, 2.0, 0.0], [-1.0, 0.5, 1.5]], "float32")
LABELS = np.array([0, 2])


def network(size=4, classes=3, activation=None, name=None):
    image = keras.Input((size, size, 3))
    x = layers.Conv2D(5, 3, padding="same", activation="relu")(carry(image, UNIT))
    x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(classes, activation=activation)(x)
    return keras.Model(image, outputs, name=name)


def says(logits):
    """A network that answers image i, full of the value i, with row i of logits."""
    image = keras.Input((2, 2, 1))
    x = layers.Flatten()(carry(image, UNIT))
    dense = layers.Dense(3)
    model = keras.Model(image, dense(x))
    dense.bias.assign(logits[0])
    dense.kernel.assign(np.tile((logits[1] - logits[0]) / 4, (4, 1)))
    return model


def loss_of(teacher_logits, student_logits, **arguments):
    model = distiller(says(teacher_logits), says(student_logits), **arguments)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = np.ones((2, 2, 2, 1), "float32") * np.arange(2)[:, None, None, None]
    return float(model.compute_loss(x=images, y=LABELS))


def softmax(logits):
    powers = np.exp(logits.astype("float64"))
    return powers / powers.sum(axis=1, keepdims=True)


def soft_part(temperature):
    """T^2 KL(softmax(t / T), softmax(s / T)), mean over the images."""
    p, q = softmax(TEACHER / temperature), softmax(STUDENT / temperature)
    return temperature**2 * (p * np.log(p / q)).sum(axis=1).mean()


def hard_part():
    return -np.log(softmax(STUDENT)[[0, 1], LABELS]).mean()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_loss_is_the_weighted_sum_of_both_parts(temperature):
    loss = loss_of(TEACHER, STUDENT, temperature=temperature, soft_weight=0.9)
    expected = 0.1 * hard_part() + 0.9 * soft_part(temperature)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_loss_of_one_image_worked_out_on_paper():
    # equal logits against ln 3 for the first class: p = (3/5, 1/5, 1/5), q = 1/3 each
    teacher, student = np.log([[3.0, 1, 1]] * 2), np.zeros((2, 3))
    loss = loss_of(teacher, student, temperature=1.0, soft_weight=1.0)
    expected = 0.6 * np.log(9 / 5) + 0.4 * np.log(3 / 5)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_weight_zero_is_plain_cross_entropy():
    loss = loss_of(TEACHER, STUDENT, temperature=4.0, soft_weight=0.0)
    np.testing.assert_allclose(loss, hard_part(), rtol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_weight_one_forgets_the_labels(temperature):
    loss = loss_of(TEACHER, STUDENT, temperature=temperature, soft_weight=1.0)
    np.testing.assert_allclose(loss, soft_part(temperature), rtol=1e-5)


def test_student_that_equals_its_teacher_has_nothing_to_learn():
    loss = loss_of(TEACHER, TEACHER, temperature=4.0, soft_weight=1.0)
    np.testing.assert_allclose(loss, 0.0, atol=1e-6)


def fit(teacher, student, size, soft_weight=0.9):
    random = np.random.default_rng(0)
    model = distiller(teacher, student, temperature=4.0, soft_weight=soft_weight)
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, weight_decay=0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = random.normal(size=(8, size, size, 3)).astype("float32")
    model.fit(images, np.arange(8) % 3, batch_size=4, verbose=0)


@pytest.mark.parametrize(("teacher_size", "student_size"), [(4, 4), (8, 4), (4, 6)])
def test_only_the_student_learns(teacher_size, student_size):
    teacher, student = network(teacher_size), network(student_size)
    taught, learnt = teacher.get_weights(), student.get_weights()
    fit(teacher, student, max(teacher_size, student_size))
    for before, after in zip(taught, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    # the convolution's bias moves, too, and so do the batch-norm statistics
    for before, after in zip(learnt, student.get_weights(), strict=True):
        assert not np.array_equal(before, after)


def test_both_get_the_images_of_the_larger_resized():
    teacher, student = network(8), network(4)
    model = distiller(teacher, student, temperature=1.0, soft_weight=0.5)
    assert model.teacher is teacher
    images = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype("float32")
    small = keras.layers.Resizing(4, 4, antialias=True)(images)
    np.testing.assert_allclose(model(images), student(small), rtol=1e-6)


def test_fed_with_its_own_size_is_the_model_itself():
    model = network(4)
    assert fed_with(model, 4, UNIT) is model
    assert fed_with(model, 6, UNIT).input_shape == (None, 6, 6, 3)


def test_resizing_shares_the_weights():
    model = network(4)
    wrapped = fed_with(model, 8, UNIT)
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
        distiller(**models, temperature=4.0, soft_weight=0.9)


def test_linear_activation_is_no_activation():
    model = network(activation="linear")
    distiller(model, network(), temperature=4.0, soft_weight=0.9)


def test_other_classes_are_refused():
    with pytest.raises(KerasnetsError, match=r"teacher knows 5 classes.* student 3"):
        distiller(network(classes=5), network(), temperature=4.0, soft_weight=0.9)


@pytest.mark.parametrize("own", [CAFFE, TORCH, UNIT])
def test_teacher_gets_its_own_preprocessing(own):
    model = with_pixels(network(), own)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3)).astype("float32")
    fed = fed_with(model, 4, given=UNIT)
    assert (fed is model) == (own is UNIT)
    np.testing.assert_allclose(fed(UNIT(pixels)), model(own(pixels)), rtol=1e-3)


def test_distiller_feeds_as_the_student_wants():
    teacher, student = with_pixels(network(), CAFFE), with_pixels(network(), TORCH)
    model = distiller(teacher, student, temperature=1.0, soft_weight=0.5)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3)).astype("float32")
    assert model.student is student
    np.testing.assert_allclose(
        model.teacher(TORCH(pixels)), teacher(CAFFE(pixels)), rtol=1e-3
    )
