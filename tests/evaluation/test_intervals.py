"""Confidence intervals are those of scipy, and of the literature."""

import dataclasses

import pytest
from scipy import stats

from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import mean_interval, share_interval


@pytest.mark.parametrize("confidence", [0.95, 0.5])
@pytest.mark.parametrize(
    ("right", "count"),
    [(0, 1), (1, 1), (0, 360), (360, 360), (357, 360), (5, 10), (1, 2500)],
)
def test_share_is_within_the_score_interval_of_scipy(right, count, confidence):
    found = share_interval(right, count, confidence)
    test = stats.binomtest(right, count)
    theirs = test.proportion_ci(confidence, method="wilson")
    assert (found.low, found.high) == pytest.approx(
        (theirs.low, theirs.high), abs=1e-12
    )


def test_all_and_none_reach_the_end():
    assert share_interval(7, 7).high == 1
    assert share_interval(0, 7).low == 0


@pytest.mark.parametrize("values", [[0.87, 0.88, 0.86], [1.0, 2.0], [0.5, 0.5, 0.5]])
def test_mean_is_within_students_interval_of_scipy(values):
    found = mean_interval(values)
    if len(set(values)) == 1:
        assert found.low == found.high == values[0]
        return
    theirs = stats.t.interval(
        0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values)
    )
    assert dataclasses.astuple(found) == pytest.approx(theirs)


def test_quantile_of_students_table():
    # of two degrees of freedom 4.303; mean 2, standard error 1 / sqrt(3)
    found = mean_interval([1.0, 2.0, 3.0])
    assert found.high - 2 == pytest.approx(4.303 / 3**0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: share_interval(0, 0), "0 of 0 are right: 0 to all of 1 or more"),
        (lambda: share_interval(8, 7), "8 of 7 are right"),
        (lambda: share_interval(-1, 7), "-1 of 7 are right"),
        (lambda: share_interval(1, 7, 1.0), "confidence 1: a share between 0 and 1"),
        (lambda: mean_interval([0.5]), r"of \[0.5\]: two or more finite values"),
        (lambda: mean_interval([0.5, float("nan")]), "two or more finite values"),
    ],
)
def test_what_has_no_interval_is_told(call, message):
    with pytest.raises(KerasnetsError, match=message):
        call()
