"""Probabilities that mean something: hand-made numbers, and what scipy finds."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import (
    Answered,
    answered,
    calibration_error,
    confidence_figures,
    fit_temperature,
)


def drawn(true_temperature, images=20_000, classes=4, seed=0):
    """Logits whose softmax at that temperature is what the labels are drawn from."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (images, classes))
    cumulated = softmax(logits / true_temperature, axis=1).cumsum(axis=1)
    labels = (cumulated < random.random((images, 1))).sum(axis=1)
    return logits, np.minimum(labels, classes - 1)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_temperature_is_the_one_that_made_the_labels(true_temperature):
    logits, labels = drawn(true_temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(true_temperature, rel=0.05)
    calibrated = softmax(logits / found, axis=1)
    assert calibration_error(calibrated, labels) < 0.012
    if true_temperature != 1:
        assert calibration_error(softmax(logits, axis=1), labels) > 0.05


def test_temperature_has_the_least_negative_log_likelihood():
    logits, labels = drawn(2.0, images=4_000)

    def loss(scale):
        chosen = log_softmax(logits * scale, axis=1)[np.arange(len(labels)), labels]
        return -chosen.mean()

    theirs = minimize(loss, x0=[1.0], tol=1e-10).x[0]
    # the labels are doubted a little, by one image of 4,000
    assert fit_temperature(logits, labels) == pytest.approx(1 / theirs, rel=2e-3)


def test_temperature_of_one_image_by_hand():
    # two logits z apart, half of the label doubted: 3/4 and 1/4, so z / T = log 3
    found = fit_temperature(np.array([[5.0, 1.0]]), np.array([0]))
    assert found == pytest.approx(4 / np.log(3), rel=1e-5)


def test_all_right_answers_leave_some_doubt():
    labels = np.arange(60) % 3
    found = fit_temperature(np.eye(3)[labels] * 20, labels)
    assert found > 1
    sure = softmax(np.array([20.0, 0, 0]) / found)[0]
    # 60 + 1 / 3 of 61
    assert sure == pytest.approx((60 + 1 / 3) / 61, abs=1e-6)


def test_large_logits_do_not_overflow():
    logits = np.array([[1e5, 0.0], [0.0, 1e5], [1e5, 0.0]])
    assert fit_temperature(logits, np.array([0, 1, 1])) == pytest.approx(100)


def test_calibration_error_by_hand():
    probabilities = np.array(
        [[0.95, 0.05], [0.05, 0.95], [0.92, 0.08], [0.6, 0.4], [0.35, 0.65]]
    )
    labels = np.array([0, 1, 1, 0, 0])
    # of ten bins: (0.9, 1] has 3 images, 2 right; (0.5, 0.6] 1, right; (0.6, 0.7] none
    expected = (abs(2 - (0.95 + 0.95 + 0.92)) + abs(1 - 0.6) + abs(0 - 0.65)) / 5
    assert calibration_error(probabilities, labels, bins=10) == pytest.approx(expected)
    # of one bin the mean probability and the accuracy
    assert calibration_error(probabilities, labels, bins=1) == pytest.approx(
        abs(0.6 - probabilities.max(axis=1).mean())
    )


def test_ends_of_the_bins():
    sure, labels = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0, 0])
    # (0, 0.5] has the one, (0.5, 1] the other
    assert calibration_error(sure, labels, bins=2) == pytest.approx(0.5 / 2)


def test_answers_of_those_who_are_sure():
    probabilities = np.array(
        [[0.7, 0.2, 0.1], [0.69, 0.31, 0.0], [0.1, 0.9, 0.0], [0.4, 0.3, 0.3]]
    )
    labels = np.array([0, 0, 2, 1])
    found = answered(probabilities, labels, 0.7)
    assert (found.images, found.answered, found.right, found.wrong) == (4, 2, 1, 1)
    assert (found.silent_right, found.share, found.accuracy) == (1, 0.5, 0.5)
    nobody = answered(probabilities, labels, 1.0)
    assert (nobody.answered, nobody.accuracy) == (0, None)
    assert answered(probabilities, labels, 0).share == 1


def test_figures_of_a_card_are_json():
    probabilities = np.array([[0.75, 0.25], [0.4, 0.6], [0.05, 0.95]], "float32")
    found = json.loads(
        json.dumps(confidence_figures(probabilities, np.array([0, 0, 1])))
    )
    ece = (0.25 + 0.6 + 0.05) / 3
    assert found["calibration"] == {"ece": pytest.approx(ece, abs=1e-6)}
    assert [row["answered"] for row in found["answered"]] == [3, 2, 1]
    assert Answered(**found["answered"][1]) == Answered(0.7, 3, 2, 2, 0)


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        ([[0.5, 0.5]], [2], "labels from 2 to 2 for 2 classes: 0 to 1 is accepted"),
        ([[0.5, 0.5]], [-1], "labels from -1"),
        ([[0.5, 0.5]], [0.0], "a whole number for each image"),
        ([[0.5, 0.5]], [0, 1], r"labels of shape \(2,\)"),
        ([[0.5, np.nan]], [0], "are not all finite"),
        ([[1.0]], [0], "two classes at least"),
        (np.zeros((0, 2)), [], "one image"),
    ],
)
def test_what_cannot_be_judged_is_told(values, labels, message):
    for judge in (fit_temperature, calibration_error, lambda x, y: answered(x, y, 0.5)):
        with pytest.raises(KerasnetsError, match=message):
            judge(np.array(values), np.array(labels))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: calibration_error(3 * x, y), "from 1.5 to 1.5: 0 to 1"),
        (lambda x, y: calibration_error(x, y, bins=0), "0 bins: 1 or more"),
        (lambda x, y: answered(x, y, 1.5), "at_least 1.5: a probability between"),
        (lambda x, y: answered(x, y, float("nan")), "at_least nan"),
    ],
)
def test_what_is_no_probability_is_told(call, message):
    with pytest.raises(KerasnetsError, match=message):
        call(np.array([[0.5, 0.5]]), np.array([0]))
