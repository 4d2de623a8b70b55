"""The rule of verdicts, on figures that were made up."""

import pytest
from scipy import stats

from kerasnets.studies import VERDICTS, judge

HOLDS, IN_DIRECTION, NOT_SEEN, DOES_NOT_HOLD = VERDICTS


def seeds(*values):
    return dict(enumerate(values))


@pytest.mark.parametrize(
    ("high", "low", "full", "verdict"),
    [
        # 2, 3 and 4 points: 3 -+ 4.30 / sqrt(3) = 0.52 to 5.48
        ((10, 11, 12), (8, 8, 8), False, HOLDS),
        # 1, 3 and 5: 3 -+ 2 * 4.30 / sqrt(3), beyond zero
        ((9, 11, 13), (8, 8, 8), False, IN_DIRECTION),
        ((8, 8, 8), (9, 11, 13), True, NOT_SEEN),
        ((8, 8, 8), (10, 11, 12), False, NOT_SEEN),
        ((8, 8, 8), (10, 11, 12), True, DOES_NOT_HOLD),
        ((8, 8, 8), (8, 8, 8), True, NOT_SEEN),
        # always the same two points: no width
        ((10, 9, 8), (8, 7, 6), False, HOLDS),
        ((10,), (8,), True, NOT_SEEN),
        ((), (), True, NOT_SEEN),
    ],
)
def test_rule(high, low, full, verdict):
    figures = {"a": seeds(*high), "b": seeds(*low)}
    assert judge(figures, ("a", "b"), full=full).verdict == verdict


def test_interval_is_of_the_differences_seed_by_seed():
    high, low = [20.1, 30.4, 25.2, 27.9], [19.0, 28.9, 24.6, 26.1]
    why = judge({"a": seeds(*high), "b": seeds(*low)}, ("a", "b"), full=True).why
    told = stats.ttest_rel(high, low).confidence_interval(0.95)
    assert why == f"a minus b: +1.25 points ({told.low:+.2f} to {told.high:+.2f})"


def test_seeds_that_only_one_has_are_left_out():
    figures = {"a": {0: 10.0, 1: 11.0, 2: 12.0, 3: 0.0}, "b": {0: 8, 1: 8, 2: 8, 7: 99}}
    assert judge(figures, ("a", "b"), full=True).verdict == HOLDS
    assert "one seed" in judge({"a": {0: 1.0}, "b": {0: 0.0}}, ("a", "b"), full=1).why


def test_the_worst_pair_of_a_chain_counts():
    figures = {
        "a": seeds(10, 11, 12),
        "b": seeds(8, 8, 8),
        "c": seeds(9, 10, 11.5),
    }
    found = judge(figures, ("a", "b", "c"), full=False)
    assert found.verdict == NOT_SEEN
    assert found.why.count("points") == 2
    assert judge(figures, ("a", "b"), full=False).verdict == HOLDS
