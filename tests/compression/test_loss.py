from typing import Any

import keras
import numpy as np
import pytest

from kerasnets.compression.loss import cross_entropy, distillation_loss

# softmax of log values: z = (1/4, 3/4) and (1/2, 1/2), t = (3/4, 1/4) and (1/2, 1/2)
LOGITS = np.log([[1.0, 3.0], [2.0, 2.0]]).astype("float32")
TEACHER = np.log([[3.0, 1.0], [5.0, 5.0]]).astype("float32")
LABELS = np.array([0, 1])


def test_cross_entropy_by_hand():
    expected = (np.log(4) + np.log(2)) / 2
    assert float(cross_entropy(LABELS, LOGITS)) == pytest.approx(expected, abs=1e-6)


def test_soft_part_by_hand():
    # first row 3/4 log 3 + 1/4 log 1/3 = log(3) / 2, second 0; batch mean log(3) / 4
    loss = distillation_loss(LABELS, LOGITS, TEACHER, temperature=1.0, soft_weight=1.0)
    assert float(loss) == pytest.approx(np.log(3) / 4, abs=1e-6)


def test_temperature_scales_logits_and_loss_by_hand():
    # logits halved: z = (1, sqrt 3), t = (sqrt 3, 1), over 1 + sqrt 3; times 2^2
    p = np.sqrt(3) / (1 + np.sqrt(3))
    divergence = (2 * p - 1) * np.log(np.sqrt(3)) / 2
    loss = distillation_loss(LABELS, LOGITS, TEACHER, temperature=2.0, soft_weight=0.75)
    expected = 0.25 * (np.log(4) + np.log(2)) / 2 + 0.75 * 4 * divergence
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_limits():
    plain = distillation_loss(LABELS, LOGITS, TEACHER, temperature=1.0, soft_weight=0.0)
    assert float(plain) == float(cross_entropy(LABELS, LOGITS))
    own = distillation_loss(LABELS, LOGITS, LOGITS, temperature=3.0, soft_weight=1.0)
    assert float(own) == 0


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
    loss = distillation_loss(labels, logits, teacher, temperature=4.0, soft_weight=0.7)
    assert float(loss) == pytest.approx(0.3 * hard_part + 0.7 * soft_part, rel=1e-5)
