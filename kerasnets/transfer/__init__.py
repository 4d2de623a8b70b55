"""What one network passes to another."""

from kerasnets.transfer.biases import adjust_bias
from kerasnets.transfer.distillation import (
    check_knows,
    check_matches,
    check_teacher,
    distill,
    learn_hints,
    with_input_adapter,
)
from kerasnets.transfer.ensembles import Mean, ensemble, ten_crop
from kerasnets.transfer.features import body, features
from kerasnets.transfer.finetune import FineTuning, enough_epochs, finetune
from kerasnets.transfer.label_trees import Tree, tree_targets
from kerasnets.transfer.linear import (
    LinearClassifier,
    fit_linear,
    with_linear,
    with_temperature,
)
from kerasnets.transfer.matching import Match
from kerasnets.transfer.neighbours import Neighbours, Suspect, neighbours, suspects
from kerasnets.transfer.net2net import PARTED, deepen, widen, widen_into
from kerasnets.transfer.recommend import (
    SMALL,
    Recommendation,
    Similarity,
    recommend,
    similarity,
)
from kerasnets.transfer.soft_targets import open_soft_targets, soft_targets
from kerasnets.transfer.specialists import (
    Specialist,
    confusable_classes,
    enriched,
    joint_answer,
    joint_probabilities,
    specialist_labels,
    train_specialist,
    with_natural_dustbin,
)
from kerasnets.transfer.stages import stages, train_stages

__all__ = [
    "PARTED",
    "SMALL",
    "FineTuning",
    "LinearClassifier",
    "Match",
    "Mean",
    "Neighbours",
    "Recommendation",
    "Similarity",
    "Specialist",
    "Suspect",
    "Tree",
    "adjust_bias",
    "body",
    "check_knows",
    "check_matches",
    "check_teacher",
    "confusable_classes",
    "deepen",
    "distill",
    "enough_epochs",
    "enriched",
    "ensemble",
    "features",
    "finetune",
    "fit_linear",
    "joint_answer",
    "joint_probabilities",
    "learn_hints",
    "neighbours",
    "open_soft_targets",
    "recommend",
    "similarity",
    "soft_targets",
    "specialist_labels",
    "stages",
    "suspects",
    "ten_crop",
    "train_specialist",
    "train_stages",
    "tree_targets",
    "widen",
    "widen_into",
    "with_input_adapter",
    "with_linear",
    "with_natural_dustbin",
    "with_temperature",
]
