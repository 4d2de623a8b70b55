"""Pictures stand where they belong on a sheet, and what is wrong is red."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasnets.errors import KerasnetsError
from kerasnets.reports import sheet
from kerasnets.reports.sheet import Picture, Row

BLUE, GREEN = (20, 60, 200), (30, 160, 60)


def plain(colour, height=30, width=30):
    return np.ones((height, width, 1), "uint8") * np.array(colour, "uint8")


def share(path, colour, tolerance=12):
    """Share of the pixels of a file that have about this colour, by half."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    near = (np.abs(pixels - colour) <= tolerance).all(axis=-1)
    middle = pixels.shape[1] // 2
    return near[:, :middle].mean(), near[:, middle:].mean()


def row(is_wrong=False):
    near = Picture(plain(GREEN), "rose", "1.25", is_wrong)
    return Row(Picture(plain(BLUE), "tulip", "one.jpg"), (near,))


def test_the_image_is_left_of_its_neighbours(tmp_path):
    sheet.draw([row(), row()], tmp_path / "a.png", title="Net", legend="words")
    left, right = share(tmp_path / "a.png", BLUE)
    assert (left > 0.3, right) == (True, 0)
    left, right = share(tmp_path / "a.png", GREEN)
    assert (left, right > 0.3) == (0, True)


def test_a_wrong_label_is_red(tmp_path):
    red = tuple(int(sheet._WRONG[i : i + 2], 16) for i in (1, 3, 5))
    sheet.draw([row()], tmp_path / "right.png")
    sheet.draw([row(is_wrong=True)], tmp_path / "wrong.png")
    assert share(tmp_path / "right.png", red) == (0, 0)
    left, right = share(tmp_path / "wrong.png", red)
    assert (left, right > 0.005) == (0, True)


def test_a_picture_keeps_its_proportions(tmp_path):
    wide = Row(Picture(plain(BLUE, 20, 40), "wide"), (Picture(plain(GREEN), ""),))
    sheet.draw([wide], tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rows, columns = np.nonzero((np.abs(pixels - BLUE) <= 12).all(axis=-1))
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(2, abs=0.1)


def test_the_same_pictures_give_the_same_bytes(tmp_path):
    names = ("a.png", "b.png")
    odd = Row(Picture(plain(BLUE), "$x_1$ and more than fits", "n" * 90), ())
    for name in names:
        sheet.draw([row(), odd], tmp_path / name, title="t", legend="l")
    first, second = ((tmp_path / name).read_bytes() for name in names)
    assert first == second
    with Image.open(io.BytesIO(first)) as image:
        assert image.format == "PNG"


def test_a_sheet_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    sheet.draw([row()], path)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        sheet.draw([row(), row()], path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("rows", "name", "message"),
    [
        ([row()], "a.jpg", "'a.jpg' does not end in .png"),
        ([], "a.png", "0 rows of pictures: 1 to 300 fit"),
        ([row()] * 301, "a.png", "301 rows of pictures"),
    ],
)
def test_what_cannot_be_drawn_is_told(rows, name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KerasnetsError, match=message):
        sheet.draw(rows, name)
    assert not list(tmp_path.iterdir())
