"""The loss against numbers worked out by hand, and its limits."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.training import Objective, Recipe
from kerasnets.training.objective import right_answers

# softmax of log values: z = (1/4, 3/4) and (1/2, 1/2), t = (3/4, 1/4) and (1/2, 1/2)
LOGITS = np.log([[1.0, 3.0], [2.0, 2.0]]).astype("float32")
TEACHER = np.log([[3.0, 1.0], [5.0, 5.0]]).astype("float32")
LABELS = np.array([0, 1])
# -log 1/4 and -log 1/2
HARD = (np.log(4) + np.log(2)) / 2


def loss_of(targets, outputs=LOGITS, weights=(1.0,), **recipe) -> float:
    objective = Objective(Recipe(epochs=1, learning_rate=1.0, **recipe), weights)
    return float(np.asarray(objective(targets, outputs)))


def taught(logits=LOGITS, teacher=TEACHER, labels=LABELS, **recipe):
    return loss_of({"labels": labels, "soft": teacher}, logits, **recipe)


def test_cross_entropy_by_hand():
    assert loss_of({"labels": LABELS}) == pytest.approx(HARD, abs=1e-6)


def test_label_smoothing_by_hand():
    # a tenth of each label is spread: 0.95 on it, 0.05 on the other
    first = -0.95 * np.log(1 / 4) - 0.05 * np.log(3 / 4)
    loss = loss_of({"labels": LABELS}, label_smoothing=0.1)
    assert loss == pytest.approx((first + np.log(2)) / 2, abs=1e-6)


def test_soft_part_by_hand():
    # first row 3/4 log 3 + 1/4 log 1/3 = log(3) / 2, second 0; batch mean log(3) / 4
    loss = taught(temperature=1.0, soft_weight=1.0)
    assert loss == pytest.approx(np.log(3) / 4, abs=1e-6)


def test_temperature_scales_logits_and_loss_by_hand():
    # logits halved: z = (1, sqrt 3), t = (sqrt 3, 1), over 1 + sqrt 3; times 2^2
    p = np.sqrt(3) / (1 + np.sqrt(3))
    divergence = (2 * p - 1) * np.log(np.sqrt(3)) / 2
    loss = taught(temperature=2.0, soft_weight=0.75)
    assert loss == pytest.approx(0.25 * HARD + 0.75 * 4 * divergence, abs=1e-6)


def test_three_classes_on_paper():
    # equal logits against ln 3 for the first class: p = (3/5, 1/5, 1/5), q = 1/3 each
    teacher, student = np.log([[3.0, 1, 1]] * 2), np.zeros((2, 3))
    loss = taught(student, teacher, temperature=1.0, soft_weight=1.0)
    assert loss == pytest.approx(0.6 * np.log(9 / 5) + 0.4 * np.log(3 / 5), abs=1e-6)


def test_limits():
    assert taught(temperature=1.0, soft_weight=0.0) == loss_of({"labels": LABELS})
    # a student that equals its teacher has nothing to learn
    assert taught(teacher=LOGITS, temperature=3.0, soft_weight=1.0) == 0
    assert loss_of({"labels": LABELS}, label_smoothing=0.0) == pytest.approx(HARD)


def test_large_temperature_gives_the_squared_distance_of_logits():
    """Hinton et al. 2015, section 2.1: (z - t)^2 / 2 classes, of logits of mean 0."""
    distance = np.square(np.log(3) - [0.5 * np.log(3)] * 2).sum()  # of (-a, a), (a, -a)
    loss = taught(temperature=1000.0, soft_weight=1.0)
    assert loss == pytest.approx(4 * distance / (2 * 2) / 2, rel=1e-2)


@pytest.mark.parametrize(("done", "weight"), [(0.0, 0.8), (0.5, 0.65), (1.0, 0.5)])
def test_share_of_soft_targets_changes_along_the_training(done, weight):
    """Romero et al. 2015, section 3.1: lambda falls from 4 to 1 of CE + lambda KL."""
    targets = {"labels": LABELS, "soft": TEACHER, "done": done}
    loss = loss_of(targets, temperature=1.0, soft_weight=0.8, soft_weight_end=0.5)
    assert loss == pytest.approx((1 - weight) * HARD + weight * np.log(3) / 4, abs=1e-6)


def test_hints_are_weighed():
    hint, maps = np.zeros((2, 2, 1)), np.full((2, 2, 1), 3.0)
    objective = Objective(Recipe(1, 1.0), (), (0.5,))
    # half of 9 + 9, half as much
    assert float(np.asarray(objective({"hints": [hint]}, [maps]))) == 4.5


def test_distance_of_logits_by_hand():
    # (log 3 - 0)^2 + (0 - log 3)^2 in the first row, 2 (log 5 - log 2)^2 in the second
    rows = [np.log(3) ** 2, np.log(5 / 2) ** 2]
    loss = taught(soft_weight=1.0, soft_loss="logits", temperature=7.0)
    assert loss == pytest.approx(np.mean(rows), rel=1e-6)
    mixed = taught(soft_weight=0.25, soft_loss="logits")
    assert mixed == pytest.approx(0.75 * HARD + 0.25 * np.mean(rows), rel=1e-6)


def test_is_the_loss_of_keras_distillation():
    rng = np.random.default_rng(0)
    logits, teacher = rng.normal(0, 3, (2, 16, 5)).astype("float32")
    labels = rng.integers(0, 5, 16)
    # given by name, as by default, Keras 3.15 takes the divergence of the logits
    divergence: Any = keras.losses.KLDivergence()
    soft = keras.distillation.LogitsDistillation(4.0, divergence)
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    soft_part = float(np.asarray(soft.compute_loss(teacher, logits)))
    hard_part = float(np.asarray(hard(labels, logits)))
    loss = taught(logits, teacher, labels, temperature=4.0, soft_weight=0.7)
    assert loss == pytest.approx(0.3 * hard_part + 0.7 * soft_part, rel=1e-5)


def test_one_logit_is_the_difference_of_two():
    # z = log 3: 3/4 for class 1; two logits that differ by it say the same
    one, both = np.log([[3.0], [1.0]]), np.log([[1.0, 3.0], [2.0, 2.0]])
    for recipe in ({}, {"label_smoothing": 0.2}):
        hard = {"labels": LABELS}
        assert loss_of(hard, one, **recipe) == pytest.approx(
            loss_of(hard, both, **recipe), abs=1e-6
        )
    assert loss_of({"labels": LABELS}, one) == pytest.approx(HARD, abs=1e-6)
    for teacher in (TEACHER, TEACHER[:, 1:] - TEACHER[:, :1]):
        loss = taught(one, teacher, temperature=2.0, soft_weight=0.75)
        assert loss == pytest.approx(
            taught(temperature=2.0, soft_weight=0.75), abs=1e-6
        )
    # labels 1 where the logit is above 0; at 0 the first class wins, as everywhere
    logits = np.array([[2.0], [-2.0], [0.0], [0.1]])
    right = right_answers({"labels": np.array([1, 0, 0, 0])}, logits)
    np.testing.assert_array_equal(right, [1, 1, 1, 0])


def test_auxiliary_outputs_add_with_their_weights():
    alone, other = loss_of({"labels": LABELS}), loss_of({"labels": LABELS}, TEACHER)
    both = loss_of({"labels": LABELS}, [LOGITS, TEACHER], weights=(1.0, 0.3))
    assert both == pytest.approx(alone + 0.3 * other, rel=1e-6)


def test_hints_are_half_the_squared_distance():
    hint, maps = np.zeros((2, 2, 2, 3)), np.ones((2, 2, 2, 3))
    maps[1] = 2.0
    # 12 ones, 12 fours: 6 and 24, mean 15
    assert loss_of({"hints": [hint]}, [maps], weights=()) == 15
    both = loss_of({"labels": LABELS, "hints": [hint]}, [LOGITS, maps])
    assert both == pytest.approx(HARD + 15, rel=1e-6)


def test_what_is_masked_counts_as_much_as_its_mask():
    labels, logits = LABELS[:, None], LOGITS[:, None]
    mask = np.array([[1.0], [0.0]])
    loss = loss_of({"labels": labels, "mask": mask}, logits)
    assert loss == pytest.approx(np.log(4), abs=1e-6)
    weighted = np.array([[3.0], [1.0]])
    loss = loss_of({"labels": labels, "mask": weighted}, logits)
    assert loss == pytest.approx((3 * np.log(4) + np.log(2)) / 4, abs=1e-6)
    assert loss_of({"labels": labels, "mask": 0 * mask}, logits) == 0


def test_each_pixel_is_a_label():
    logits = np.broadcast_to(LOGITS[:, None, None], (2, 3, 3, 2))
    labels = np.broadcast_to(LABELS[:, None, None], (2, 3, 3))
    assert loss_of({"labels": labels}, logits) == pytest.approx(HARD, abs=1e-6)


@pytest.mark.parametrize(
    ("targets", "outputs"),
    [
        ({"label": LABELS}, LOGITS),
        ({"labels": LABELS}, [LOGITS, LOGITS]),
        ({"labels": LABELS, "hints": [LOGITS]}, LOGITS),
    ],
)
def test_targets_that_do_not_fit_are_named(targets, outputs):
    with pytest.raises(KerasnetsError, match="soft, hints, mask, done are accepted"):
        loss_of(targets, outputs)


def test_large_logits_do_not_overflow():
    logits = np.array([[1e4, 0.0], [1e4, 0.0]], "float32")
    assert loss_of({"labels": LABELS}, logits) == 5e3
    assert math.isfinite(taught(logits, -logits, temperature=1.0, soft_weight=1.0))
