"""The pre-activation CIFAR ResNets against section 4 and appendix of the paper."""

import dataclasses

import numpy as np
import pytest

from kerasnets.applications import builder
from kerasnets.applications.resnet_cifar_v2 import ResNet110V2, ResNet164V2
from kerasnets.errors import KerasnetsError


def shallow(build, **fields):
    """The same network with two units a stage."""
    row = build.network
    stages = tuple(stage._replace(blocks=2) for stage in row.stages)
    row = dataclasses.replace(row, stages=stages, **fields)
    return builder.variant(build.__wrapped__, row)


@pytest.mark.parametrize(
    ("build", "widths"),
    [(ResNet110V2, (16, 32, 64)), (ResNet164V2, (64, 128, 256))],
)
def test_three_stages_of_eighteen_units(build, widths):
    model = build()
    for stage, (side, width) in enumerate(
        zip((32, 16, 8), widths, strict=True), start=1
    ):
        last = model.get_layer(f"stage{stage}_block18_add")
        assert last.output.shape[1:] == (side, side, width)
    assert sum(layer.name.endswith("_add") for layer in model.layers) == 54
    layer = model.get_layer
    assert layer("final_bn").input is layer("stage3_block18_add").output
    assert layer("avg_pool").input is layer("final_relu").output


def test_every_convolution_follows_bn_and_relu():
    layer = shallow(ResNet164V2)().get_layer
    x = layer("stage2_block1_add").output
    for part in ("1_bn", "1_relu", "1_conv", "2_bn", "2_relu", "2_conv"):
        assert layer(f"stage2_block2_{part}").input is x
        x = layer(f"stage2_block2_{part}").output
    for part in ("3_bn", "3_relu", "3_conv"):
        assert layer(f"stage2_block2_{part}").input is x
        x = layer(f"stage2_block2_{part}").output
    # the shortcut is clean
    assert layer("stage2_block2_add").input == [x, layer("stage2_block1_add").output]


def test_projections_share_the_activation_and_the_first_1x1_has_the_stride():
    layer = shallow(ResNet164V2)().get_layer
    for stage, strides in ((1, 1), (2, 2), (3, 2)):
        name = f"stage{stage}_block1"
        project = layer(f"{name}_shortcut_conv")
        shared = layer("stem_relu" if stage == 1 else f"{name}_1_relu").output
        assert project.input is shared
        assert layer(f"{name}_1_conv").input is shared
        assert project.output in layer(f"{name}_add").input
        convs = [layer(f"{name}_{k}_conv") for k in (1, 2, 3)]
        assert [conv.kernel_size[0] for conv in convs] == [1, 3, 1]
        assert [conv.strides[0] for conv in convs] == [strides, 1, 1]
        assert project.strides[0] == strides


def test_110_layers_have_shortcuts_without_weights():
    model = shallow(ResNet110V2)()
    layer = model.get_layer
    assert not any("shortcut" in layer.name for layer in model.layers)
    # the first activation comes before the paths part, later ones after
    assert layer("stem_relu").output in layer("stage1_block1_add").input
    assert layer("stage2_block1_subsample").input is layer("stage1_block2_add").output
    assert layer("stage2_block1_pad").output.shape[1:] == (16, 16, 32)
    assert [layer(f"stage2_block1_{k}_conv").strides[0] for k in (1, 2)] == [2, 1]


def test_parameters_with_projections():
    row = dataclasses.replace(ResNet110V2.network, shortcut="B")
    model = builder.variant(ResNet110V2.__wrapped__, row)()
    # the count of pytorchcv's network
    assert model.count_params() == 1_738_618
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == 1_730_522


@pytest.mark.parametrize(("build", "last"), [(ResNet110V2, 2), (ResNet164V2, 3)])
def test_own_arguments_change_the_graph(build, last):
    model = shallow(build)(zero_init_residual=True, stochastic_depth=0.6)
    for k in range(1, last + 1):
        kernel = np.asarray(model.get_layer(f"stage2_block2_{k}_conv").kernel)
        assert kernel.any() == (k < last)
    # six units, the rate grows from one to the next
    assert model.get_layer("stage1_block1_drop").rate == pytest.approx(0.1)
    drop = model.get_layer("stage3_block2_drop")
    assert drop.rate == pytest.approx(0.6)
    assert drop.output in model.get_layer("stage3_block2_add").input


def test_a_bad_rate_is_named():
    with pytest.raises(KerasnetsError, match="stochastic_depth -1"):
        ResNet164V2(stochastic_depth=-1)
