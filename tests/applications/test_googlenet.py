"""GoogLeNet against Table 1 of the paper, and what torchvision does otherwise."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.applications.googlenet import GoogLeNet, GoogLeNetBN
from kerasnets.errors import KerasnetsError

# Szegedy et al. 2014, Table 1: side and channels of the output; parameters from its
# widths, with biases
TABLE = {
    "3a": (28, 256, 163_696),
    "3b": (28, 480, 388_736),
    "4a": (14, 512, 376_176),
    "4b": (14, 512, 449_160),
    "4c": (14, 512, 510_104),
    "4d": (14, 528, 605_376),
    "4e": (14, 832, 868_352),
    "5a": (7, 832, 1_043_456),
    "5b": (7, 1024, 1_444_080),
}
STEM = {
    "conv1_relu": (112, 112, 64),
    "pool1": (56, 56, 64),
    "conv2_relu": (56, 56, 192),
    "pool2": (28, 28, 192),
    "pool3": (14, 14, 480),
    "pool4": (7, 7, 832),
}


@pytest.fixture(scope="module")
def paper():
    return GoogLeNet(auxiliary=True, classifier_activation=None)


@pytest.fixture(scope="module")
def torchvision():
    return GoogLeNetBN(auxiliary=True)


def names_of(model):
    return [layer.name for layer in model.layers]


def input_of(layer):
    return layer.input._keras_history.operation.name


@pytest.mark.parametrize("network", ["paper", "torchvision"])
def test_maps_are_those_of_the_table(network, request):
    model = request.getfixturevalue(network)
    for name, shape in STEM.items():
        assert model.get_layer(name).output.shape[1:] == shape
    for module, (side, channels, _) in TABLE.items():
        shape = model.get_layer(f"inception{module}_concat").output.shape[1:]
        assert shape == (side, side, channels)


def test_parameters_of_the_modules_are_those_of_the_table(paper):
    for module, (_, _, params) in TABLE.items():
        parts = [x for x in paper.layers if x.name.startswith(f"inception{module}_")]
        assert sum(layer.count_params() for layer in parts) == params


def test_branches_of_a_module(paper):
    module = "inception4a"
    sources = {
        "1x1_conv": "pool3",
        "3x3_reduce_conv": "pool3",
        "3x3_conv": f"{module}_3x3_reduce_relu",
        "5x5_conv": f"{module}_5x5_reduce_relu",
        "pool": "pool3",
        "pool_proj_conv": f"{module}_pool",
    }
    for part, source in sources.items():
        assert input_of(paper.get_layer(f"{module}_{part}")) == source
    joined = paper.get_layer(f"{module}_concat").input
    assert [x._keras_history.operation.name for x in joined] == [
        f"{module}_{branch}_relu" for branch in ("1x1", "3x3", "5x5", "pool_proj")
    ]
    assert isinstance(paper.get_layer(f"{module}_pool"), layers.MaxPooling2D)


def test_stem_normalises_the_response_before_and_after_its_convolutions(paper):
    assert input_of(paper.get_layer("norm1")) == "pool1"
    assert input_of(paper.get_layer("conv2_reduce_conv")) == "norm1"
    assert input_of(paper.get_layer("norm2")) == "conv2_relu"
    # Caffe: x / (1 + 1e-4 / 5 * sum of 5 squares)^0.75; the 3rd of 5 channels sees all
    x = np.array([[[[100.0, 200.0, 300.0, 400.0, 500.0]]]], "float32")
    expected = 300 / (1 + 1e-4 / 5 * 550_000) ** 0.75
    np.testing.assert_allclose(
        paper.get_layer("norm1")(x)[0, 0, 0, 2], expected, rtol=1e-5
    )


def test_the_two_networks_differ_as_documented(paper, torchvision):
    kernel, pool = paper.get_layer("inception3a_5x5_conv"), paper.get_layer("pool4")
    assert (kernel.kernel_size, pool.pool_size) == ((5, 5), (3, 3))
    assert paper.get_layer("dropout").rate == 0.4
    assert all(x.use_bias for x in paper.layers if isinstance(x, layers.Conv2D))
    assert not any(name.endswith("_bn") for name in names_of(paper))
    kernel = torchvision.get_layer("inception3a_5x5_conv")
    pool = torchvision.get_layer("pool4")
    assert (kernel.kernel_size, pool.pool_size) == ((3, 3), (2, 2))
    assert torchvision.get_layer("dropout").rate == 0.2
    assert "norm1" not in names_of(torchvision)
    norms = [x for x in torchvision.layers if isinstance(x, layers.BatchNormalization)]
    assert len(norms) == 57 + 2  # a convolution each, two in auxiliary classifiers
    assert {norm.epsilon for norm in norms} == {1e-3}


@pytest.mark.parametrize("network", ["paper", "torchvision"])
def test_auxiliary_classifiers_look_at_4a_and_4d(network, request):
    model = request.getfixturevalue(network)
    assert model.output_shape == [(None, 1000)] * 3
    for number, module in ((1, "4a"), (2, "4d")):
        head = f"auxiliary{number}"
        pool = model.get_layer(f"{head}_pool")
        assert input_of(pool) == f"inception{module}_concat"
        assert pool.output.shape[1:3] == (4, 4)
        assert model.get_layer(f"{head}_relu").output.shape[1:] == (4, 4, 128)
        assert model.get_layer(f"{head}_fc").output.shape == (None, 1024)
        assert model.get_layer(f"{head}_fc").activation is keras.activations.relu
        assert model.get_layer(f"{head}_dropout").rate == 0.7
        assert input_of(model.get_layer(f"{head}_logits")) == f"{head}_dropout"


def test_auxiliary_outputs_follow_the_main_one(paper, torchvision):
    assert paper.output_names == ["logits", "auxiliary1_logits", "auxiliary2_logits"]
    assert torchvision.output_names[1:] == [
        "auxiliary1_predictions",
        "auxiliary2_predictions",
    ]


def test_layers_have_their_names_in_torchvision(torchvision):
    named = GoogLeNetBN.network.torch.layer
    assert [
        named(name)
        for name in (
            "conv2_reduce_conv",
            "conv2_bn",
            "inception3a_1x1_conv",
            "inception4e_3x3_reduce_bn",
            "inception5b_5x5_conv",
            "inception5b_pool_proj_bn",
            "auxiliary1_conv",
            "auxiliary2_bn",
            "auxiliary2_fc",
            "auxiliary1_logits",
            "logits",
        )
    ] == [
        "conv2.conv",
        "conv3.bn",
        "inception3a.branch1.conv",
        "inception4e.branch2.0.bn",
        "inception5b.branch3.1.conv",
        "inception5b.branch4.1.bn",
        "aux1.conv.conv",
        "aux2.conv.bn",
        "aux2.fc1",
        "aux1.fc2",
        "fc",
    ]
    # every module there has its own: none is given to two layers
    weighted = [layer.name for layer in torchvision.layers if layer.weights]
    assert len({named(name) for name in weighted}) == len(weighted)


@pytest.mark.parametrize(("build", "least"), [(GoogLeNet, 31), (GoogLeNetBN, 15)])
def test_smallest_image_leaves_one_pixel(build, least):
    assert build((least, least, 1), include_top=False).output_shape[1:3] == (1, 1)
    assert build((None, None, 3)).output_shape == (None, 1000)
    with pytest.raises(KerasnetsError, match=f"a side needs {least} pixels"):
        build((least, least - 1, 1))


@pytest.mark.parametrize(("build", "least"), [(GoogLeNet, 79), (GoogLeNetBN, 31)])
def test_smallest_image_for_auxiliary_classifiers(build, least):
    model = build((least, least + 20, 3), auxiliary=True, classes=5)
    x = np.zeros((1, *model.input_shape[1:]), "float32")
    assert [y.shape for y in model.predict(x, verbose=0)] == [(1, 5)] * 3


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (GoogLeNet, {"include_top": False}, "without top"),
        (GoogLeNet, {"input_shape": (78, 224, 3)}, r"79 pixels or more, not \(78, 224"),
        (GoogLeNetBN, {"input_shape": (30, 64, 3)}, r"31 pixels or more, not \(30, 64"),
        (GoogLeNetBN, {"input_shape": (None, None, 3)}, r"not \(None, None\)"),
    ],
)
def test_auxiliary_classifiers_without_a_place_are_refused(build, arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        build(**arguments, auxiliary=True)
