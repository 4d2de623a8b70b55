"""Parameters and multiply-adds against counts made by hand."""

import keras
import pytest
from keras import layers

from kerasnets.analysis import count_madds, count_params, layer_costs
from kerasnets.errors import KerasnetsError


@pytest.mark.parametrize(
    ("layer", "madds", "params"),
    [
        # 10x12 pixels of 8 channels each; "same" keeps 10x12, 3x3 "valid" gives 8x10
        (layers.Conv2D(5, 3, padding="same"), 10 * 12 * 9 * 8 * 5, 9 * 8 * 5 + 5),
        (layers.Conv2D(5, 3, use_bias=False), 8 * 10 * 9 * 8 * 5, 9 * 8 * 5),
        (layers.Conv2D(5, (1, 3)), 10 * 10 * 3 * 8 * 5, 3 * 8 * 5 + 5),
        (
            layers.Conv2D(5, 3, strides=2, padding="same"),
            5 * 6 * 9 * 8 * 5,
            9 * 8 * 5 + 5,
        ),
        (layers.Conv2D(5, 3, dilation_rate=2), 6 * 8 * 9 * 8 * 5, 9 * 8 * 5 + 5),
        # four groups: each filter sees two channels
        (
            layers.Conv2D(12, 3, groups=4, padding="same"),
            10 * 12 * 9 * 2 * 12,
            9 * 2 * 12 + 12,
        ),
        (
            layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
            5 * 6 * 9 * 8,
            9 * 8,
        ),
        (
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
            10 * 12 * 9 * 16,
            9 * 16 + 16,
        ),
        (
            layers.SeparableConv2D(5, 3, padding="same"),
            10 * 12 * (9 * 8 + 8 * 5),
            9 * 8 + 8 * 5 + 5,
        ),
        # each of the 10x12 input pixels is spread over 3x3 output pixels
        (
            layers.Conv2DTranspose(5, 3, strides=2, padding="same"),
            10 * 12 * 9 * 8 * 5,
            9 * 8 * 5 + 5,
        ),
        # dense layers on maps work on each pixel
        (layers.Dense(7), 10 * 12 * 8 * 7, 8 * 7 + 7),
        (layers.BatchNormalization(), 0, 4 * 8),
        (layers.AveragePooling2D(2), 0, 0),
        (layers.ReLU(), 0, 0),
    ],
)
def test_one_layer(layer, madds, params):
    image = keras.Input((10, 12, 8))
    model = keras.Model(image, layer(image))
    assert count_madds(model) == madds
    assert count_params(model) == params


def test_dense_layer():
    vector = keras.Input((100,))
    model = keras.Model(vector, layers.Dense(7, use_bias=False)(vector))
    assert (count_madds(model), count_params(model)) == (700, 700)


def test_layers_are_listed_with_their_shapes():
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.Flatten(name="flatten")(x)
    model = keras.Model(image, layers.Dense(2, name="dense")(x))
    assert [
        (cost.name, cost.kind, cost.output_shape, cost.params, cost.madds)
        for cost in layer_costs(model)
    ] == [
        ("image", "InputLayer", (8, 8, 3), 0, 0),
        ("conv", "Conv2D", (6, 6, 4), 112, 36 * 108),
        ("flatten", "Flatten", (144,), 0, 0),
        ("dense", "Dense", (2,), 290, 288),
    ]


def test_shared_layer_costs_at_each_use_and_weighs_once():
    image = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 3, padding="same", use_bias=False, name="shared")
    half = layers.AveragePooling2D(2)(shared(image))
    model = keras.Model(image, shared(half))
    assert count_madds(model) == (64 + 16) * 81
    assert count_params(model) == 81
    uses = [cost for cost in layer_costs(model) if cost.name == "shared"]
    assert [(use.madds, use.params) for use in uses] == [(64 * 81, 81), (16 * 81, 0)]


def nested(kind):
    if kind == "functional":
        image = keras.Input((4, 4, 2))
        return keras.Model(image, layers.Conv2D(5, 3, name="inner")(image))
    return keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(5, 3, name="inner")])


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_nested_model_is_listed_in_its_place(kind):
    image = keras.Input((4, 4, 2))
    x = layers.Flatten()(nested(kind)(image))
    model = keras.Model(image, layers.Dense(3, name="head")(x))
    assert count_madds(model) == 4 * 9 * 2 * 5 + 20 * 3
    costs = layer_costs(model)
    assert sum(cost.params for cost in costs) == count_params(model) == 95 + 63
    names = [cost.name for cost in costs if cost.madds]
    assert names == ["inner", "head"]


def test_sequential_model_counts_like_a_functional_one():
    assert count_madds(nested("sequential")) == 360


def test_size_that_is_not_fixed_is_refused():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(4, 3, name="stem")(image))
    for count in (count_madds, layer_costs):
        with pytest.raises(KerasnetsError, match="layer 'stem' has no fixed size"):
            count(model)


@pytest.mark.parametrize(
    ("build", "params", "madds"),
    [
        # counted by hand from the papers' tables; He et al. 2015 print 3.8 billion,
        # with the stride on the first 1x1 convolution as here
        (keras.applications.ResNet50, 25_636_712, "3857.97"),
        # He et al. 2016 in the form of keras.applications: stride at each stage's end
        (keras.applications.ResNet50V2, 25_613_800, "3482.26"),
    ],
)
def test_published_networks(build, params, madds):
    model = build(weights=None)
    assert count_params(model) == params
    assert f"{count_madds(model) / 1e6:.2f}" == madds
