"""``kerasnets finetune``: what a person types and reads."""

import sys
from pathlib import Path

import pytest
from support.tiny_files import network, save_colours

from kerasnets import cli
from kerasnets.saving import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("learning")
    save_colours(folder / "colours.npz")
    network(classes=5).save(folder / "five.keras")
    return folder


@pytest.fixture
def run(monkeypatch, capfd, folder, tmp_path):
    """Run ``finetune`` on the images: exit status, stdout, stderr."""

    def run(*arguments) -> tuple[int, str, str]:
        line = ["kerasnets", "finetune", str(folder / "five.keras")]
        line += [str(tmp_path / "out.keras"), "--data", f"npz:{folder}/colours.npz"]
        monkeypatch.setattr(sys, "argv", [*line, *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def test_the_ways_and_what_was_taken_are_printed(run, tmp_path):
    code, out, err = run("--epochs", "1", "--from", "second", "--decay", "0.9")
    assert code == 0, err
    rows = [line.split("│")[1:-1] for line in out.splitlines() if "│" in line]
    ways = {row[0].strip(): row for row in rows}
    assert set(ways) == {"linear", "tuned"}
    assert sum("taken" in row[3] for row in rows) == 1
    assert ways["linear"][1].strip().endswith(")")  # the interval
    last = out.splitlines()[-1]
    assert last.startswith(f"{tmp_path / 'out.keras'}: ")
    assert last.split(": ")[1] in ways
    assert load_model(tmp_path / "out.keras").output_shape == (None, 3)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--from", "secnd"], 1, "has no layer 'secnd'; near it are second"),
        (["--auto", "--from", "second"], 1, "leave start 'second' out"),
        (["--alpha", "0.5"], 1, "leave alpha 0.5 out"),
        (["--pixels", "0..9"], 1, "pixels '0..9' are not known"),
        (["--batch-norm", "frozen"], 2, "Invalid value for '--batch-norm'"),
    ],
)
def test_what_is_wrong_gets_one_line(run, tmp_path, arguments, status, message):
    code, _, err = run(*arguments)
    assert code == status
    assert message in err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
