"""The picture of the README: what a download weighs and what its file gets right.

    python benchmarks/chart.py

Reads the table of Fashion-MNIST in docs/benchmarks.md, which benchmarks/compression.py
measured, and writes docs/downloads.svg.
"""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

DOCS = Path(__file__).parent.parent / "docs"
# where the label of a point goes, from the point, in points of the printer
BESIDE = (8, -3)
OTHERWISE = {
    "16 clusters, int8": (9, 2),
    "pruned 60 %, int8": (-30, -17),
    "distilled, pruned 60 %, int8": (-30, 11),
    "int8, quantisation-aware": (6, -13),
    "float32": (-18, -17),
    "distilled": (-22, -17),
}


def main() -> None:
    """Draw the points and write the file."""
    mpl.rcParams["svg.hashsalt"] = "kerasnets"  # the same bytes each time
    figure = Figure(figsize=(7.6, 3.9), facecolor="white", layout="constrained")
    axes = figure.subplots()
    for name, kilobytes, accuracy in rows():
        colour = "#c2410c" if "int8" in name or "PCQAT" in name else "#1d4ed8"
        axes.plot(kilobytes, accuracy, "o", color=colour, markersize=7)
        axes.annotate(
            name,
            (kilobytes, accuracy),
            OTHERWISE.get(name, BESIDE),
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_xscale("log")
    axes.set_xticks([100, 200, 400, 800], ["100", "200", "400", "800"])
    axes.minorticks_off()
    axes.set_xlim(80, 1100)
    axes.set_ylim(78.1, 81.6)
    axes.set_xlabel("download (gzip), kB")
    axes.set_ylabel("accuracy, %")
    axes.set_title(
        "Fashion-MNIST, MobileNet 0.25 at 32x32: its int8 (orange) and float files",
        loc="left",
        fontsize=11,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    figure.savefig(DOCS / "downloads.svg", metadata={"Date": None})


def rows():
    """Name, kilobytes behind gzip and accuracy of each file."""
    text = (DOCS / "benchmarks.md").read_text("utf-8")
    table = text[text.index("\nFashion-MNIST") :].split("\n\n")[1]
    for line in table.splitlines()[2:]:
        name, accuracy, _, zipped, *_ = (x.strip() for x in line.strip("|").split("|"))
        yield name, int(zipped.replace(",", "")) / 1000, float(accuracy.split()[0])


if __name__ == "__main__":
    main()
