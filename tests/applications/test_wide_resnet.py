"""Wide ResNets against Tables 1 and 8 of the paper."""

import numpy as np
import pytest

from kerasnets.applications.wide_resnet import (
    WideResNet16_8,
    WideResNet16_10,
    WideResNet40_1,
    WideResNet50_2,
)
from kerasnets.errors import KerasnetsError

SMALL = (32, 32, 3)


def test_only_the_insides_of_bottlenecks_are_doubled():
    model = WideResNet50_2()
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        widths = [
            model.get_layer(f"stage{stage}_block{blocks}_{k}_conv").filters
            for k in (1, 2, 3)
        ]
        # ResNet-50 has 64, 64, 256 in the first stage
        assert widths == [128 << stage - 1, 128 << stage - 1, 256 << stage - 1]
        side = 112 >> stage
        output = model.get_layer(f"stage{stage}_block{blocks}_relu").output
        assert output.shape[1:] == (side, side, widths[-1])


def test_the_stride_is_on_the_3x3():
    model = WideResNet50_2(SMALL)
    layers = [model.get_layer(f"stage3_block1_{k}_conv") for k in (1, 2, 3)]
    assert [layer.strides[0] for layer in layers] == [1, 2, 1]
    assert [layer.kernel_size[0] for layer in layers] == [1, 3, 1]
    assert not any(layer.use_bias for layer in layers)


def test_own_arguments_change_the_graph():
    model = WideResNet50_2(SMALL, zero_init_residual=True, stochastic_depth=0.16)
    assert not np.asarray(model.get_layer("stage1_block1_3_bn").gamma).any()
    # 16 blocks, the rate grows from one to the next
    assert model.get_layer("stage1_block1_drop").rate == pytest.approx(0.01)
    assert model.get_layer("stage4_block3_drop").rate == pytest.approx(0.16)


def test_a_bad_rate_is_named():
    with pytest.raises(KerasnetsError, match="stochastic_depth 2"):
        WideResNet50_2(SMALL, stochastic_depth=2)


@pytest.mark.parametrize(
    ("build", "k", "units"),
    [(WideResNet16_8, 8, 2), (WideResNet16_10, 10, 2), (WideResNet40_1, 1, 6)],
)
def test_stages_are_those_of_table_1(build, k, units):
    model = build()
    layers = {layer.name: layer for layer in model.layers}
    assert layers["stem_conv"].filters == 16
    for stage, (side, filters) in enumerate(((32, 16), (16, 32), (8, 64)), start=1):
        for unit in range(1, units + 1):
            name = f"stage{stage}_block{unit}"
            assert layers[f"{name}_add"].output.shape[1:] == (side, side, k * filters)
            strides = 2 if stage > 1 and unit == 1 else 1
            convolutions = [layers[f"{name}_{number}_conv"] for number in (1, 2)]
            assert [layer.kernel_size[0] for layer in convolutions] == [3, 3]
            assert [layer.strides[0] for layer in convolutions] == [strides, 1]
        assert f"stage{stage}_block{units + 1}_add" not in layers
    # only a change of width needs a projection
    assert ("stage1_block1_shortcut_conv" in layers) == (k > 1)
    project = layers["stage2_block1_shortcut_conv"]
    assert (project.kernel_size[0], project.strides[0]) == (1, 2)
    assert project.input is layers["stage2_block1_1_relu"].output
    assert layers["avg_pool"].input is layers["final_relu"].output


def test_dropout_is_between_the_convolutions_of_a_unit():
    model = WideResNet16_8(dropout=0.3, zero_init_residual=True, stochastic_depth=0.6)
    layer = model.get_layer
    for name in ("stage1_block1", "stage3_block2"):
        dropout = layer(f"{name}_dropout")
        assert dropout.rate == 0.3
        assert dropout.input is layer(f"{name}_2_relu").output
        assert layer(f"{name}_2_conv").input is dropout.output
    assert not np.asarray(layer("stage3_block2_2_conv").kernel).any()
    assert layer("stage1_block1_drop").rate == pytest.approx(0.1)


@pytest.mark.parametrize("rate", ["dropout", "stochastic_depth"])
def test_a_bad_rate_is_named_on_cifar_too(rate):
    with pytest.raises(KerasnetsError, match=f"{rate} 1 "):
        WideResNet40_1(**{rate: 1})
