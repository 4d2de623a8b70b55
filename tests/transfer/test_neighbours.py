"""The nearest images are scikit-learn's, and wrong labels stand out."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from kerasnets import transfer
from kerasnets.data import Split, open_source, prepare
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import RAW, carry
from kerasnets.transfer.neighbours import _AT_ONCE, nearest


@pytest.fixture(scope="module")
def model():
    """Its code is the mean colour of an image; a dense layer counts as classifier."""
    image = keras.Input((2, 2, 3))
    x = keras.layers.GlobalAveragePooling2D(name="colour")(carry(image, RAW))
    return keras.Model(image, keras.layers.Dense(2, name="logits")(x), name="net")


def coloured(*colours):
    """A split of images of one colour each, all of class 0."""
    images = (
        np.ones((len(colours), 2, 2, 1), "uint8")
        * np.array(colours, "uint8")[:, None, None]
    )
    names = tuple(f"image {i}" for i in range(len(colours)))
    return Split(images, np.zeros(len(colours), "int64"), names)


def test_neighbours_by_hand(model):
    split = coloured([0, 0, 0], [3, 4, 0], [30, 40, 0], [0, 0, 12])
    split = replace(split, labels=np.array([5, 6, 7, 8]))
    found = transfer.neighbours(model, coloured([0, 0, 0], [30, 40, 5]), split, 3)
    assert found.indices.tolist() == [[0, 1, 3], [2, 1, 0]]
    np.testing.assert_allclose(
        found.distances,
        [[0, 5, 12], [5, np.hypot(45, 5), np.hypot(50, 5)]],
        rtol=1e-6,
    )
    assert found.labels.tolist() == [[5, 6, 8], [7, 6, 5]]
    assert found.ids[1] == ("image 2", "image 1", "image 0")


def test_an_image_may_come_alone(model):
    split = coloured([0, 0, 0], [9, 9, 9])
    pixels = np.full((2, 2, 3), 8, "uint8")
    found = transfer.neighbours(model, pixels, split, 1)
    assert found.indices.tolist() == [[1]]
    larger = np.full((5, 6, 3), 8, "uint8")
    assert transfer.neighbours(model, larger, split, 1).indices.tolist() == [[1]]


def test_a_layer_may_be_named_and_codes_be_known(model):
    split = coloured([0, 0, 0], [9, 9, 9])
    codes = transfer.features(model, split, layer="logits")
    assert codes.shape == (2, 2)
    found = transfer.neighbours(model, split, split, 2, layer="logits", codes=codes)
    assert found.distances[0, 1] == pytest.approx(
        np.linalg.norm(codes[0] - codes[1]), rel=1e-6
    )


@pytest.mark.parametrize("at_once", [1, 97, _AT_ONCE])
@pytest.mark.parametrize("leave_one_out", [False, True])
def test_nearest_are_those_of_scikit_learn(monkeypatch, at_once, leave_one_out):
    module = sys.modules[nearest.__module__]  # the function hides it in the package
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    random = np.random.default_rng(0)
    # far from 0, where a matrix product would lose digits
    codes = 1e4 + random.normal(size=(50, 7)).astype("float32")
    others = None if leave_one_out else 1e4 + random.normal(size=(40, 7))
    indices, distances = nearest(codes, others, 5)
    theirs = NearestNeighbors(n_neighbors=5, algorithm="kd_tree").fit(
        codes.astype("float64") if others is None else others
    )
    asked = {} if others is None else {"X": codes.astype("float64")}
    expected, places = theirs.kneighbors(**asked)
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_allclose(distances, expected, rtol=1e-6)


def test_of_equally_near_ones_the_first_counts():
    references = np.array([[1.0], [-1.0], [3.0], [1.0], [-1.0]])
    indices, _ = nearest(np.array([[0.0]]), references, 4)
    assert indices.tolist() == [[0, 1, 3, 4]]
    # among themselves an equal one is at distance 0, and none is its own neighbour
    indices, distances = nearest(references, None, 1)
    assert indices[:, 0].tolist() == [3, 4, 0, 0, 1]
    assert distances[0] == 0


def clouds():
    """Codes and labels of two clouds, and a split that has them."""
    random = np.random.default_rng(3)
    labels = np.arange(40) % 2
    codes = random.normal(0, 0.1, (40, 3)) + labels[:, None] * 10.0
    return codes, replace(coloured(*[[0, 0, 0]] * 40), labels=labels)


def test_swapped_labels_are_the_suspects(model):
    codes, split = clouds()
    assert transfer.suspects(model, split, codes=codes) == []
    labels = split.labels.copy()
    labels[[7, 12]] = 1 - labels[[7, 12]]
    found = transfer.suspects(model, replace(split, labels=labels), 5, codes=codes)
    assert {one.index for one in found} == {7, 12}
    one = next(one for one in found if one.index == 7)
    assert (one.id, one.label, one.other) == ("image 7", 0, 1)
    assert one.share in (0.8, 1.0)  # the other one may be among the five
    assert one.ratio < 0.1
    assert [one.ratio for one in found] == sorted(one.ratio for one in found)
    near, distances = nearest(codes, None, 5)
    assert one.neighbours == tuple(near[7].tolist())
    assert one.distances == tuple(distances[7].tolist())


def test_share_and_ratio_by_hand(model):
    codes = np.array([[0.0], [1.0], [-2.0], [3.0], [-20.0], [-24.0]])
    split = replace(coloured(*[[0, 0, 0]] * 6), labels=np.array([0, 1, 1, 0, 0, 1]))
    found = transfer.suspects(model, split, 3, codes=codes)
    first = next(one for one in found if one.index == 0)
    # near it are 1, -2 and 3; of the other label 1, -2, -24, of its own 3, -20
    assert (first.index, first.other, first.share) == (0, 1, 2 / 3)
    assert first.ratio == pytest.approx((1 + 2 + 24) / 3 / ((3 + 20) / 2))


def test_half_of_the_neighbours_is_not_most(model):
    codes = np.array([[0.0], [1.0], [-1.0]])
    split = replace(coloured(*[[0, 0, 0]] * 3), labels=np.array([0, 1, 0]))
    found = transfer.suspects(model, split, 2, codes=codes)
    assert [one.index for one in found] == [1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m, s: transfer.neighbours(m, s, s, 4),
            "4 neighbours among 3 images: 1",
        ),
        (lambda m, s: transfer.neighbours(m, s, s, 0), "0 neighbours among 3 images"),
        (
            lambda m, s: transfer.suspects(m, s, 3),
            "3 neighbours among 2 images: 1 to 2",
        ),
        (lambda m, s: transfer.neighbours(m, s, s, 1, layer="color"), "are colour"),
        (
            lambda m, s: transfer.neighbours(m, np.zeros((2, 2, 3)), s, 1),
            r"shape \(1, 2, 2, 3\) and type float64: uint8",
        ),
        (
            lambda m, s: transfer.neighbours(m, np.zeros((2, 2), "uint8"), s, 1),
            r"shape \(2, 2\)",
        ),
        (lambda m, s: nearest(np.array([[np.nan]]), None, 0), "0 neighbours"),
        (lambda m, s: nearest(np.array([[np.nan], [1]]), None, 1), "not all finite"),
    ],
)
def test_what_has_no_neighbours_is_told(model, call, message):
    with pytest.raises(KerasnetsError, match=message):
        call(model, coloured([0, 0, 0], [1, 1, 1], [2, 2, 2]))


@pytest.mark.slow
def test_swapped_flowers_are_among_the_first_suspects(tmp_path):
    """Of ten in 1,600 chance would bring none; over twenty draws 5.5 and 7.6 were."""
    folder = Path(os.environ.get("KERASNETS_DATA", ""))
    weights = folder / "pretrained" / "models" / "mobilenet_5_0_160_tf.h5"
    if not weights.is_file():
        pytest.skip("KERASNETS_DATA does not name a folder with pretrained weights")
    model = keras.applications.MobileNet((160, 160, 3), alpha=0.5, weights=str(weights))
    source = open_source(f"folder:{folder}/flowers_folder/flowers")
    train = prepare(source, tmp_path, resolution=160, seed=0).train
    codes = transfer.features(model, train)
    in_10, in_30 = [], []
    for seed in range(5):
        random = np.random.default_rng(seed)
        swapped = random.choice(len(train.labels), 10, replace=False)
        labels = train.labels.copy()
        labels[swapped] = (labels[swapped] + random.integers(1, 5, 10)) % 5
        found = transfer.suspects(model, replace(train, labels=labels), codes=codes)
        order = [one.index for one in found]
        in_10.append(len({*swapped.tolist()} & {*order[:10]}))
        in_30.append(len({*swapped.tolist()} & {*order[:30]}))
    assert np.mean(in_10) > 4
    assert np.mean(in_30) > 6
