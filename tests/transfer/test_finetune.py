"""A pretrained network tuned on other images is never worse than where it began."""

import functools
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets import transfer
from kerasnets.data import Split, open_source, prepare
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.pixels import RAW, UNIT, carry, pixels_of
from kerasnets.saving import load_model, save_model
from kerasnets.training import Checkpoint, Recipe, seed_everything
from kerasnets.transfer.finetune import copied, linear_head, tuning_feed

RECIPE = Recipe(epochs=3, learning_rate=0.01, batch_size=8)


def pretrained(pixels=UNIT):
    """A classifier of seven other classes, whose weights were drawn."""
    seed_everything(0)
    image = keras.Input((8, 8, 3), name="image")
    x = image if pixels is None else carry(image, pixels)
    for i, strides in enumerate((1, 2)):
        x = layers.Conv2D(
            6, 3, strides, padding="same", use_bias=False, name=f"conv_{i}"
        )(x)
        x = layers.BatchNormalization(name=f"norm_{i}")(x)
        x = layers.ReLU(name=f"relu_{i}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(7, name="logits")(x), name="net")


def colours(count, classes=3, seed=0):
    """Images that are a bit redder, greener or bluer."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = random.integers(0, 200, (count, 8, 8, 3))
    images[np.arange(count), :, :, labels] += 25
    return Split(images.astype("uint8"), labels, tuple(map(str, range(count))))


TRAIN, VALIDATION = colours(48), colours(30, seed=1)
finetune = functools.partial(
    transfer.finetune, train=TRAIN, validation=VALIDATION, recipe=RECIPE
)


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def tuned():
    return finetune(pretrained())


def test_the_better_of_the_two_is_given(tuned):
    model = pretrained()
    codes = transfer.body(model)
    head = linear_head(codes, TRAIN, VALIDATION)
    assert tuned.linear.accuracy == head.accuracy
    assert tuned.strength == head.strength
    better = tuned.tuned if tuned.taken == "tuned" else tuned.linear
    assert evaluate(tuned.model, VALIDATION) == better
    assert better.accuracy >= tuned.linear.accuracy
    assert tuned.model.output_shape == (None, 3)
    assert tuned.model.name == "net"


def test_the_network_given_stays_as_it_is():
    model, before = pretrained(), pretrained().get_weights()
    finetune(model)
    assert_same(model.get_weights(), before)
    assert all(layer.trainable for layer in model.layers)


def test_tuning_that_spoils_the_network_is_not_taken():
    spoiling = Recipe(epochs=1, learning_rate=1.0, warmup=0.0, batch_size=8)
    found = finetune(pretrained(), recipe=spoiling, batch_norm="inference")
    assert found.taken == "linear"
    assert found.tuned.accuracy < found.linear.accuracy
    assert evaluate(found.model, VALIDATION) == found.linear
    kept = found.model.get_layer("conv_0").get_weights()
    assert_same(kept, pretrained().get_layer("conv_0").get_weights())


def test_it_repeats_and_goes_on_where_it_was(tuned, tmp_path):
    def stop(done, total, note=""):
        del note
        if total == 18 and done >= 7:  # of three epochs of 6 steps
            raise KeyboardInterrupt

    def checkpoint():
        return Checkpoint(tmp_path / "state.npz", {}, seconds=0)

    with pytest.raises(KeyboardInterrupt):
        finetune(pretrained(), checkpoint=checkpoint(), progress=stop)
    again = finetune(pretrained(), checkpoint=checkpoint())
    assert_same(again.model.get_weights(), tuned.model.get_weights())
    assert again.tuned == tuned.tuned


def test_a_head_and_batches_of_ones_own():
    """A classifier that was ranked before, and soft targets of a teacher."""
    model = pretrained()
    codes = transfer.body(model)
    head = linear_head(codes, TRAIN, VALIDATION)
    net = transfer.with_linear(copied(codes), head)
    answers = np.eye(3, dtype="float32")[TRAIN.labels] * 9
    feed = tuning_feed(TRAIN, net, RECIPE)
    soft = type(feed)(**{**vars(feed), "targets": {"soft": answers}})
    told = []
    found = finetune(
        model,
        head=head,
        feed=soft,
        recipe=Recipe(epochs=1, learning_rate=0.01, batch_size=8, soft_weight=0.9),
        progress=lambda done, total, note="": told.append((done, total)),
    )
    assert told[-1] == (6, 6)
    assert {total for _, total in told} == {6}  # no codes were computed
    assert found.linear.accuracy == head.accuracy
    assert evaluate(net, VALIDATION) == found.linear


def test_from_a_layer_on_and_from_codes_below(tmp_path):
    model = pretrained()
    found = finetune(model, start="conv_1", layer="relu_1", size=12)
    assert found.model.input_shape == (None, 12, 12, 3)
    kept = found.model.get_layer("conv_0").get_weights()
    assert_same(kept, model.get_layer("conv_0").get_weights())
    save_model(found.model, tmp_path / "net.keras")
    again = evaluate(load_model(tmp_path / "net.keras"), VALIDATION)
    assert again.accuracy == max(found.linear.accuracy, found.tuned.accuracy)


def test_stated_pixels_are_carried():
    found = finetune(pretrained(pixels=None), pixels=RAW)
    assert pixels_of(found.model).mean == RAW.mean
    better = max(found.linear.accuracy, found.tuned.accuracy)
    assert evaluate(found.model, VALIDATION).accuracy == better
    with pytest.raises(KerasnetsError, match="not known: say --pixels"):
        finetune(pretrained(pixels=None))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start": "conv_9"}, "no layer 'conv_9'; near it are conv_"),
        ({"layer": "relu_9"}, "no layer 'relu_9'; near it are relu_"),
        ({"decay": 2}, "decay 2: above 0 and up to 1"),
        ({"unfreeze": 3}, "after 6 epochs of 3"),
        ({"train": colours(4)}, "class 1 has too few training images: 1; two"),
        ({"train": colours(8, 2)}, "class 2 has too few training images: 0; two"),
        (
            {"head": transfer.LinearClassifier(np.ones((6, 4)), np.ones(4), 1, 1, {})},
            r"head given is of 6 features and 4 classes; \(6, 3\) are accepted",
        ),
    ],
)
def test_what_cannot_be_is_told_before_codes_are_computed(given, message):
    def refuse(*_):
        pytest.fail("this took work")

    with pytest.raises(KerasnetsError, match=message):
        finetune(pretrained(), progress=refuse, **given)


@pytest.mark.slow
def test_flowers_do_not_end_below_their_linear_classifier(tmp_path):
    folder = Path(os.environ.get("KERASNETS_DATA", ""))
    weights = folder / "pretrained" / "models" / "mobilenet_2_5_128_tf.h5"
    if not weights.is_file():
        pytest.skip("KERASNETS_DATA does not name a folder with pretrained weights")
    seed_everything(0)
    model = keras.applications.MobileNet(
        (128, 128, 3), alpha=0.25, weights=str(weights)
    )
    source = open_source(f"folder:{folder}/flowers_folder/flowers")
    data = prepare(source, tmp_path, resolution=128, seed=0)
    found = transfer.finetune(
        model,
        data.train,
        data.validation,
        recipe=Recipe(epochs=2, learning_rate=0.01, batch_size=32),
    )
    assert found.linear.accuracy > 0.78
    now = evaluate(found.model, data.validation).accuracy
    assert now == max(found.linear.accuracy, found.tuned.accuracy)
