import math

import numpy as np
import pytest

from kerasnets.export.verification.comparison import Tally


def test_two_batches_by_hand():
    tally = Tally("scores", classes=True, tie=0.5)
    tally.add(
        np.array([[0.0, 1, 0], [2, 0, 0]]),
        np.array([[0.0, 1, 0], [2, 0, 0.5]]),
        np.array([1, 2]),
    )
    # The file chooses class 0; to the model, class 1 is 0.25 ahead of it.
    tally.add(np.array([[1.0, 0, 0]]), np.array([[0.5, 0.75, 0]]), np.array([0]))
    found = tally.result()
    assert found.max_abs_difference == 0.75
    assert found.worst == 2
    assert found.mean_abs_difference == pytest.approx((0.5 + 0.5 + 0.75) / 9)
    assert found.largest == 2
    assert found.agreement == pytest.approx(2 / 3)
    assert found.accepted == 1
    assert found.accuracy == pytest.approx(2 / 3)


def test_the_correlation_is_that_of_numpy():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 5))
    y += x
    tally = Tally("values", classes=False)
    for start in range(0, 20, 7):
        tally.add(x[start : start + 7], y[start : start + 7], None)
    expected = np.corrcoef(x.ravel(), y.ravel())[0, 1]
    assert tally.result().correlation == pytest.approx(expected)
    constant = Tally("values", classes=False)
    constant.add(np.ones((3, 2)), np.ones((3, 2)), None)
    assert math.isnan(constant.result().correlation)


def test_of_maps_the_pixels_count_that_have_a_label():
    answers = np.zeros((1, 2, 2, 3))
    answers[0, ..., 1] = 1  # class 1 everywhere
    labels = np.array([[[1, 0], [255, -1]]])
    tally = Tally("map", classes=True)
    tally.add(answers, answers, labels)
    found = tally.result()
    assert (found.agreement, found.accuracy) == (1, 0.5)


def test_values_that_score_nothing_have_no_best_class():
    tally = Tally("embedding", classes=False)
    tally.add(np.ones((2, 4)), np.zeros((2, 4)), None)
    found = tally.result()
    assert (found.agreement, found.accepted, found.accuracy) == (None, None, None)
    assert found.max_abs_difference == 1


def test_nan_is_not_lost():
    answers = np.array([[0.0, 1], [0, math.nan], [1, 0]])
    tally = Tally("scores", classes=True)
    tally.add(answers, np.zeros((3, 2)), None)
    found = tally.result()
    assert math.isnan(found.max_abs_difference)
    assert found.worst == 1
    assert math.isnan(found.mean_abs_difference)
