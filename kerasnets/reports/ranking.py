"""Accuracy against cost of the networks that a run ranked, as an SVG picture."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from kerasnets.files import write_bytes
from kerasnets.units import format_count

_TEXT, _FAINT, _CHOSEN, _OTHER = "#1c2733", "#c4ccd4", "#c8372d", "#2f6db5"


def draw_ranking(
    path: Path, rows: Sequence[Mapping], *, chosen: str, max_madds: int
) -> None:
    """Write the picture; the same rows give the same bytes.

    Args:
        path: The .svg file.
        rows: Of each network "label", "cost" with "madds", "accuracy" and its
            "interval" of 95 %, as in ``run.json``; one of a label is drawn.
        chosen: The label of the one that was taken.
        max_madds: The budget: what is right of it was ranked as a teacher alone.
    """
    points = {row["label"]: row for row in rows}
    with mpl.rc_context({"svg.hashsalt": "kerasnets", "font.size": 9}):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.axvspan(max_madds, 1e15, color="#f2f4f6", linewidth=0, zorder=-1)
        axes.axvline(max_madds, color=_FAINT, linewidth=1)
        for label, row in points.items():
            madds, right = row["cost"]["madds"], 100 * row["accuracy"]
            low, high = (100 * end for end in row["interval"])
            colour = _CHOSEN if label == chosen else _OTHER
            axes.errorbar(
                madds,
                right,
                yerr=[[right - low], [high - right]],
                fmt="o",
                color=colour,
                capsize=3,
                markersize=6,
                linewidth=1.2,
            )
            axes.annotate(
                label,
                (madds, right),
                xytext=(7, 5),
                textcoords="offset points",
                color=colour if label == chosen else _TEXT,
                fontsize=8,
            )
        costs = [row["cost"]["madds"] for row in points.values()]
        axes.set_xlim(min(*costs, max_madds) / 1.6, max(*costs, max_madds) * 4)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: format_count(int(x))))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        axes.set_xlabel(f"multiply-adds; the budget ends at {format_count(max_madds)}")
        axes.set_ylabel("right by a linear classifier, %")
        axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None})
    write_bytes(path, content.getvalue())
