"""The package as another machine gets it: a wheel, outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_wheel_does_the_main_job_at_its_defaults(tmp_path):
    """Install into an empty environment, run ``kerasnets phone``, check it."""
    checkout = tmp_path / "checkout"
    shutil.copytree(
        ROOT,
        checkout,
        symlinks=True,
        ignore=shutil.ignore_patterns(".venv*", ".git", "saved_models", "*.egg-info"),
    )
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / "bin"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def call(*command) -> str:
        done = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    call(binaries / "python", "-m", "pip", "install", "--quiet", checkout)
    shutil.rmtree(checkout)
    table = call(binaries / "kerasnets", "phone")
    folder = tmp_path / "saved_models" / "digits-mobilenet"
    models = json.loads((folder / "run.json").read_text())["models"]
    for name in models:
        assert name in table
    teacher, int8 = models["teacher"], models["int8"]
    assert (teacher["params"], teacher["madds"]) == (271_098, 40_551_040)
    # below the README's figures by two or three of the 359 test images
    assert teacher["accuracy"] >= 0.98
    assert int8["accuracy"] >= 0.97
    assert int8["madds"] <= 2_000_000
    assert int8["bytes"] <= min(350_000, 0.35 * teacher["bytes"])
    assert min(int8["sparsity"], models["pruned"]["sparsity"]) >= 0.5
    answer = call(
        binaries / "kerasnets",
        "predict",
        folder / "int8.tflite",
        ROOT / "saved_models" / "digits-mobilenet" / "seven.png",
    )
    assert ": 7 " in answer


def test_console_script_and_module_are_the_same():
    done = subprocess.run(
        [sys.executable, "-m", "kerasnets", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0.1.0\n"
