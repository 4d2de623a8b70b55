"""CIFAR ResNets against a forward pass in plain NumPy, and the papers' figures."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasnets.applications import builder
from kerasnets.applications.resnet_cifar import (
    Plain20,
    ResNet20,
    ResNet56,
    StochasticDepthResNet110,
)
from kerasnets.errors import KerasnetsError

# the same network with three blocks a stage
StochasticDepthResNet20 = builder.variant(
    StochasticDepthResNet110.__wrapped__,
    dataclasses.replace(
        StochasticDepthResNet110.network, stages=ResNet20.network.stages
    ),
)


def convolve(x, kernel, strides):
    """Convolution; padding as TensorFlow's "same"."""
    size, side = -(-x.shape[1] // strides), len(kernel)
    total = max((size - 1) * strides + side - x.shape[1], 0)
    before = total // 2
    x = np.pad(x, ((0, 0), (before, total - before), (before, total - before), (0, 0)))
    out = np.zeros((x.shape[0], size, size, kernel.shape[-1]))
    span = (size - 1) * strides + 1
    for i in range(side):
        for j in range(side):
            out += x[:, i : i + span : strides, j : j + span : strides] @ kernel[i, j]
    return out


def no_shortcut(x, strides, extra, project):
    return 0


def every_other_pixel(x, strides, extra, project):
    x = x[:, ::strides, ::strides]
    return np.pad(x, ((0, 0), (0, 0), (0, 0), (0, extra)))


def average_of_pixels(x, strides, extra, project):
    count, height, width, channels = x.shape
    windows = (count, height // strides, strides, width // strides, strides, channels)
    x = x.reshape(windows).mean(axis=(2, 4))
    return np.pad(x, ((0, 0), (0, 0), (0, 0), (0, extra)))


def projection(x, strides, extra, project):
    return project(x) if extra else x


def reference(model, x, shortcut):
    """Table 6 of the paper, step by step, with the weights of ``model``."""

    def conv_bn(x, name, strides=1):
        kernel = np.asarray(model.get_layer(f"{name}_conv").kernel, "float64")
        gamma, beta, mean, variance = (
            np.asarray(weight, "float64")
            for weight in model.get_layer(f"{name}_bn").weights
        )
        y = convolve(x, kernel, strides)
        return gamma * (y - mean) / np.sqrt(variance + 1e-5) + beta

    x = np.maximum(conv_bn(x, "stem"), 0)
    for stage in (1, 2, 3):
        for block in (1, 2, 3):
            name = f"stage{stage}_block{block}"
            strides = 2 if stage > 1 and block == 1 else 1
            y = np.maximum(conv_bn(x, f"{name}_1", strides), 0)
            y = conv_bn(y, f"{name}_2")
            extra = y.shape[-1] - x.shape[-1]

            def project(x, name=name, strides=strides):
                return conv_bn(x, f"{name}_shortcut", strides)

            x = np.maximum(y + shortcut(x, strides, extra, project), 0)
    dense = model.get_layer("logits")
    return x.mean(axis=(1, 2)) @ np.asarray(dense.kernel) + np.asarray(dense.bias)


@pytest.mark.parametrize(
    ("build", "arguments", "shortcut"),
    [
        (Plain20, {}, no_shortcut),
        (ResNet20, {}, every_other_pixel),
        (ResNet20, {"shortcut": "B"}, projection),
        # a branch that is kept is divided by its rate: at inference nothing is left
        (StochasticDepthResNet20, {}, average_of_pixels),
    ],
)
def test_output_equals_the_reference(build, arguments, shortcut):
    keras.utils.set_random_seed(0)
    model = build(classifier_activation=None, **arguments)
    random = np.random.default_rng(0)
    for variable in model.weights:
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif "mean" in variable.path or "beta" in variable.path:
            variable.assign(random.normal(0, 0.3, variable.shape))
    x = random.normal(size=(2, 32, 32, 3)).astype("float32")
    expected = reference(model, x.astype("float64"), shortcut)
    # float32 over twenty layers, against float64
    atol = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=atol)


def test_stages_halve_the_map_and_double_the_filters():
    model = ResNet20()
    shapes = [
        model.get_layer(f"stage{stage}_block3_relu").output.shape[1:]
        for stage in (1, 2, 3)
    ]
    assert shapes == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]


# counts of the networks of pytorchcv, whose shortcuts are projections
@pytest.mark.parametrize(
    ("build", "trainable", "params"),
    [(ResNet20, 272_474, 274_042), (ResNet56, 855_770, 860_026)],
)
def test_parameters_with_projections(build, trainable, params):
    model = build(shortcut="B")
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == trainable
    assert model.count_params() == params


def test_survival_falls_linearly_to_a_half_over_all_blocks():
    model = StochasticDepthResNet110()
    rates = [layer.rate for layer in model.layers if layer.name.endswith("_drop")]
    np.testing.assert_allclose(rates, np.arange(1, 55) / 54 / 2)
    add = model.get_layer("stage2_block1_add")
    assert model.get_layer("stage2_block1_drop").output in add.input
    assert model.get_layer("stage2_block1_relu").input is add.output


def test_own_arguments_change_the_graph():
    model = ResNet20(zero_init_residual=True, stochastic_depth=0.9)
    assert not np.asarray(model.get_layer("stage3_block2_2_bn").gamma).any()
    assert np.asarray(model.get_layer("stage3_block2_1_bn").gamma).all()
    assert model.get_layer("stage1_block1_drop").rate == pytest.approx(0.1)
    names = [layer.name for layer in StochasticDepthResNet20(stochastic_depth=0).layers]
    assert "stage1_block1_drop" not in names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"shortcut": "C"}, "shortcut 'C'"), ({"stochastic_depth": 1}, "depth 1 ")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        ResNet20(**arguments)
