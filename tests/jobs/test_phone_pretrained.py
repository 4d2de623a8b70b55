"""What the phone job decides about a pretrained network, and the whole of it once."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from support import tiny_pretrained

from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import Evaluation
from kerasnets.files import sha256
from kerasnets.jobs.phone import pretrained_common, shrinking, teaching
from kerasnets.progress import silent
from kerasnets.runs import Job
from kerasnets.training import DivergedError


def found(*accuracies, images=500):
    names = ("linear", "student", "distilled")
    return {
        name: Evaluation(accuracy, 1.0, images)
        for name, accuracy in zip(names, accuracies, strict=False)
    }


@pytest.mark.parametrize(
    ("accuracies", "few", "taken"),
    [
        ((0.8, 0.85, 0.86), False, "distilled"),
        ((0.8, 0.86, 0.86), False, "distilled"),
        ((0.8, 0.87, 0.86), False, "student"),
        ((0.88, 0.87, 0.86), False, "linear"),
        ((0.8,), False, "linear"),
        # of ten images a standard error is 13 points
        ((0.9, 0.9, 0.8), True, "distilled"),
        ((0.8, 0.7, 0.5), True, "student"),
        ((1.0, 0.4, 0.5), True, "linear"),
    ],
)
def test_best_on_validation_is_taken(accuracies, few, taken):
    images = 10 if few else 500
    assert teaching._best(found(*accuracies, images=images), few=few) == taken


def results(**more):
    images = {"train": 1_000, "validation": 200, "test": 100}
    return {
        "data": {"classes": ["a", "b"], "images": images},
        "rank": {"by_cross_validation": False, "mirroring": {"confuses": False}},
        "search": {
            "best": {"label": "MobileNet alpha 0.25 at 128", "cost": {"madds": 10}}
        },
        "distil": {"taken": "student", "student": {"validation": {"accuracy": 0.9}}},
        **more,
    }


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Makes a job whose networks are stand-ins."""
    split = Split(np.zeros((200, 8, 8, 3), "uint8"), np.zeros(200, "int64"), ())
    data = SimpleNamespace(train=split, validation=split)
    monkeypatch.setattr(shrinking, "student_data", lambda _: data)
    for name in ("release_memory", "save_model"):
        monkeypatch.setattr(shrinking, name, lambda *_: None)
    monkeypatch.setattr(shrinking, "load_model", lambda path: path.name)
    monkeypatch.setattr(shrinking.compression, "compress", lambda *_, **__: None)

    def make(**more):
        return Job(tmp_path, tiny_pretrained.SETTINGS, "key", results(**more), silent)

    return make


@pytest.mark.parametrize(
    ("accuracies", "kept"),
    [
        # a point is what may go; of half of it and less more zeros are tried
        ([0.885], 0),
        ([0.89], 1),
        ([0.895, 0.885], 1),
        ([0.91, 0.89], 2),
    ],
)
def test_most_zeros_that_hold_are_taken(job, monkeypatch, accuracies, kept):
    given, saved = iter(accuracies), []
    opened = (f"try {i}" for i in (1, 2))
    monkeypatch.setattr(shrinking, "load_model", lambda _: next(opened))
    monkeypatch.setattr(shrinking, "save_model", lambda model, _: saved.append(model))
    monkeypatch.setattr(
        shrinking, "evaluate", lambda *_: Evaluation(next(given), 1.0, 200)
    )
    made = job()
    made = replace(made, settings=replace(made.settings, sparsities=(0.3, 0.5)))
    outcome = shrinking.prune(made)
    assert [row["sparsity"] for row in outcome["tried"]] == [0.3, 0.5][
        : len(accuracies)
    ]
    assert outcome["taken"] == ("pruned" if kept else "student")
    assert saved == ([f"try {kept}"] if kept else [])
    assert len(outcome["notes"]) == (not kept)


def test_what_a_handful_of_images_cannot_judge_is_not_pruned(job, monkeypatch):
    monkeypatch.setattr(
        shrinking.compression, "compress", lambda *_, **__: pytest.fail("pruned")
    )
    made = job()
    made.results["rank"]["by_cross_validation"] = True
    outcome = shrinking.prune(made)
    assert (outcome["taken"], outcome["tried"]) == ("student", [])
    assert outcome["notes"][0].startswith("nothing is pruned: 200 validation images")


@pytest.mark.parametrize("first", [True, False])
def test_pruning_that_cannot_be_done_is_left_out_and_told(job, monkeypatch, first):
    """Of a handful of images a network may end at chance."""
    saved, calls = [], []

    def fail(*_, **__):
        calls.append(1)
        if first or len(calls) == 2:
            raise KerasnetsError("prune left 20.0% right, as by chance")

    monkeypatch.setattr(shrinking.compression, "compress", fail)
    monkeypatch.setattr(shrinking, "evaluate", lambda *_: Evaluation(0.9, 1.0, 200))
    monkeypatch.setattr(shrinking, "save_model", lambda model, _: saved.append(model))
    made = job()
    made = replace(made, settings=replace(made.settings, sparsities=(0.3, 0.5)))
    outcome = shrinking.prune(made)
    assert outcome["taken"] == ("student" if first else "pruned")
    assert saved == ([] if first else ["pruned.keras"])
    (note,) = outcome["notes"]
    assert note.startswith(f"{30 if first else 50}% zeros are left out: prune left 20")


@pytest.mark.parametrize(
    ("by_way", "taken", "tried"),
    [
        ({"pruned": 0.9}, "pruned", 1),
        ({"pruned": 0.88, "student": 0.895}, "student", 2),
        ({"pruned": 0.87, "student": 0.88, "aware": 0.9}, "quantisation-aware", 3),
        # none keeps within a point: the best of them, and it is said
        ({"pruned": 0.85, "student": 0.88, "aware": 0.87}, "student", 3),
    ],
)
def test_ways_of_quantising_are_tried_until_one_loses_little(
    job, monkeypatch, by_way, taken, tried
):
    monkeypatch.setattr(
        shrinking, "_by_calibration", lambda _, name: (name, name.encode(), 1.5)
    )
    monkeypatch.setattr(
        shrinking, "_by_awareness", lambda _, name: ("aware", b"aware", 1.5)
    )
    monkeypatch.setattr(
        shrinking, "_file_accuracy", lambda _, bare, __: by_way[bare.decode()]
    )
    monkeypatch.setattr(
        shrinking, "calibration_of", lambda *_: SimpleNamespace(report=dict)
    )
    made = job(prune={"taken": "pruned"})
    outcome = shrinking.quantise(made)
    assert outcome["taken"] == taken
    assert len(outcome["tried"]) == tried
    kept = (made.folder / "work" / "int8.tflite").read_text()
    assert kept == {"quantisation-aware": "aware"}.get(taken, taken)
    short = max(by_way.values()) < 0.89
    assert len(outcome["notes"]) == short


def test_costly_student_learns_for_half_as_long(job):
    recipe = tiny_pretrained.SETTINGS.student_recipe
    made = job()
    assert pretrained_common.shortened(made, recipe).epochs == 10
    made.results["search"]["best"]["cost"]["madds"] = 100_000_001
    assert pretrained_common.shortened(made, recipe).epochs == 5
    assert pretrained_common.shortened(made, replace(recipe, epochs=3)).epochs == 2


def test_way_that_cannot_be_done_is_left_out_and_told(job, monkeypatch):
    def refuse(*_):
        raise KerasnetsError("has zeros that qat would lose")

    monkeypatch.setattr(
        shrinking, "_by_calibration", lambda _, name: (name, name.encode(), 1.5)
    )
    monkeypatch.setattr(shrinking, "_by_awareness", refuse)
    monkeypatch.setattr(shrinking, "_file_accuracy", lambda *_: 0.85)
    monkeypatch.setattr(
        shrinking, "calibration_of", lambda *_: SimpleNamespace(report=dict)
    )
    outcome = shrinking.quantise(job(prune={"taken": "student"}))
    assert outcome["taken"] == "student"
    assert "qat would lose" in outcome["notes"][0]
    monkeypatch.setattr(shrinking, "_by_calibration", refuse)
    with pytest.raises(KerasnetsError, match="no way of quantising can be done: stud"):
        shrinking.quantise(job(prune={"taken": "student"}))


def test_each_setting_redoes_a_stage():
    from kerasnets.jobs.phone.pretrained import STAGES

    used = {name for stage in STAGES for name in stage.uses}
    assert used == set(vars(tiny_pretrained.SETTINGS))


@pytest.fixture
def teach(tmp_path, monkeypatch):
    """The teacher's stage; networks are right on these shares of 400 images."""
    labels = np.arange(400) % 2

    def logits(right):
        """Surer of what is right than of what is not."""
        answers = np.where(np.arange(400) < 400 * right, labels, 1 - labels)
        return np.eye(2)[answers] * np.where(answers == labels, 3, 1)[:, None]

    def run(
        shares,
        ranked=(0.8, 0.7, 0.6),
        few=False,
        diverges=False,
        student="d",
    ):
        given = iter(shares)
        split = Split(np.zeros((400, 8, 8, 3), "uint8"), labels, ())
        networks = [
            SimpleNamespace(label=name, cost=SimpleNamespace(madds=madds))
            for name, madds in zip("abc"[: len(shares)], (3, 2, 1), strict=False)
        ]
        ranks = dict(zip("abc", ranked, strict=True))
        model = SimpleNamespace(
            get_weights=lambda: ["linear"], set_weights=lambda w: restored.append(w)
        )
        restored = []
        ranking = SimpleNamespace(
            data=SimpleNamespace(train=split, validation=split, class_names="ab"),
            some=(split, split),
            by_cross_validation=few,
            answers=lambda _: logits(next(given)),
            files=(),
            rank=lambda x, some=False: SimpleNamespace(
                candidate=x,
                order=-ranks[x.label],
                as_json=lambda: {"accuracy": ranks[x.label], "images": 400},
            ),
            network=lambda _: model,
        )

        def learn(*_, **__):
            if diverges:
                raise DivergedError(
                    float("nan"), 1, tiny_pretrained.SETTINGS.teacher_recipe
                )

        monkeypatch.setattr(teaching, "ranking_of", lambda _: ranking)
        monkeypatch.setattr(teaching, "_teachers", lambda *_: networks)
        monkeypatch.setattr(
            teaching.tuning, "pretrained_candidates", lambda *_, **__: ()
        )
        monkeypatch.setattr(teaching, "train_on", learn)
        monkeypatch.setattr(teaching, "evaluate", lambda *_: Evaluation(0.9, 1.0, 400))
        monkeypatch.setattr(teaching, "predict_logits", lambda *_: logits(next(given)))
        monkeypatch.setattr(teaching, "_ask", lambda job, members: np.zeros(3))
        made = Job(tmp_path, tiny_pretrained.SETTINGS, "key", results(), silent)
        made.results["search"]["best"]["label"] = student
        return teaching.teach(made), restored

    return run


@pytest.mark.parametrize(
    ("shares", "members"),
    [
        # of 400 images 80 % right: a standard error of 2 points
        ((0.8,), ["a"]),
        ((0.8, 0.81), ["a"]),
        ((0.8, 0.85), ["a", "b"]),
        ((0.8, 0.81, 0.85), ["a", "c"]),
        ((0.8, 0.85, 0.9), ["a", "b", "c"]),
    ],
)
def test_teachers_join_where_that_helps_by_more_than_chance(teach, shares, members):
    outcome, _ = teach(shares)
    assert outcome["members"] == members
    alone, _ = teach(shares, few=True)
    assert alone["members"] == ["a"]


def test_of_teachers_that_rank_alike_the_cheapest_is_tuned(teach):
    # of 400 images 80 % right: a standard error of 2 points
    assert teach((0.8, 0.8), ranked=(0.8, 0.79, 0.6))[0]["members"] == ["b"]
    assert teach((0.8, 0.8), ranked=(0.8, 0.77, 0.6))[0]["members"] == ["a"]
    few = teach((0.8,), ranked=(0.8, 0.79, 0.6), few=True)
    assert few[0]["members"] == ["a"]


def test_a_network_is_not_taught_by_its_own_kind(teach):
    outcome, _ = teach((0.8, 0.99), student="a")
    assert [row["accuracy"] for row in outcome["rows"]] == [0.8, 0.7]
    assert outcome["members"] == []
    assert outcome["notes"][0].startswith("nothing teaches the network: none that can")
    # of 400 images 80 % right: a standard error of 2 points
    assert teach((0.8, 0.8), ranked=(0.8, 0.79, 0.6), student="b")[0]["members"] == []
    taught = teach((0.8, 0.8), ranked=(0.8, 0.77, 0.6), student="b")
    assert taught[0]["members"] == ["a"]


def test_a_network_that_nothing_teaches_is_tuned_on_labels(tmp_path):
    job = Job(
        *(tmp_path, tiny_pretrained.SETTINGS, "key"),
        results(teacher={"members": []}),
        silent,
    )
    assert list(teaching._recipes(job)) == ["student"]
    job.results["teacher"]["members"] = ["b"]
    assert list(teaching._recipes(job)) == ["student", "distilled"]


def test_teacher_that_diverges_is_the_one_before(teach):
    outcome, restored = teach((0.8,), diverges=True)
    assert restored == [["linear"]]
    assert "tuned" not in outcome
    assert outcome["notes"][0].startswith("the teacher a stays as it was: ")


# --- the whole of it, on images of three colours -------------------------------------


@pytest.fixture(scope="module")
def home():
    """The folder with ImageNet weights."""
    folder = Path(os.environ.get("KERASNETS_DATA", "")) / "pretrained"
    if not (folder / "models" / tiny_pretrained.QUARTER).is_file():
        pytest.skip("KERASNETS_DATA does not name a folder with pretrained weights")
    return folder


def start(home, out):
    return subprocess.Popen(
        [sys.executable, tiny_pretrained.__file__, str(out.parent), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={
            **os.environ,
            "KERAS_HOME": str(home),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    )


def finish(process):
    """Read what it prints to its end; the exit code."""
    for _ in process.stdout:
        pass
    process.stdout.close()
    return process.wait()


@pytest.mark.slow
def test_run_that_is_killed_ends_with_the_same_bytes(home, tmp_path):
    tiny_pretrained.save_blobs(tmp_path / "blobs.npz")
    assert finish(start(home, tmp_path / "whole")) == 0
    for stage in ("teacher", "distil"):
        process = start(home, tmp_path / "killed")
        for line in process.stdout:
            # once a piece of the stage's work is done
            if line.startswith(f"{stage} 1 "):
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert finish(start(home, tmp_path / "killed")) == 0
    run = json.loads((tmp_path / "whole" / "run.json").read_text())
    results = {stage["name"]: stage["results"] for stage in run["stages"]}
    assert results["search"]["best"]["label"] == "MobileNet alpha 0.25 at 96"
    assert {"linear", "student", "distilled"} <= results["distil"].keys()
    for file in (
        "first.tflite",
        "int8.tflite",
        *(f"{n}.tflite" for n in run["models"]),
    ):
        first, second = (tmp_path / way / file for way in ("whole", "killed"))
        assert sha256(first) == sha256(second), file
    # colours are easy
    assert run["models"]["int8"]["accuracy"] > 0.9
    card = (tmp_path / "whole" / "README.md").read_text()
    assert "| MobileNet alpha 0.25 at 96 | 7.4" in card
    model = keras.saving.load_model(tmp_path / "whole" / "phone.keras")
    assert model.input_shape == (None, 96, 96, 3)
