"""Accuracy against cost of the networks that a search tried, as an SVG picture."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from kerasnets.units import format_count

if TYPE_CHECKING:
    from kerasnets.tuning import Trial

_TEXT, _FAINT, _FRONT, _OTHER = "#1c2733", "#c4ccd4", "#c8372d", "#2f6db5"


def draw_front(
    trials: Sequence["Trial"], front: Sequence["Trial"], *, max_madds: int | None
) -> bytes:
    """Draw trials as points and the Pareto front as a line of steps.

    The same trials give the same bytes.

    Args:
        trials: Those that failed are left out.
        front: Of ``tuning.front_of``, the cheapest first.
        max_madds: The budget; None for none.
    """
    done = [trial for trial in trials if not trial.failure]
    with mpl.rc_context({"svg.hashsalt": "kerasnets", "font.size": 9}):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        costs = [trial.candidate.cost.madds for trial in done]
        right = max(*costs, max_madds or 0) * 1.6
        if max_madds is not None:
            axes.axvspan(max_madds, 1e15, color="#f2f4f6", linewidth=0, zorder=-1)
            axes.axvline(max_madds, color=_FAINT, linewidth=1)
        axes.scatter(costs, [100 * x.val_accuracy for x in done], s=24, color=_OTHER)
        steps = [(x.candidate.cost.madds, 100 * x.val_accuracy) for x in front]
        x, y = zip(*steps, (right, steps[-1][1]), strict=True)
        axes.plot(x, y, drawstyle="steps-post", color=_FRONT, linewidth=1.2)
        axes.scatter(x[:-1], y[:-1], s=36, color=_FRONT, zorder=3)
        for trial, at in zip(front, steps, strict=True):
            axes.annotate(
                trial.candidate.label,
                at,
                xytext=(5, -10),
                textcoords="offset points",
                color=_TEXT,
                fontsize=7,
            )
        axes.set_xlim(min(costs) / 1.4, right)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: format_count(int(n))))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        label = "multiply-adds of an image"
        if max_madds is not None:
            label += f"; the budget ends at {format_count(max_madds)}"
        axes.set_xlabel(label)
        axes.set_ylabel("right of the validation images, %")
        axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
