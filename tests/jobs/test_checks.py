"""What a command looks at before it does any work."""

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.jobs import checks


def test_lines_of_a_text_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("kåt\r\ndog\n".encode())
    assert checks.read_lines(path) == ("kåt", "dog")
    path.write_bytes("kåt".encode("latin-1"))
    with pytest.raises(KerasnetsError, match="not text in UTF-8"):
        checks.read_lines(path)


@pytest.mark.parametrize(
    ("value", "least", "fits"),
    [
        *[(1, 1, True), (0, 0, True), (None, 1, True), (0, 1, False), (-1, 0, False)],
        *[(1.0, 1, False), (True, 1, False), ("1", 1, False)],
    ],
)
def test_whole_numbers(value, least, fits):
    if fits:
        assert checks.check_whole("epochs", value, least) is value
    else:
        with pytest.raises(KerasnetsError, match=r"epochs .* is not a whole number of"):
            checks.check_whole("epochs", value, least)


def test_output_that_may_not_be_written_is_told(tmp_path, monkeypatch):
    """By ``os.access``: the tests may run as a user who may write everywhere."""
    path = tmp_path / "out.keras"
    checks.check_file(path, ".keras")
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    with pytest.raises(KerasnetsError, match="nothing may be written in"):
        checks.check_file(path, ".keras")
    path.touch()
    with pytest.raises(KerasnetsError, match="it may not be written"):
        checks.check_file(path, ".keras")
