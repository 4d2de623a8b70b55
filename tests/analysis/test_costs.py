"""Parameters and multiply-adds against counts made by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.analysis import cost, count_madds, count_params, layer_costs
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


def test_transposed_convolution_of_a_volume():
    volume = keras.Input((4, 4, 4, 8))
    model = keras.Model(volume, layers.Conv3DTranspose(5, 2, strides=2)(volume))
    # each of 64 positions is spread over 2 x 2 x 2, from 8 channels to 5
    assert (count_madds(model), count_params(model)) == (64 * 320, 325)


def test_channels_first_counts_the_same():
    image = keras.Input((3, 8, 9))
    conv = layers.Conv2D(4, 3, data_format="channels_first")
    assert count_madds(keras.Model(image, conv(image))) == 6 * 7 * 27 * 4


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
        with pytest.raises(
            KerasnetsError, match=r"has no fixed size.*give input_shape"
        ):
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


def test_rows_and_sums_of_a_model():
    image = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(8, 3, strides=2, groups=2, use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.AveragePooling2D((1, 3), strides=1, name="pool")(x)
    model = keras.Model(image, layers.Flatten(name="flatten")(x), name="small")
    figures = cost(model)
    assert (figures.name, figures.params, figures.trainable_params) == (
        "small",
        9 * 2 * 8 + 4 * 8,
        9 * 2 * 8 + 2 * 8,
    )
    assert figures.madds == 3 * 3 * 9 * 2 * 8
    # four bytes each: image 256, conv and bn 3x3x8 each, pool and vector 3x1x8 each
    assert figures.activation_bytes == 4 * (256 + 72 + 72 + 24 + 24)
    assert [
        (row.name, row.kernel, row.activation_bytes, row.receptive_field)
        for row in figures.layers
    ] == [
        ("image", "", 1024, (1, 1)),
        ("conv", "3x3/2 g2", 288, (3, 3)),
        ("bn", "", 288, (3, 3)),
        ("pool", "1x3", 96, (3, 7)),
        ("flatten", "", 96, "all"),
    ]


class Block(layers.Layer):
    """A user's layer made of layers, and a weight of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(5, 3, name="inner")
        self.twice = layers.Conv2D(5, 1, use_bias=False, name="twice")

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.twice.build((*input_shape[:-1], 5))
        self.scale = self.add_weight(shape=(5,), name="scale")

    def call(self, x):
        return self.twice(self.twice(self.conv(x))) * self.scale

    def compute_output_shape(self, input_shape):
        return self.conv.compute_output_shape(input_shape)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.inside = nested("functional")
        self.head = layers.Dense(3, name="head")

    def call(self, x):
        return self.head(keras.ops.mean(self.inside(self.block(x)[..., :2]), (1, 2)))


# on 6x6x2: inner 4x4 of 3x3x2x5, twice 4x4 of 5x5; then 2x2 of 3x3x2x5, head 5x3
BLOCK = (16 * 90 + 2 * 16 * 25, 95 + 25 + 5)
WHOLE = (BLOCK[0] + 4 * 90 + 15, BLOCK[1] + 95 + 18)


def test_layer_made_of_layers_is_looked_into():
    image = keras.Input((6, 6, 2))
    model = keras.Model(image, layers.ReLU()(Block()(image)))
    figures = cost(model)
    assert (figures.madds, figures.params) == BLOCK
    assert [(row.name, row.params) for row in figures.layers][1:4] == [
        ("inner", 95),
        ("twice", 25),
        ("twice", 0),
    ]
    assert sum(row.params for row in figures.layers) == figures.params
    assert figures.layers[-1].receptive_field is None
    assert len(model.layers[1]._inbound_nodes) == 1  # the model is left as it was


@pytest.mark.parametrize("built", [True, False])
def test_subclassed_model(built):
    model = Subclassed()
    if built:
        model(np.zeros((2, 6, 6, 2), "float32"))
    figures = cost(model) if built else cost(model, (6, 6, 2))
    assert (figures.madds, figures.params) == WHOLE
    assert {row.receptive_field for row in figures.layers} == {None}
    assert keras.Layer.__call__.__qualname__.startswith("Layer.")


def test_shape_is_given_later():
    sequential = keras.Sequential([layers.Conv2D(5, 3, use_bias=False)])
    assert cost(sequential, (4, 4, 2)).madds == 4 * 90
    image = keras.Input((None, None, 2))
    x = keras.Sequential([keras.Input((None, None, 2)), layers.Conv2D(5, 3)])(image)
    figures = cost(keras.Model(image, x + 1.0), (6, 4, 2))
    assert figures.madds == 8 * 90
    assert figures.layers[-1].output_shape == (4, 2, 5)
    assert figures.layers[-1].receptive_field == (3, 3)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (Subclassed, None, "is not built: give input_shape"),
        (Subclassed, (1, 1, 2), "does not run on an input of shape"),
        (lambda: nested("functional"), (5, 5, 2), "does not fit.*takes \\(4, 4, 2\\)"),
        (lambda: nested("functional"), (4, 4), "does not fit"),
        (
            lambda: keras.Sequential([layers.Conv2D(5, 3)]),
            None,
            "is not built: give input_shape",
        ),
        (
            lambda: keras.Sequential([layers.Conv2D(5, 3)]),
            (2, 2, 3),
            "does not run on an input of shape",
        ),
    ],
)
def test_shape_that_is_of_no_use(model, shape, message):
    with pytest.raises(KerasnetsError, match=message) as raised:
        cost(model(), shape)
    assert "\n" not in str(raised.value)
