import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import (
    Detection,
    average_precision,
    localisation_error,
    overlaps,
)

A = (0, 0, 100, 100)


def test_overlaps_by_hand():
    others = [A, (50, 0, 150, 100), (0, 0, 50, 50), (100, 0, 200, 100)]
    found = overlaps(np.array([A]), np.array(others))
    # half of each: 50 of 150; a quarter; they touch
    np.testing.assert_allclose(found, [[1, 1 / 3, 1 / 4, 0]])


@pytest.mark.parametrize(
    ("guesses", "error"),
    [
        ([(7, A)], 0),
        ([(6, A)], 1),  # another class
        ([(7, (0, 0, 100, 50))], 1),  # a half is not more than a half
        ([(7, (0, 0, 100, 51))], 0),
        ([(7, (200, 0, 300, 100))], 0),  # the second thing of the class
        ([(1, A), (2, A), (3, A), (4, A), (7, A)], 0),
        ([(1, A), (2, A), (3, A), (4, A), (5, A), (7, A)], 1),  # the sixth
        ([], 1),
    ],
)
def test_localisation_by_hand(guesses, error):
    boxes = np.array([A, (200, 0, 300, 100)])
    assert localisation_error([guesses], [7], [boxes]) == error


def test_localisation_is_the_share_of_wrong_images():
    boxes = [np.array([A])] * 4
    guesses = [[(0, A)], [(1, A)], [(0, A)], []]
    assert localisation_error(guesses, [0, 0, 0, 0], boxes) == 0.5


def test_average_precision_by_hand():
    boxes = {"a": np.array([A, (200, 0, 300, 100)]), "b": np.array([A])}
    said = [
        Detection("a", A, 0.9),  # right: precision 1, recall 1/3
        Detection("a", A, 0.8),  # found already: 1/2
        Detection("c", A, 0.7),  # nothing is there: 1/3
        Detection("b", A, 0.6),  # right: precision 2/4, recall 2/3
    ]
    assert average_precision(said, boxes) == pytest.approx((1 + 0.5) / 3)
    # whatever their order
    assert average_precision(said[::-1], boxes) == pytest.approx(0.5)
    assert average_precision([], boxes) == 0


def test_precision_is_made_to_fall():
    boxes = {"a": np.array([A]), "b": np.array([A])}
    said = [Detection("c", A, 0.9), Detection("a", A, 0.8), Detection("b", A, 0.7)]
    # precision 0, 1/2, 2/3: at both recalls 2/3
    assert average_precision(said, boxes) == pytest.approx(2 / 3)


def test_small_boxes_may_be_off():
    # 10 x 10 pixels: a quarter is enough
    boxes = {"a": np.array([(0, 0, 10, 10)])}
    assert average_precision([Detection("a", (5, 0, 15, 10), 1.0)], boxes) == 1
    assert average_precision([Detection("a", (7, 0, 17, 10), 1.0)], boxes) == 0


def test_a_box_is_found_by_the_detection_that_fits_best():
    boxes = {"a": np.array([A, (20, 0, 120, 100)])}
    said = [Detection("a", (20, 0, 120, 100), 0.9), Detection("a", A, 0.8)]
    assert average_precision(said, boxes) == 1


def test_without_ties_it_bounds_scikit_learn_s():
    """Theirs does not let precision fall: of a perfect order both are equal."""
    random = np.random.default_rng(0)
    hits, scores = random.random(50) < 0.5, random.permutation(50) / 50
    boxes = {str(i): np.array([A]) for i in np.flatnonzero(hits)}
    said = [Detection(str(i), A, float(s)) for i, s in enumerate(scores)]
    theirs = average_precision_score(hits, scores)
    assert theirs <= average_precision(said, boxes) <= theirs + 0.1
    ordered = [Detection(str(i), A, float(hit)) for i, hit in enumerate(hits)]
    assert average_precision(ordered, boxes) == 1 == average_precision_score(hits, hits)


def test_what_are_no_boxes():
    with pytest.raises(KerasnetsError, match=r"shape \(1, 4\): .* with some area"):
        overlaps(np.array([A]), np.array([(5, 5, 5, 9)]))
    with pytest.raises(KerasnetsError, match=r"shape \(4,\)"):
        overlaps(np.array(A), np.array([A]))
    with pytest.raises(KerasnetsError, match="0 images, 0 labels"):
        localisation_error([], [], [])
    with pytest.raises(KerasnetsError, match="no box is there"):
        average_precision([Detection("a", A, 1.0)], {})
