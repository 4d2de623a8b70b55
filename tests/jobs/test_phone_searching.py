"""Which of the pretrained networks is taken for the phone."""

from types import SimpleNamespace

import numpy as np
import pytest
from support import tiny_pretrained

from kerasnets.data import Split
from kerasnets.evaluation import Evaluation
from kerasnets.jobs.phone import searching
from kerasnets.jobs.phone.ranking import near_the_first
from kerasnets.progress import silent
from kerasnets.runs import Job
from kerasnets.training import DivergedError
from kerasnets.tuning import Candidate, Cost


def rows(*accuracies, images=500):
    return [
        {"label": name, "accuracy": accuracy, "images": images}
        for name, accuracy in zip("abcd", accuracies, strict=False)
    ]


@pytest.mark.parametrize(
    ("given", "near"),
    [
        # of 500 images 88 % right: as if it were 442 of 504, an error of 1.46 points
        (rows(0.88, 0.866, 0.86), "ab"),
        (rows(0.88, 0.865), "a"),
        (rows(0.88, 0.88, 0.88, 0.88), "abcd"),
        # of 100: 90 of 104, 3.35 points
        (rows(0.88, 0.85, 0.84, images=100), "ab"),
        (rows(0.88), "a"),
    ],
)
def test_networks_within_a_standard_error_are_near(given, near):
    assert "".join(row["label"] for row in near_the_first(given)) == near


@pytest.fixture
def search(monkeypatch, tmp_path):
    """The stage; networks have these accuracies after tuning, None for diverging."""

    def run(given, tuned, *, few=False):
        split = Split(np.zeros((9, 8, 8, 3), "uint8"), np.zeros(9, "int64"), ())
        ranking = SimpleNamespace(
            data=SimpleNamespace(train=split, validation=split),
            rank=lambda candidate: candidate.values["name"],
            network=lambda name: name,
        )
        learned = []

        def train(job, model, split, recipe):
            learned.append((model, recipe.epochs))
            job.progress(1, recipe.epochs, "")
            if tuned[model] is None:
                raise DivergedError(float("nan"), 1, recipe)

        def candidate(job, name):
            cost = Cost(8, 1, {"a": 30, "b": 20, "c": 10}[name], 1)
            return Candidate({"name": name}, cost)

        monkeypatch.setattr(Candidate, "label", property(lambda x: x.values["name"]))
        monkeypatch.setattr(searching, "ranking_of", lambda _: ranking)
        monkeypatch.setattr(searching, "candidate_of", candidate)
        monkeypatch.setattr(searching, "train_on", train)
        monkeypatch.setattr(searching, "release_memory", lambda: None)
        monkeypatch.setattr(
            searching, "evaluate", lambda model, _: Evaluation(tuned[model], 1.0, 500)
        )
        results = {
            "data": {"images": {"train": 3_000}},
            "rank": {
                "rows": given,
                "by_cross_validation": few,
                "mirroring": {"confuses": False},
            },
        }
        job = Job(tmp_path, tiny_pretrained.SETTINGS, "key", results, silent)
        outcome = searching.search(job)
        return outcome["best"]["label"], outcome["tuned"], learned

    return run


@pytest.mark.parametrize(
    ("tuned", "best"),
    [
        ({"a": 0.9, "b": 0.91, "c": 0.89}, "b"),
        # of equals the one with fewer multiply-adds
        ({"a": 0.9, "b": 0.9, "c": 0.89}, "b"),
        ({"a": None, "b": None, "c": 0.2}, "c"),
    ],
)
def test_of_near_networks_the_one_that_tunes_best_is_taken(search, tuned, best):
    found, told, learned = search(rows(0.88, 0.88, 0.88), tuned)
    assert found == best
    assert told == {name: share or 0.0 for name, share in tuned.items()}
    assert learned == [("a", 2), ("b", 2), ("c", 2)]


def test_what_is_clear_is_not_tuned(search):
    assert search(rows(0.88, 0.5), {}) == ("a", {}, [])
    # a handful of images would not tell them apart either
    assert search(rows(0.88, 0.88, images=50), {}, few=True) == ("a", {}, [])
