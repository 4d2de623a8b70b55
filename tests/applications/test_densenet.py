"""DenseNet against Table 1 and section 3 of the paper."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasnets.analysis import shapes_only
from kerasnets.applications import builder
from kerasnets.applications.densenet import (
    DenseNet40_12,
    DenseNet121,
    DenseNet161,
    DenseNet169,
    DenseNet201,
    DenseNet264,
    DenseNetBC100_12,
)
from kerasnets.errors import KerasnetsError

SMALL = (32, 32, 3)


# Table 1: layers of each block, sides of its map; channels are k0 + n k, halved by
# the transitions
@pytest.mark.parametrize(
    ("build", "layers", "channels", "halved"),
    [
        (DenseNet121, (6, 12, 24, 16), (256, 512, 1024, 1024), (128, 256, 512)),
        (DenseNet161, (6, 12, 36, 24), (384, 768, 2112, 2208), (192, 384, 1056)),
        (DenseNet169, (6, 12, 32, 32), (256, 512, 1280, 1664), (128, 256, 640)),
        (DenseNet201, (6, 12, 48, 32), (256, 512, 1792, 1920), (128, 256, 896)),
        (DenseNet264, (6, 12, 64, 48), (256, 512, 2304, 2688), (128, 256, 1152)),
    ],
)
def test_blocks_and_transitions_are_those_of_table_1(build, layers, channels, halved):
    model = shapes_only(build)
    sides = (56, 28, 14, 7)
    assert model.get_layer("stem_conv").output.shape[1:3] == (112, 112)
    for stage, (count, side, width) in enumerate(
        zip(layers, sides, channels, strict=True), start=1
    ):
        last = model.get_layer(f"stage{stage}_block{count}_concat")
        assert last.output.shape[1:] == (side, side, width)
    for stage, width in enumerate(halved, start=1):
        pool = model.get_layer(f"transition{stage}_pool")
        assert isinstance(pool, keras.layers.AveragePooling2D)
        assert pool.output.shape[1:] == (sides[stage], sides[stage], width)
    names = [layer.name for layer in model.layers]
    assert sum("_concat" in name for name in names) == sum(layers)


def test_a_layer_sees_all_maps_before_it_and_adds_k():
    k = 48
    layer = DenseNet161(SMALL).get_layer
    assert layer("stem_pool_pad").input is layer("stem_relu").output
    for number in range(1, 7):
        name = f"stage1_block{number}"
        before = layer(
            f"stage1_block{number - 1}_concat" if number > 1 else "stem_pool"
        )
        assert before.output.shape[-1] == 2 * k + (number - 1) * k
        path = ["1_bn", "1_relu", "1_conv", "2_bn", "2_relu", "2_conv"]
        x = before.output
        for part in path:
            assert layer(f"{name}_{part}").input is x
            x = layer(f"{name}_{part}").output
        assert layer(f"{name}_1_conv").kernel.shape[:2] == (1, 1)
        assert layer(f"{name}_1_conv").filters == 4 * k
        assert layer(f"{name}_2_conv").kernel.shape[:2] == (3, 3)
        joined = layer(f"{name}_concat").input
        assert joined[0] is before.output
        assert joined[1] is x
        assert x.shape[-1] == k
    assert layer("final_bn").input is layer("stage4_block24_concat").output
    assert layer("avg_pool").input is layer("final_relu").output


# channels are 16 + 12 n, or 24 + 12 n halved by the transitions
@pytest.mark.parametrize(
    ("build", "layers", "kernels", "stem", "channels", "kept"),
    [
        (DenseNet40_12, 12, [3], 16, (160, 304, 448), (160, 304)),
        (DenseNetBC100_12, 16, [1, 3], 24, (216, 300, 342), (108, 150)),
    ],
)
def test_three_blocks_on_cifar(build, layers, kernels, stem, channels, kept):
    layer = build().get_layer
    assert layer("stem_conv").output.shape[1:] == (32, 32, stem)
    # the first layer sees the convolution itself
    assert layer("stage1_block1_1_bn").input is layer("stem_conv").output
    assert layer("stage1_block1_concat").input[0] is layer("stem_conv").output
    for stage, (side, width) in enumerate(
        zip((32, 16, 8), channels, strict=True), start=1
    ):
        last = layer(f"stage{stage}_block{layers}_concat")
        assert last.output.shape[1:] == (side, side, width)
        convs = [
            layer(f"stage{stage}_block1_{k + 1}_conv") for k in range(len(kernels))
        ]
        assert [conv.kernel_size[0] for conv in convs] == kernels
        assert [conv.filters for conv in convs] == [48, 12][-len(kernels) :]
    for stage, width in enumerate(kept, start=1):
        assert layer(f"transition{stage}_pool").output.shape[-1] == width


def test_the_authors_later_code_starts_with_twice_the_growth_rate():
    row = dataclasses.replace(DenseNet40_12.network, stem_filters=24)
    model = builder.variant(DenseNet40_12.__wrapped__, row)()
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == 1_059_298


@pytest.mark.parametrize(
    ("build", "depth"), [(DenseNet40_12, 40), (DenseNetBC100_12, 100)]
)
def test_dropout_follows_each_convolution_but_the_first(build, depth):
    model = build(dropout=0.2)
    convolutions = [
        layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)
    ]
    dropouts = [
        layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)
    ]
    # depth counts the classifier too
    assert len(convolutions) == depth - 1
    followed = [conv.output for conv in convolutions[1:]]
    assert [dropout.input for dropout in dropouts] == followed
    assert {dropout.rate for dropout in dropouts} == {0.2}
    layer = model.get_layer
    assert layer("transition1_pool").input is layer("transition1_dropout").output


def test_a_bad_rate_is_named():
    with pytest.raises(KerasnetsError, match="dropout 1 "):
        DenseNet40_12(dropout=1)
