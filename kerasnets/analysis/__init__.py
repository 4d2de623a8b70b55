"""What networks cost and what a run came to."""

from kerasnets.analysis.cost import LayerCost, count_madds, count_params, layer_costs

__all__ = ["LayerCost", "count_madds", "count_params", "layer_costs"]
