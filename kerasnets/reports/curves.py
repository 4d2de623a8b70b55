"""Learning curves as a picture."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_TEXT, _FAINT, _BLUE, _RED = "#1c2733", "#e6eaee", "#2f6db5", "#c8372d"


def draw_curves(
    rows: Sequence[Mapping[str, float]], *, title: str, kind: str = "svg"
) -> bytes:
    """Draw loss and error of the training and validation images over the epochs.

    Thin is training, thick validation, as in He et al. 2015, Figures 4 and 6.

    Args:
        rows: Of each epoch "epoch", "loss", "accuracy", "validation_loss" and
            "validation_accuracy".
        title: What stands above.
        kind: "svg" or "png".

    Returns:
        The file; the same rows give the same bytes.
    """
    epochs = [row["epoch"] for row in rows]
    with mpl.rc_context({"svg.hashsalt": "kerasnets", "font.size": 9}):
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        losses, errors = figure.subplots(1, 2)
        for axes, label, curves in (
            (losses, "loss", ("loss", "validation_loss")),
            (errors, "error, %", ("accuracy", "validation_accuracy")),
        ):
            for name, colour, width in zip(
                curves, (_BLUE, _RED), (0.9, 1.8), strict=True
            ):
                values = [row[name] for row in rows]
                if label != "loss":
                    values = [100 * (1 - value) for value in values]
                part = "validation" if name.startswith("validation") else "training"
                marker = "o" if len(rows) == 1 else None
                axes.plot(
                    epochs,
                    values,
                    color=colour,
                    linewidth=width,
                    marker=marker,
                    label=part,
                )
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y", color=_FAINT, linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        losses.set_title(title, loc="left", fontsize=9, color=_TEXT)
        errors.legend(frameon=False)
        content = io.BytesIO()
        plain = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(content, format=kind, metadata=plain, dpi=150)
    return content.getvalue()
