"""The command line, run in this process."""

import sys

import pytest

from kerasnets import cli


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Run the command line in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kerasnets", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture
def complaint(run):
    """Run a command that must fail with one line; the line."""

    def complaint(*arguments, status: int = 1) -> str:
        code, _, err = run(*arguments)
        # lines that tell how far it came may stand before it
        *before, last = err.splitlines()
        assert code == status
        assert all(line.startswith(("[", "start: ", "tfds:")) for line in before), err
        assert last.startswith("kerasnets: ")
        assert "Traceback" not in err
        return last.removeprefix("kerasnets: ")

    return complaint
