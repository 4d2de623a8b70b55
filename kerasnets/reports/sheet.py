"""A sheet of pictures: images, and beside each its nearest ones, or images alone.

Drawn as in Krizhevsky et al. 2012, Figure 4: the image asked about at the left, the
training images nearest to it at the right. The same pictures give the same bytes.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes

# inches; 8 points of DejaVu Sans take some 0.065 inches a letter
_SIDE, _GAP, _CAPTION, _HEAD, _MARGIN = 1.35, 0.12, 0.34, 0.62, 0.18
_LETTERS = 20
_DPI = 110
_TEXT, _FAINT, _WRONG = "#1c2733", "#66717d", "#c8372d"
# higher pictures are refused by matplotlib
MOST_ROWS = 300


@dataclass(frozen=True)
class Picture:
    """A picture of a sheet.

    Attributes:
        pixels: Uint8 (height, width, 3).
        title: The first line below it.
        note: The second, fainter.
        is_wrong: Whether it is marked: its label is another than that at the left.
    """

    pixels: np.ndarray
    title: str
    note: str = ""
    is_wrong: bool = False


@dataclass(frozen=True)
class Row:
    """An image and its neighbours.

    Attributes:
        asked: The image at the left.
        nearest: Those at the right, the nearest first.
    """

    asked: Picture
    nearest: tuple[Picture, ...]


def sheet_path(out: Path | str) -> Path:
    """The file to draw to.

    Raises:
        KerasnetsError: Its name does not end in .png.
    """
    path = Path(out)
    if path.suffix.lower() != ".png":
        raise KerasnetsError(f"{str(out)!r} does not end in .png")
    return path


def draw_all(
    pictures: Sequence[Picture],
    path: Path | str,
    *,
    title: str = "",
    legend: str = "",
    columns: int = 6,
) -> None:
    """Write a sheet of pictures that stand for themselves, row by row.

    Args:
        pictures: From the upper left on.
        path: As for ``draw``.
        title: Likewise.
        legend: Likewise.
        columns: How many stand in a row.

    Raises:
        KerasnetsError: As for ``draw``.
    """
    rows = [
        Row(pictures[i], tuple(pictures[i + 1 : i + columns]))
        for i in range(0, len(pictures), columns)
    ]
    draw(rows, path, title=title, legend=legend, apart=False)


def draw(
    rows: Sequence[Row],
    path: Path | str,
    *,
    title: str = "",
    legend: str = "",
    apart: bool = True,
) -> None:
    """Write the sheet of some rows, whole or not at all.

    Args:
        rows: From the top down; 300 at most.
        path: The file, .png.
        title: What stands above.
        legend: What stands below it, in smaller letters.
        apart: Whether the first picture of a row stands apart from the others.

    Raises:
        KerasnetsError: The name of the file ends otherwise, or there are no rows or too
            many.
    """
    path = sheet_path(path)
    if not 1 <= len(rows) <= MOST_ROWS:
        raise KerasnetsError(
            f"{len(rows)} rows of pictures: 1 to {MOST_ROWS} fit on a sheet"
        )
    content = io.BytesIO()
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        _figure(rows, title, legend, apart).savefig(content, format="png")
    write_bytes(path, content.getvalue())


def _figure(rows: Sequence[Row], title: str, legend: str, apart: bool) -> Figure:
    columns = 1 + max(len(row.nearest) for row in rows)
    step = _SIDE + _CAPTION + _GAP
    gap = 2 * _GAP if apart else 0.0
    width = 2 * _MARGIN + columns * (_SIDE + _GAP) - _GAP + gap
    height = _HEAD + len(rows) * step + _MARGIN
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    _write(axes, _MARGIN, 0.24, title, size=11, weight="bold")
    _write(axes, _MARGIN, 0.46, legend, size=8, color=_FAINT)
    for i, row in enumerate(rows):
        top = _HEAD + i * step
        _draw(axes, row.asked, _MARGIN, top)
        for j, picture in enumerate(row.nearest, start=1):
            _draw(axes, picture, _MARGIN + j * (_SIDE + _GAP) + gap, top)
    if apart:
        line = _MARGIN + _SIDE + 1.5 * _GAP
        axes.plot([line, line], [_HEAD, height - _MARGIN], color=_FAINT, linewidth=0.8)
    axes.set(xlim=(0, width), ylim=(height, 0))  # pictures set limits of their own
    return figure


def _draw(axes: Axes, picture: Picture, left: float, top: float) -> None:
    """A picture in its square, at its own proportions, with its two lines."""
    height, width = picture.pixels.shape[:2]
    scale = _SIDE / max(height, width)
    across, down = width * scale, height * scale
    x, y = left + (_SIDE - across) / 2, top + (_SIDE - down) / 2
    axes.imshow(
        picture.pixels, extent=(x, x + across, y + down, y), interpolation="lanczos"
    )
    colour = _WRONG if picture.is_wrong else _TEXT
    axes.add_patch(
        Rectangle(
            (x, y),
            across,
            down,
            fill=False,
            edgecolor=colour,
            linewidth=2.5 if picture.is_wrong else 0.5,
        )
    )
    below = top + _SIDE
    _write(axes, left, below + 0.11, _short(picture.title), size=8, color=colour)
    _write(axes, left, below + 0.26, _short(picture.note), size=7.5, color=_FAINT)


def _short(text: str) -> str:
    """The text as far as it fits below a picture."""
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _write(axes: Axes, x: float, y: float, text: str, **style) -> None:
    # a name with dollars in it is no formula
    axes.text(x, y, text, va="center", parse_math=False, **{"color": _TEXT, **style})
