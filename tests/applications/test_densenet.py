"""DenseNet against Table 1 of the paper."""

import keras
import pytest

from kerasnets.applications.densenet import (
    DenseNet121,
    DenseNet161,
    DenseNet169,
    DenseNet201,
    DenseNet264,
)

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
    model = build()
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
