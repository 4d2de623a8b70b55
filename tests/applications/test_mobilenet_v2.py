"""MobileNet v2 against the paper's tables."""

import keras
import pytest

from kerasnets.applications.mobilenet_v2 import MobileNetV2
from kerasnets.errors import KerasnetsError
from kerasnets.layers import StochasticDepth


# the released files: all resolutions up to alpha 1, 224 only above; no other shapes
@pytest.mark.parametrize(
    ("alpha", "shape", "trained"),
    [
        (0.35, (96, 96, 3), 96),
        (1.0, (160, 160, 3), 160),
        (1.3, (160, 160, 3), 224),
        (1.0, (64, 64, 3), 224),
        (1.0, (160, 128, 3), 224),
        (1.0, (None, None, 3), 224),
    ],
)
def test_imagenet_weights_are_those_of_the_resolution(
    monkeypatch, alpha, shape, trained
):
    asked = {}

    def released(*, weights, **arguments):
        asked.update(arguments, weights=weights)
        return build(weights=None, **arguments)

    build = keras.applications.MobileNetV2
    monkeypatch.setattr(keras.applications, "MobileNetV2", released)
    monkeypatch.delenv("KERASNETS_OFFLINE")  # the network is a stand-in
    model = MobileNetV2(shape, alpha=alpha, weights="imagenet", include_top=False)
    assert asked == {
        "weights": "imagenet",
        "include_top": False,
        "alpha": alpha,
        "input_shape": (trained, trained, 3),
    }
    assert model.input_shape == (None, *shape)


# Table 2: the output of the last block of each row
def test_stages_have_the_shapes_of_the_table():
    model = MobileNetV2()
    last = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 3), (6, 3), (7, 1)]
    outputs = [
        model.get_layer(f"stage{stage}_block{block}_project_bn").output.shape[1:]
        for stage, block in last
    ]
    assert outputs == [
        (112, 112, 16),
        (56, 56, 24),
        (28, 28, 32),
        (14, 14, 64),
        (14, 14, 96),
        (7, 7, 160),
        (7, 7, 320),
    ]
    assert model.get_layer("head_conv").output.shape == (None, 7, 7, 1280)
    names = {layer.name for layer in model.layers}
    assert "stage1_block1_expand_conv" not in names  # t = 1
    assert not any("project_relu" in name for name in names)  # linear bottlenecks
    # every block but the first of a row; in none of those are the ends alike
    assert {name for name in names if name.endswith("_add")} == {
        f"stage{stage}_block{block}_add"
        for stage, blocks in last
        for block in range(2, blocks + 1)
    }
    caps = {x.max_value for x in model.layers if isinstance(x, keras.layers.ReLU)}
    assert caps == {6.0}


# 17 blocks, the last at 0.34: 0.02 a block; those without a shortcut are never left out
def test_stochastic_depth_grows_linearly():
    model = MobileNetV2((32, 32, 3), stochastic_depth=0.34)
    rates = {
        layer.name: round(layer.rate, 6)
        for layer in model.layers
        if isinstance(layer, StochasticDepth)
    }
    assert len(rates) == 10
    assert rates["stage2_block2_drop"] == 0.06
    assert rates["stage6_block3_drop"] == 0.32
    plain = [layer.name for layer in MobileNetV2((32, 32, 3)).layers]
    assert not any("drop" in name for name in plain)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, "alpha 0 is not a positive number"),
        ({"rho": -1}, "rho -1 is not a positive number"),
        ({"rho": 0.1}, "too small: a side needs 32"),
        ({"rho": 0.5, "input_tensor": keras.Input((64, 64, 3))}, "rho 0.5"),
        ({"stochastic_depth": 1}, "stochastic_depth 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        MobileNetV2(**arguments)
