"""The wide ResNet-50 against Table 8 of the paper."""

import numpy as np
import pytest

from kerasnets.applications.wide_resnet import WideResNet50_2
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
