"""Specialists beside a generalist, by hand; and as they learn."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from kerasnets.data import Augment, Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import predict_logits
from kerasnets.pixels import RAW, carry
from kerasnets.training import Recipe, seed_everything, train
from kerasnets.transfer import (
    Specialist,
    confusable_classes,
    enriched,
    joint_answer,
    joint_probabilities,
    specialist_labels,
    specialists,
    train_specialist,
    with_natural_dustbin,
)

RECIPE = Recipe(6, 0.01, batch_size=16, optimizer="adam", schedule="constant")


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


def pictures(count, seed):
    """Images of five classes: 0 and 1 differ a little, as do 2 and 3; noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 5
    images = random.normal(100, 12, (count, 4, 4, 1))
    for label, (row, change) in enumerate(
        [(0, 60), (0, 70), (1, 60), (1, 70), (2, 60)]
    ):
        images[labels == label, row] += change
    ids = tuple(f"{i}" for i in range(count))
    return Split(images.clip(0, 255).astype("uint8"), labels, ids)


@pytest.fixture(scope="module")
def learned():
    """Training, validation and test images, and a generalist of the first."""
    train_images, validation, test = (pictures(200, seed) for seed in range(3))
    seed_everything(0)
    image = keras.Input((4, 4, 1))
    x = keras.layers.Rescaling(1 / 50, -2)(carry(image, RAW.fitted(4, 1)))
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(16, activation="relu", name="hidden")(x)
    model = keras.Model(image, keras.layers.Dense(5, name="logits")(x), name="general")
    train(
        model,
        batches(train_images, size=4, batch_size=16, seed=0),
        replace(RECIPE, epochs=4),
    )
    return model, train_images, validation, test


def right(probabilities, images):
    return (probabilities.argmax(-1) == images.labels).mean()


@pytest.mark.parametrize("form", ["dustbin", "all"])
def test_a_generalist_errs_less_beside_its_specialists(learned, form):
    generalist, images, validation, test = learned
    before = [w.tobytes() for w in generalist.get_weights()]
    recipe = replace(RECIPE, epochs=30)
    known = [
        train_specialist(generalist, classes, images, validation, recipe, form=form)
        for classes in ((0, 1), (3, 2))
    ]
    assert [w.tobytes() for w in generalist.get_weights()] == before
    assert [each.classes for each in known] == [(0, 1), (2, 3)]
    # two of five classes, and as many images of others
    assert (known[0].natural, known[0].trained) == (0.4, 0.5)
    answers = known[0].probabilities(test)
    assert answers.shape == (200, 3)
    np.testing.assert_allclose(answers.sum(-1), 1, rtol=1e-5)
    # others come as often as they are, not as in the training
    assert answers[:, -1].mean() == pytest.approx(0.6, abs=0.05)
    alone = softmax(predict_logits(generalist, test), axis=-1)
    together = joint_probabilities(generalist, known, test)
    assert right(together, test) > right(alone, test) + 0.02


def test_a_specialist_begins_as_its_generalist(learned):
    generalist, images, validation, test = learned
    still = replace(RECIPE, epochs=1, learning_rate=1e-12)
    logits = predict_logits(generalist, test)
    specialist = train_specialist(generalist, (1, 4), images, validation, still)
    own = predict_logits(specialist.model, test)
    np.testing.assert_allclose(own[:, :2], logits[:, [1, 4]], atol=1e-4)
    # as many as three, where they are alike
    np.testing.assert_allclose(
        own[:, 2], logits[:, [0, 2, 3]].mean(-1) + np.log(3), atol=1e-4
    )
    whole = train_specialist(generalist, (1, 4), images, validation, still, form="all")
    expected = softmax(logits, axis=-1)[:, [1, 4]]
    np.testing.assert_allclose(whole.probabilities(test)[:, :2], expected, atol=1e-4)


def test_specialists_for_all_classes_learn_labels_of_their_own_alone(learned):
    generalist, images, *_ = learned
    targets = softmax(specialists._targets_of_all(generalist, images, (0, 1)), axis=-1)
    general = softmax(predict_logits(generalist, images), axis=-1)
    own = np.isin(images.labels, (0, 1))
    np.testing.assert_allclose(targets[own], np.eye(5)[images.labels[own]], atol=1e-9)
    np.testing.assert_allclose(targets[~own], general[~own], rtol=1e-5)


def test_the_best_epoch_is_kept(learned, monkeypatch):
    generalist, images, validation, _ = learned
    seen = []

    def told(model, split):
        seen.append([w.copy() for w in model.get_weights()])
        # the third of five is best
        good = np.eye(3)[split.labels] * (4 - abs(len(seen) - 3))
        return good.astype("float32")

    monkeypatch.setattr(specialists, "predict_logits", told)
    recipe = replace(RECIPE, epochs=5)
    found = train_specialist(generalist, (0, 1), images, validation, recipe)
    assert len(seen) == 5
    for kept, third in zip(found.model.get_weights(), seen[2], strict=True):
        np.testing.assert_array_equal(kept, third)


@pytest.mark.parametrize(
    ("classes", "given", "message"),
    [
        ((0, 5), {}, r"the classes \(0, 5\): labels from 0 to 4 are accepted"),
        ((), {}, "labels from 0 to 4"),
        ((0,), {"form": "half"}, "of the form 'half': dustbin and all are accepted"),
        (
            (0,),
            {"form": "all", "recipe": replace(RECIPE, augment=Augment(pad=1))},
            "a recipe without augment and mix is accepted",
        ),
        ((0, 1, 2, 3, 4), {}, "0 of others"),
    ],
)
def test_specialists_of_nothing_are_refused(learned, classes, given, message):
    generalist, images, validation, _ = learned
    recipe = given.pop("recipe", RECIPE)
    with pytest.raises(KerasnetsError, match=message):
        train_specialist(generalist, classes, images, validation, recipe, **given)


def test_a_specialist_of_all_but_one_class_has_its_form(learned):
    generalist, *_, test = learned
    whole = Specialist((0, 1, 2, 3), generalist, 0.8, 0.5, "all")
    general = softmax(predict_logits(generalist, test), axis=-1)
    np.testing.assert_allclose(whole.probabilities(test), general, atol=1e-6)
