"""The points of a search: what they cost, and which fit a budget."""

import math
import re

import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export import add_metadata, convert
from kerasnets.tuning import build_candidate, candidate_for, feasible_candidates
from kerasnets.tuning.space import estimate_int8_bytes

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


def points(**changes):
    """(alpha, size) of the feasible candidates of a MobileNet at 32 and 40 pixels."""
    arguments = {
        "alphas": [0.125, 0.25],
        "rhos": [0.8, 1.0],
        "resolution": 40,
        "classes": 10,
        **PLENTY,
        **changes,
    }
    return [(c.alpha, c.size) for c in feasible_candidates("mobilenet", **arguments)]


def test_formula_gives_the_papers_figures():
    # Table 4 and section 3.3: 569 million multiply-adds, 4.2 million parameters
    params, madds = papers_cost(1.0, 224, 1000)
    assert round(madds / 1e6) == 569
    assert round(params / 1e6, 1) == 4.3  # 4.2 without batch norm


@pytest.mark.parametrize(("alpha", "rho", "size"), [(0.25, 1.0, 32), (0.5, 2.0, 64)])
def test_costs_are_those_of_the_formula(alpha, rho, size):
    candidate = candidate_for("mobilenet", alpha, rho, 32, 10)
    assert (candidate.alpha, candidate.rho, candidate.size) == (alpha, rho, size)
    assert (candidate.params, candidate.madds) == papers_cost(alpha, size, 10)


def test_cheapest_comes_first():
    assert points() == [(0.125, 32), (0.125, 40), (0.25, 32), (0.25, 40)]


def test_points_over_the_budget_are_struck_out():
    limit = papers_cost(0.25, 32, 10)[1]
    assert points(max_madds=limit) == [(0.125, 32), (0.125, 40), (0.25, 32)]
    assert points(max_madds=limit - 1) == [(0.125, 32), (0.125, 40)]
    size = candidate_for("mobilenet", 0.125, 1.0, 40, 10).int8_bytes
    assert points(max_bytes=size) == [(0.125, 32), (0.125, 40)]


@pytest.mark.parametrize("budget", [{"max_madds": 1000}, {"max_bytes": 50_000}])
def test_smallest_is_named_where_none_fits(budget):
    with pytest.raises(KerasnetsError, match="no mobilenet of the search") as caught:
        points(**budget)
    assert f"{next(iter(budget.values())):,}" in str(caught.value)
    assert "alpha 0.125 rho 0.8 (32x32)" in str(caught.value)
    madds, size = re.search(
        r"--max-madds (\d+) and --max-size (\d+)$", str(caught.value)
    ).groups()
    assert points(max_madds=int(madds), max_bytes=int(size)) == [(0.125, 32)]


def test_network_without_alpha_has_one_width():
    candidates = feasible_candidates(
        "resnet20",
        alphas=[0.25, 0.5],
        rhos=[0.5, 1.0],
        resolution=32,
        classes=10,
        **PLENTY,
    )
    assert [(c.alpha, c.size) for c in candidates] == [(1.0, 16), (1.0, 32)]
    # the figures of the paper's network; its dense layer alone keeps its cost
    assert candidates[1].params == candidates[0].params == 271_098
    assert candidates[1].madds == 40_551_040
    assert candidates[0].madds - 640 == (candidates[1].madds - 640) / 4


def test_sizes_that_are_too_small_are_left_out():
    assert points(rhos=[0.5, 0.8]) == [(0.125, 32), (0.25, 32)]
    with pytest.raises(KerasnetsError, match="too small: a side needs 32"):
        points(rhos=[0.25, 0.5])


def test_output_is_logits():
    model = build_candidate("mobilenet", alpha=0.125, size=32, classes=7)
    assert model.output_shape == (None, 7)
    assert getattr(model.layers[-1], "activation", None) in (
        None,
        keras.activations.linear,
    )


@pytest.mark.parametrize(
    ("network", "alpha"), [("mobilenet", 0.125), ("mobilenet", 0.25), ("resnet20", 1.0)]
)
def test_estimate_is_near_the_size_of_the_file(network, alpha):
    model = build_candidate(network, alpha=alpha, size=32, classes=10)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (10, 32, 32, 3), dtype="uint8")
    file = add_metadata(
        convert(model, calibration=images), name=network, labels=list("0123456789")
    )
    assert estimate_int8_bytes(model) == pytest.approx(len(file), rel=0.05)
