"""Hints and attention: losses by hand, shapes, and networks that learn inside."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from support.together import train_in

from kerasnets.data import Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import RAW, carry
from kerasnets.training import (
    Objective,
    Recipe,
    seed_everything,
    with_normalised_images,
)
from kerasnets.transfer import Match, distill, learn_hints
from kerasnets.transfer.matching import guided_outputs, hint_outputs, match_weights

RECIPE = Recipe(4, 0.01, batch_size=4, optimizer="adam", schedule="constant")


def network(width, *, side=8, stride=1, name=None):
    """Maps of some width, halved or not, and logits of three classes."""
    image = keras.Input((side, side, 1))
    x = layers.Rescaling(1 / 255)(carry(image, RAW.fitted(side, 1)))
    x = layers.Conv2D(width, 3, strides=stride, padding="same", name="maps")(x)
    codes = layers.GlobalAveragePooling2D(name="codes")(layers.ReLU()(x))
    return keras.Model(image, layers.Dense(3, name="logits")(codes), name=name)


@pytest.fixture
def feed():
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), "uint8")
    split = Split(images, np.arange(8) % 3, tuple("abcdefgh"))
    return batches(split, size=8, batch_size=4, seed=0)


def seeded(*args, seed=0, **kwargs):
    seed_everything(seed)
    return network(*args, **kwargs)


def answers(outputs, model, images):
    (output,) = outputs
    return [np.asarray(keras.Model(model.input, output)(images))]


def test_maps_of_one_shape_are_held_against_each_other_by_hand(feed):
    teacher, student = seeded(3, seed=0), seeded(3, seed=1)
    match = [Match("maps", "maps", weight=2.0)]
    guided = guided_outputs(student, match, teacher)
    assert guided[0] is student.get_layer("maps").output  # no regressor
    images, _ = next(iter(feed.dataset(0, 1)))
    (hint,) = answers(hint_outputs(teacher, match), teacher, images)
    (own,) = answers(guided, student, images)
    objective = Objective(RECIPE, (), match_weights(match, guided))
    loss = float(np.asarray(objective({"hints": [hint]}, [own])))
    # twice half the mean of the squares
    assert loss == pytest.approx(np.mean((hint - own) ** 2), rel=1e-5)


def test_attention_is_where_maps_are_active(feed):
    teacher, student = seeded(3, seed=0), seeded(5, seed=1)
    match = [Match("maps", "maps", "attention", weight=3.0)]
    images, _ = next(iter(feed.dataset(0, 1)))
    guided = guided_outputs(student, match, teacher)
    (found,) = answers(guided, student, images)
    maps = np.asarray(
        keras.Model(student.input, student.get_layer("maps").output)(images)
    )
    # sums over the channels differ from means by a factor, which the length takes away
    by_hand = (maps**2).sum(-1).reshape(4, 64)
    by_hand /= np.linalg.norm(by_hand, axis=1, keepdims=True)
    np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-6)
    (hint,) = answers(hint_outputs(teacher, match), teacher, images)
    objective = Objective(RECIPE, (), match_weights(match, guided))
    loss = float(np.asarray(objective({"hints": [hint]}, [found])))
    distance = ((hint - by_hand) ** 2).sum(1).mean()
    assert loss == pytest.approx(1.5 * distance, rel=1e-4)


@pytest.mark.parametrize(
    ("teacher", "student", "layer", "regressor"),
    [
        # wider: a convolution of one place
        ({"width": 6}, {"width": 3}, "maps", (1, 1, 3, 6)),
        # 8 places a side to 4: 5 of them at once
        ({"width": 6, "stride": 2}, {"width": 3}, "maps", (5, 5, 3, 6)),
        ({"width": 6}, {"width": 3}, "codes", (3, 6)),
    ],
)
def test_regressor_brings_one_shape_to_another(teacher, student, layer, regressor):
    teacher, student = seeded(**teacher), seeded(**student)
    match = [Match(layer, layer)]
    (guided,) = guided_outputs(student, match, teacher)
    (hint,) = hint_outputs(teacher, match)
    assert guided.shape == hint.shape
    kernel = keras.Model(student.input, guided).layers[-1].kernel
    assert tuple(kernel.shape) == regressor


def test_hints_move_what_is_before_them_and_nothing_else(feed):
    teacher, student = seeded(6), seeded(3, seed=1)
    taught = teacher.get_weights()
    before = {w.path: np.array(w) for w in student.weights}
    first = learn_hints(teacher, student, feed, replace(RECIPE, epochs=1), HINT)
    assert first.labels == 0
    last = learn_hints(teacher, student, feed, replace(RECIPE, epochs=60), HINT)
    # noise in three channels does not tell all of six, but most
    assert last.loss < 0.5 * first.loss
    for path, value in before.items():
        moved = not np.array_equal(value, np.array(by_path(student)[path]))
        assert moved == ("maps" in path), path
    for ours, theirs in zip(teacher.get_weights(), taught, strict=True):
        np.testing.assert_array_equal(ours, theirs)


HINT = [Match("maps", "maps")]


def by_path(model):
    return {w.path: w for w in model.weights}


def test_a_match_is_learned_beside_the_logits_in_one_pass(feed):
    teacher = seeded(6)
    matches = [Match("maps", "maps", "attention", 100.0), Match("codes", "codes")]

    def apart(student):
        guided = guided_outputs(student, matches[:1], teacher)
        images, _ = next(iter(feed.dataset(0, 1)))
        (own,) = answers(guided, student, images)
        (hint,) = answers(hint_outputs(teacher, matches[:1]), teacher, images)
        return ((own - hint) ** 2).sum(1).mean()

    alone, matched = seeded(3, seed=1), seeded(3, seed=1)
    recipe = replace(RECIPE, epochs=40)
    distill(teacher, alone, feed, recipe)
    result = distill(teacher, matched, feed, recipe, matches=matches)
    assert result.labels == 8
    assert apart(matched) < 0.5 * apart(alone)
    # the student's own layers alone are left
    assert [layer.name for layer in matched.layers][-1] == "logits"


@pytest.mark.slow
def test_two_devices_learn_the_same(tmp_path):
    how = {"matched": True, "recipe": {"soft_weight": 0.8, "soft_weight_end": 0.2}}
    (one,) = train_in(tmp_path / "one", **how)
    (two,) = train_in(tmp_path / "two", virtual=2, devices="2", **how)
    for name, ours in one.items():
        np.testing.assert_allclose(ours, two[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("teacher", "student", "match", "text"),
    [
        ({}, {}, Match("conv9", "maps"), "the teacher 't' has no layer 'conv9'; its"),
        ({}, {}, Match("maps", "conv9"), "the student 's' has no layer 'conv9'; its"),
        (
            {},
            {"stride": 2},
            Match("maps", "maps"),
            "'maps' of the student gives 4 x 4 x 3, 'maps' of the teacher 8 x 8 x 3: "
            "maps at least as high and wide as the teacher's are accepted",
        ),
        ({}, {}, Match("codes", "maps"), "gives 8 x 8 x 3, 'codes' of the teacher 3: "),
        (
            {},
            {"stride": 2},
            Match("maps", "maps", "attention"),
            "gives 4 x 4 x 3, .* attention wants maps of the same height and width",
        ),
        ({}, {}, Match("codes", "codes", "attention"), "attention wants maps"),
    ],
)
def test_layers_that_cannot_be_held_against_each_other_are_refused(
    feed, teacher, student, match, text
):
    networks = seeded(3, name="t", **teacher), seeded(3, name="s", **student)
    with pytest.raises(KerasnetsError, match=text):
        distill(*networks, feed, RECIPE, matches=[match])


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"kind": "maap"}, "a match of 'maap': maps and attention are accepted"),
        ({"weight": 0.0}, "a match of weight 0.0: above 0 is accepted"),
    ],
)
def test_matches_of_nothing_are_refused(given, text):
    with pytest.raises(KerasnetsError, match=text):
        Match("a", "b", **given)


def test_layers_of_a_graph_that_was_called_again_are_those_of_its_model(feed):
    # as images made alike by training images are put in front of a network
    student = with_normalised_images(seeded(3, name="s"), "contrast", None)
    teacher = seeded(4, name="t", seed=1)
    before = [w.copy() for w in student.get_layer("maps").get_weights()]
    learn_hints(teacher, student, feed, RECIPE, [Match("maps", "maps")])
    after = student.get_layer("maps").get_weights()
    assert not np.array_equal(before[0], after[0])
    assert np.isfinite(distill(teacher, student, feed, RECIPE).loss)


def test_a_match_as_a_person_writes_it():
    assert Match.of("a=b") == Match("a", "b", "maps", 1.0)
    assert Match.of("attention:a=b", 3.0) == Match("a", "b", "attention", 3.0)
    for text in ("a", "a=", "=b", "attention:a", ""):
        with pytest.raises(KerasnetsError, match="matches no layers"):
            Match.of(text)


def test_hints_without_a_match_are_refused(feed):
    with pytest.raises(KerasnetsError, match="none was given"):
        learn_hints(seeded(3), seeded(3), feed, RECIPE, [])
