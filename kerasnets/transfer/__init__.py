"""What one network passes to another."""

from kerasnets.transfer.distillation import distill, with_input_adapter
from kerasnets.transfer.features import body, features
from kerasnets.transfer.linear import (
    LinearClassifier,
    fit_linear,
    with_linear,
    with_temperature,
)
from kerasnets.transfer.stages import stages, train_stages

__all__ = [
    "LinearClassifier",
    "body",
    "distill",
    "features",
    "fit_linear",
    "stages",
    "train_stages",
    "with_input_adapter",
    "with_linear",
    "with_temperature",
]
