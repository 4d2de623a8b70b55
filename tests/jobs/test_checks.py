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
