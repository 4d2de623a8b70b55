"""AlexNet against the paper's figure and section 3."""

import numpy as np
import pytest

from kerasnets.applications.alexnet import AlexNet, AlexNetOWT, AlexNetSingleTower
from kerasnets.errors import KerasnetsError

SMALL = {"dense_units": 8, "classes": 10}


def shape(model, layer):
    return model.get_layer(layer).output.shape[1:]


# maps after each pooling, and of the last convolution (Figure 2)
@pytest.mark.parametrize(
    ("build", "maps"),
    [
        (AlexNet, [(55, 55, 96), (27, 27, 256), (13, 13, 384), (6, 6, 256)]),
        (AlexNetSingleTower, [(55, 55, 96), (27, 27, 256), (13, 13, 384), (6, 6, 256)]),
        (AlexNetOWT, [(55, 55, 64), (27, 27, 192), (13, 13, 256), (6, 6, 256)]),
    ],
    ids=["two_gpus", "single", "owt"],
)
def test_maps_are_those_of_the_figure(build, maps):
    model = build(**SMALL)
    layers = ("conv1", "conv2", "conv4", "conv5_pool")
    assert [shape(model, layer) for layer in layers] == maps


# kernels of the paper: those of 2, 4 and 5 see the 48 or 192 maps of their own GPU
def test_kernels_see_the_maps_of_their_own_gpu():
    model = AlexNet(**SMALL)
    kernels = [model.get_layer(f"conv{i}").kernel.shape for i in range(1, 6)]
    assert kernels == [
        (11, 11, 3, 96),
        (5, 5, 48, 256),
        (3, 3, 256, 384),
        (3, 3, 192, 384),
        (3, 3, 192, 256),
    ]


@pytest.mark.parametrize("build", [AlexNet, AlexNetSingleTower])
def test_order_is_convolution_relu_normalisation_pooling(build):
    names = [layer.name for layer in build(**SMALL).layers]
    assert names == [
        *("image", "pixels"),
        *("conv1", "conv1_relu", "conv1_norm", "conv1_pool"),
        *("conv2", "conv2_relu", "conv2_norm", "conv2_pool"),
        *("conv3", "conv3_relu", "conv4", "conv4_relu"),
        *("conv5", "conv5_relu", "conv5_pool", "flatten"),
        *("fc6", "fc6_relu", "fc6_dropout", "fc7", "fc7_relu", "fc7_dropout"),
        *("logits", "predictions"),
    ]


def test_normalisation_has_the_constants_of_section_3_3():
    layer = AlexNet(**SMALL).get_layer("conv2_norm")
    assert (layer.bias, layer.depth, layer.alpha, layer.beta) == (2, 5, 1e-4, 0.75)


def test_pooling_overlaps():
    layer = AlexNet(**SMALL).get_layer("conv1_pool")
    assert (layer.pool_size, layer.strides) == ((3, 3), (2, 2))


def test_one_weird_trick_drops_what_the_dense_layers_read():
    names = [layer.name for layer in AlexNetOWT(**SMALL).layers]
    assert names[-9:] == [
        *("conv5_dropout", "flatten", "fc6", "fc6_relu", "fc6_dropout"),
        *("fc7", "fc7_relu", "logits", "predictions"),
    ]
    assert not any("norm" in name for name in names)


def test_weights_start_as_in_section_5():
    model = AlexNet(**SMALL)
    names = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "logits")
    biases = [np.unique(model.get_layer(name).bias).tolist() for name in names]
    assert biases == [[0], [1], [0], [1], [1], [1], [1], [0]]
    for name in ("conv1", "conv5", "fc6"):
        kernel = np.asarray(model.get_layer(name).kernel)
        assert kernel.std() == pytest.approx(0.01, rel=0.05)


def test_dense_units_and_dropout_change_the_graph():
    model = AlexNet((67, 67, 3), dense_units=5, dropout=0.25)
    assert shape(model, "fc6") == shape(model, "fc7") == (5,)
    assert model.get_layer("fc7_dropout").rate == 0.25
    names = [layer.name for layer in AlexNetOWT(dense_units=5, dropout=0).layers]
    assert not any("dropout" in name for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": 1}, r"dropout 1 is not a rate"),
        ({"dense_units": 0}, "dense_units 0"),
        ({"input_shape": (66, 67, 3)}, "a side needs 67"),
        ({"input_shape": (None, None, 3)}, "no fixed length"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        AlexNet(**arguments)


@pytest.mark.parametrize(("build", "side"), [(AlexNet, 67), (AlexNetOWT, 63)])
def test_the_smallest_image_leaves_one_pixel(build, side):
    model = build((side, side, 3), include_top=False)
    assert model.output_shape == (None, 1, 1, 256)
