"""Accuracy against cost of the networks that a search tried, as an SVG picture."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from kerasnets.units import format_count

if TYPE_CHECKING:
    from kerasnets.tuning import Trial

_TEXT, _FAINT, _FRONT, _OTHER = "#1c2733", "#c4ccd4", "#c8372d", "#2f6db5"
# MobileNet's widths at 224, 192, 160 and 128 pixels: million multiply-adds, and the
# share of ImageNet's validation images that the authors' release gets right (TF-slim,
# mobilenet_v1.md), in percent
_OF_AUTHORS = {
    1.0: ((568.7, 70.9), (418.1, 70.0), (290.7, 68.0), (186.4, 65.2)),
    0.75: ((325.4, 68.4), (239.3, 67.2), (166.4, 65.3), (106.8, 62.1)),
    0.5: ((149.5, 63.3), (110.0, 61.7), (76.5, 59.1), (49.2, 56.3)),
    0.25: ((41.0, 49.8), (30.2, 47.7), (21.1, 45.5), (13.6, 41.5)),
}


def draw_front(
    trials: Sequence["Trial"],
    front: Sequence["Trial"],
    *,
    max_madds: int | None,
    beside_authors: bool = False,
) -> bytes:
    """Draw trials as points and the Pareto front as a line of steps.

    The same trials give the same bytes.

    Args:
        trials: Those that failed are left out.
        front: Of ``tuning.front_of``, the cheapest first.
        max_madds: The budget; None for none.
        beside_authors: Draw the grid of MobileNet's authors beside them.
    """
    done = [trial for trial in trials if not trial.failure]
    points = [(x.candidate.cost.madds, 100 * x.val_accuracy) for x in done]
    best = [(x.candidate.cost.madds, 100 * x.val_accuracy) for x in front]
    with mpl.rc_context({"svg.hashsalt": "kerasnets", "font.size": 9}):
        count = 2 if beside_authors else 1
        figure = Figure(figsize=(3.2 + 3.2 * count, 3.8), layout="constrained")
        axes, *others = figure.subplots(1, count, squeeze=False)[0]
        _draw_points(axes, points, max_madds)
        _draw_steps(axes, best, [x.candidate.label for x in front])
        label = "multiply-adds of an image"
        if max_madds is not None:
            label += f"; the budget ends at {format_count(max_madds)}"
        axes.set_xlabel(label)
        axes.set_ylabel("right of the validation images, %")
        for beside in others:
            _draw_authors(beside)
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _draw_points(
    axes: Any, points: Sequence[tuple[float, float]], limit: int | None = None
) -> None:
    """Points of multiply-adds and percent."""
    axes.set_xscale("log")
    costs = [cost for cost, _ in points]
    right = max(*costs, limit or 0) * 1.6
    if limit is not None:
        axes.axvspan(limit, 1e15, color="#f2f4f6", linewidth=0, zorder=-1)
        axes.axvline(limit, color=_FAINT, linewidth=1)
    axes.scatter(*zip(*points, strict=True), s=24, color=_OTHER)
    axes.set_xlim(min(costs) / 1.4, right)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: format_count(int(n))))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_steps(
    axes: Any, front: Sequence[tuple[float, float]], labels: Sequence[str]
) -> None:
    """The line that no point is above."""
    right = axes.get_xlim()[1]
    x, y = zip(*front, (right, front[-1][1]), strict=True)
    axes.plot(x, y, drawstyle="steps-post", color=_FRONT, linewidth=1.2)
    axes.scatter(x[:-1], y[:-1], s=36, color=_FRONT, zorder=3)
    for text, at in zip(labels, front, strict=True):
        _label(axes, text, at, (5, -10))


def _label(axes: Any, text: str, at: tuple, offset: tuple, side: str = "left") -> None:
    how = {"xytext": offset, "textcoords": "offset points", "ha": side}
    axes.annotate(text, at, color=_TEXT, fontsize=7, **how)


def _draw_authors(axes: Any) -> None:
    """The sixteen networks of MobileNet's authors."""
    rows = {
        alpha: [(1e6 * millions, share) for millions, share in row]
        for alpha, row in _OF_AUTHORS.items()
    }
    _draw_points(axes, [point for row in rows.values() for point in row])
    for alpha, row in rows.items():
        axes.plot(*zip(*row, strict=True), color=_OTHER, linewidth=0.8)
        _label(axes, f"alpha {alpha:g}", row[0], (-4, 6), "right")
    axes.set_xlabel("multiply-adds; the authors' networks, at 128 to 224 pixels")
    axes.set_ylabel("right of ImageNet's validation images, %")
