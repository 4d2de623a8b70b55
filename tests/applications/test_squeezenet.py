"""SqueezeNet against the paper's table, the release in Caffe and torchvision's."""

import keras
import numpy as np
import pytest

from kerasnets.analysis import count_madds, count_params
from kerasnets.applications.squeezenet import (
    SqueezeNet1_0,
    SqueezeNet1_1,
    SqueezeNetCIFAR,
    SqueezeNetCIFARBN,
)
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import pixels_of


# by hand from the prototxt; torchvision's by counting its modules' products
@pytest.mark.parametrize(
    ("build", "arguments", "params", "madds"),
    [
        (SqueezeNet1_0, {"bypass": "simple"}, 1_248_424, 861.34),
        (SqueezeNet1_0, {"bypass": "complex"}, 1_589_672, 1212.63),
        (SqueezeNet1_0, {"form": "torch"}, 1_248_424, 818.925),
        (SqueezeNet1_1, {"form": "torch"}, 1_235_496, 349.152),
    ],
)
def test_arguments_cost_what_they_should(build, arguments, params, madds):
    model = build(**arguments)
    assert count_params(model) == params
    assert f"{count_madds(model) / 1e6:.6g}" == f"{madds:.6g}"


# Iandola et al. 2016, Table 1, its column before pruning; 1x1 layers of complex bypass
# by hand: in * out + out
PARAMETERS = {
    "stem": 14_208,
    "fire2": 11_920,
    "fire3": 12_432,
    "fire4": 45_344,
    "fire5": 49_440,
    "fire6": 104_880,
    "fire7": 111_024,
    "fire8": 188_992,
    "fire9": 197_184,
    "logits": 513_000,
}
BYPASSES = {"fire2": 12_416, "fire4": 33_024, "fire6": 98_688, "fire8": 197_120}


@pytest.mark.parametrize(
    ("bypass", "extra"), [(None, {}), ("simple", {}), ("complex", BYPASSES)]
)
def test_modules_have_the_parameters_of_the_table(bypass, extra):
    counts = {}
    for layer in SqueezeNet1_0((64, 64, 3), bypass=bypass).layers:
        module = layer.name.partition("_")[0]
        counts[module] = counts.get(module, 0) + layer.count_params()
    for module, count in PARAMETERS.items():
        assert counts[module] == count + extra.get(module, 0), module


# Table 1 and the prototxts: the maps after each pooling, and the last one
@pytest.mark.parametrize(
    ("build", "stem", "pools", "last"),
    [
        (SqueezeNet1_0, (111, 96), [(55, 96), (27, 256), (13, 512)], 15),
        (SqueezeNet1_1, (113, 64), [(56, 64), (28, 128), (14, 256)], 14),
    ],
)
def test_maps_have_the_sizes_of_the_release(build, stem, pools, last):
    model = build()
    names = ["stem_conv", "pool1", "pool2", "pool3"]
    outputs = [model.get_layer(name).output.shape[1:] for name in names]
    assert outputs == [(side, side, filters) for side, filters in (stem, *pools)]
    assert model.get_layer("logits").output.shape == (None, last, last, 1000)
    assert build(form="torch").get_layer("logits").output.shape[1] == 13


@pytest.mark.parametrize(
    ("build", "after"),
    [
        (SqueezeNet1_0, ["stem_relu", "fire4_concat", "fire8_concat"]),
        (SqueezeNet1_1, ["stem_relu", "fire3_concat", "fire5_concat"]),
    ],
)
def test_pooling_is_where_the_release_has_it(build, after):
    model = build()
    for i, name in enumerate(after, start=1):
        pool = model.get_layer(f"pool{i}")
        assert isinstance(pool, keras.layers.MaxPooling2D)
        assert pool.pool_size == (3, 3)
        assert pool.strides == (2, 2)
        assert pool.input._keras_history.operation.name == name


# section 6: around fire 3, 5, 7 and 9 their input is added (of 5 and 9 that is the
# output of pooling); complex bypass has a 1x1 convolution around the others
@pytest.mark.parametrize("bypass", ["simple", "complex"])
def test_bypass_adds_the_input_of_the_module(bypass):
    model = SqueezeNet1_0((64, 64, 3), bypass=bypass)
    sources = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Add):
            sources[layer.name] = {x._keras_history.operation.name for x in layer.input}
    expected = {
        "fire3_add": {"fire3_concat", "fire2_concat"},
        "fire5_add": {"fire5_concat", "pool2"},
        "fire7_add": {"fire7_concat", "fire6_concat"},
        "fire9_add": {"fire9_concat", "pool3"},
    }
    if bypass == "complex":
        expected["fire3_add"] = {"fire3_concat", "fire2_add"}
        expected["fire7_add"] = {"fire7_concat", "fire6_add"}
        for i in (2, 4, 6, 8):
            expected[f"fire{i}_add"] = {f"fire{i}_concat", f"fire{i}_bypass_conv"}
    assert sources == expected


def test_fire_is_the_formula_of_the_paper():
    model = SqueezeNet1_1((32, 32, 3), bypass="complex")
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0, 0.2, variable.shape))
    # on a map of 1x1 only the middle of a 3x3 kernel meets the image
    weights = {
        layer.name.removeprefix("fire6_"): [np.asarray(w) for w in layer.weights]
        for layer in model.layers
        if layer.name.startswith("fire6_") and layer.weights
    }
    x = random.normal(0, 1, 256)

    def conv(x, name):
        kernel, bias = weights[f"{name}_conv"]
        middle = kernel.shape[0] // 2
        return x @ kernel[middle, middle] + bias

    squeezed = np.maximum(conv(x, "squeeze"), 0)
    halves = [np.maximum(conv(squeezed, f"expand{k}"), 0) for k in ("1x1", "3x3")]
    expected = np.concatenate(halves) + conv(x, "bypass")
    module = keras.Model(
        model.get_layer("pool3").output, model.get_layer("fire6_add").output
    )
    answer = np.ravel(module(x[None, None, None].astype("float32")))
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


# a border of zeros around the map gives the rectified bias there
def test_the_output_is_the_average_of_the_rectified_map():
    model = SqueezeNet1_0((64, 64, 3), classes=5, classifier_activation=None)
    head = model.get_layer("logits")
    kernel = np.random.default_rng(0).normal(0, 1, (512, 5)).astype("float32")
    bias = np.asarray([1.0, -1.0, 0.5, 0.0, -30.0], "float32")
    head.set_weights([kernel[None, None], bias])
    features = keras.Model(model.input, model.get_layer("dropout").output)
    x = 9 * np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype("float32")
    maps = np.pad(np.asarray(features(x)), [(0, 0), (1, 1), (1, 1), (0, 0)])
    expected = np.maximum(maps @ kernel + bias, 0).mean(axis=(1, 2))
    assert maps.shape[1:3] == (5, 5)
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


def test_dropout_changes_the_graph():
    assert SqueezeNet1_1((32, 32, 3)).get_layer("dropout").rate == 0.5
    without = SqueezeNet1_1((32, 32, 3), dropout=0)
    assert "dropout" not in [layer.name for layer in without.layers]


def test_forms_have_the_images_of_their_release():
    ours, theirs = SqueezeNet1_0(), SqueezeNet1_0(form="torch")
    assert (ours.name, theirs.name) == ("squeezenet1_0", "squeezenet1_0_torch")
    assert (pixels_of(ours).channels, pixels_of(ours).size) == ("BGR", 227)
    assert pixels_of(ours).resize == 256
    assert (pixels_of(theirs).channels, pixels_of(theirs).size) == ("RGB", 224)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bypass": "full"}, "bypass 'full'"),
        ({"form": "caffe"}, "form 'caffe' is unknown"),
        ({"bypass": "simple", "weights": "timm:squeezenet"}, "bypass 'simple'.*none"),
        ({"input_shape": (31, 31, 3)}, "too small: a side needs 32"),
        ({"input_shape": (32, 32, 3), "classes": 0}, "classes 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        SqueezeNet1_0(**arguments)


# of the files of Hasanpour et al. 2018, Table XI; pooling rounds up
@pytest.mark.parametrize("build", [SqueezeNetCIFAR, SqueezeNetCIFARBN])
def test_cifar_networks_keep_large_maps(build):
    model = build()
    names = ["stem_conv", "pool1", "pool2", "pool3", "logits"]
    sides = [model.get_layer(name).output.shape[1] for name in names]
    assert sides == [30, 28, 14, 7, 7]
    assert model.get_layer("pool1").pool_size == (3, 3)


def test_batch_norm_follows_the_convolutions_that_the_file_normalises():
    assert not any(layer.name.endswith("_bn") for layer in SqueezeNetCIFAR().layers)
    model = SqueezeNetCIFARBN()
    bare = set()
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            (node,) = {n.operation for n in layer._outbound_nodes[:1]}
            if not isinstance(node, keras.layers.BatchNormalization):
                bare.add(layer.name)
            else:
                after = node._outbound_nodes[0].operation
                assert isinstance(after, keras.layers.ReLU)
    assert bare == {"fire2_squeeze_conv", "fire4_expand1x1_conv", "logits"}


def test_saf_drops_what_the_poolings_found():
    def dropped(model):
        return {
            layer.input._keras_history.operation.name: layer.rate
            for layer in model.layers
            if isinstance(layer, keras.layers.Dropout)
        }

    assert dropped(SqueezeNetCIFAR()) == {"fire9_concat": 0.5}
    assert dropped(SqueezeNetCIFAR(saf=0.2, dropout=0)) == {
        f"pool{i}": 0.2 for i in (1, 2, 3)
    }
    with pytest.raises(KerasnetsError, match="saf 1"):
        SqueezeNetCIFAR(saf=1)
