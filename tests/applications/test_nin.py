"""Network in Network against the authors' files for cuda-convnet and Caffe."""

import keras
import numpy as np
import pytest

from kerasnets.applications.nin import NINCIFAR10, NINCIFAR100, NINImageNet
from kerasnets.errors import KerasnetsError

# layer of the files: side of its kernels, parameters, initial deviation, side and
# channels of its map
CIFAR10 = {
    "conv1": (5, 14_592, 0.05, 32, 192),
    "cccp1": (1, 30_880, 0.05, 32, 160),
    "cccp2": (1, 15_456, 0.05, 32, 96),
    "conv2": (5, 460_992, 0.05, 16, 192),
    "cccp3": (1, 37_056, 0.05, 16, 192),
    "cccp4": (1, 37_056, 0.05, 16, 192),
    "conv3": (3, 331_968, 0.05, 8, 192),
    "cccp5": (1, 37_056, 0.05, 8, 192),
    "logits": (1, 1_930, 0.05, 8, 10),
}
CIFAR100 = CIFAR10 | {
    "conv1": (5, 14_592, 0.001, 32, 192),
    "cccp1": (1, 30_880, 0.01, 32, 160),
    "cccp2": (1, 15_456, 0.01, 32, 96),
    "logits": (1, 19_300, 0.05, 8, 100),
}
IMAGENET = {
    "conv1": (11, 34_944, 0.01, 54, 96),
    "cccp1": (1, 9_312, 0.05, 54, 96),
    "cccp2": (1, 9_312, 0.05, 54, 96),
    "conv2": (5, 614_656, 0.05, 27, 256),
    "cccp3": (1, 65_792, 0.05, 27, 256),
    "cccp4": (1, 65_792, 0.05, 27, 256),
    "conv3": (3, 885_120, 0.01, 13, 384),
    "cccp5": (1, 147_840, 0.05, 13, 384),
    "cccp6": (1, 147_840, 0.05, 13, 384),
    "conv4": (3, 3_539_968, 0.05, 6, 1024),
    "cccp7": (1, 1_049_600, 0.05, 6, 1024),
    "logits": (1, 1_025_000, 0.01, 6, 1000),
}
each = pytest.mark.parametrize(
    ("build", "table"),
    [(NINCIFAR10, CIFAR10), (NINCIFAR100, CIFAR100), (NINImageNet, IMAGENET)],
)


@each
def test_convolutions_are_those_of_the_files(build, table):
    found = {}
    for layer in build().layers:
        if isinstance(layer, keras.layers.Conv2D):
            deviation = layer.kernel_initializer.get_config()["stddev"]
            found[layer.name.removesuffix("_conv")] = (
                layer.kernel_size[0],
                layer.count_params(),
                deviation,
                *layer.output.shape[2:],
            )
    assert list(found.items()) == list(table.items())


# a ReLU after every convolution; pooling before conv2, conv3, ...
@each
def test_layers_follow_each_other_as_in_the_files(build, table):
    dropped = {"conv4"} if build is NINImageNet else {"conv2", "conv3"}
    expected, pools = ["image", "pixels"], 0
    for name in table:
        if name.startswith("conv") and name != "conv1":
            pools += 1
            expected += [f"pool{pools}"]
            expected += [f"dropout{pools}"] * (name in dropped)
        head = name == "logits"
        expected += [name if head else f"{name}_conv", f"{name}_relu"]
    model = build()
    expected += ["avg_pool", "predictions"]
    assert [layer.name for layer in model.layers] == expected
    for before, layer in zip(model.layers, model.layers[1:], strict=False):
        assert layer.input is before.output
    for i in range(1, pools + 1):
        pool = model.get_layer(f"pool{i}")
        assert isinstance(pool, keras.layers.MaxPooling2D)
        assert (pool.pool_size, pool.strides) == ((3, 3), (2, 2))


# Caffe's sizes: (side - 3) / 2 rounded up, + 1
@pytest.mark.parametrize(
    ("build", "side", "last"),
    [
        (NINCIFAR10, 4, 1),
        (NINCIFAR10, 33, 8),
        (NINCIFAR10, 37, 9),
        (NINImageNet, 39, 1),
    ],
)
def test_pooling_rounds_up(build, side, last):
    assert build((side, side, 3), include_top=False).output_shape[1:3] == (last, last)


def test_the_output_is_the_average_of_the_rectified_map():
    model = NINCIFAR10((16, 16, 3), classes=5, classifier_activation=None)
    random = np.random.default_rng(0)
    kernel = random.normal(0, 1, (192, 5)).astype("float32")
    bias = np.asarray([0.1, -0.1, 0.05, 0.0, -30.0], "float32")
    model.get_layer("logits").set_weights([kernel[None, None], bias])
    features = keras.Model(model.input, model.get_layer("cccp5_relu").output)
    x = random.normal(0, 9, (2, 16, 16, 3)).astype("float32")
    expected = np.maximum(np.asarray(features(x)) @ kernel + bias, 0).mean(axis=(1, 2))
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    assert (expected[:, 4] == 0).all()
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


def test_initial_weights_are_drawn_anew_for_each_layer():
    model = NINCIFAR10((4, 4, 3))
    third, fourth = (model.get_layer(f"cccp{i}_conv").kernel for i in (3, 4))
    assert third.shape == fourth.shape
    assert np.abs(np.asarray(third) - np.asarray(fourth)).max() > 0.1
    np.testing.assert_allclose(np.std(third), 0.05, rtol=0.02)


@pytest.mark.parametrize("build", [NINCIFAR10, NINImageNet])
def test_dropout_changes_the_graph(build):
    rates = [layer.rate for layer in build(dropout=0.3).layers if "dropo" in layer.name]
    assert set(rates) == {0.3}
    assert not [layer for layer in build(dropout=0).layers if "dropo" in layer.name]


def test_classes_are_those_of_the_data_set_or_as_given():
    assert NINCIFAR100((8, 8, 3)).output_shape == (None, 100)
    assert NINCIFAR100((8, 8, 3), classes=7).output_shape == (None, 7)


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (NINCIFAR10, {"dropout": 1}, "dropout 1 is not a rate"),
        (NINCIFAR10, {"classes": 0}, "classes 0"),
        (NINCIFAR10, {"input_shape": (3, 32, 3)}, "a side needs 4"),
        (NINImageNet, {"input_shape": (38, 64, 3)}, "a side needs 39"),
    ],
)
def test_bad_arguments_are_named(build, arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        build(**arguments)
