"""The package as another machine gets it: a wheel, outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import kerasnets

ROOT = Path(__file__).parent.parent
# what is no Python file and must travel with those
DATA = {
    path for path in ROOT.glob("kerasnets/**/*") if path.suffix in (".csv", ".toml")
}


def call(*command, cwd, **environment) -> str:
    """What a command prints, without the checkout on its path."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={
            **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    copy.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    without_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "kerasnets", copy / "kerasnets", ignore=without_caches)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    call(sys.executable, "-m", "pip", "wheel", *options, copy, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_what_is_read_at_run_time_and_nothing_else(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    assert DATA
    expected = {path.relative_to(ROOT).as_posix() for path in DATA}
    assert expected | {"kerasnets/py.typed"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"kerasnets"}
    said = call(
        sys.executable, "-m", "kerasnets", "--version", cwd=tmp_path, PYTHONPATH="."
    )
    assert said == f"{kerasnets.__version__}\n"


@pytest.fixture
def binaries(wheel, tmp_path) -> Path:
    """Of an empty environment into which the wheel is installed."""
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / "bin"
    install = ["install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel]
    call(binaries / "python", "-m", "pip", *install, cwd=tmp_path)
    return binaries


SEVEN = ROOT / "saved_models" / "digits-mobilenet" / "seven.png"
SEARCH = """network = "lenet5"
data = "digits"
resolution = 32
rho = [1.0]
sparsity = [0.5]
oracle = "bayesian"
trials = 1
epochs = 1
"""


@pytest.mark.slow
def test_wheel_brings_what_its_rooms_need(binaries, tmp_path):
    """Keras Tuner, TF-MOT, matplotlib, LiteRT: a search, and the shipped file."""
    (tmp_path / "search.toml").write_text(SEARCH)
    found = call(
        *(binaries / "kerasnets", "tune", "search.toml", "--out", "run", "--json"),
        cwd=tmp_path,
    )
    assert [x["failure"] for x in json.loads(found)["trials"]] == [""]
    file = SEVEN.with_name("int8.tflite")
    answer = call(binaries / "kerasnets", "predict", file, SEVEN, cwd=tmp_path)
    assert ": 7 " in answer


@pytest.mark.release
def test_wheel_does_the_main_job_at_its_defaults(binaries, tmp_path):
    """Run ``kerasnets phone`` of the wheel, check it."""
    table = call(binaries / "kerasnets", "phone", cwd=tmp_path)
    folder = tmp_path / "saved_models" / "digits-mobilenet-seed0"
    run = json.loads((folder / "run.json").read_text())
    models = run["models"]
    for name in models:
        assert name in table
    teacher, int8 = models["teacher"], models["int8"]
    assert (teacher["params"], teacher["madds"]) == (271_098, 40_551_040)
    # below the README's figures by two or three of the 359 test images
    assert teacher["accuracy"] >= 0.98
    assert int8["accuracy"] >= 0.97
    assert int8["madds"] <= 2_000_000
    assert int8["bytes"] <= min(350_000, 0.35 * teacher["bytes"])
    assert models["pruned"]["sparsity"] >= 0.5
    (taken,) = [s["results"]["taken"] for s in run["stages"] if s["name"] == "prune"]
    assert (int8["sparsity"] >= 0.5) == (taken == "pruned")
    answer = call(
        binaries / "kerasnets", "predict", folder / "int8.tflite", SEVEN, cwd=tmp_path
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
