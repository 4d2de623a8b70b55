"""FitNets against the tables of the paper and the released configuration."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasnets.analysis import count_madds
from kerasnets.applications import builder
from kerasnets.applications.fitnet import (
    FitNet1,
    FitNet2,
    FitNet3,
    FitNet3Wide,
    FitNet4,
)
from kerasnets.applications.maxout import MaxoutCIFAR10

# Romero et al. 2015, Table 7; of the wide form the counts of Table 5
GROUPS = {
    FitNet1: ([16, 16, 16], [32, 32, 32], [48, 48, 64]),
    FitNet2: ([16, 32, 32], [48, 64, 80], [96, 96, 128]),
    FitNet3: ([32, 48, 64, 64], [80] * 4, [128] * 3),
    FitNet3Wide: ([64] * 4, [80] * 4, [128] * 3),
    FitNet4: ([32, 32, 32, 48, 48], [80] * 6, [128] * 6),
}
networks = pytest.mark.parametrize("build", GROUPS, ids=lambda b: b.network.name)


def names(model, kind):
    """Of the layers of a class."""
    return [layer.name for layer in model.layers if isinstance(layer, kind)]


@networks
def test_groups_have_the_maps_of_the_table(build):
    model = build()
    sides = (32, 16, 8)
    expected = {
        f"stage{stage}_conv{i}_maxout": (side, side, filters)
        for stage, side, group in zip((1, 2, 3), sides, GROUPS[build], strict=True)
        for i, filters in enumerate(group, start=1)
    }
    shapes = {
        layer.name: layer.output.shape[1:]
        for layer in model.layers
        if layer.name in expected
    }
    assert shapes == expected
    convolutions = names(model, keras.layers.Conv2D)
    assert [f"{name}_maxout" for name in convolutions] == list(expected)
    for name in convolutions:
        layer = model.get_layer(name)
        assert (layer.kernel_size, layer.padding) == ((3, 3), "same")
        assert layer.filters == 2 * expected[f"{name}_maxout"][2]


# Table 5: layers with weights
@pytest.mark.parametrize(
    ("build", "depth"), [(FitNet1, 11), (FitNet2, 11), (FitNet3, 13), (FitNet4, 19)]
)
def test_depth_is_that_of_the_table(build, depth):
    model = build()
    assert sum(bool(layer.weights) for layer in model.layers) == depth


# Table 5, with more digits by hand: weights without biases, two dense pieces. Table 7
# does not give the printed 1.6M and 392M of FitNet-3
@pytest.mark.parametrize(
    ("build", "weights", "madds"),
    [
        (FitNet1, 249_576, 30.2),
        (FitNet2, 861_928, 107.8),
        (FitNet3, 1_503_304, 323.9),
        (FitNet3Wide, 1_569_544, 391.8),
        (FitNet4, 2_544_712, 381.7),
    ],
)
def test_printed_costs_are_without_biases_and_with_two_dense_pieces(
    build, weights, madds
):
    row = dataclasses.replace(build.network, dense_pieces=2)
    model = builder.variant(build.__wrapped__, row)()
    kernels = [w for w in model.weights if w.name == "kernel"]
    assert sum(np.prod(w.shape) for w in kernels) == weights
    assert round(count_madds(model) / 1e6, 1) == madds


# Table 5 and the released yaml, which counts from 0: [10, 1] for FitNet-4
@pytest.mark.parametrize(
    ("build", "guided"),
    [(FitNet1, 6), (FitNet2, 6), (FitNet3, 8), (FitNet3Wide, 8), (FitNet4, 11)],
)
def test_hint_is_for_the_layer_of_the_paper(build, guided):
    def layers_up_to(model, name):
        end = keras.Model(model.input, model.get_layer(name).output)
        return len(names(end, keras.layers.Conv2D)), end.output_shape[1:]

    row = build.network
    last = GROUPS[build][1][-1]
    assert layers_up_to(build(), row.hint) == (guided, (8, 8, last))
    # a layer of the release ends with its pooling: section 4's teacher has 7x7 there
    assert layers_up_to(MaxoutCIFAR10(), row.teacher_hint) == (2, (7, 7, 192))


@networks
def test_pooling_follows_the_groups(build):
    model = build()
    pools = names(model, keras.layers.MaxPooling2D)
    assert pools == ["stage1_pool", "stage2_pool"]
    ends = [f"stage{i}_conv{len(g)}_maxout" for i, g in enumerate(GROUPS[build], 1)]
    for name, end in zip([*pools, "max_pool"], ends, strict=True):
        layer = model.get_layer(name)
        assert layer.input._keras_history.operation.name == end
    assert {model.get_layer(name).pool_size for name in pools} == {(2, 2)}
    assert not names(model, keras.layers.Dropout)


def test_last_pooling_is_the_maximum_of_8x8():
    model = FitNet1(classifier_activation=None)
    last = model.get_layer("max_pool")
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 64)).astype("float32")
    np.testing.assert_array_equal(last(x), x.max(axis=(1, 2)))
    assert last.input.shape == (None, 8, 8, 64)
    assert model.get_layer("fc1").units == 5 * 500


# the released yaml
def test_norms_and_initial_weights_are_those_of_the_release():
    model = FitNet1()
    for layer in model.layers:
        if layer.weights:
            limit = {"fc1": 1.9, "logits": 1.9365}.get(layer.name, 0.9)
            assert layer.kernel_constraint.max_value == limit, layer.name
            axes = list(range(len(layer.kernel.shape) - 1))
            assert layer.kernel_constraint.axis == axes, layer.name
            kernel = np.asarray(layer.kernel)
            assert 0.004 < np.abs(kernel).max() <= 0.005, layer.name
