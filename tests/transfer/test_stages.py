"""Stages of a network, and their rates."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets import applications, transfer
from kerasnets.data import Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.graph import shapes_only
from kerasnets.pixels import UNIT, carry
from kerasnets.training import LayerRate, Recipe, seed_everything
from kerasnets.transfer.stages import stage_rates

RECIPE = Recipe(epochs=4, learning_rate=0.01, batch_size=8)


def network():
    """Maps of 8, 4 and 2 pixels, and a classifier."""
    seed_everything(0)
    image = keras.Input((8, 8, 3), name="image")
    x = carry(image, UNIT)
    for i, strides in enumerate((1, 2, 2)):
        x = layers.Conv2D(
            4, 3, strides, padding="same", use_bias=False, name=f"conv_{i}"
        )(x)
        x = layers.BatchNormalization(name=f"norm_{i}")(x)
        x = layers.ReLU(name=f"relu_{i}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(2, name="logits")(x), name="net")


@pytest.fixture(scope="module")
def feed():
    labels = np.arange(16) % 2
    random = np.random.default_rng(0)
    images = random.integers(0, 100, (16, 8, 8, 3)) + 100 * labels[:, None, None, None]
    split = Split(images.astype("uint8"), labels, tuple(map(str, range(16))))
    return batches(split, size=8, batch_size=8, seed=0, preprocessing=UNIT)


def test_a_stage_ends_where_the_side_is_halved():
    found = transfer.stages(network())
    assert found == (
        ("pixels", "conv_0", "norm_0", "relu_0"),
        ("conv_1", "norm_1", "relu_1"),
        ("conv_2", "norm_2", "relu_2"),
        ("pool", "logits"),
    )
    codes = transfer.body(network())
    assert transfer.stages(codes) == (*found[:2], (*found[2], "pool"))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        # sides of 112, 56, 28, 14, 7 (Howard et al. 2017, table 1), and the classifier
        ("mobilenet", "stage2_block1_depthwise_conv stage3_block1_depthwise_conv"),
        # squeeze-and-excitation makes maps of one position on the way
        ("mobilenet_v3_small", "stage1_block1_depthwise_conv"),
        # convolutions without padding: 149 to 147, 73 to 71, 35, 17, 8
        ("inception_v3", "stem_3_max stem_5_max mixed6a_3x3_conv"),
        # 112, 56, 28, 14, 7
        ("resnet50", "stem_pool stage2_block1_1_conv stage3_block1_1_conv"),
    ],
)
def test_stages_of_the_zoo(name, first):
    model = shapes_only(lambda: applications.build(name))
    found = transfer.stages(model)
    assert len(found) == 6
    begins = [stage[0] for stage in found]
    assert begins[0] == "pixels"
    assert begins[1:][: len(first.split())] == first.split()
    assert "logits" in found[-1]


def test_each_stage_learns_slower_than_the_one_above():
    rates = stage_rates(network(), RECIPE, start="norm_1", decay=0.5, unfreeze=1)
    assert rates == {
        "norm_1": LayerRate(0.25, 2),
        "relu_1": LayerRate(0.25, 2),
        **dict.fromkeys(("conv_2", "norm_2", "relu_2"), LayerRate(0.5, 1)),
        **dict.fromkeys(("pool", "logits"), LayerRate(1.0, 0)),
    }
    everything = stage_rates(network(), RECIPE, decay=0.1)
    assert everything["conv_0"] == LayerRate(0.1**3, 0)


def test_what_comes_before_the_start_stays(feed):
    model, before = network(), network().get_weights()
    transfer.train_stages(model, feed, RECIPE, start="conv_2", batch_norm="batch")
    names = [variable.path for variable in model.variables]
    changed = {
        name.split("/")[0]
        for name, old, new in zip(names, before, model.get_weights(), strict=True)
        if not np.array_equal(old, new)
    }
    assert changed == {"conv_2", "norm_2", "logits"}
    assert all(layer.trainable for layer in model.layers)


def test_the_rates_reach_the_weights(feed):
    """Of one step: the first layer moves by its share of what it would move alone."""

    def moved(decay):
        model = network()
        before = model.get_layer("conv_1").get_weights()[0]
        one = Recipe(epochs=1, learning_rate=1e-3, warmup=0.0, schedule="constant")
        single = batches(feed.split, size=8, batch_size=16, seed=0, preprocessing=UNIT)
        transfer.train_stages(model, single, one, decay=decay)
        return model.get_layer("conv_1").get_weights()[0] - before

    np.testing.assert_allclose(moved(0.5), 0.25 * moved(1.0), rtol=1e-2, atol=1e-7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start": "conv_3"}, "has no layer 'conv_3'; near it are conv_2"),
        ({"start": "blok"}, "near it are"),
        ({"decay": 0}, "decay 0: above 0 and up to 1"),
        ({"unfreeze": -1}, "unfreeze -1: 0 or more"),
        ({"unfreeze": 2}, "'pixels' would begin to learn after 6 epochs of 4"),
    ],
)
def test_what_cannot_be_is_told_before_training(feed, given, message):
    with pytest.raises(KerasnetsError, match=message):
        transfer.train_stages(network(), feed, RECIPE, **given)


def test_nothing_to_learn_and_no_size_are_refused(feed):
    model = network()
    bare = keras.Model(model.input, layers.ReLU(name="last")(model.output))
    with pytest.raises(KerasnetsError, match="nothing that can learn from 'last' on"):
        transfer.train_stages(bare, feed, RECIPE, start="last")
    anywhere = keras.applications.MobileNet(
        (None, None, 3), alpha=0.25, weights=None, include_top=False
    )
    with pytest.raises(KerasnetsError, match="a network of one size has stages"):
        transfer.stages(anywhere)
