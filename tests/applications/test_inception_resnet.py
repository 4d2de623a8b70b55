"""Inception-ResNet against the figures of the paper."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.applications.inception_resnet import (
    InceptionResNetV1,
    InceptionResNetV2,
    InceptionResNetV2Drawn,
)
from kerasnets.errors import KerasnetsError


# the width of the maps as Figures 10 to 19 draw them, and of the release (TF-slim)
@pytest.mark.parametrize(
    ("build", "widths", "counts"),
    [
        (InceptionResNetV1, (256, 896, 1792), (5, 10, 5)),
        (InceptionResNetV2Drawn, (384, 1152, 2144), (5, 10, 5)),
        (InceptionResNetV2, (320, 1088, 2080, 2080), (10, 20, 9, 1)),
    ],
)
def test_maps_and_blocks_are_those_of_the_figures(build, widths, counts):
    model = build()
    sides = (35, 17, 8, 8)
    sums = [layer for layer in model.layers if isinstance(layer, layers.Add)]
    expected = [
        (f"stage{stage}_block{block}_add", (side, side, width))
        for stage, (side, width, count) in enumerate(
            zip(sides, widths, counts, strict=False), start=1
        )
        for block in range(1, count + 1)
    ]
    assert [(layer.name, layer.output.shape[1:]) for layer in sums] == expected


# pytorchcv's blocks of the same widths count so, batch-norm statistics not included
MODULES_V1 = {
    "stage1_block1": 77_440,
    "stage1_block5": 77_440,
    "reduction_a": 1_710_080,
    "stage2_block1": 690_048,
    "stage2_block10": 690_048,
    "reduction_b": 3_346_176,
    "stage3_block1": 1_600_768,
}


def test_modules_of_v1_have_the_parameters_counted_by_hand():
    model = InceptionResNetV1()
    counted = {
        name: sum(
            int(np.prod(variable.shape))
            for layer in model.layers
            if layer.name.startswith(f"{name}_")
            for variable in layer.trainable_variables
        )
        for name in MODULES_V1
    }
    assert counted == MODULES_V1


def test_released_network_scales_each_kind_of_block_and_ends_linearly():
    model = InceptionResNetV2((75, 75, 3))
    scales = [x.scale for x in model.layers if isinstance(x, layers.Rescaling)]
    assert scales == [0.17] * 10 + [0.1] * 20 + [0.2] * 9
    # the last sum goes straight into the convolution behind the blocks
    last = model.get_layer("last_conv")
    assert last.input is model.get_layer("stage4_block1_add").output
    assert last.output.shape[-1] == 1536
    for layer in model.layers:
        if layer.name.endswith("_linear"):
            assert layer.use_bias
            after = layer.output._keras_history.operation._outbound_nodes
            assert not isinstance(after[0].operation, layers.BatchNormalization)
            assert not isinstance(after[0].operation, layers.ReLU)


def test_scale_follows_the_precision_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = InceptionResNetV1((75, 75, 3))
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("stage1_block1_scale").output.dtype == "float16"
    assert model.get_layer("stage1_block1_relu").output.dtype == "float16"


def test_zero_init_residual_makes_every_block_the_identity():
    model = InceptionResNetV1((75, 75, 3), zero_init_residual=True, include_top=False)
    names = ["stage1_block5_relu", "stage2_block10_relu", "stage3_block5_relu"]
    entries = ["stem_6_relu", "reduction_a_concat", "reduction_b_concat"]
    taps = [model.get_layer(name).output for name in entries + names]
    x = np.random.default_rng(0).uniform(-1, 1, (1, 75, 75, 3)).astype("float32")
    maps = [np.asarray(tap) for tap in keras.Model(model.input, taps)(x)]
    for before, after in zip(maps[:3], maps[3:], strict=True):
        np.testing.assert_array_equal(before, after)
        assert np.ptp(before) > 0
    plain = InceptionResNetV1((75, 75, 3)).get_layer("stage1_block1_linear")
    assert np.ptp(plain.kernel) > 0


def test_stochastic_depth_grows_in_equal_steps():
    model = InceptionResNetV1((75, 75, 3), stochastic_depth=0.4)
    drops = [layer for layer in model.layers if layer.name.endswith("_drop")]
    np.testing.assert_allclose(
        [layer.rate for layer in drops], [0.02 * block for block in range(1, 21)]
    )
    names = [layer.name for layer in InceptionResNetV1((75, 75, 3)).layers]
    assert not any(name.endswith("_drop") for name in names)


def test_dropout_and_form_change_the_graph():
    assert InceptionResNetV1((75, 75, 3)).get_layer("dropout").rate == 0.2
    model = InceptionResNetV2((75, 75, 3), dropout=0.5, form="torch")
    assert model.get_layer("dropout").rate == 0.5
    assert model.get_layer("stem_1_bn").scale
    assert not InceptionResNetV2((75, 75, 3)).get_layer("stem_1_bn").scale


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stochastic_depth": 1.0}, "stochastic_depth 1.0"),
        ({"stochastic_depth": -0.1}, "stochastic_depth -0.1"),
        ({"form": "keras"}, "form 'keras' is unknown: 'paper'"),
        ({"input_shape": (74, 75, 3)}, "a side needs 75"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        InceptionResNetV1(**arguments)
