"""Rooms whose names are imported when they are first used."""

import importlib
import subprocess
import sys

import pytest

ROOMS = ("compression", "export", "training")


@pytest.mark.parametrize("room", ROOMS)
def test_room_has_all_its_names_and_lists_them(room):
    module = importlib.import_module(f"kerasnets.{room}")
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(
        AttributeError, match=f"'kerasnets.{room}' has no attribute 'x'"
    ):
        _ = module.x


@pytest.mark.parametrize("room", ROOMS)
def test_names_are_listed_before_they_are_imported(room):
    code = (
        f"import kerasnets.{room} as room; assert set(room.__all__) <= set(dir(room))"
    )
    code += "; import sys; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
