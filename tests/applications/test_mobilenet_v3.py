"""MobileNet v3 against the paper's tables."""

import keras
import pytest

from kerasnets.applications.mobilenet_v3 import MobileNetV3Large, MobileNetV3Small
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import pixels_of


@pytest.mark.parametrize("minimalistic", [False, True])
def test_imagenet_weights_want_images_scaled_outside(monkeypatch, minimalistic):
    asked = {}

    def released(*, weights, **arguments):
        asked.update(arguments, weights=weights)
        return build(weights=None, **arguments)

    build = keras.applications.MobileNetV3Small
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", released)
    monkeypatch.delenv("KERASNETS_OFFLINE")  # the network is a stand-in
    model = MobileNetV3Small(
        (64, 64, 3), minimalistic=minimalistic, weights="imagenet", include_top=False
    )
    assert asked == {
        "weights": "imagenet",
        "include_top": False,
        "alpha": 1.0,
        "minimalistic": minimalistic,
        "include_preprocessing": False,
        "input_shape": (224, 224, 3),
    }
    assert pixels_of(model).mean == pixels_of(model).std == (127.5,) * 3


# Tables 1 and 2: for each block exp size, SE, kernel, output
LARGE = [
    [(16, False, 3, (112, 112, 16))],
    [(64, False, 3, (56, 56, 24)), (72, False, 3, (56, 56, 24))],
    [
        (72, True, 5, (28, 28, 40)),
        (120, True, 5, (28, 28, 40)),
        (120, True, 5, (28, 28, 40)),
    ],
    [
        (240, False, 3, (14, 14, 80)),
        (200, False, 3, (14, 14, 80)),
        (184, False, 3, (14, 14, 80)),
        (184, False, 3, (14, 14, 80)),
    ],
    [(480, True, 3, (14, 14, 112)), (672, True, 3, (14, 14, 112))],
    [
        (672, True, 5, (7, 7, 160)),
        (960, True, 5, (7, 7, 160)),
        (960, True, 5, (7, 7, 160)),
    ],
]
SMALL = [
    [(16, True, 3, (56, 56, 16))],
    [(72, False, 3, (28, 28, 24)), (88, False, 3, (28, 28, 24))],
    [
        (96, True, 5, (14, 14, 40)),
        (240, True, 5, (14, 14, 40)),
        (240, True, 5, (14, 14, 40)),
    ],
    [(120, True, 5, (14, 14, 48)), (144, True, 5, (14, 14, 48))],
    [
        (288, True, 5, (7, 7, 96)),
        (576, True, 5, (7, 7, 96)),
        (576, True, 5, (7, 7, 96)),
    ],
]


@pytest.mark.parametrize(
    ("build", "table", "hard_from", "head", "hidden"),
    [(MobileNetV3Large, LARGE, 4, 960, 1280), (MobileNetV3Small, SMALL, 3, 576, 1024)],
)
def test_blocks_are_those_of_the_table(build, table, hard_from, head, hidden):
    model = build()
    layers = {layer.name: layer for layer in model.layers}
    assert not any("project_relu" in name or "project_hard" in name for name in layers)
    before = (112, 112, 16)
    for stage, rows in enumerate(table, start=1):
        for block, (expanded, excite, kernel, output) in enumerate(rows, start=1):
            name = f"stage{stage}_block{block}"
            depthwise = layers[f"{name}_depthwise_conv"]
            assert depthwise.kernel_size == (kernel, kernel), name
            assert depthwise.output.shape[-1] == expanded, name
            assert layers[f"{name}_project_conv"].output.shape[1:] == output, name
            assert (f"{name}_excite" in layers) == excite, name
            hard = f"{name}_depthwise_hard_swish" in layers
            assert hard == (stage >= hard_from), name
            assert (f"{name}_add" in layers) == (output == before), name
            before = output
    assert layers["head_hard_swish"].output.shape == (None, 7, 7, head)
    assert layers["fc1_hard_swish"].output.shape == (None, hidden)


def test_minimalistic_does_without():
    for build in (MobileNetV3Large, MobileNetV3Small):
        for layer in build((32, 32, 3), minimalistic=True).layers:
            assert not isinstance(layer, keras.layers.Multiply)
            assert "hard" not in layer.name
            assert max(getattr(layer, "kernel_size", (0,))) <= 3


# 11 blocks, the last at 0.22: 0.02 a block
def test_dropout_and_stochastic_depth_change_the_graph():
    model = MobileNetV3Small((32, 32, 3), dropout=0.5, stochastic_depth=0.22)
    assert model.get_layer("dropout").rate == 0.5
    assert round(model.get_layer("stage2_block2_drop").rate, 6) == 0.06
    assert round(model.get_layer("stage5_block3_drop").rate, 6) == 0.22
    default = MobileNetV3Small((32, 32, 3))
    assert default.get_layer("dropout").rate == 0.2
    assert not any("_drop" in layer.name for layer in default.layers)
    without = MobileNetV3Small((32, 32, 3), dropout=0)
    assert "dropout" not in [layer.name for layer in without.layers]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -0.5}, "alpha -0.5"),
        ({"rho": 0}, "rho 0"),
        ({"rho": 0.1}, "too small: a side needs 32"),
        ({"rho": 0.5, "input_tensor": keras.Input((64, 64, 3))}, "rho 0.5"),
        ({"stochastic_depth": -0.1}, "stochastic_depth -0.1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        MobileNetV3Small(**arguments)
