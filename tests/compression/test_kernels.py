import keras
import numpy as np
import pytest

from kerasnets.compression import sparsity
from kerasnets.compression.kernels import weights_to_keep
from kerasnets.errors import KerasnetsError
from kerasnets.graph import leaf_layers


@pytest.fixture
def model():
    inner_input = keras.Input((6, 6, 4))
    inner = keras.Model(
        inner_input,
        keras.layers.SeparableConv2D(5, 3, name="separable")(inner_input),
        name="inner",
    )
    x = image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = inner(x)
    x = keras.layers.DepthwiseConv2D(2, name="depthwise")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(image, keras.layers.Dense(2, name="dense")(x))


def test_sparsity_counts_zeros_of_all_kernels_and_nothing_else(model):
    # kernels: conv 3*3*3*4 = 108, separable 3*3*4 = 36 and 4*5 = 20,
    # depthwise 2*2*5 = 20, dense 3*3*5*2 = 90
    assert sparsity(model) == 0  # biases and the moving mean are zeros already
    model.get_layer("conv").kernel.assign(np.zeros((3, 3, 3, 4)))
    assert sparsity(model) == 108 / 274
    kernel = np.ones((2, 2, 5, 1))
    kernel[0, 0, :3] = 0
    kernel[1, 1, 0] = 1e-30
    model.get_layer("depthwise").kernel.assign(kernel)
    assert sparsity(model) == 111 / 274
    model.get_layer("inner").get_layer("separable").pointwise_kernel.assign(
        np.zeros((1, 1, 4, 5))
    )
    assert sparsity(model) == 131 / 274


def test_sparsity_of_a_model_without_kernels_is_zero():
    image = keras.Input((4, 4, 3))
    assert sparsity(keras.Model(image, keras.layers.Flatten()(image))) == 0


def test_leaf_layers_names_nested_layers_by_path(model):
    assert list(leaf_layers(model)) == [
        "conv",
        "inner/separable",
        "depthwise",
        "bn",
        "flatten",
        "dense",
    ]


@pytest.mark.parametrize(
    ("sizes", "total", "sparsity", "expected"),
    [
        ([100, 900], 1000, 0.5, [50, 450]),
        # 100 dense weights: 600 zeros among 900, not 540
        ([100, 800], 1000, 0.6, [33, 266]),
        # each kernel keeps one weight, the largest pays for it
        ([1, 1, 998], 1000, 0.9, [1, 1, 98]),
        ([10, 20], 30, 0.0, [10, 20]),
    ],
)
def test_weights_to_keep_by_hand(sizes, total, sparsity, expected):
    keep = weights_to_keep(sizes, total, sparsity)
    assert keep == expected
    assert sum(sizes) - sum(keep) >= sparsity * total


def test_zeros_elsewhere_count():
    # 500 of 1000 are to go, 120 are gone in other kernels: 380 of 800
    assert weights_to_keep([800], 1000, 0.5, zeros=120) == [420]
    assert weights_to_keep([800], 1000, 0.5, zeros=500) == [800]


def test_weights_to_keep_refuses_what_dense_kernels_make_impossible():
    with pytest.raises(KerasnetsError, match=r"at most 0\.49 is accepted"):
        weights_to_keep([500], 1000, 0.5)
