"""Keras Tuner over a network's hyperparameters, under a budget."""

from kerasnets.tuning.front import hypervolume, pareto_front
from kerasnets.tuning.hypernet import HyperNet
from kerasnets.tuning.networks import (
    SPARSITY,
    as_text,
    axes_of,
    build_candidate,
    check_axes,
    cost_of,
    feasible_candidates,
    split_axes,
    with_training,
)
from kerasnets.tuning.oracles import rungs
from kerasnets.tuning.plan import SearchPlan, read_plan
from kerasnets.tuning.pretrained import (
    PHONE_NETWORKS,
    SIDES,
    build_body,
    file_of,
    files_to_fetch,
    offered,
    pretrained_candidates,
    pretrained_files,
    recorded_files,
)
from kerasnets.tuning.search import search
from kerasnets.tuning.shared import SharedNetwork, sandwich
from kerasnets.tuning.space import (
    Budget,
    Candidate,
    Cost,
    Objective,
    Value,
    within_budget,
)
from kerasnets.tuning.trials import Trial, front_of, ranked

__all__ = [
    "PHONE_NETWORKS",
    "SIDES",
    "SPARSITY",
    "Budget",
    "Candidate",
    "Cost",
    "HyperNet",
    "Objective",
    "SearchPlan",
    "SharedNetwork",
    "Trial",
    "Value",
    "as_text",
    "axes_of",
    "build_body",
    "build_candidate",
    "check_axes",
    "cost_of",
    "feasible_candidates",
    "file_of",
    "files_to_fetch",
    "front_of",
    "hypervolume",
    "offered",
    "pareto_front",
    "pretrained_candidates",
    "pretrained_files",
    "ranked",
    "read_plan",
    "recorded_files",
    "rungs",
    "sandwich",
    "search",
    "split_axes",
    "with_training",
    "within_budget",
]
