"""MobileNet against the paper's tables."""

import keras
import pytest

from kerasnets.applications import ConvMobileNet, MobileNet, ShallowMobileNet
from kerasnets.errors import KerasnetsError


@pytest.mark.parametrize(
    ("shape", "trained"),
    [
        ((128, 128, 3), 128),
        ((160, 160, 3), 160),
        ((64, 64, 3), 224),
        ((160, 128, 3), 224),
        ((None, None, 3), 224),
    ],
)
def test_imagenet_weights_are_those_of_the_resolution(monkeypatch, shape, trained):
    asked = {}

    def released(*, weights, **arguments):
        asked.update(arguments, weights=weights)
        return build(weights=None, **arguments)

    build = keras.applications.MobileNet
    monkeypatch.setattr(keras.applications, "MobileNet", released)
    model = MobileNet(shape, alpha=0.25, weights="imagenet", include_top=False)
    assert asked == {
        "weights": "imagenet",
        "include_top": False,
        "alpha": 0.25,
        "depth_multiplier": 1,
        "input_shape": (trained, trained, 3),
    }
    assert model.input_shape == (None, *shape)


def test_rho_scales_the_given_shape():
    assert MobileNet((64, 96, 1), rho=0.5).input_shape == (None, 32, 48, 1)


def test_depth_multiplier_and_dropout_change_the_graph():
    wide = MobileNet((32, 32, 3), alpha=0.25, depth_multiplier=2, dropout=0.5)
    assert wide.get_layer("stage1_block1_depthwise_conv").output.shape[-1] == 16
    assert wide.get_layer("dropout").rate == 0.5
    assert "dropout" not in [
        layer.name for layer in MobileNet((32, 32, 3), dropout=0).layers
    ]


def test_stages_halve_the_map():
    model = MobileNet()
    sizes = [
        model.get_layer(f"stage{stage}_block1_pointwise_relu").output.shape[1:]
        for stage in range(1, 6)
    ]
    assert sizes == [
        (112, 112, 64),
        (56, 56, 128),
        (28, 28, 256),
        (14, 14, 512),
        (7, 7, 1024),
    ]


def test_shallow_and_conv_differ_as_the_paper_says():
    names = [layer.name for layer in ShallowMobileNet().layers]
    assert not any("stage4_block2" in name for name in names)
    assert not any("depthwise" in layer.name for layer in ConvMobileNet().layers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0.01}, "alpha 0.01 leaves no filters"),
        ({"alpha": -1}, "alpha -1"),
        ({"rho": 0}, "rho 0"),
        ({"rho": 0.1}, "too small: a side needs 32"),
        ({"rho": 0.5, "input_shape": (64, 64)}, "is not .height, width, channels."),
        ({"rho": 0.5, "input_tensor": keras.Input((64, 64, 3))}, "rho 0.5"),
    ],
)
def test_bad_multipliers_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        MobileNet(**arguments)


def test_conv_mobilenet_has_no_depth_to_multiply():
    with pytest.raises(KerasnetsError, match="depth_multiplier 2"):
        ConvMobileNet(depth_multiplier=2)
