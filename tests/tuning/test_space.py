"""The points of a network's space: what they cost, and which fit a budget."""

import math
import re

import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export import add_metadata, convert
from kerasnets.tuning import (
    Budget,
    axes_of,
    build_candidate,
    cost_of,
    feasible_candidates,
)
from kerasnets.tuning.networks import estimate_int8_bytes
from kerasnets.tuning.space import points

# Howard et al. 2017, Table 1: channels and stride of each depthwise separable block
BLOCKS = [
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)),
    *((512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)),
]
PLENTY = {"max_madds": 10**12, "max_bytes": 10**12}


def papers_cost(alpha, size, classes):
    """Parameters and multiply-adds of MobileNet by the paper's equation 5."""
    channels, side = int(32 * alpha), math.ceil(size / 2)
    # 3x3 convolution of three colours; four numbers of batch norm a channel
    params, madds = 27 * channels + 4 * channels, 27 * channels * side**2
    for filters, stride in BLOCKS:
        wider, side = int(filters * alpha), math.ceil(side / stride)
        params += 9 * channels + 4 * channels + channels * wider + 4 * wider
        madds += (9 * channels + channels * wider) * side**2
        channels = wider
    return params + (channels + 1) * classes, madds + channels * classes


def feasible(network="mobilenet", budget=None, **changes):
    """The feasible candidates of a MobileNet at 32 and 40 pixels."""
    axes = {"alpha": [0.125, 0.25], "rho": [0.8, 1.0], **changes}
    axes = {name: values for name, values in axes.items() if values is not None}
    limits = Budget(**{**PLENTY, **(budget or {})})
    return feasible_candidates(network, axes, resolution=40, classes=10, budget=limits)


def widths_and_sizes(**changes):
    """(alpha, size) of the feasible candidates."""
    return [(c.values["alpha"], c.cost.size) for c in feasible(**changes)]


def cost(alpha, rho=1.0, resolution=40):
    values = {"alpha": alpha, "rho": rho}
    return cost_of("mobilenet", values, resolution=resolution, classes=10)


def test_formula_gives_the_papers_figures():
    # Table 4 and section 3.3: 569 million multiply-adds, 4.2 million parameters
    params, madds = papers_cost(1.0, 224, 1000)
    assert round(madds / 1e6) == 569
    assert round(params / 1e6, 1) == 4.3  # 4.2 without batch norm


@pytest.mark.parametrize(("alpha", "rho", "size"), [(0.25, 1.0, 32), (0.5, 2.0, 64)])
def test_costs_are_those_of_the_formula(alpha, rho, size):
    counted = cost(alpha, rho, resolution=32)
    assert counted.size == size
    assert (counted.params, counted.madds) == papers_cost(alpha, size, 10)


def test_cheapest_comes_first():
    assert widths_and_sizes() == [(0.125, 32), (0.125, 40), (0.25, 32), (0.25, 40)]


def test_points_over_the_budget_are_struck_out():
    limit = papers_cost(0.25, 32, 10)[1]
    narrow = [(0.125, 32), (0.125, 40)]
    assert widths_and_sizes(budget={"max_madds": limit}) == [*narrow, (0.25, 32)]
    assert widths_and_sizes(budget={"max_madds": limit - 1}) == narrow
    assert widths_and_sizes(budget={"max_bytes": cost(0.125).int8_bytes}) == narrow


@pytest.mark.parametrize("budget", [{"max_madds": 1000}, {"max_bytes": 50_000}])
def test_smallest_is_named_where_none_fits(budget):
    with pytest.raises(KerasnetsError, match="no mobilenet of the search") as caught:
        feasible(budget=budget)
    assert f"{next(iter(budget.values())):,}" in str(caught.value)
    assert "alpha 0.125 rho 0.8 (32x32)" in str(caught.value)
    madds, size = re.search(
        r"--max-madds (\d+) and --max-size (\d+)$", str(caught.value)
    ).groups()
    enough = {"max_madds": int(madds), "max_bytes": int(size)}
    assert widths_and_sizes(budget=enough) == [(0.125, 32)]


def test_network_of_one_width_has_resolutions():
    candidates = feasible("resnet20", alpha=None, rho=[0.4, 0.8])
    assert [(c.values, c.cost.size) for c in candidates] == [
        ({"rho": 0.4}, 16),
        ({"rho": 0.8}, 32),
    ]
    small, large = (candidate.cost for candidate in candidates)
    # the figures of the paper's network; its dense layer alone keeps its cost
    assert large.params == small.params == 271_098
    assert large.madds == 40_551_040
    assert small.madds - 640 == (large.madds - 640) / 4


def test_argument_of_any_builder_is_an_axis():
    # He et al. 2015, section 4.2: option B projects both shortcuts that change the
    # width, 16x32 and 32x64 weights and four numbers of batch norm a channel
    candidates = feasible("resnet20", alpha=None, rho=None, shortcut=["A", "B"])
    params = {c.values["shortcut"]: c.cost.params for c in candidates}
    assert params["B"] - params["A"] == 16 * 32 + 32 * 64 + 4 * (32 + 64)
    assert [str(c) for c in candidates] == ["shortcut A (40x40)", "shortcut B (40x40)"]


def test_space_without_axes_is_the_network_itself():
    candidate = feasible("resnet20", alpha=None, rho=None)
    assert [(c.values, c.cost.size, str(c)) for c in candidate] == [({}, 40, "(40x40)")]


def test_axes_are_the_own_arguments_and_the_resolution():
    assert axes_of("resnet20") == (
        *("rho", "shortcut", "stochastic_depth", "zero_init_residual"),
    )
    assert {"alpha", "rho"} <= set(axes_of("mobilenet"))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"aplha": [1.0]}, "an axis 'aplha', which 'mobilenet' lacks: alpha, "),
        ({"classes": [10]}, "an axis 'classes', which 'mobilenet' lacks"),
        ({"rho": [0.5, -1.0]}, r"rho \[0.5, -1.0\] is not a list of numbers above 0"),
        ({"rho": [0]}, r"rho \[0\] is not a list of numbers above 0"),
        ({"rho": [True]}, r"rho \[True\] is not a list of numbers above 0"),
        ({"rho": ["1.0"]}, r"rho \['1.0'\] is not a list of numbers above 0"),
        # the builder's own words
        ({"alpha": [0.25, 0]}, "alpha 0"),
        ({"alpha": [0.25, -1.0]}, "alpha -1"),
    ],
)
def test_axis_that_the_network_cannot_have_is_told(axes, message):
    with pytest.raises(KerasnetsError, match=message):
        feasible(**axes)


def test_sizes_that_are_too_small_are_left_out():
    assert widths_and_sizes(rho=[0.5, 0.8]) == [(0.125, 32), (0.25, 32)]
    with pytest.raises(KerasnetsError, match="too small: a side needs 32"):
        feasible(rho=[0.25, 0.5])


def test_points_are_all_combinations():
    axes = {"width": (1, 2), "kind": ("a", "b"), "flag": (True,)}
    assert list(points(axes)) == [
        {"width": width, "kind": kind, "flag": True}
        for width in (1, 2)
        for kind in ("a", "b")
    ]


def test_output_is_logits():
    model = build_candidate("mobilenet", {"alpha": 0.125}, size=32, classes=7)
    assert model.output_shape == (None, 7)
    assert getattr(model.layers[-1], "activation", None) in (
        None,
        keras.activations.linear,
    )


@pytest.mark.parametrize(
    ("network", "values"),
    [("mobilenet", {"alpha": 0.125}), ("mobilenet", {"alpha": 0.25}), ("resnet20", {})],
)
def test_estimate_is_near_the_size_of_the_file(network, values):
    model = build_candidate(network, values, size=32, classes=10)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (10, 32, 32, 3), dtype="uint8")
    file = add_metadata(
        convert(model, calibration=images), name=network, labels=list("0123456789")
    )
    assert estimate_int8_bytes(model) == pytest.approx(len(file), rel=0.05)
