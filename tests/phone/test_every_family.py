"""Every family of the zoo on the path: it learns, crosses the bridge, is exported."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from tiny_zoo import one_a_family

from kerasnets.applications import preprocessing
from kerasnets.compression import from_tf_keras, to_tf_keras
from kerasnets.data import Split, batches, resize_images
from kerasnets.evaluation import evaluate
from kerasnets.export import Classifier, add_metadata, convert
from kerasnets.training import Recipe, seed_everything, train

FAMILIES = one_a_family()
DIGITS = tuple("0123456789")
# of Adam; without batch norm a large one kills the ReLUs
RATES = {}


@pytest.fixture(scope="module")
def digits():
    """Colour images of 8x8 handwritten digits: 1000 to learn from, 300 others."""
    grey, labels = load_digits(return_X_y=True)
    images = np.uint8(grey * 255 / 16).reshape(-1, 8, 8, 1).repeat(3, axis=-1)

    def split(rows: slice) -> Split:
        ids = tuple(map(str, range(len(labels[rows]))))
        return Split(images[rows], labels[rows], ids)

    return split(slice(1000)), split(slice(1000, 1300))


@pytest.mark.parametrize("name", FAMILIES)
def test_it_learns_digits_and_its_files_answer_like_it(name, digits, tmp_path):
    learned, others = digits
    seed_everything(0)
    side = FAMILIES[name]().input_shape[1]
    model = FAMILIES[name](input_shape=(side, side, 3), classifier_activation=None)
    recipe = Recipe(epochs=3, learning_rate=RATES.get(name, 0.003), optimizer="adamw")
    feed = batches(
        learned,
        size=side,
        batch_size=32,
        seed=0,
        preprocessing=preprocessing(model),
    )
    train(model, feed, recipe)
    assert evaluate(model, others).accuracy > 0.5  # a tenth by chance

    images = np.asarray(resize_images(others.images[:50], side))
    expected = probabilities(model, images)
    np.testing.assert_array_equal(probabilities(model, images), expected)
    crossed = from_tf_keras(to_tf_keras(model), like=model)
    np.testing.assert_allclose(probabilities(crossed, images), expected, atol=1e-6)

    path = tmp_path / "digits.tflite"
    path.write_bytes(add_metadata(convert(model), name="digits", labels=DIGITS))
    answers = Classifier(path).predict(images)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    calibration = np.asarray(resize_images(learned.images[:50], side))
    path.write_bytes(
        add_metadata(
            convert(model, calibration=calibration), name="digits", labels=DIGITS
        )
    )
    answers = Classifier(path).predict(images)
    assert np.corrcoef(answers.ravel(), expected.ravel())[0, 1] > 0.98


def probabilities(model, images):
    """Of the Keras model, for pixels."""
    logits = model(preprocessing(model)(images), training=False)
    return np.asarray(keras.ops.softmax(logits))
