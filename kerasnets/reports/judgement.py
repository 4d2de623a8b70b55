"""Pictures of what a classifier gets wrong, and of how far it can be believed.

The same answers give the same bytes.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasnets.evaluation import Judgement, calibration_error
from kerasnets.files import write_bytes
from kerasnets.reports.drawing import drawn
from kerasnets.reports.sheet import Picture, draw_all

_TEXT, _FAINT, _BLUE, _RED = "#1c2733", "#c4ccd4", "#2f6db5", "#c8372d"
# of so many classes each number fits in its square, and each name beside its row
_NUMBERS, _NAMES = 20, 50
_BINS = 10


def draw_confusion(path: Path, judgement: Judgement, *, title: str) -> None:
    """Write the confusion matrix: a row for each class, a column for each answer.

    Args:
        path: The .svg file.
        judgement: What was answered.
        title: What stands above.
    """
    matrix = judgement.confusion
    classes = len(matrix)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    side = min(8.0, 2.2 + 0.42 * min(classes, 14))
    names = judgement.class_names

    def fill(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        axes.set_title(title, loc="left", fontsize=9, color=_TEXT)
        axes.set_xlabel("answer")
        axes.set_ylabel("label")
        if classes <= _NAMES:
            axes.set_xticks(range(classes), names, rotation=45, ha="right")
            axes.set_yticks(range(classes), names)
        if classes <= _NUMBERS:
            for (row, column), count in np.ndenumerate(matrix):
                if count:
                    colour = "white" if shares[row, column] > 0.5 else _TEXT
                    axes.text(
                        column,
                        row,
                        str(count),
                        ha="center",
                        va="center",
                        color=colour,
                    )

    write_bytes(path, drawn(fill, (side + 0.6, side)))


def draw_reliability(path: Path, judgement: Judgement, *, title: str) -> None:
    """Write the reliability diagram (Guo et al. 2017, Figure 1), with counts below it.

    Args:
        path: The .svg file.
        judgement: What was answered.
        title: What stands above.
    """
    sure = judgement.probabilities.max(axis=1)
    right = judgement.probabilities.argmax(axis=1) == judgement.labels
    edges = np.linspace(0, 1, _BINS + 1)
    place = np.searchsorted(edges[1:-1], sure, side="left")
    counts = np.bincount(place, minlength=_BINS)
    there = counts > 0
    accuracy = np.bincount(place, weights=right, minlength=_BINS)[there] / counts[there]
    mean = np.bincount(place, weights=sure, minlength=_BINS)[there] / counts[there]
    middles = (edges[:-1] + edges[1:]) / 2
    error = calibration_error(judgement.probabilities, judgement.labels)

    def fill(figure: Figure) -> None:
        above, below = figure.subplots(
            2, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
        )
        _frame(above, f"{title}\ncalibration error {error:.3f}")
        above.plot([0, 1], [0, 1], color=_FAINT, linewidth=1, zorder=3)
        above.bar(middles[there], accuracy, 0.9 / _BINS, color=_BLUE, label="right")
        above.plot(mean, mean, "_", color=_RED, markersize=14, label="said")
        above.set(ylim=(0, 1), ylabel="share")
        above.legend(frameon=False, loc="upper left")
        _frame(below, "")
        below.bar(middles, counts, 0.9 / _BINS, color=_FAINT)
        below.set(xlim=(0, 1), xlabel="probability of the answer", ylabel="images")

    write_bytes(path, drawn(fill, (4.6, 4.6)))


def draw_worst(
    path: Path,
    judgement: Judgement,
    read: Callable[[int], np.ndarray],
    *,
    title: str,
    count: int,
) -> None:
    """Write a sheet of the images that were answered worst; none where all are right.

    Args:
        path: The .png file.
        judgement: What was answered.
        read: Gives the pixels of an image, uint8 (height, width, 3).
        title: What stands above.
        count: How many at most.
    """
    names = judgement.class_names
    pictures = []
    for index in judgement.worst(count).tolist():
        answers = judgement.probabilities[index]
        said = int(answers.argmax())
        pictures.append(
            Picture(
                read(index),
                names[judgement.labels[index]],
                f"{names[said]} {answers[said]:.0%}",
            )
        )
    if pictures:
        draw_all(
            pictures, path, title=title, legend="below each: its label, and the answer"
        )


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=_TEXT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
