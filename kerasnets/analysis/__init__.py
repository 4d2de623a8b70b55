"""What networks cost and see, how they look, and what a run came to."""

from kerasnets.analysis.costs import (
    LayerCost,
    ModelCost,
    cost,
    count_madds,
    count_params,
    layer_costs,
)
from kerasnets.analysis.graph import shapes_only

__all__ = [
    "LayerCost",
    "ModelCost",
    "cost",
    "count_madds",
    "count_params",
    "layer_costs",
    "shapes_only",
]
