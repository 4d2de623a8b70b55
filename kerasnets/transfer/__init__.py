"""What one network passes to another."""

from kerasnets.transfer.distillation import distill, with_input_adapter
from kerasnets.transfer.features import body, features
from kerasnets.transfer.finetune import FineTuning, enough_epochs, finetune
from kerasnets.transfer.linear import (
    LinearClassifier,
    fit_linear,
    with_linear,
    with_temperature,
)
from kerasnets.transfer.neighbours import Neighbours, Suspect, neighbours, suspects
from kerasnets.transfer.net2net import deepen, widen, widen_into
from kerasnets.transfer.recommend import (
    SMALL,
    Recommendation,
    Similarity,
    recommend,
    similarity,
)
from kerasnets.transfer.soft_targets import soft_targets
from kerasnets.transfer.stages import stages, train_stages

__all__ = [
    "SMALL",
    "FineTuning",
    "LinearClassifier",
    "Neighbours",
    "Recommendation",
    "Similarity",
    "Suspect",
    "body",
    "deepen",
    "distill",
    "enough_epochs",
    "features",
    "finetune",
    "fit_linear",
    "neighbours",
    "recommend",
    "similarity",
    "soft_targets",
    "stages",
    "suspects",
    "train_stages",
    "widen",
    "widen_into",
    "with_input_adapter",
    "with_linear",
    "with_temperature",
]
