"""The All-CNN family against Tables 1, 2 and 6 of the paper."""

import keras
import numpy as np
import pytest

from kerasnets.applications import all_cnn
from kerasnets.errors import KerasnetsError

# what comes between image and head; "5x5 96" is a convolution, "/2" its stride
POOL = "max 3x3/2"
TABLES = {
    "BaseCNNA": ["5x5 96", POOL, "5x5 192", POOL],
    "StridedCNNA": ["5x5 96/2", "5x5 192/2"],
    "ConvPoolCNNA": ["5x5 96", "3x3 96", POOL, "5x5 192", "3x3 192", POOL],
    "AllCNNA": ["5x5 96", "3x3 96/2", "5x5 192", "3x3 192/2"],
    "BaseCNNB": ["5x5 96", "1x1 96", POOL, "5x5 192", "1x1 192", POOL],
    "StridedCNNB": ["5x5 96", "1x1 96/2", "5x5 192", "1x1 192/2"],
    "ConvPoolCNNB": [
        *("5x5 96", "1x1 96", "3x3 96", POOL),
        *("5x5 192", "1x1 192", "3x3 192", POOL),
    ],
    "AllCNNB": ["5x5 96", "1x1 96", "3x3 96/2", "5x5 192", "1x1 192", "3x3 192/2"],
    "BaseCNNC": ["3x3 96", "3x3 96", POOL, "3x3 192", "3x3 192", POOL],
    "StridedCNNC": ["3x3 96", "3x3 96/2", "3x3 192", "3x3 192/2"],
    "ConvPoolCNNC": [*["3x3 96"] * 3, POOL, *["3x3 192"] * 3, POOL],
    "AllCNNC": ["3x3 96", "3x3 96", "3x3 96/2", "3x3 192", "3x3 192", "3x3 192/2"],
    "AllCNNBImageNet": [
        *("11x11 96/4", "1x1 96", "3x3 96/2"),
        *("5x5 256", "1x1 256", "3x3 256/2"),
        *("3x3 384", "1x1 384", "3x3 384/2"),
    ],
}
HEAD = ["3x3 192", "1x1 192", "1x1 10"]
IMAGENET_HEAD = ["3x3 1024", "1x1 1024", "1x1 1000"]


def words(layer) -> list[str]:
    """The layer as in the tables, if they have it."""
    if isinstance(layer, keras.layers.Conv2D):
        step = "" if layer.strides == (1, 1) else f"/{layer.strides[0]}"
        k = layer.kernel_size[0]
        return [f"{k}x{k} {layer.filters}{step}"]
    if isinstance(layer, keras.layers.MaxPooling2D):
        return [f"max {layer.pool_size[0]}x{layer.pool_size[1]}/{layer.strides[0]}"]
    return []


@pytest.mark.parametrize("name", TABLES)
def test_layers_are_those_of_the_table(name):
    model = getattr(all_cnn, name)()
    found = [word for layer in model.layers for word in words(layer)]
    head = IMAGENET_HEAD if name == "AllCNNBImageNet" else HEAD
    assert found == TABLES[name] + head
    for before, layer in zip(model.layers, model.layers[1:], strict=False):
        assert layer.input is before.output
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name != "logits":
            assert layer.activation is keras.activations.relu
    names = [layer.name for layer in model.layers[-4:]]
    assert names == ["logits", "logits_relu", "avg_pool", "predictions"]


@pytest.mark.parametrize("name", list(TABLES)[:-1])
def test_stages_halve_the_side(name):
    model = getattr(all_cnn, name)()
    sides = [model.get_layer(f"stage{i}_dropout").output.shape[1:] for i in (1, 2)]
    assert sides == [(16, 16, 96), (8, 8, 192)]
    assert model.get_layer("logits").output.shape == (None, 8, 8, 10)


def test_without_padding_the_average_is_over_6x6():
    model = all_cnn.AllCNNC(padding="valid")
    assert model.get_layer("logits").output.shape == (None, 6, 6, 10)
    assert model.count_params() == all_cnn.AllCNNC().count_params()


# 224 = 11 + 4 * 53 + 1
def test_maps_for_imagenet():
    model = all_cnn.AllCNNBImageNet()
    names = ["stage1_conv1", "stage1_conv3", "stage2_conv3", "stage3_conv3", "logits"]
    sides = [model.get_layer(name).output.shape[1] for name in names]
    assert sides == [54, 27, 14, 7, 7]


# Table 1's layers by hand: 75 * 96 + 96, 9 * 96 * 96 + 96, ...
def test_parameters_of_all_cnn_c():
    counts = [layer.count_params() for layer in all_cnn.AllCNNC().layers]
    expected = [2_688, 83_040, 83_040, 166_080, 331_968, 331_968]
    expected += [331_968, 37_056, 1_930]
    assert [count for count in counts if count] == expected


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("BaseCNNA", {}, {"input": 0.2, "stage1": 0.5, "stage2": 0.5}),
        ("StridedCNNC", {}, {"input": 0.2, "stage1": 0.5, "stage2": 0.5}),
        ("AllCNNB", {"dropout": 0.0}, {"input": 0.2}),
        ("AllCNNB", {"input_dropout": 0.0}, {"stage1": 0.5, "stage2": 0.5}),
        ("AllCNNC", {"input_dropout": 0.1, "dropout": 0}, {"input": 0.1}),
        ("AllCNNBImageNet", {}, {"stage3": 0.5}),
        ("AllCNNBImageNet", {"input_dropout": 0.2, "dropout": 0}, {"input": 0.2}),
    ],
)
def test_dropout_is_where_the_paper_has_it(name, arguments, expected):
    model = getattr(all_cnn, name)(**arguments)
    found = {
        layer.name.removesuffix("_dropout"): layer.rate
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout)
    }
    assert found == expected
    # after the pooling or the convolution in its place
    for place in set(expected) - {"input"}:
        dropout = model.get_layer(f"{place}_dropout")
        reducer = dropout.input._keras_history.operation
        assert reducer.strides in (2, (2, 2))


def test_the_output_is_the_average_of_the_rectified_map():
    model = all_cnn.AllCNNC((16, 16, 3), classes=5, classifier_activation=None)
    random = np.random.default_rng(0)
    kernel = random.normal(0, 1, (192, 5)).astype("float32")
    bias = np.asarray([0.1, -0.1, 0.05, 0.0, -90.0], "float32")
    model.get_layer("logits").set_weights([kernel[None, None], bias])
    features = keras.Model(model.input, model.get_layer("head_conv2").output)
    x = random.normal(0, 1, (2, 16, 16, 3)).astype("float32")
    expected = np.maximum(np.asarray(features(x)) @ kernel + bias, 0).mean(axis=(1, 2))
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    assert (expected[:, 4] == 0).all()
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "least"), [("AllCNNC", 9), ("AllCNNBImageNet", 75)])
def test_smallest_image_leaves_one_pixel_without_padding(name, least):
    build = getattr(all_cnn, name)
    model = build((least, least, 1), padding="valid", include_top=False)
    assert model.output_shape[1:3] == (1, 1)
    with pytest.raises(KerasnetsError, match=f"a side needs {least} pixels"):
        build((least, least - 1, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": 1.0}, "dropout 1.0 is not a rate"),
        ({"input_dropout": -0.1}, "input_dropout -0.1 is not a rate"),
        ({"padding": "full"}, "padding 'full' is unknown: 'same' or 'valid'"),
        ({"classes": 0}, "classes 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        all_cnn.AllCNNC(**arguments)
