"""The search of the phone job, with a made-up training."""

import json
import math
from dataclasses import replace
from unittest.mock import Mock

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import Evaluation
from kerasnets.jobs.phone import choose_settings, stages
from kerasnets.progress import silent
from kerasnets.runs import Job
from kerasnets.tuning import SearchPlan

AXES = {"alpha": (0.125, 0.25), "rho": (0.8, 1.0)}


@pytest.fixture
def job(tmp_path):
    """Ten classes, and four MobileNets to choose from."""
    settings = replace(
        choose_settings(precision="float32"), search=SearchPlan(AXES, "grid", 4, 1)
    )
    results = {"data": {"classes": list("0123456789")}}
    return Job(tmp_path, settings, "key", results, silent)


def search(job, monkeypatch, loss_of):
    """The stage's results, where a network of that size and width has that loss."""
    data = Mock(class_names=tuple("0123456789"))
    monkeypatch.setattr(stages, "load_prepared", lambda _: data)
    monkeypatch.setattr(stages, "_student_batches", lambda *_: None)
    monkeypatch.setattr(stages, "seed_everything", lambda _: None)
    monkeypatch.setattr(stages, "train", lambda *_, **__: None)

    def evaluate(student, _):
        loss = loss_of(student.input_shape[1], student.count_params())
        return Evaluation(accuracy=0.5, loss=loss, examples=10)

    monkeypatch.setattr(stages, "evaluate", evaluate)
    return stages.search_student(job)


def test_best_is_told_with_values_and_cost(job, monkeypatch):
    results = search(job, monkeypatch, lambda size, params: 1 / (size * params))
    best = results["best"]
    assert best["values"] == {"alpha": 0.25, "rho": 1.0}
    assert best["label"] == "alpha 0.25 rho 1"
    # MobileNet at a quarter of its width with ten classes
    assert (best["cost"]["size"], best["cost"]["params"]) == (40, 221_114)
    assert results["feasible"] == len(results["trials"]) == 4
    json.dumps(results, allow_nan=False)


def test_networks_that_diverge_are_not_chosen(job, monkeypatch):
    results = search(job, monkeypatch, lambda size, _: math.nan if size == 32 else 9.0)
    assert results["best"]["cost"]["size"] == 40
    diverged = [bool(trial["failure"]) for trial in results["trials"]]
    assert diverged == [False, False, True, True]


def test_search_in_which_all_diverge_is_an_error(job, monkeypatch):
    with pytest.raises(KerasnetsError, match="each of the search's 4 trainings"):
        search(job, monkeypatch, lambda *_: math.nan)
