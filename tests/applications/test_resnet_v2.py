"""ResNet v2 against the papers' tables."""

import keras
import numpy as np
import pytest

from kerasnets.analysis import shapes_only
from kerasnets.applications import resnet_v2
from kerasnets.applications.resnet_v2 import (
    ResNet18V2,
    ResNet34V2,
    ResNet50V2,
    ResNet101V2,
    ResNet152V2,
    ResNet200V2,
)
from kerasnets.errors import KerasnetsError
from kerasnets.layers import StochasticDepth

SMALL = (32, 32, 3)


# He et al. 2015, Table 1: sides of conv2_x to conv5_x; keras.applications has the
# stride at the end of a stage
@pytest.mark.parametrize(
    ("build", "form", "sides", "widths"),
    [
        (ResNet18V2, "paper", (56, 28, 14, 7), (64, 128, 256, 512)),
        (ResNet50V2, "paper", (56, 28, 14, 7), (256, 512, 1024, 2048)),
        (ResNet50V2, "keras", (28, 14, 7, 7), (256, 512, 1024, 2048)),
    ],
)
def test_stages_halve_the_map(build, form, sides, widths):
    model = build(form=form)
    assert model.get_layer("stem_conv").output.shape[1:] == (112, 112, 64)
    for stage, row in enumerate(build.network.stages, start=1):
        last = model.get_layer(f"stage{stage}_block{row.blocks}_add")
        side = sides[stage - 1]
        assert last.output.shape[1:] == (side, side, widths[stage - 1])


# layers with weights: the depth in the name
@pytest.mark.parametrize(
    ("build", "depth"),
    [
        (ResNet18V2, 18),
        (ResNet34V2, 34),
        (ResNet50V2, 50),
        (ResNet101V2, 101),
        (ResNet152V2, 152),
        (ResNet200V2, 200),
    ],
)
def test_depth_is_that_of_the_name(build, depth):
    model = shapes_only(lambda: build(SMALL))
    names = [layer.name for layer in model.layers]
    on_the_path = [n for n in names if n.endswith("_conv") and "shortcut" not in n]
    assert len(on_the_path) + 1 == depth


def strides(model):
    return {
        layer.name.removesuffix("_conv"): layer.strides[0]
        for layer in model.layers
        if layer.name.endswith("_conv") and layer.strides[0] > 1
    }


def test_stride_is_on_the_3x3_and_the_projection():
    first = {"stem": 2}
    for stage in (2, 3, 4):
        first[f"stage{stage}_block1_shortcut"] = 2
    basic = {f"stage{stage}_block1_1": 2 for stage in (2, 3, 4)}
    bottleneck = {f"stage{stage}_block1_2": 2 for stage in (2, 3, 4)}
    assert strides(ResNet18V2(SMALL)) == first | basic
    assert strides(ResNet50V2(SMALL)) == first | bottleneck


def test_shortcuts_are_clean_and_projections_share_the_activation():
    layer = ResNet50V2(SMALL).get_layer
    for stage in range(1, 5):
        # the first BN and ReLU of all follow conv1, before the pooling
        previous = "stem_pool" if stage == 1 else f"stage{stage}_block1_1_relu"
        activated = layer(previous).output
        assert layer(f"stage{stage}_block1_1_conv").input is activated
        assert layer(f"stage{stage}_block1_shortcut_conv").input is activated
        added = layer(f"stage{stage}_block1_add").output
        assert any(x is added for x in layer(f"stage{stage}_block2_add").input)
        assert layer(f"stage{stage}_block2_1_bn").input is added
    assert layer("final_bn").input is layer("stage4_block3_add").output
    assert layer("avg_pool").input is layer("final_relu").output


@pytest.mark.parametrize("shape", [(8, 8), (7, 7), (8, 7)])
@pytest.mark.parametrize(
    ("pool", "padding"),
    [(resnet_v2.max_pool, -np.inf), (resnet_v2.zero_padded_max_pool, 0.0)],
)
def test_max_pooling_of_a_negative_map(shape, pool, padding):
    x = -np.random.default_rng(0).uniform(1, 2, shape)
    padded = np.pad(x, 1, constant_values=padding)
    expected = [
        [padded[i : i + 3, j : j + 3].max() for j in range(0, shape[1], 2)]
        for i in range(0, shape[0], 2)
    ]
    output = np.asarray(
        pool(x[None, ..., None].astype("float32"), resnet_v2.FORMS["torch"])
    )
    np.testing.assert_allclose(output[0, ..., 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("build", "last"), [(ResNet18V2, "2_conv"), (ResNet50V2, "3_conv")]
)
def test_zero_init_residual_starts_units_as_their_shortcuts(build, last):
    model = build(SMALL, zero_init_residual=True)
    zero = {
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
        and not np.any(np.asarray(layer.kernel))
    }
    assert zero == {
        f"stage{stage}_block{block}_{last}"
        for stage, row in enumerate(build.network.stages, start=1)
        for block in range(1, row.blocks + 1)
    }


def test_stochastic_depth_grows_linearly():
    def rates(model):
        return [
            layer.rate for layer in model.layers if isinstance(layer, StochasticDepth)
        ]

    model = ResNet18V2(SMALL, stochastic_depth=0.4)
    np.testing.assert_allclose(rates(model), np.arange(1, 9) * 0.05)
    add = model.get_layer("stage2_block1_add")
    drop, shortcut = (
        model.get_layer(f"stage2_block1_{part}").output
        for part in ("drop", "shortcut_conv")
    )
    assert {id(x) for x in add.input} == {id(drop), id(shortcut)}
    assert rates(ResNet18V2(SMALL)) == []


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_out_of_range_is_named(rate):
    with pytest.raises(KerasnetsError, match=f"stochastic_depth {rate}"):
        ResNet18V2(SMALL, stochastic_depth=rate)


@pytest.mark.parametrize(
    ("build", "form", "accepted"),
    [
        (ResNet18V2, "keras", "'paper', 'torch' or None"),
        (ResNet34V2, "keras", "'paper', 'torch' or None"),
        (ResNet200V2, "keras", "'paper' or None"),
        (ResNet200V2, "torch", "'paper' or None"),
        (ResNet50V2, "caffe", "'paper', 'keras', 'torch' or None"),
    ],
)
def test_an_unknown_form_is_named_with_the_accepted_ones(build, form, accepted):
    with pytest.raises(KerasnetsError, match=f"form '{form}' is unknown: {accepted}"):
        build(SMALL, form=form)
