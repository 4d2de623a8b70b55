"""Keras Tuner over a network's hyperparameters, under a budget."""

from kerasnets.tuning.networks import (
    axes_of,
    build_candidate,
    check_axes,
    cost_of,
    feasible_candidates,
)
from kerasnets.tuning.plan import SearchPlan, read_plan
from kerasnets.tuning.pretrained import (
    PHONE_NETWORKS,
    SIDES,
    build_body,
    files_to_fetch,
    pretrained_candidates,
    pretrained_files,
)
from kerasnets.tuning.search import Trial, search
from kerasnets.tuning.space import Budget, Candidate, Cost

__all__ = [
    "PHONE_NETWORKS",
    "SIDES",
    "Budget",
    "Candidate",
    "Cost",
    "SearchPlan",
    "Trial",
    "axes_of",
    "build_body",
    "build_candidate",
    "check_axes",
    "cost_of",
    "feasible_candidates",
    "files_to_fetch",
    "pretrained_candidates",
    "pretrained_files",
    "read_plan",
    "search",
]
