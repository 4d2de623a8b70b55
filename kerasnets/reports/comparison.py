"""Several trainings side by side: a table, and their learning curves in one picture."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich import box
from rich.table import Table

from kerasnets.reports.accuracy import accuracy_text
from kerasnets.units import format_count

_FAINT = "#e6eaee"
# told apart by colour-blind people too (Okabe and Ito 2008), the yellow left out: it is
# too light for a line on white
_COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00"),
)
_STYLES = ("-", "--", ":", "-.")
_UNKNOWN = "-"


def trainings_table(runs: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each training.

    Args:
        runs: ``jobs.compare.Compared.as_json`` of each.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("run", "network", "recipe", "what differs"):
        table.add_column(column, overflow="fold")
    for column in ("params", "madds", "epochs", "validation", "test", "seconds"):
        table.add_column(column, justify="right")
    for run in runs:
        test = run["test"]
        table.add_row(
            run["name"],
            run["network"],
            run["recipe"],
            ", ".join(f"{name} {_text(x)}" for name, x in run["differs"].items()),
            _UNKNOWN if run["params"] is None else f"{run['params']:,}",
            _UNKNOWN if run["madds"] is None else format_count(run["madds"]),
            f"{run['epochs']}" if run["finished"] else f"{run['epochs']}, unfinished",
            _UNKNOWN if not run["epochs"] else f"{run['validation_accuracy']:.2%}",
            accuracy_text(test["accuracy"], test["images"]) if test else _UNKNOWN,
            f"{run['seconds']:.0f}",
        )
    return table


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def draw_comparison(
    curves: Mapping[str, Sequence[Mapping[str, float]]], *, form: str = "svg"
) -> bytes:
    """Draw the error on training and validation images over the epochs.

    As He et al. 2015, Figure 1: training on the left, what was not trained on on the
    right. The first tenth of the epochs may leave the picture at its top, so that the
    rest can be told apart.

    Args:
        curves: Of each training its epochs: "epoch", "accuracy" and
            "validation_accuracy".
        form: "svg" or "png".

    Returns:
        The file; the same curves give the same bytes.
    """
    with mpl.rc_context({"svg.hashsalt": "kerasnets", "font.size": 9}):
        figure = Figure(figsize=(8.4, 3.9), dpi=150, layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, name, title in zip(
            panels,
            ("accuracy", "validation_accuracy"),
            ("training images", "validation images"),
            strict=True,
        ):
            top = 0.0
            for number, rows in enumerate(curves.values()):
                errors = [100 * (1 - row[name]) for row in rows]
                top = max(top, *errors[len(errors) // 10 :])
                axes.plot(
                    [row["epoch"] for row in rows],
                    errors,
                    color=_COLOURS[number % len(_COLOURS)],
                    linestyle=_STYLES[number // len(_COLOURS) % len(_STYLES)],
                    linewidth=1.6,
                    marker="o" if len(rows) == 1 else None,
                )
            axes.set_ylim(0, 1.05 * top or 1)
            axes.set_title(title, loc="left", fontsize=9)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y", color=_FAINT, linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel("error, %")
        # some 120 letters of this size in a row
        columns = 120 // (8 + max(map(len, curves)))
        figure.legend(
            panels[0].lines,
            list(curves),
            loc="outside lower center",
            ncols=max(1, min(columns, len(curves))),
            frameon=False,
        )
        content = io.BytesIO()
        about = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(content, format=form, metadata=about)
    return content.getvalue()
