"""What networks cost and see, in numbers."""

from kerasnets.analysis.costs import (
    LayerCost,
    ModelCost,
    cost,
    count_madds,
    count_params,
    layer_costs,
)
from kerasnets.analysis.phone import Finding, PhoneReport, phone_report
from kerasnets.graph import shapes_only

__all__ = [
    "Finding",
    "LayerCost",
    "ModelCost",
    "PhoneReport",
    "cost",
    "count_madds",
    "count_params",
    "layer_costs",
    "phone_report",
    "shapes_only",
]
