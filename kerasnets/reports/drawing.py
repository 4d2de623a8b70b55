"""A picture that matplotlib draws, as a file's bytes."""

import io
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.figure import Figure


def drawn(fill: Callable[[Figure], None], size: tuple[float, float]) -> bytes:
    """Draw a picture; the same drawing gives the same bytes.

    Args:
        fill: Draws on an empty figure.
        size: Of the figure in inches.

    Returns:
        The SVG.
    """
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "kerasnets", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        fill(figure)
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
