"""Pictures of an evaluation."""

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from kerasnets.evaluation import Judgement
from kerasnets.reports import judgement as pictures


def judged(classes=3, images=30):
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(classes), images)
    names = tuple(f"class {i}" for i in range(classes))
    return Judgement(shares, random.integers(0, classes, images), names)


@pytest.mark.parametrize("draw", [pictures.draw_confusion, pictures.draw_reliability])
@pytest.mark.parametrize("classes", [2, 60])
def test_same_answers_give_the_same_picture(tmp_path, draw, classes):
    found = judged(classes)
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    for path in (first, second):
        draw(path, found, title="model, whole")
    assert ElementTree.parse(first).getroot().tag.endswith("svg")
    assert first.read_bytes() == second.read_bytes()
    draw(second, judged(classes, 31), title="model, whole")
    assert first.read_bytes() != second.read_bytes()


def test_sheet_of_the_worst(tmp_path):
    def read(index):
        return np.full((10, 12, 3), index, "uint8")

    path = tmp_path / "worst.png"
    pictures.draw_worst(path, judged(), read, title="model", count=8)
    with Image.open(path) as few:
        narrow = few.size
    pictures.draw_worst(path, judged(), read, title="model", count=13)
    with Image.open(path) as sheet:
        # a third row of six
        assert sheet.size[0] == narrow[0]
        assert sheet.size[1] > narrow[1]


def test_no_sheet_where_all_are_right(tmp_path):
    right = Judgement(np.eye(3), np.arange(3), tuple("abc"))
    path = tmp_path / "worst.png"
    pictures.draw_worst(path, right, lambda _: pytest.fail("read"), title="", count=3)
    assert not path.exists()
