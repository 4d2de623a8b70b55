"""Images below a folder, of no class."""

import numpy as np
import pytest
from PIL import Image

from kerasnets.data.sources import open_unlabelled
from kerasnets.data.unlabelled import load_unlabelled, prepare_unlabelled
from kerasnets.errors import KerasnetsError


def save(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (level, level, level)).save(path)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "found"
    for name, level in (("b/one.png", 10), ("a.png", 20), ("b/c/two.png", 30)):
        save(root / name, level)
    (root / "notes.txt").write_text("no image")
    return root


def test_all_images_below_it_are_read(folder, tmp_path):
    source = open_unlabelled(folder)
    left_out = prepare_unlabelled(source, tmp_path / "data", resolution=8)
    split = load_unlabelled(tmp_path / "data")
    assert split.images.shape == (3, 8, 8, 3)
    # by their paths: a.png, b/c/two.png, b/one.png
    assert [int(each.max()) for each in split.images] == [20, 30, 10]
    assert [int(each.min()) for each in split.images] == [20, 30, 10]
    assert left_out == {".txt file": 1}
    named = load_unlabelled(tmp_path / "data", np.array([2, 0, 1]))
    assert named.labels.tolist() == [2, 0, 1]
    assert len(named.ids) == 3


def test_another_image_is_another_set(folder):
    before = open_unlabelled(folder).fingerprint
    assert open_unlabelled(folder).fingerprint == before
    save(folder / "d.png", 40)
    assert open_unlabelled(folder).fingerprint != before


def test_bad_images_are_told_or_skipped(folder, tmp_path):
    (folder / "bad.png").write_bytes(b"no image")
    whole = (folder / "a.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:-30])
    source = open_unlabelled(folder)
    with pytest.raises(KerasnetsError, match=r"bad\.png"):
        prepare_unlabelled(source, tmp_path / "data", resolution=8)
    left_out = prepare_unlabelled(
        source, tmp_path / "data", resolution=8, skip_bad_images=True
    )
    assert left_out["bad image"] == 2
    assert len(load_unlabelled(tmp_path / "data").labels) == 3


def test_folders_without_images_are_told(tmp_path):
    with pytest.raises(KerasnetsError, match="there is no such folder"):
        open_unlabelled(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    source = open_unlabelled(tmp_path / "empty")
    with pytest.raises(KerasnetsError, match="there is no image in it; "):
        prepare_unlabelled(source, tmp_path / "data", resolution=8)
