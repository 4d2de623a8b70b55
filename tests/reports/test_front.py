"""Accuracy against cost, drawn."""

import re

import pytest

from kerasnets.reports.front import draw_front
from kerasnets.tuning import Candidate, Cost, Trial, front_of

TRIALS = [
    Trial(Candidate({"alpha": alpha}, Cost(32, 1, madds, 1)), 0.1, right, failure, 1.0)
    for alpha, madds, right, failure in (
        (0.25, 1_000_000, 0.7, ""),
        (0.5, 4_000_000, 0.65, ""),
        (0.75, 9_000_000, 0.9, ""),
        (1.0, 16_000_000, 0.0, "no memory"),
    )
]


def drawn(**how) -> str:
    how = {"max_madds": None, **how}
    return draw_front(TRIALS, front_of(TRIALS), **how).decode()


@pytest.mark.parametrize(("beside", "points"), [(False, [3, 2]), (True, [3, 2, 16])])
def test_points_are_what_did_not_fail_the_front_and_the_authors_grid(beside, points):
    groups = re.findall(
        r'<g id="PathCollection_\d+">.*?</g>\s*</g>',
        drawn(beside_authors=beside),
        flags=re.DOTALL,
    )
    assert [group.count("<use") for group in groups] == points


def test_same_trials_give_the_same_bytes():
    assert drawn(max_madds=5_000_000) == drawn(max_madds=5_000_000)
    assert drawn(max_madds=5_000_000) != drawn()
