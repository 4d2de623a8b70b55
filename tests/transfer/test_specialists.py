"""Specialists beside a generalist, by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize

from kerasnets.errors import KerasnetsError
from kerasnets.transfer import (
    confusable_classes,
    enriched,
    joint_answer,
    specialist_labels,
    with_natural_dustbin,
)


def test_classes_that_are_probable_together_are_found():
    """Of six, 0 and 3 are taken for each other, 1 and 4, and 2 and 5."""
    random = np.random.default_rng(0)
    images = []
    for label in range(300):
        one, other = label % 6, (label + 3) % 6
        share = random.uniform(0.3, 0.7)
        row = np.full(6, 0.01)
        row[one] += share * 0.94
        row[other] += (1 - share) * 0.94
        images.append(row)
    assert confusable_classes(np.array(images), 3) == ((0, 3), (1, 4), (2, 5))
    with pytest.raises(KerasnetsError, match="7 groups of 6 classes: 2 to 6"):
        confusable_classes(np.array(images), 7)


def test_labels_of_a_specialist():
    found = specialist_labels(np.array([3, 0, 7, 1, 3]), (7, 3))
    np.testing.assert_array_equal(found, [1, 2, 0, 2, 1])


def test_half_of_the_enriched_images_are_of_its_classes():
    labels = np.arange(100) % 10
    chosen = enriched(labels, (2, 5), seed=0)
    own = np.isin(labels[chosen], (2, 5))
    assert own.sum() == 20 == (~own).sum()
    assert len(set(chosen)) == 40
    np.testing.assert_array_equal(chosen, enriched(labels, (2, 5), seed=0))
    with pytest.raises(KerasnetsError, match="0 images are of the classes"):
        enriched(labels, (11,), seed=0)


def test_dustbin_by_hand():
    """One in ten is of its classes, every second was in training: nine times more."""
    logits = np.log(np.array([[0.2, 0.3, 0.5]], "float32"))
    found = np.asarray(with_natural_dustbin(logits, natural=0.1, trained=0.5))
    odds = np.exp(found[0])
    # the rest is nine times as likely beside the classes as it was
    np.testing.assert_allclose(odds / odds[0], [1, 1.5, 9 * 2.5], rtol=1e-5)
    with pytest.raises(KerasnetsError, match="share natural 0: between 0 and 1"):
        with_natural_dustbin(logits, natural=0, trained=0.5)


def test_joint_answer_by_hand():
    generalist = np.array([[0.5, 0.3, 0.2]], "float32")
    np.testing.assert_allclose(joint_answer(generalist, []), generalist)
    # the dustbin is class 2 alone: the mean of both distributions
    mine = np.array([[0.2, 0.6, 0.2]], "float32")
    q = joint_answer(generalist, [((0, 1), mine)])
    np.testing.assert_allclose(q, [[0.35, 0.45, 0.2]], atol=1e-5)
    # one that does not know the generalist's likeliest class is not asked
    q = joint_answer(generalist, [((1, 2), np.array([[0.9, 0.05, 0.05]], "float32"))])
    np.testing.assert_allclose(q, generalist, atol=1e-6)


def test_what_a_dustbin_has_is_shared_as_the_generalist_does():
    generalist = np.array([[0.4, 0.2, 0.3, 0.1]], "float32")
    q = joint_answer(generalist, [((0, 1), np.array([[0.3, 0.3, 0.4]], "float32"))])
    # (0.4 + 0.3) / 2, (0.2 + 0.3) / 2, and (0.4 + 0.4) / 2 as 3 to 1
    np.testing.assert_allclose(q, [[0.35, 0.25, 0.3, 0.1]], atol=1e-5)


def test_joint_answer_is_the_least_sum_of_divergences():
    """Against a minimiser over the logits, as the paper has it."""
    random = np.random.default_rng(1)
    generalist = random.dirichlet(np.ones(6))
    best = int(generalist.argmax())
    sets = [(best, (best + 1) % 6), (best, (best + 2) % 6, (best + 3) % 6)]
    answers = [random.dirichlet(np.ones(len(each) + 1)) for each in sets]

    def divergences(z):
        q = np.exp(z - z.max())
        q /= q.sum()
        total = np.sum(generalist * np.log(generalist / q))
        for each, p in zip(sets, answers, strict=True):
            own = q[list(each)]
            theirs = np.append(own, 1 - own.sum())
            total += np.sum(p * np.log(p / theirs))
        return total

    found = minimize(divergences, np.zeros(6), method="BFGS", tol=1e-10).x
    expected = np.exp(found - found.max())
    expected /= expected.sum()
    q = joint_answer(
        generalist[None].astype("float32"),
        [
            (each, p[None].astype("float32"))
            for each, p in zip(sets, answers, strict=True)
        ],
    )
    np.testing.assert_allclose(q[0], expected, atol=1e-4)


def test_answers_that_do_not_fit_their_classes_are_refused():
    with pytest.raises(KerasnetsError, match="gives 2 probabilities: 2 and one for"):
        joint_answer(np.full((1, 3), 1 / 3), [((0, 1), np.full((1, 2), 0.5))])
