"""The main job, run for real at its smallest."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from support import tiny_run

from kerasnets import compression, phone
from kerasnets.data import load_prepared, read_image
from kerasnets.export import Classifier, file_sparsity
from kerasnets.files import sha256
from kerasnets.runs.engine import show_nothing

STAGES = [stage.name for stage in phone.STAGES]
SCRIPT = Path(tiny_run.__file__)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("runs") / "digits-lenet5"
    return phone.run_with(tiny_run.tiny_settings(), folder)


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


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


def test_test_images_are_never_trained_on(finished):
    counts = record(finished.folder)["stages"][0]["results"]["images"]
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
    calibration = record(folder)["stages"][first]["results"]["calibration"]
    assert (calibration["images"], calibration["classes"]) == (30, 10)


def test_killed_in_every_stage_ends_with_the_same_bytes(finished, tmp_path):
    folder = tmp_path / "digits-lenet5"
    for stage in STAGES:
        process = start(folder)
        assert process.stdout is not None
        for line in process.stdout:
            if line == f"{stage} started\n":
                # somewhere within: the shortest stages last a tenth of a second
                time.sleep(0.05 if stage in ("data", "report") else 0.5)
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
