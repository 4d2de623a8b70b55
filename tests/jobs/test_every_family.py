"""Every family of the zoo on the path: it learns, crosses the bridge, is exported."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from support.litert import answers
from support.tiers import slowly
from support.tiny_zoo import DRAWN, TINY
from support.weights import randomise

from kerasnets import applications
from kerasnets.applications import preprocessing
from kerasnets.compression import from_tf_keras, to_tf_keras
from kerasnets.data import Split, batches, resize_images
from kerasnets.evaluation import evaluate
from kerasnets.export import convert
from kerasnets.training import Recipe, seed_everything, train

# epochs and rate of AdamW: without batch norm a large rate kills the ReLUs, small first
# weights want a large one
TAUGHT = {
    "lenet1original": (3, 0.003),
    "resnet20": (3, 0.003),
    "resnet110v2": (3, 0.003),
    "wideresnet28_10": (3, 0.003),
    "resnext29_8x64d": (3, 0.003),
    "densenet40_12": (3, 0.003),
    "nincifar10": (6, 0.001),
    "maxoutcifar10": (5, 0.01),
    "fitnet1": (10, 0.01),
    "dsn": (6, 0.001),
    "allcnnc": (6, 0.001),
    "highway10": (5, 0.01),
    "simplenet310k": (3, 0.003),
    "simpnet300kcifar100": (3, 0.003),
    "squeezenetcifarbn": (3, 0.003),
    "mobilenet": (3, 0.003),
    "mobilenetv2": (10, 0.003),
    "mobilenetv3large": (6, 0.003),
    "inceptionv3": (2, 0.003),
    "mlp1200": (6, 0.001),
}


# kinds of layers that the others have too
QUICK = {"mobilenet", "alexnet"}


def test_every_family_is_here():
    families = {TINY[name].func.network.family for name in [*TAUGHT, *DRAWN, "unet"]}
    assert families == {b.network.family for b in applications.BUILDERS.values()}


@pytest.fixture(scope="module")
def digits():
    """Colour images of 8x8 handwritten digits: 640 to learn from, 300 others."""
    grey, labels = load_digits(return_X_y=True)
    images = np.uint8(grey * 255 / 16).reshape(-1, 8, 8, 1).repeat(3, axis=-1)

    def split(rows: slice) -> Split:
        ids = tuple(map(str, range(len(labels[rows]))))
        return Split(images[rows], labels[rows], ids)

    return split(slice(640)), split(slice(1000, 1300))


@pytest.mark.parametrize("name", slowly(TAUGHT, QUICK))
def test_it_learns_digits_and_its_files_answer_like_it(name, digits):
    learned, others = digits
    seed_everything(0)
    model, side = for_colour(name)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8  # statistics that settle within forty steps
    epochs, rate = TAUGHT[name]
    recipe = Recipe(epochs=epochs, learning_rate=rate, optimizer="adamw")
    convention = preprocessing(model)
    feed = batches(learned, size=side, batch_size=32, seed=0, preprocessing=convention)
    train(model, feed, recipe)
    assert evaluate(model, others).accuracy > 0.4  # a tenth by chance
    seen, unseen = (resize_images(part.images[:50], side) for part in digits)
    assert_files_answer_like(model, unseen, calibration=seen)


@pytest.mark.parametrize("name", slowly(DRAWN, QUICK))
def test_its_files_answer_like_it_with_drawn_weights(name):
    model, side = for_colour(name)
    randomise(model)
    seen, unseen = np.split(waves(100, side), 2)
    # logits that differ from image to image, all classes alike
    head = model.get_layer("logits")
    logits = np.asarray(model(preprocessing(model)(seen), training=False))
    scale = 1 / logits.std(axis=0)
    head.kernel.assign(head.kernel * scale)
    head.bias.assign((head.bias - logits.mean(axis=0)) * scale)
    assert_files_answer_like(model, unseen, calibration=seen)


def for_colour(name):
    """A tiny network that takes colour images and gives logits, and its image side."""
    side = TINY[name]().input_shape[1]
    return TINY[name](input_shape=(side, side, 3), classifier_activation=None), side


def waves(count, side):
    """Waves of different colours and strengths, (count, side, side, 3), 0 to 255."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] / 8
    down, across, phase = random.normal(0, 2, (3, count, 3, 1, 1))
    level = random.uniform(40, 215, (count, 3, 1, 1))
    strength = random.uniform(10, 100, (count, 1, 1, 1))
    images = level + strength * np.sin(down * rows + across * columns + phase)
    return np.moveaxis(images, 1, -1).clip(0, 255).astype("uint8")


def test_unet_finds_the_ink_and_its_files_answer_like_it(digits):
    seed_everything(0)
    model = TINY["unet"](input_shape=(32, 32, 3), classes=2, classifier_activation=None)
    learned, unseen = (resize_images(part.images, 32) for part in digits)
    noise = np.random.default_rng(0).normal(0, 60, (940, 32, 32, 3))
    ink = np.concatenate([learned, unseen])[..., 0] > 127
    pixels = np.concatenate([learned, unseen]) * 0.6 + noise + 50
    pixels = pixels.clip(0, 255).astype("uint8")
    ids = tuple(map(str, range(940)))
    seen, others = (
        Split(pixels[rows], ink[rows].astype("int64"), ids[rows])
        for rows in (slice(640), slice(640, 940))
    )
    recipe = Recipe(epochs=3, learning_rate=0.003, optimizer="adamw")
    convention = preprocessing(model)
    train(
        model,
        batches(seen, size=32, batch_size=32, seed=0, preprocessing=convention),
        recipe,
    )
    assert ink[640:].mean() < 0.4  # so much is wrong where none is found
    assert evaluate(model, others).accuracy > 0.95
    assert_files_answer_like(model, pixels[640:690], calibration=pixels[:50])


def assert_files_answer_like(model, images, *, calibration):
    """Over the bridge and back, as a float32 and as an int8 file."""
    expected = probabilities(model, images)
    assert np.ptp(expected, axis=0).max() > 0.1  # no constant hides a slip
    crossed = from_tf_keras(to_tf_keras(model), like=model)
    np.testing.assert_allclose(probabilities(crossed, images), expected, atol=1e-6)
    np.testing.assert_allclose(answers(convert(model), images), expected, atol=1e-5)
    quantised = answers(convert(model, calibration=calibration), images)
    assert np.corrcoef(quantised.ravel(), expected.ravel())[0, 1] > 0.98


def probabilities(model, images):
    """Of the Keras model, for pixels."""
    logits = model(preprocessing(model)(images), training=False)
    return np.asarray(keras.ops.softmax(logits))
