"""What networks cost and see, how they look, and what a run came to."""

from kerasnets.analysis.costs import (
    LayerCost,
    ModelCost,
    cost,
    count_madds,
    count_params,
    layer_costs,
)

__all__ = [
    "LayerCost",
    "ModelCost",
    "cost",
    "count_madds",
    "count_params",
    "layer_costs",
]
