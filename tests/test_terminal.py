"""What reaches a person while libraries' noise does not."""

import os
import warnings

import pytest

from kerasnets import terminal
from kerasnets.errors import KerasnetsWarning


@pytest.mark.filterwarnings("default")
def test_own_warnings_are_said_others_are_noise(capfd):
    with terminal.quiet(True) as console:
        os.write(2, b"noise\n")
        warnings.warn("of a library", UserWarning, stacklevel=1)
        warnings.warn("stem_conv summed", KerasnetsWarning, stacklevel=1)
        terminal.say(console, "done")
    assert capfd.readouterr().err == "kerasnets: stem_conv summed\ndone\n"
