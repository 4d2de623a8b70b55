"""The main job, run for real at its smallest."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image
from support import tiny_run

from kerasnets import compression, phone
from kerasnets.data import Augment, Split, load_prepared, read_image
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import Evaluation
from kerasnets.export import Classifier, file_sparsity
from kerasnets.files import sha256
from kerasnets.jobs import images
from kerasnets.jobs.phone import stages
from kerasnets.progress import silent
from kerasnets.runs import Job
from kerasnets.runs.engine import show_nothing
from kerasnets.training import Recipe

STAGES = [stage.name for stage in phone.STAGES]
SCRIPT = Path(tiny_run.__file__)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("runs") / "digits-lenet5"
    return phone.run_with(tiny_run.tiny_settings(), folder)


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def results_of(folder: Path, stage: str) -> dict:
    stages = {each["name"]: each["results"] for each in record(folder)["stages"]}
    return stages[stage]


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def test_run_json_tells_stages_and_figures(finished):
    run = record(finished.folder)
    assert [stage["name"] for stage in run["stages"]] == STAGES
    for stage in run["stages"]:
        assert stage["seconds"] >= 0
        for file, digest in stage["files"].items():
            assert sha256(finished.folder / file) == digest
    assert list(run["models"]) == list(phone.MODELS)
    for figures in run["models"].values():
        assert {"params", "madds", "accuracy", "bytes", "gzip_bytes", "latency_ms"} <= (
            figures.keys()
        )
    # LeNet-5 on colour images: C1 has 6 * 25 * 2 weights more than on grey ones
    assert run["models"]["teacher"]["params"] == 61_706 + 300
    assert run["models"]["int8"]["bytes"] == finished.int8_file.stat().st_size


def test_half_of_the_kernels_is_zero_in_the_model_and_in_its_files(finished):
    model = keras.saving.load_model(finished.folder / "pruned.keras")
    assert compression.sparsity(model) >= 0.5
    assert file_sparsity(finished.float_file) >= 0.5
    assert file_sparsity(finished.int8_file) >= 0.5


def test_file_answers_for_a_picture_from_disk(finished, tmp_path):
    test = load_prepared(finished.folder / "data").test
    classifier = Classifier(finished.int8_file)
    assert classifier.labels == tuple("0123456789")
    Image.fromarray(test.images[0]).save(tmp_path / "digit.png")
    pixels = read_image(tmp_path / "digit.png", classifier.input_size)
    np.testing.assert_array_equal(pixels, test.images[0])
    assert classifier.predict(pixels[None]).shape == (1, 10)


def test_card_states_figures_data_and_licence(finished):
    card = finished.card.read_text()
    figures = finished.models["int8"]
    assert f"{figures['accuracy']:.2%}" in card
    assert "1,259 images for training, 179" in card
    assert "CC BY 4.0" in card
    assert "seed 0" in card
    # of the file itself, at three probabilities
    answered = figures["answered"]
    assert [row["at_least"] for row in answered] == [0.5, 0.7, 0.9]
    assert {row["images"] for row in answered} == {359}
    first = answered[0]
    assert first["right"] + first["silent_right"] == round(figures["accuracy"] * 359)
    assert f"| 0.5 | {first['answered']} (" in card


def test_temperature_is_inside_the_file_for_the_phone(finished):
    temperature = results_of(finished.folder, "quantise")["temperature"]
    assert temperature != 1
    taken = results_of(finished.folder, "prune")["taken"]
    images = load_prepared(finished.folder / "data").test.images[:8].astype("float32")
    before, after = (
        keras.saving.load_model(finished.folder / f"{name}.keras").predict_on_batch(
            images / 255
        )
        for name in (taken, "phone")
    )
    np.testing.assert_allclose(after * temperature, before, rtol=1e-5, atol=1e-5)
    calibration = finished.models["int8"]["calibration"]
    assert calibration["temperature"] == temperature
    assert f"{calibration['ece_before']:.3f} without it" in finished.card.read_text()


def test_network_without_weights_at_its_end_keeps_its_probabilities(
    tmp_path, monkeypatch
):
    def refuse(*_):
        raise KerasnetsError("'student' ends in 'max', a Maximum")

    monkeypatch.setattr(stages.files, "calibrate", refuse)
    for name in ("load_prepared", "load_model", "save_model", "write_bytes"):
        stand_in = SimpleNamespace(
            train=None, validation=None, input_shape=(None, 8, 8, 3)
        )
        monkeypatch.setattr(stages, name, lambda *_, it=stand_in: it)
    calibration = SimpleNamespace(images=None, report=dict)
    monkeypatch.setattr(
        stages.export, "calibration_images", lambda *_, **__: calibration
    )
    monkeypatch.setattr(stages.export, "convert", lambda *_, **__: b"")
    results = {"prune": {"taken": "student"}}
    job = Job(tmp_path, tiny_run.tiny_settings(), "key", results, silent)
    outcome = stages.quantise(job)
    assert outcome["temperature"] == 1
    assert outcome["notes"] == [
        "probabilities are as the network gives them: 'student' ends in 'max', a "
        "Maximum"
    ]


def test_test_images_are_never_trained_on(finished):
    counts = results_of(finished.folder, "data")["images"]
    assert counts == {"train": 1_259, "validation": 179, "test": 359}
    data = load_prepared(finished.folder / "data")
    ids = [set(split.ids) for split in (data.train, data.validation, data.test)]
    assert not ids[0] & ids[1]
    assert not ids[0] & ids[2]
    assert not ids[1] & ids[2]


def test_second_start_does_nothing_again(finished):
    before = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*.*lite")}
    shown = []

    def display(name, done):
        shown.append((name, done))
        return show_nothing(name, done)

    again = phone.run_with(tiny_run.tiny_settings(), finished.folder, display=display)
    assert shown == [(name, True) for name in STAGES]
    assert before == {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*.*lite")}
    assert again == finished


def test_changed_setting_redoes_its_stage_and_those_after(finished, tmp_path):
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(finished.folder), str(folder)], check=True)
    shown = {}

    def display(name, done):
        shown[name] = done
        return show_nothing(name, done)

    changed = replace(tiny_run.tiny_settings(), calibration=30)
    phone.run_with(changed, folder, display=display)
    first = STAGES.index("quantise")
    assert shown == {name: i < first for i, name in enumerate(STAGES)}
    calibration = results_of(folder, "quantise")["calibration"]
    assert (calibration["images"], calibration["classes"]) == (30, 10)


@pytest.mark.slow
def test_killed_where_a_stage_has_state_ends_with_the_same_bytes(finished, tmp_path):
    """The other stages keep nothing of their own: what a record holds is enough."""
    folder = tmp_path / "digits-lenet5"
    for stage in ("data", "distil", "prune"):
        process = start(folder)
        assert process.stdout is not None
        for line in process.stdout:
            if line == f"{stage} started\n":
                # somewhere within: the shortest stage lasts a tenth of a second
                time.sleep(0.05 if stage == "data" else 0.5)
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    process = start(folder)
    assert process.wait() == 0
    assert process.stdout is not None
    process.stdout.close()
    for name in phone.MODELS:
        file = f"{name}.tflite"
        assert sha256(folder / file) == sha256(finished.folder / file), file


def test_users_process_is_as_it_was(finished):
    assert finished
    import tensorflow as tf

    assert tf.keras.__version__ == keras.__version__
    assert "tensorflow_model_optimization" not in sys.modules
    assert "TF_USE_LEGACY_KERAS" not in os.environ


def of_validation(accuracy):
    return {"validation": {"accuracy": accuracy, "loss": 1.0}}


@pytest.fixture
def stage(monkeypatch, tmp_path):
    """A stage whose trainings are over at once, with these validation accuracies."""

    def stage(work, accuracies, **results):
        given = iter(accuracies)
        split = Split(np.zeros((100, 8, 8, 3), "uint8"), np.zeros(100, "int64"), ())
        prepared = SimpleNamespace(train=split, validation=split, class_names=("a",))
        for name in ("train", "save_model", "load_model", "seed_everything"):
            monkeypatch.setattr(stages, name, lambda *_, **__: None)
        for name in ("_new_student", "_student_batches"):
            monkeypatch.setattr(stages, name, lambda *_, **__: None)
        monkeypatch.setattr(stages, "to_float32", lambda model: model)
        monkeypatch.setattr(stages.transfer, "distill", lambda *_, **__: None)
        monkeypatch.setattr(stages.compression, "compress", lambda *_, **__: None)
        monkeypatch.setattr(stages.compression, "sparsity", lambda _: 0.5)
        monkeypatch.setattr(stages, "load_prepared", lambda _: prepared)
        monkeypatch.setattr(
            stages, "evaluate", lambda *_: Evaluation(next(given), 1.0, 100)
        )
        results["teacher"] = {"mirroring": None}
        results["search"] = {"best": {"values": {}, "cost": {"size": 32}}}
        settings = tiny_run.tiny_settings()
        return work(Job(tmp_path, settings, "key", results, silent))

    return stage


@pytest.mark.parametrize(
    ("accuracies", "taken"),
    [
        ((0.97, 0.98), "distilled"),
        ((0.97, 0.97), "distilled"),
        ((0.98, 0.97), "student"),
    ],
)
def test_distilling_is_taken_where_it_helps(stage, accuracies, taken):
    outcome = stage(stages.distil, accuracies)
    assert outcome["taken"] == taken
    assert len(outcome["notes"]) == (taken == "student")


@pytest.mark.parametrize(
    ("before", "accuracy", "taken"),
    [
        # of 100 images 90 % right: a standard error of 3.1 points
        (0.9, 0.91, "pruned"),
        (0.9, 0.88, "pruned"),
        (0.9, 0.86, "student"),
        # all right, as if it were 102 of 104: 1.3 points
        (1.0, 0.99, "pruned"),
        (1.0, 0.98, "student"),
    ],
)
def test_pruning_is_taken_where_it_costs_little(stage, before, accuracy, taken):
    before = {"taken": "student", "student": of_validation(before)}
    outcome = stage(stages.prune, [accuracy], distil=before)
    assert outcome["taken"] == taken
    assert len(outcome["notes"]) == (taken == "student")


def test_nothing_is_decoded_for_a_budget_that_nobody_meets(monkeypatch, tmp_path):
    monkeypatch.setattr(images, "prepare", lambda *_, **__: pytest.fail("decoded"))
    settings = replace(tiny_run.tiny_settings(), max_madds=10)
    with pytest.raises(KerasnetsError, match="multiply-adds"):
        phone.run_with(settings, tmp_path / "run")
    settings = replace(tiny_run.tiny_settings(), teacher_size=4)
    with pytest.raises(KerasnetsError, match=r"\(4, 4, 3\)"):
        phone.run_with(settings, tmp_path / "other")


@pytest.mark.parametrize(
    ("data", "arguments", "flip"),
    [
        ("folder:{}", {}, True),
        ("folder:{}", {"mirror": False}, False),
        ("digits", {}, False),
        ("digits", {"mirror": True}, False),
    ],
)
def test_photos_are_mirrored_unless_told_otherwise(tmp_path, data, arguments, flip):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(9):
            Image.new("RGB", (8, 8), (i, 0, len(name) * i)).save(
                tmp_path / name / f"{name[0]}{i}.png"
            )
    chosen = phone.choose_settings(data=data.format(tmp_path), **arguments)
    recipes = (
        chosen.teacher_recipe,
        chosen.student_recipe,
        chosen.distil_recipe,
        chosen.pruning.recipe,
    )
    assert [recipe.augment and recipe.augment.flip for recipe in recipes] == [flip] * 4


def test_training_is_not_mirrored_where_that_confuses():
    asked = Recipe(1, 0.1, augment=Augment(flip=True, zoom=0.1))
    off = Recipe(1, 0.1, augment=Augment(flip=False, zoom=0.1))
    assert stages._mirroring_off(asked, {"confuses": True}) == off
    assert stages._mirroring_off(asked, {"confuses": False}) == asked
    assert stages._mirroring_off(asked, None) == asked
    still = Recipe(1, 0.1)
    assert stages._mirroring_off(still, {"confuses": True}) == still


def test_usual_folder_names_data_network_and_seed():
    chosen = phone.choose_settings(seed=3)
    assert chosen.default_folder() == Path("saved_models/digits-mobilenet-seed3")
