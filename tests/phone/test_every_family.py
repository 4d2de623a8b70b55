"""Every family of the zoo on the path: it learns, crosses the bridge, is exported."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from sklearn.datasets import load_digits
from tiny_zoo import TINY, one_a_family

from kerasnets.applications import preprocessing
from kerasnets.compression import from_tf_keras, to_tf_keras
from kerasnets.data import Split, batches, resize_images
from kerasnets.evaluation import evaluate
from kerasnets.export import convert
from kerasnets.training import Recipe, seed_everything, train

CLASSIFIERS = [name for name in one_a_family() if name != "unet"]
# of AdamW; without batch norm a large one kills the ReLUs
RATES = {}


@pytest.fixture(scope="module")
def digits():
    """Colour images of 8x8 handwritten digits: 640 to learn from, 300 others."""
    grey, labels = load_digits(return_X_y=True)
    images = np.uint8(grey * 255 / 16).reshape(-1, 8, 8, 1).repeat(3, axis=-1)

    def split(rows: slice) -> Split:
        ids = tuple(map(str, range(len(labels[rows]))))
        return Split(images[rows], labels[rows], ids)

    return split(slice(640)), split(slice(1000, 1300))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_it_learns_digits_and_its_files_answer_like_it(name, digits):
    learned, others = digits
    seed_everything(0)
    side = TINY[name]().input_shape[1]
    model = TINY[name](input_shape=(side, side, 3), classifier_activation=None)
    recipe = Recipe(epochs=3, learning_rate=RATES.get(name, 0.003), optimizer="adamw")
    convention = preprocessing(model)
    feed = batches(learned, size=side, batch_size=32, seed=0, preprocessing=convention)
    train(model, feed, recipe)
    assert evaluate(model, others).accuracy > 0.5  # a tenth by chance
    seen, unseen = (resize_images(part.images[:50], side) for part in digits)
    assert_files_answer_like(model, unseen, calibration=seen)


@dataclass(frozen=True)
class Masks:
    """Images and a class for each of their pixels, as the trainer wants them."""

    images: np.ndarray
    masks: np.ndarray
    steps_per_epoch: int = 20

    def dataset(self, first_epoch, epochs):
        """All images in batches, once an epoch."""
        import tensorflow as tf

        examples = tf.data.Dataset.from_tensor_slices((self.images, self.masks))
        return examples.batch(32).repeat(epochs - first_epoch)


def test_unet_finds_the_ink_and_its_files_answer_like_it(digits):
    seed_everything(0)
    model = TINY["unet"]((32, 32, 3), classes=2, classifier_activation=None)
    learned, unseen = (resize_images(part.images, 32) for part in digits)
    noise = np.random.default_rng(0).normal(0, 60, (940, 32, 32, 3))
    ink = np.concatenate([learned, unseen])[..., 0] > 127
    pixels = np.concatenate([learned, unseen]) * 0.6 + noise + 50
    pixels = pixels.clip(0, 255).astype("uint8")
    x = preprocessing(model)(pixels)
    recipe = Recipe(epochs=3, learning_rate=0.003, optimizer="adamw")
    train(model, Masks(x[:640], ink[:640].astype("int64")), recipe)
    found = model.predict(x[640:], verbose=0).argmax(axis=-1)
    assert ink[640:].mean() < 0.4  # so much is right where none is found
    assert (found == ink[640:]).mean() > 0.95
    assert_files_answer_like(model, pixels[640:690], calibration=pixels[:50])


def assert_files_answer_like(model, images, *, calibration):
    """Over the bridge and back, as a float32 and as an int8 file."""
    expected = probabilities(model, images)
    np.testing.assert_array_equal(probabilities(model, images), expected)
    crossed = from_tf_keras(to_tf_keras(model), like=model)
    np.testing.assert_allclose(probabilities(crossed, images), expected, atol=1e-6)
    np.testing.assert_allclose(answers(convert(model), images), expected, atol=1e-5)
    int8 = answers(convert(model, calibration=calibration), images)
    assert np.corrcoef(int8.ravel(), expected.ravel())[0, 1] > 0.98


def probabilities(model, images):
    """Of the Keras model, for pixels."""
    logits = model(preprocessing(model)(images), training=False)
    return np.asarray(keras.ops.softmax(logits))


def answers(file, images):
    """Probabilities from the bytes of a file."""
    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    (image,), (output,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    found = []
    for pixels in images:
        interpreter.set_tensor(image["index"], pixels[None].astype(image["dtype"]))
        interpreter.invoke()
        found.append(interpreter.get_tensor(output["index"])[0])
    scale = output["quantization"][0] or 1.0
    return np.array(found) * np.float32(scale)
