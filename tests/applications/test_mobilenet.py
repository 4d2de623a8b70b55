"""MobileNet against keras.applications and the paper's tables."""

import keras
import numpy as np
import pytest

from kerasnets.analysis import count_madds, count_params
from kerasnets.applications import ConvMobileNet, MobileNet, ShallowMobileNet
from kerasnets.errors import KerasnetsError


def randomise(model, seed):
    """Weights and batch-norm statistics as after some training."""
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed" in variable.path:
            continue
        value = random.normal(0, 0.2, variable.shape)
        if "variance" in variable.path or "gamma" in variable.path:
            value = random.uniform(0.5, 1.5, variable.shape)
        variable.assign(value)


@pytest.mark.parametrize(
    ("size", "alpha"), [(224, 1.0), (128, 0.5), (96, 0.25), (40, 0.75)]
)
def test_output_equals_keras_applications(size, alpha):
    theirs = keras.applications.MobileNet(
        (size, size, 3), alpha=alpha, weights=None, classes=20
    )
    ours = MobileNet((size, size, 3), alpha=alpha, classes=20)
    randomise(theirs, seed=size)
    # both list their weights from input to output; the last is a 1x1 convolution there
    for weight, source in zip(ours.weights, theirs.weights, strict=True):
        weight.assign(np.reshape(source, weight.shape))
    x = np.random.default_rng(1).uniform(-1, 1, (2, size, size, 3)).astype("float32")
    expected = theirs.predict(x, verbose=0)
    assert np.ptp(expected) > 0.01  # the answers differ between classes
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, atol=1e-5)


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
        ({"alpha": 0.01}, "alpha 0.01"),
        ({"rho": 0}, "rho 0"),
        ({"rho": 0.1}, "too small: a side needs 32"),
        ({"rho": 0.5, "input_tensor": keras.Input((64, 64, 3))}, "rho 0.5"),
    ],
)
def test_bad_multipliers_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        MobileNet(**arguments)


def test_conv_mobilenet_has_no_depth_to_multiply():
    with pytest.raises(KerasnetsError, match="depth_multiplier 2"):
        ConvMobileNet(depth_multiplier=2)
