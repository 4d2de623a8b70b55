"""ResNet v1 against the tables and sections of the paper."""

import inspect

import keras
import numpy as np
import pytest

from kerasnets.analysis import shapes_only
from kerasnets.applications.resnet import (
    Plain18,
    Plain34,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNet152,
)
from kerasnets.errors import KerasnetsError

SMALL = (32, 32, 3)


def names(model, end):
    return [layer.name for layer in model.layers if layer.name.endswith(end)]


# Table 1: blocks of each stage, filters at the end of the first
@pytest.mark.parametrize(
    ("build", "blocks", "filters"),
    [
        (ResNet18, (2, 2, 2, 2), 64),
        (Plain18, (2, 2, 2, 2), 64),
        (ResNet34, (3, 4, 6, 3), 64),
        (Plain34, (3, 4, 6, 3), 64),
        (ResNet50, (3, 4, 6, 3), 256),
        (ResNet101, (3, 4, 23, 3), 256),
        (ResNet152, (3, 8, 36, 3), 256),
    ],
)
def test_stages_are_those_of_table_1(build, blocks, filters):
    model = shapes_only(build)
    assert model.get_layer("stem_relu").output.shape[1:] == (112, 112, 64)
    assert model.get_layer("stem_pool").output.shape[1:] == (56, 56, 64)
    for i, count in enumerate(blocks, start=1):
        side, width = 112 >> i, filters << i - 1
        for j in range(1, count + 1):
            output = model.get_layer(f"stage{i}_block{j}_relu").output
            assert output.shape[1:] == (side, side, width)
        assert f"stage{i}_block{count + 1}_relu" not in names(model, "_relu")


def test_layers_with_weights_give_the_depth_its_name():
    # 1 + 2 or 3 a block + the classifier; projections are not counted
    for build, depth in ((ResNet18, 18), (ResNet34, 34), (ResNet50, 50), (Plain18, 18)):
        model = build(SMALL)
        convolutions = set(names(model, "_conv")) - set(names(model, "_shortcut_conv"))
        assert len(convolutions) + 1 == depth


@pytest.mark.parametrize(
    ("form", "strided", "bias", "epsilon"),
    [
        ("paper", 1, False, 1e-5),
        ("torch", 2, False, 1e-5),
        ("keras", 1, True, 1.001e-5),
    ],
)
def test_form_sets_stride_bias_and_epsilon(form, strided, bias, epsilon):
    model = ResNet50(SMALL, form=form)
    strides = [model.get_layer(f"stage2_block1_{k}_conv").strides[0] for k in (1, 2, 3)]
    assert strides == [2 if k == strided else 1 for k in (1, 2, 3)]
    for name in names(model, "_conv"):
        assert model.get_layer(name).use_bias is bias
    for name in names(model, "_bn"):
        assert model.get_layer(name).epsilon == epsilon
    assert model.name == ("resnet50" if form == "paper" else f"resnet50_{form}")


def test_basic_blocks_are_the_same_in_torch():
    layers = [
        [
            (layer.name, layer.output.shape)
            for layer in ResNet18(SMALL, form=form).layers
        ]
        for form in ("paper", "torch")
    ]
    assert layers[0] == layers[1]


def test_blocks_add_before_the_last_relu():
    model = ResNet50(SMALL)
    relus = names(model, "stage2_block2_1_relu") + names(model, "stage2_block2_2_relu")
    assert len(relus) == 2
    assert not names(model, "block2_3_relu")
    assert isinstance(model.get_layer("stage2_block2_add"), keras.layers.Add)
    relu = model.get_layer("stage2_block2_relu")
    assert relu.input is model.get_layer("stage2_block2_add").output


def test_padding_is_symmetric():
    model = ResNet18(SMALL)
    padding = {
        "stem_conv_pad": ((3, 3), (3, 3)),
        "stem_pool_pad": ((1, 1), (1, 1)),
        "stage2_block1_1_conv_pad": ((1, 1), (1, 1)),
    }
    for name, zeros in padding.items():
        assert model.get_layer(name).padding == zeros
    assert isinstance(model.get_layer("stem_pool"), keras.layers.MaxPooling2D)


# section 4.1: projections nowhere, where the shape changes, everywhere
@pytest.mark.parametrize(
    ("build", "shortcut", "projections"),
    [
        (ResNet34, "A", 0),
        (ResNet34, "B", 3),
        (ResNet34, "C", 16),
        (ResNet50, "A", 0),
        (ResNet50, "B", 4),
        (ResNet50, "C", 16),
    ],
)
def test_shortcut_says_what_is_projected(build, shortcut, projections):
    model = build(SMALL, shortcut=shortcut)
    assert len(names(model, "_shortcut_conv")) == projections
    assert len(names(model, "_shortcut_bn")) == projections
    assert len(names(model, "_add")) == 16


def test_option_a_takes_every_other_pixel_and_appends_zeros():
    model = ResNet18((70, 64, 3), shortcut="A", zero_init_residual=True)
    before, after = (
        model.get_layer(f"stage{stage}_block{block}_relu").output
        for stage, block in ((1, 2), (2, 1))
    )
    x = np.random.default_rng(0).normal(size=(1, 70, 64, 3)).astype("float32")
    before, after = map(np.asarray, keras.Model(model.input, [before, after])(x))
    assert before.max() > 0.1
    # nothing but the shortcut is left of the block
    np.testing.assert_array_equal(after[..., :64], before[:, ::2, ::2])
    assert not after[..., 64:].any()


@pytest.mark.parametrize(("build", "last"), [(ResNet18, 2), (ResNet50, 3)])
def test_zero_init_residual_starts_the_last_scale_at_0(build, last):
    model = build(SMALL, zero_init_residual=True)
    for name in names(model, "_bn"):
        expected = 0.0 if name.endswith(f"_{last}_bn") else 1.0
        assert (np.asarray(model.get_layer(name).gamma) == expected).all(), name


def test_stochastic_depth_grows_linearly():
    model = ResNet18(SMALL, stochastic_depth=0.4)
    rates = [model.get_layer(name).rate for name in names(model, "_drop")]
    np.testing.assert_allclose(rates, np.arange(1, 9) * 0.05)
    assert model.get_layer("stage1_block1_add").input[0].shape[1:] == (8, 8, 64)
    assert not names(ResNet18(SMALL), "_drop")


def test_plain_networks_have_no_shortcuts_and_no_arguments_for_them():
    model = Plain34(SMALL)
    assert not names(model, "_add")
    assert not names(model, "_shortcut_conv")
    own = set(inspect.signature(ResNet34).parameters) - set(
        inspect.signature(Plain34).parameters
    )
    assert own == {"shortcut", "zero_init_residual", "stochastic_depth", "form"}


def test_weights_start_differently_and_with_the_variance_of_the_paper():
    model = ResNet18(SMALL)
    first, second = (
        np.asarray(model.get_layer(f"stage4_block2_{k}_conv").kernel) for k in (1, 2)
    )
    assert (first != second).any()
    np.testing.assert_allclose(first.var(), 2 / (9 * 512), rtol=0.01)


def test_sides_may_be_odd_or_open():
    assert ResNet18((37, 45, 1), include_top=False).output_shape == (None, 2, 2, 512)
    model = ResNet18((None, None, 3), shortcut="A", classes=7)
    assert model(np.zeros((1, 33, 47, 3), "float32")).shape == (1, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shortcut": "D"}, "shortcut 'D' is unknown: 'A', 'B' or 'C'"),
        ({"stochastic_depth": 1.0}, "stochastic_depth 1.0"),
        ({"stochastic_depth": -0.1}, "stochastic_depth -0.1"),
        ({"form": "caffe"}, "form 'caffe' is unknown"),
        ({"input_shape": (16, 16, 3)}, "a side needs 32"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        ResNet18(**arguments)
