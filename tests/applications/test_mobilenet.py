"""MobileNet against the paper's tables."""

import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
from support.weights import randomise

from kerasnets.analysis import count_madds, count_params, shapes_only
from kerasnets.applications import (
    ConvMobileNet,
    MobileNet,
    ShallowMobileNet,
    preprocessing,
)
from kerasnets.applications.mobilenet import rotate_kernels_180
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
    monkeypatch.delenv("KERASNETS_OFFLINE")  # the network is a stand-in
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
        ({"padding": "valid"}, "padding 'valid' is unknown: 'same' or 'symmetric'"),
        (
            {"padding": "symmetric", "weights": "imagenet"},
            "mobilenet.rotate_kernels_180",
        ),
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


FORMS = pytest.mark.parametrize("build", [MobileNet, ShallowMobileNet, ConvMobileNet])


def small(build, side: int = 64, **arguments):
    """A quarter of the width, ten classes."""
    return build((side, side, 3), alpha=0.25, classes=10, **arguments)


@FORMS
def test_symmetric_form_has_the_usual_weights_and_costs(build):
    usual = shapes_only(build)
    form = shapes_only(lambda: build(padding="symmetric"))
    assert count_params(form) == build.network.params
    assert count_madds(form) == build.network.madds
    assert form.name == f"{build.network.name.lower()}_1.00_224_symmetric"
    assert [w.shape for w in form.weights] == [w.shape for w in usual.weights]
    assert [w.path.split("/")[-2:] for w in form.weights] == [
        w.path.split("/")[-2:] for w in usual.weights
    ]


@FORMS
def test_symmetric_form_is_the_usual_one_turned_by_180_degrees(build):
    usual = randomise(small(build, classifier_activation=None))
    form = small(build, padding="symmetric", classifier_activation=None)
    images = np.random.default_rng(0).normal(size=(4, 64, 64, 3)).astype("float32")
    expected = usual(images, training=False)
    form.set_weights(rotate_kernels_180(usual))
    found = form(images[:, ::-1, ::-1], training=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    form.set_weights(usual.get_weights())
    assert np.abs(form(images, training=False) - expected).max() > 0.1


def padded_convolution(x, kernel):
    """A 3x3 convolution with stride 2 and a zero on every side, by its definition."""
    x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    return [
        [
            np.tensordot(x[row : row + 3, column : column + 3], kernel, 3)
            for column in range(0, x.shape[1] - 2, 2)
        ]
        for row in range(0, x.shape[0] - 2, 2)
    ]


@pytest.mark.parametrize("sides", [(32, 34), (33, 35)])
def test_symmetric_stem_has_zeros_on_all_sides_of_even_and_odd_images(sides):
    model = MobileNet((*sides, 3), alpha=0.125, padding="symmetric", classes=2)
    stem = model.get_layer("stem_conv")
    image = np.random.default_rng(0).normal(size=(*sides, 3)).astype("float32")
    found = keras.Model(model.input, stem.output)(image[None])[0]
    expected = padded_convolution(image, np.asarray(stem.kernel))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_symmetric_form_is_known_by_its_name(tmp_path):
    model = small(MobileNet, 32, padding="symmetric")
    model.save(tmp_path / "model.keras")
    loaded: Any = keras.saving.load_model(tmp_path / "model.keras")
    assert preprocessing(loaded) == preprocessing(model)
    assert model.get_layer("avg_pool").output.shape == (None, 1, 1, 256)
    pooled = small(MobileNet, padding="symmetric", include_top=False, pooling="avg")
    assert pooled.output_shape == (None, 256)
    anywhere = MobileNet((None, None, 3), padding="symmetric", alpha=0.25)
    assert anywhere.output_shape == (None, 1000)


# in a process of its own: importing TF-MOT turns tf.keras into tf_keras
_POLICY = """
from kerasnets.applications import MobileNet, ShallowMobileNet
from kerasnets.compression.bridge import to_tf_keras
import tensorflow_model_optimization as tfmot

policy = tfmot.sparsity.keras.PruneForLatencyOnXNNPack()

def answer(build, padding):
    model = build((32, 32, 3), alpha=0.125, classes=4, padding=padding)
    theirs = to_tf_keras(model)
    try:
        policy.ensure_model_supports_pruning(theirs)
    except ValueError as error:
        return error
    return sum(map(policy.allow_pruning, theirs.layers))

print(answer(MobileNet, "symmetric"))
print(answer(ShallowMobileNet, "symmetric"))
print(answer(MobileNet, "same"))
"""


def test_xnnpacks_pruning_policy_takes_the_pointwise_layers_of_symmetric_forms():
    command = [sys.executable, "-c", _POLICY]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    # 1 + 2 + 2 + 6 + 2 pointwise layers in Table 1, five less in the shallow network
    *counts, refusal = output.stdout.splitlines()
    assert counts == ["13", "8"]
    assert refusal.startswith("Could not find `Conv2D 3x3` layer with stride 2x2")
