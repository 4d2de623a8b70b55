"""ResNeXt against Table 1 and section 5.3 of the paper."""

import dataclasses

import numpy as np
import pytest

from kerasnets.analysis import shapes_only
from kerasnets.applications import builder, residual
from kerasnets.applications.resnext import (
    ResNeXt29_8x64d,
    ResNeXt50_32x4d,
    ResNeXt101_32x4d,
    ResNeXt101_64x4d,
)
from kerasnets.errors import KerasnetsError

SMALL = (32, 32, 3)


@pytest.mark.parametrize(
    ("build", "blocks", "cardinality", "inner"),
    [
        (ResNeXt50_32x4d, (3, 4, 6, 3), 32, 128),
        (ResNeXt101_32x4d, (3, 4, 23, 3), 32, 128),
        (ResNeXt101_64x4d, (3, 4, 23, 3), 64, 256),
    ],
)
def test_stages_are_those_of_table_1(build, blocks, cardinality, inner):
    model = shapes_only(build)
    for stage, count in enumerate(blocks, start=1):
        name = f"stage{stage}_block{count}"
        kernels = [
            tuple(model.get_layer(f"{name}_{k}_conv").kernel.shape) for k in (1, 2, 3)
        ]
        # 4 filters a group in the first stage, twice as many in each that follows
        width, wide, outer = 4 << stage - 1, inner << stage - 1, 256 << stage - 1
        assert kernels == [
            (1, 1, outer, wide),
            (3, 3, width, wide),
            (1, 1, wide, outer),
        ]
        assert model.get_layer(f"{name}_2_conv").groups == cardinality
        side = 112 >> stage
        assert model.get_layer(f"{name}_relu").output.shape[1:] == (side, side, outer)
        layers = {layer.name for layer in model.layers}
        assert f"stage{stage}_block{count + 1}_relu" not in layers


def test_the_stride_is_on_the_grouped_convolution():
    model = ResNeXt50_32x4d(SMALL)
    layers = [model.get_layer(f"stage2_block1_{k}_conv") for k in (1, 2, 3)]
    assert [layer.strides[0] for layer in layers] == [1, 2, 1]
    assert not any(layer.use_bias for layer in layers)
    shortcuts = [
        layer for layer in model.layers if layer.name.endswith("shortcut_conv")
    ]
    assert [layer.strides[0] for layer in shortcuts] == [1, 2, 2, 2]


def test_own_arguments_change_the_graph():
    model = ResNeXt50_32x4d(SMALL, zero_init_residual=True, stochastic_depth=0.16)
    assert not np.asarray(model.get_layer("stage1_block1_3_bn").gamma).any()
    # 16 blocks, the rate grows from one to the next
    assert model.get_layer("stage1_block1_drop").rate == pytest.approx(0.01)
    assert model.get_layer("stage4_block3_drop").rate == pytest.approx(0.16)


def test_a_bad_rate_is_named():
    with pytest.raises(KerasnetsError, match="stochastic_depth 2"):
        ResNeXt50_32x4d(SMALL, stochastic_depth=2)


def test_three_stages_of_three_blocks_on_cifar():
    model = ResNeXt29_8x64d(classes=100)
    # the released network for CIFAR-100
    assert model.count_params() == 34_576_420
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == 34_518_948
    layer = model.get_layer
    assert tuple(layer("stem_conv").kernel.shape) == (3, 3, 3, 64)
    for stage, side in ((1, 32), (2, 16), (3, 8)):
        inner, outer = 8 * 64 << stage - 1, 256 << stage - 1
        name = f"stage{stage}_block1"
        convs = [layer(f"{name}_{k}_conv") for k in (1, 2, 3)]
        assert [conv.filters for conv in convs] == [inner, inner, outer]
        assert [conv.groups for conv in convs] == [1, 8, 1]
        strides = 1 if stage == 1 else 2
        assert [conv.strides[0] for conv in convs] == [1, strides, 1]
        assert layer(f"{name}_shortcut_conv").strides[0] == strides
        last = layer(f"stage{stage}_block3_relu")
        assert last.output.shape[1:] == (side, side, outer)
        # activated after the addition, as the released code
        assert last.input is layer(f"stage{stage}_block3_add").output
    assert sum(layer.name.endswith("_add") for layer in model.layers) == 9


def test_own_arguments_change_the_graph_on_cifar():
    row = dataclasses.replace(
        ResNeXt29_8x64d.network,
        stages=residual.stages((3, 3, 3), 8, 16, groups=4),
        stem_filters=8,
    )
    build = builder.variant(ResNeXt29_8x64d.__wrapped__, row)
    model = build(zero_init_residual=True, stochastic_depth=0.9)
    assert model.get_layer("stage3_block1_2_conv").groups == 4
    assert model.get_layer("stem_conv").filters == 8
    assert not np.asarray(model.get_layer("stage1_block1_3_bn").gamma).any()
    assert model.get_layer("stage1_block1_drop").rate == pytest.approx(0.1)
