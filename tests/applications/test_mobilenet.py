"""MobileNet against keras.applications and the paper's tables."""

import keras
import numpy as np
import pytest

from kerasnets import pretrained
from kerasnets.analysis import count_madds, count_params
from kerasnets.applications import ConvMobileNet, MobileNet, ShallowMobileNet
from kerasnets.errors import KerasnetsError


def assert_same_answers(ours, theirs, twin):
    """Both answer alike with the weights of theirs, random ones."""
    random = np.random.default_rng(1)
    for variable in theirs.variables:
        shape = variable.shape
        if "kernel" in variable.path:
            # depthwise kernels, (rows, columns, channels, 1), see one channel each
            inputs = np.prod(shape[:2] if shape[-1] == 1 else shape[:-1])
            variable.assign(random.normal(0, np.sqrt(2 / inputs), shape))
        elif "variance" in variable.path or "gamma" in variable.path:
            variable.assign(random.uniform(0.5, 1.5, shape))
        elif "seed" not in variable.path:
            variable.assign(random.normal(0, 0.1, shape))
    pretrained.from_keras(ours, theirs, twin)
    x = random.uniform(-1, 1, (2, *ours.input_shape[1:])).astype("float32")
    x[1] *= 0.2
    expected, answers = (np.asarray(model(x)) for model in (theirs, ours))
    scale = np.abs(expected).max()
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * scale
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-5 * scale)


# every released pair of alpha and resolution; odd and oblong maps, where it shows on
# which side zeros are added
@pytest.mark.parametrize(
    ("alpha", "shape"),
    [
        (alpha, (side, side, 3))
        for alpha in (1.0, 0.75, 0.5, 0.25)
        for side in (224, 192, 160, 128)
    ]
    + [(0.75, (40, 75, 3)), (0.25, (33, 47, 1))],
)
def test_output_equals_keras_applications(alpha, shape):
    options = {"alpha": alpha, "classes": 20, "classifier_activation": None}
    theirs = keras.applications.MobileNet(shape, weights=None, **options)
    assert_same_answers(MobileNet(shape, **options), theirs, MobileNet.network.keras)


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


# Howard et al. 2017, Tables 6 and 7: alpha, resolution, millions of multiply-adds and
# of parameters as printed; where the table rounds otherwise, the exact value
@pytest.mark.parametrize(
    ("alpha", "resolution", "madds", "params"),
    [
        (1.0, 224, 569, 4.25),
        (0.75, 224, 325, 2.60),
        (0.5, 224, 149, 1.34),
        (0.25, 224, 41, 0.48),
        (1.0, 192, 418, 4.25),
        (1.0, 160, 291, 4.25),
        (1.0, 128, 186, 4.25),
    ],
)
def test_alpha_and_rho_cost_what_the_paper_says(alpha, resolution, madds, params):
    model = MobileNet(alpha=alpha, rho=resolution / 224)
    assert model.input_shape == (None, resolution, resolution, 3)
    assert round(count_madds(model) / 1e6) == madds
    assert round(count_params(model) / 1e6, 2) == params


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
