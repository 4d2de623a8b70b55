"""Which way of transfer learning suits a set of images."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kerasnets import transfer
from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, carry
from kerasnets.transfer.linear import STRENGTHS
from kerasnets.transfer.recommend import LARGE, SMALL

FEW, MANY = SMALL - 1, LARGE


@pytest.mark.parametrize(
    ("images", "similarity", "case", "way"),
    [
        (FEW, 1.0, "small and similar", "linear"),
        (SMALL, 1.0, "large and similar", "all"),
        (MANY, 1.0, "large and similar", "all"),
        (FEW, 0.5, "small and very different", "earlier"),
        (SMALL, 0.5, "medium and very different", "top"),
        (MANY - 1, 0.8, "medium and very different", "top"),
        (MANY, 0.0, "large and very different", "all"),
    ],
)
def test_the_five_cases(images, similarity, case, way):
    said = transfer.recommend(images, 4, similarity)
    assert (said.case, said.way) == (case, way)
    assert f"{images} images of each of 4 classes are " in said.reason
    assert said.reason.count(". ") == 0
    assert said.reason.endswith(".")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((1, 4, 1.0), "images_per_class 1: 2 or more is accepted"),
        ((10, 1, 1.0), "classes 1: 2 or more"),
        ((10, 4, 1.5), "similarity 1.5: 0 to 1"),
        ((10, 4, float("nan")), "similarity nan: 0 to 1"),
    ],
)
def test_numbers_out_of_range_are_refused(given, message):
    with pytest.raises(KerasnetsError, match=message):
        transfer.recommend(*given)


def network(last):
    """A first stage that passes colours on, and one with the kernel ``last``."""
    image = keras.Input((8, 8, 3), name="image")
    x = carry(image, UNIT)
    x = layers.Conv2D(3, 1, use_bias=False, name="same")(x)
    x = layers.Conv2D(3, 2, 2, use_bias=False, name="last", activation="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(2, name="logits")(x), name="net")
    model.get_layer("same").set_weights([np.eye(3).reshape(1, 1, 3, 3)])
    model.get_layer("last").set_weights([last])
    return model


def images(labels, bright, stripes):
    """Images that are brighter or have stripes, or neither."""
    random = np.random.default_rng(0)
    pixels = random.integers(100, 140, (len(labels), 8, 8, 3)).astype("float64")
    pixels += bright * labels[:, None, None, None]
    sign = np.array([1, -1] * 4)[None, None, :, None]
    pixels += stripes * labels[:, None, None, None] * sign
    names = tuple(map(str, range(len(labels))))
    return Split(pixels.clip(0, 255).astype("uint8"), labels, names)


LABELS = np.arange(60) % 2
EDGES = np.zeros((2, 2, 3, 3))
EDGES[0] = np.stack([np.eye(3), -np.eye(3)])


def test_an_earlier_stage_that_knows_more_is_far():
    found = transfer.similarity(
        network(np.zeros((2, 2, 3, 3))), images(LABELS, bright=40, stripes=0)
    )
    assert found == transfer.Similarity({"same": 1.0, "pool": 0.5}, "same", 0.0)


def test_a_last_stage_that_knows_more_is_near():
    found = transfer.similarity(network(EDGES), images(LABELS, bright=0, stripes=40))
    assert found.accuracies["pool"] == 1.0
    assert found.accuracies["same"] < 0.8
    assert (found.best, found.value) == ("pool", 1.0)


def test_of_equally_good_stages_the_last_counts():
    found = transfer.similarity(network(EDGES), images(LABELS, bright=40, stripes=40))
    assert set(found.accuracies.values()) == {1.0}
    assert (found.best, found.value) == ("pool", 1.0)


def test_the_accuracy_is_that_of_scikit_learn_in_cross_validation():
    model, split = network(EDGES), images(LABELS, bright=2, stripes=0)
    codes = transfer.features(model, split, layer="same").astype("float64")
    best = []
    folds = StratifiedKFold(3, shuffle=True, random_state=5)
    for learned, asked in folds.split(codes, LABELS):
        tried = []
        for strength in STRENGTHS:
            theirs = make_pipeline(
                StandardScaler(), LogisticRegression(C=strength, max_iter=1000)
            ).fit(codes[learned], LABELS[learned])
            tried.append(theirs.score(codes[asked], LABELS[asked]))
        best.append(max(tried))
    found = transfer.similarity(model, split, seed=5)
    assert found.accuracies["same"] == pytest.approx(np.mean(best))
    assert 0.5 < np.mean(best) < 1


def test_too_few_images_for_cross_validation_are_refused():
    with pytest.raises(KerasnetsError, match="class 1 has 2 training images; 3 or"):
        transfer.similarity(network(EDGES), images(np.array([0, 0, 0, 1, 1]), 1, 1))
