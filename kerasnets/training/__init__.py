"""One recipe, one trainer: precision, schedule, checkpoints."""

from kerasnets.training.checkpoint import Checkpoint
from kerasnets.training.native import native_kernels
from kerasnets.training.precision import (
    PRECISIONS,
    precision_policy,
    resolve_precision,
)
from kerasnets.training.recipe import Recipe
from kerasnets.training.seeding import release_memory, seed_everything
from kerasnets.training.trainer import train

__all__ = [
    "PRECISIONS",
    "Checkpoint",
    "Recipe",
    "native_kernels",
    "precision_policy",
    "release_memory",
    "resolve_precision",
    "seed_everything",
    "train",
]
