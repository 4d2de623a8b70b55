"""The Pareto front and its hypervolume, by hand."""

import pytest

from kerasnets.tuning import hypervolume, pareto_front

# 3 costs more than 2 and is worse; 4 is as good as 2 and dearer; 1 is worse than 0
POINTS = [(1.0, 0.5), (1.0, 0.4), (2.0, 0.7), (3.0, 0.6), (4.0, 0.7), (5.0, 0.9)]


def test_front_is_what_none_is_better_than():
    assert pareto_front(POINTS) == [0, 2, 5]
    assert pareto_front(POINTS[::-1]) == [5, 3, 0]


def test_of_equals_the_first_stands_for_all():
    assert pareto_front([(1.0, 0.5), (1.0, 0.5)]) == [0]


def test_there_may_be_none():
    assert pareto_front([]) == []
    assert hypervolume([], 3.0) == 0.0


def test_volume_is_the_mean_of_what_budgets_buy():
    # nothing up to 1, 0.5 up to 2, 0.7 up to 5, 0.9 up to 10
    mean = (0.5 * 1 + 0.7 * 3 + 0.9 * 5) / 10
    assert hypervolume(POINTS, 10.0) == pytest.approx(mean)
    # what costs more than the last budget is bought by none
    assert hypervolume(POINTS, 4.0) == pytest.approx((0.5 * 1 + 0.7 * 2) / 4)
    assert hypervolume([(5.0, 0.9)], 4.0) == 0.0
