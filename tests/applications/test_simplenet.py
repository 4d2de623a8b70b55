"""SimpleNet against the layers of the authors' releases in Caffe and in PyTorch."""

import keras
import numpy as np
import pytest

from kerasnets.applications import simplenet
from kerasnets.applications.simplenet import (
    SimpleNet,
    SimpleNet5M_M1,
    SimpleNet5M_M2,
    SimpleNet310K,
    SimpleNet310KMNIST,
    SimpleNet460K,
    SimpleNetTorch,
)
from kerasnets.errors import KerasnetsError

WORDS = {
    keras.layers.BatchNormalization: "BN",
    keras.layers.ReLU: "ReLU",
    keras.layers.MaxPooling2D: "pool",
    keras.layers.Dropout: "drop",
    keras.layers.SpatialDropout2D: "drop",
    keras.layers.GlobalMaxPooling2D: "max",
    keras.layers.Dense: "dense",
}
USUAL = "BN ReLU drop"
# train_val.prototxt: kernel, filters and what follows
CAFFE = {
    "conv1": (3, 64, USUAL),
    "conv1_0": (3, 128, USUAL),
    "conv2": (3, 128, USUAL),
    "conv2_1": (3, 128, "BN ReLU pool drop"),
    "conv2_2": (3, 128, USUAL),
    "conv3": (3, 128, USUAL),
    "conv4": (3, 256, "pool BN ReLU drop"),
    "conv4_1": (3, 256, USUAL),
    "conv4_2": (3, 256, "BN ReLU drop pool"),
    "conv4_0": (3, 512, USUAL),
    "cccp4": (1, 2048, "ReLU drop"),
    "cccp5": (1, 256, "ReLU pool drop"),
    "cccp6": (3, 256, "ReLU max dense"),
}


def convolutions(model):
    """Each with its kernel, filters and the layers up to the next, in a row."""
    found = {}
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.Conv2D):
            found[layer.name] = [layer.kernel_size[0], layer.filters, []]
            last = found[layer.name][2]
        elif type(layer) in WORDS:
            last.append(WORDS[type(layer)])
    return {name: (k, n, " ".join(after)) for name, (k, n, after) in found.items()}


def sides(model):
    """Of the maps that the convolutions give."""
    return [
        layer.output.shape[1]
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]


def test_layers_are_those_of_the_release():
    assert convolutions(SimpleNet(classifier_activation=None)) == CAFFE


@pytest.mark.parametrize(
    ("build", "filters", "kernels"),
    [
        (SimpleNet310K, [64, *[32] * 5, *[64] * 3, 128, 256, 64, 64], [1, 1, 3]),
        (SimpleNet460K, [*[32] * 3, *[64] * 6, *[96] * 3, 100], [3, 3, 1]),
    ],
)
def test_slim_networks_keep_the_order_without_dropout(build, filters, kernels):
    rows = convolutions(build(classifier_activation=None))
    assert [n for _, n, _ in rows.values()] == filters
    assert [k for k, _, _ in rows.values()] == [3] * 10 + kernels
    for name, (_, _, after) in rows.items():
        assert after == CAFFE[name][2].replace("drop", "").replace("  ", " ").strip()


# Caffe rounds up: 7 becomes 4
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (SimpleNet310K, [32] * 4 + [16] * 3 + [8] * 2 + [4] * 3 + [2]),
        (SimpleNet310KMNIST, [28] * 4 + [14] * 3 + [7] * 2 + [4] * 3 + [2]),
        (SimpleNet5M_M1, [112, 56] + [28] * 4 + [14] * 4 + [7] * 3),
        (SimpleNet5M_M2, [112, 56, 56] + [28] * 3 + [14] * 4 + [7] * 3),
    ],
)
def test_maps_have_the_sizes_of_the_release(build, expected):
    assert sides(build()) == expected


# simplenet.py of the release in PyTorch
@pytest.mark.parametrize(
    ("build", "pooled"),
    [
        (SimpleNetTorch, ["conv2_1", "conv4", "conv4_2", "cccp5"]),
        (SimpleNet5M_M2, ["conv3", "conv4_0"]),
    ],
)
def test_the_port_has_one_order(build, pooled):
    rows = convolutions(build(dropout=0.1, classifier_activation=None))
    expected = {
        name: "BN ReLU pool drop" if name in pooled else USUAL for name in CAFFE
    }
    expected["cccp6"] = "BN ReLU max drop dense"
    assert {name: after for name, (_, _, after) in rows.items()} == expected


@pytest.mark.parametrize("build", [SimpleNet5M_M1, SimpleNet5M_M2])
def test_strided_convolutions_have_zeros_on_every_side(build):
    model = build()
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2):
            before = layer.input._keras_history.operation
            assert before.padding == ((1, 1), (1, 1))


def test_dropout_is_that_of_the_release_unless_asked():
    def rates(model):
        return {x.rate for x in model.layers if hasattr(x, "rate")}

    assert rates(SimpleNet()) == {0.2}
    assert rates(SimpleNet(dropout=0)) == set()
    assert rates(SimpleNet310K()) == set()
    assert rates(SimpleNet310K(dropout=0.1)) == {0.1}


def test_batch_norm_comes_after_the_pooling():
    inputs = keras.Input((2, 2, 1))
    row = simplenet.Layer("conv4", simplenet.CAFFE[6].steps, filters=1)
    model = keras.Model(inputs, simplenet._layer(inputs, row, dropout=0))
    kernel = np.zeros((3, 3, 1, 1), "float32")
    kernel[1, 1] = 1
    model.get_layer("conv4").set_weights([kernel, np.zeros(1)])
    # a negative gamma turns the order round: the smallest would win before the pooling
    weights = [np.array([value], "float32") for value in (-2.0, 10.0, 0.0, 1.0 - 1e-5)]
    model.get_layer("conv4_bn").set_weights(weights)
    image = np.array([1.0, 2.0, 3.0, 4.0], "float32").reshape(1, 2, 2, 1)
    np.testing.assert_allclose(np.ravel(model(image)), [10 - 2 * 4], rtol=1e-5)


def test_classes_are_those_of_the_data_set_unless_given():
    assert SimpleNet310K().output_shape == (None, 10)
    assert SimpleNet5M_M1().output_shape == (None, 1000)
    assert SimpleNet310K(classes=100).output_shape == (None, 100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": 1.0}, "dropout 1.0 is not a rate"),
        ({"classes": 0}, "classes 0"),
        ({"input_shape": (15, 32, 3)}, "a side needs 16"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        SimpleNet310K(**arguments)
