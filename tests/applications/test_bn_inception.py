"""BN-Inception against Figure 5 of the paper."""

import pytest
from keras import layers

from kerasnets.applications.bn_inception import (
    BNInception,
    BNInceptionPlain,
    BNInceptionSlim,
)
from kerasnets.errors import KerasnetsError

# Ioffe & Szegedy 2015, Figure 5: side, channels, then filters of 1x1, 3x3 reduce, 3x3,
# double 3x3 reduce, double 3x3 (twice), pooling, projection
TABLE = {
    "3a": (28, 256, 64, 64, 64, 64, 96, "avg", 32),
    "3b": (28, 320, 64, 64, 96, 64, 96, "avg", 64),
    "3c": (14, 576, None, 128, 160, 64, 96, "max", None),
    "4a": (14, 576, 224, 64, 96, 96, 128, "avg", 128),
    "4b": (14, 576, 192, 96, 128, 96, 128, "avg", 128),
    "4c": (14, 576, 160, 128, 160, 128, 160, "avg", 128),
    "4d": (14, 576, 96, 128, 192, 160, 192, "avg", 128),
    "4e": (7, 1024, None, 128, 192, 192, 256, "max", None),
    "5a": (7, 1024, 352, 192, 320, 160, 224, "avg", 128),
    "5b": (7, 1024, 352, 192, 320, 192, 224, "max", 128),
}
# where the branches of the figure add up to more than its output column
LITERAL_CHANNELS = {"4c": 608, "4d": 608, "4e": 1056}
POOLS = {"avg": layers.AveragePooling2D, "max": layers.MaxPooling2D}


def filters_of(model, name):
    layer = next((x for x in model.layers if x.name == f"{name}_conv"), None)
    return None if layer is None else layer.filters


@pytest.mark.parametrize("build", [BNInception, BNInceptionPlain, BNInceptionSlim])
def test_modules_are_those_of_the_figure(build):
    model = build()
    slim = build is BNInceptionSlim
    assert model.get_layer("conv1_relu").output.shape[1:] == (112, 112, 64)
    assert model.get_layer("pool1").output.shape[1:] == (56, 56, 64)
    assert filters_of(model, "conv2_reduce") == 64
    assert model.get_layer("conv2_relu").output.shape[1:] == (56, 56, 192)
    assert model.get_layer("pool2").output.shape[1:] == (28, 28, 192)
    for module, (side, channels, *widths, double, kind, projection) in TABLE.items():
        name = f"inception{module}"
        if slim and module in ("4c", "4d"):
            projection = 96
        if not slim:
            channels = LITERAL_CHANNELS.get(module, channels)
        shape = model.get_layer(f"{name}_concat").output.shape[1:]
        assert shape == (side, side, channels), module
        parts = ("1x1", "3x3_reduce", "3x3", "double_reduce", "double_1", "double_2")
        filters = [filters_of(model, f"{name}_{part}") for part in parts]
        assert filters == [*widths, double, double], module
        assert isinstance(model.get_layer(f"{name}_pool"), POOLS[kind]), module
        assert filters_of(model, f"{name}_pool_proj") == projection, module


def test_strides_are_on_the_last_layers_of_3c_and_4e():
    strided = {
        layer.name
        for layer in BNInception().layers
        if getattr(layer, "strides", (1, 1)) == (2, 2)
    }
    assert strided == {
        "conv1_depthwise_conv",
        "pool1",
        "pool2",
        *(
            f"inception{module}_{part}"
            for module in ("3c", "4e")
            for part in ("3x3_conv", "double_2_conv", "pool")
        ),
    }


@pytest.mark.parametrize("build", [BNInception, BNInceptionSlim])
def test_first_convolution_is_separable_with_one_batch_norm(build):
    model = build((64, 64, 3))
    depthwise = model.get_layer("conv1_depthwise_conv")
    assert depthwise.output.shape[1:] == (32, 32, 3 * 8)
    assert depthwise.kernel.shape == (7, 7, 3, 8)
    pointwise = model.get_layer("conv1_conv")
    assert pointwise.input is depthwise.output
    assert pointwise.kernel.shape == (1, 1, 24, 64)


def test_plain_first_convolution_is_7x7():
    first = BNInceptionPlain((64, 64, 3)).get_layer("conv1_conv")
    assert (first.kernel.shape, first.strides) == ((7, 7, 3, 64), (2, 2))


def test_every_convolution_is_followed_by_batch_norm_and_relu():
    model = BNInception((32, 32, 3))
    for layer in model.layers:
        if layer.name.endswith("_conv"):
            assert not layer.use_bias, layer.name
        if isinstance(layer, layers.BatchNormalization):
            assert (layer.scale, layer.center) == (True, True), layer.name
            assert layer.input._keras_history.operation.name == (
                layer.name.removesuffix("_bn") + "_conv"
            )
        if isinstance(layer, layers.ReLU):
            assert layer.input._keras_history.operation.name == (
                layer.name.removesuffix("_relu") + "_bn"
            )
    # stem, eight modules with four branches, two that halve the map
    norms = [x for x in model.layers if isinstance(x, layers.BatchNormalization)]
    assert len(norms) == 3 + 8 * 7 + 2 * 5


def test_smallest_image_leaves_module_4e_two_pixels():
    model = BNInception((17, 17, 1), classes=3)
    assert model.get_layer("inception4d_concat").output.shape[1:3] == (2, 2)
    assert model.get_layer("inception5b_concat").output.shape[1:3] == (1, 1)
    with pytest.raises(KerasnetsError, match="a side needs 17 pixels"):
        BNInception((17, 16, 1))
    assert BNInception((None, None, 4)).output_shape == (None, 1000)
