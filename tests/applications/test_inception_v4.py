"""Inception-v4 against the figures of the paper."""

import pytest
from keras import layers

from kerasnets.applications.inception_v4 import InceptionV4
from kerasnets.errors import KerasnetsError

# Szegedy et al. 2016, Figures 3 and 9: the maps that they print, the branch widths of
# the last modules added up
SHAPES = {
    "stem_1_relu": (149, 149, 32),
    "stem_2_relu": (147, 147, 32),
    "stem_3_relu": (147, 147, 64),
    "stem_4_concat": (73, 73, 160),
    "stem_5_concat": (71, 71, 192),
    "stem_6_concat": (35, 35, 384),
    "inception_a4_concat": (35, 35, 384),
    "reduction_a_concat": (17, 17, 1024),
    "inception_b7_concat": (17, 17, 1024),
    "reduction_b_concat": (8, 8, 1536),
    "inception_c3_concat": (8, 8, 1536),
}
# Figures 3 to 8 and Table 1: convolutions of each module, times the modules
CONVOLUTIONS = {
    "stem": 11,
    "inception_a": 4 * 7,
    "reduction_a": 4,
    "inception_b": 7 * 10,
    "reduction_b": 6,
    "inception_c": 3 * 10,
}


@pytest.fixture(scope="module")
def model():
    return InceptionV4()


def of_kind(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_maps_are_those_of_the_figures(model):
    shapes = {name: model.get_layer(name).output.shape[1:] for name in SHAPES}
    assert shapes == SHAPES


def test_every_convolution_has_batch_normalisation_and_relu(model):
    for kind, suffix in [
        (layers.Conv2D, "conv"),
        (layers.BatchNormalization, "bn"),
        (layers.ReLU, "relu"),
    ]:
        names = [layer.name for layer in of_kind(model, kind)]
        counts = {
            module: sum(name.startswith(module) for name in names)
            for module in CONVOLUTIONS
        }
        assert counts == CONVOLUTIONS, suffix
        assert all(name.endswith(f"_{suffix}") for name in names)
    assert {layer.epsilon for layer in of_kind(model, layers.BatchNormalization)} == {
        1e-3
    }


def test_maps_are_halved_by_maximum_and_kept_by_average(model):
    halving = [layer.name for layer in of_kind(model, layers.MaxPooling2D)]
    assert halving == [
        "stem_4_pool_max",
        "stem_6_pool_max",
        "reduction_a_pool_max",
        "reduction_b_pool_max",
    ]
    kept = of_kind(model, layers.AveragePooling2D)
    assert len(kept) == 4 + 7 + 3
    assert {(layer.strides, layer.padding) for layer in kept} == {((1, 1), "same")}


def test_last_modules_fork_into_a_row_and_a_column(model):
    for branch, number in (("branch1", 2), ("branch2", 4)):
        name = f"inception_c1_{branch}_{number}"
        pair = [model.get_layer(f"{name}{letter}_conv") for letter in "ab"]
        assert [layer.kernel_size for layer in pair] == [(1, 3), (3, 1)]
        assert pair[0].input is pair[1].input


def test_dropout_is_an_argument(model):
    assert model.get_layer("dropout").rate == 0.2  # the paper keeps 0.8
    names = [layer.name for layer in InceptionV4((75, 75, 3), dropout=0).layers]
    assert "dropout" not in names


def test_small_images_are_refused():
    with pytest.raises(KerasnetsError, match="a side needs 75"):
        InceptionV4((74, 75, 3))
