"""The architecture of a network as a picture, block by block.

One box a block, equal neighbours folded, the size of the map beside the boxes, a colour
a kind. The same blocks give the same bytes.
"""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes
from kerasnets.reports import architecture as found
from kerasnets.reports.architecture import Block, architecture_blocks

__all__ = ["Block", "architecture_blocks", "draw", "picture_path"]

COLOURS = {
    found.INPUT: "#ffffff",
    found.CONVOLUTION: "#bcdcf5",
    found.POOLING: "#fbdca0",
    found.RESIDUAL: "#c3e6b5",
    found.INCEPTION: "#dccbee",
    found.PARALLEL: "#e6d3c3",
    found.SKIP: "#cfe8e8",
    found.CONCATENATION: "#b5e5dd",
    found.DENSE: "#f6bfbd",
    found.AUXILIARY_HEAD: "#dddddd",
    found.OTHER: "#f0f0f0",
}
_EDGE, _TEXT, _FAINT = "#44546a", "#1c2733", "#66717d"

# inches; 9 points of DejaVu Sans take some 0.07 inches a letter
_WIDTH, _LEFT, _BOX, _LINE, _PADDING, _GAP = 7.6, 1.15, 5.6, 0.17, 0.1, 0.15
_LETTERS = 54
_LEGEND_ROW, _LEGEND_COLUMNS = 0.24, 4


def picture_path(out: Path | str) -> Path:
    """The file to draw to.

    Raises:
        KerasnetsError: its name does not end in .svg or .png.
    """
    path = Path(out)
    if path.suffix.lower() not in (".svg", ".png"):
        raise KerasnetsError(f"{str(out)!r} does not end in .svg or .png")
    return path


def draw(blocks: Sequence[Block], path: Path | str, *, title: str = "") -> None:
    """Write the picture of some blocks, whole or not at all.

    Args:
        blocks: from ``architecture_blocks``, from the input down.
        path: the file, .svg or .png.
        title: what stands above.

    Raises:
        KerasnetsError: the name of the file ends otherwise.
    """
    path = picture_path(path)
    form = path.suffix.lower()[1:]
    content = io.BytesIO()
    # without these every run would write other ids, and the date
    with mpl.rc_context({"svg.hashsalt": "kerasnets", "font.family": "DejaVu Sans"}):
        metadata = {"Date": None} if form == "svg" else None
        _figure(blocks, title).savefig(content, format=form, metadata=metadata)
    write_bytes(path, content.getvalue())


def _figure(blocks: Sequence[Block], title: str) -> Figure:
    kinds = [kind for kind in COLOURS if any(kind == block.kind for block in blocks)]
    kinds = [kind for kind in kinds if kind != found.INPUT]
    texts = [_lines(block.words) for block in blocks]
    legend = _LEGEND_ROW * -(-len(kinds) // _LEGEND_COLUMNS)
    height = 0.75 + sum(_height(text) + _GAP for text in texts) + legend
    figure = Figure(figsize=(_WIDTH, height), dpi=120, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    _write(axes, _LEFT, 0.3, title, size=12, weight="bold")
    top, shown = 0.55, None
    for i, (block, text) in enumerate(zip(blocks, texts, strict=True)):
        if i and block.kind != found.AUXILIARY_HEAD:
            _arrow(axes, top)
        _box(axes, block, text, top, sides=block.sides != shown)
        top += _height(text) + _GAP
        shown = block.sides
    _legend(axes, kinds, top + 0.12)
    return figure


def _lines(words: str) -> list[str]:
    """The words on lines that fit the box; a branch is broken last."""
    kept = (
        words.replace(", ", ",\u00a0")
        .replace(" |", "\u00a0|")
        .replace(" + ", " +\u00a0")
    )
    lines = textwrap.wrap(kept, _LETTERS) or [""]
    return [line.replace("\u00a0", " ") for line in lines]


def _height(text: list[str]) -> float:
    return _LINE * len(text) + 2 * _PADDING


def _box(axes: Axes, block: Block, text: list[str], top: float, *, sides: bool):
    """A block: its map's size (if ``sides``), words, channels and how often."""
    height = _height(text)
    middle, right = top + height / 2, _LEFT + _BOX
    axes.add_patch(
        FancyBboxPatch(
            (_LEFT, top),
            _BOX,
            height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=COLOURS[block.kind],
            edgecolor=_EDGE,
            linewidth=0.9,
        )
    )
    _write(axes, _LEFT + 0.12, middle, "\n".join(text), linespacing=1.25)
    if sides and block.sides:
        size = "x".join("?" if side is None else str(side) for side in block.sides)
        _write(axes, _LEFT - 0.14, middle, size, ha="right", weight="bold")
    if not block.words.startswith("dense"):
        output = f"{block.channels} {'channels' if block.sides else 'values'}"
        _write(axes, right - 0.12, middle, output, ha="right", color=_FAINT)
    if block.count > 1:
        _write(axes, right + 0.12, middle, f"x{block.count}", size=11, weight="bold")


def _write(axes: Axes, x: float, y: float, text: str, **style):
    options: dict[str, Any] = {"size": 9, "color": _TEXT}
    options.update(style)
    axes.text(x, y, text, va="center", **options)


def _arrow(axes: Axes, top: float):
    """From the box above to the one that starts at ``top``."""
    axes.annotate(
        "",
        xy=(_LEFT + _BOX / 2, top),
        xytext=(_LEFT + _BOX / 2, top - _GAP),
        arrowprops={
            "arrowstyle": "-|>,head_length=0.3,head_width=0.16",
            "color": _EDGE,
            "linewidth": 0.9,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def _legend(axes: Axes, kinds: Sequence[str], top: float):
    """A small square and a word for each kind."""
    step = (_WIDTH - _LEFT) / _LEGEND_COLUMNS
    for i, kind in enumerate(kinds):
        row, column = divmod(i, _LEGEND_COLUMNS)
        x, y = _LEFT + column * step, top + row * _LEGEND_ROW
        axes.add_patch(
            Rectangle((x, y - 0.07), 0.14, 0.14, facecolor=COLOURS[kind], ec=_EDGE)
        )
        _write(axes, x + 0.22, y, kind, size=8)
