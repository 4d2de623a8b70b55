"""The CIFAR ResNet against a forward pass in plain NumPy."""

import keras
import numpy as np
import pytest

from kerasnets.applications import Plain20, ResNet20


def convolve(x, kernel, strides):
    """3x3 convolution; padding as TensorFlow's "same"."""
    size = -(-x.shape[1] // strides)
    total = max((size - 1) * strides + 3 - x.shape[1], 0)
    before = total // 2
    x = np.pad(x, ((0, 0), (before, total - before), (before, total - before), (0, 0)))
    out = np.zeros((x.shape[0], size, size, kernel.shape[-1]))
    span = (size - 1) * strides + 1
    for i in range(3):
        for j in range(3):
            out += x[:, i : i + span : strides, j : j + span : strides] @ kernel[i, j]
    return out


def reference(model, x, *, residual):
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
            if residual:
                shortcut = x[:, ::strides, ::strides]
                extra = y.shape[-1] - shortcut.shape[-1]
                y = y + np.pad(shortcut, ((0, 0), (0, 0), (0, 0), (0, extra)))
            x = np.maximum(y, 0)
    dense = model.get_layer("logits")
    return x.mean(axis=(1, 2)) @ np.asarray(dense.kernel) + np.asarray(dense.bias)


@pytest.mark.parametrize(("build", "residual"), [(ResNet20, True), (Plain20, False)])
def test_output_equals_the_reference(build, residual):
    keras.utils.set_random_seed(0)
    model = build(classifier_activation=None)
    random = np.random.default_rng(0)
    for variable in model.variables:
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif "mean" in variable.path or "beta" in variable.path:
            variable.assign(random.normal(0, 0.3, variable.shape))
    x = random.normal(size=(2, 32, 32, 3)).astype("float32")
    expected = reference(model, x.astype("float64"), residual=residual)
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
