"""Keras Tuner over MobileNet's width and resolution, under a budget."""

from kerasnets.tuning.plan import SearchPlan, read_plan
from kerasnets.tuning.search import Trial, search
from kerasnets.tuning.space import (
    Candidate,
    build_candidate,
    candidate_for,
    feasible_candidates,
)

__all__ = [
    "Candidate",
    "SearchPlan",
    "Trial",
    "build_candidate",
    "candidate_for",
    "feasible_candidates",
    "read_plan",
    "search",
]
