"""One recipe, one trainer: precision, schedule, checkpoints.

The names are imported when they are first used: a recipe costs no Keras import.
"""

from typing import TYPE_CHECKING

from kerasnets.lazy import names_of

if TYPE_CHECKING:
    from kerasnets.training.checkpoint import Checkpoint
    from kerasnets.training.devices import Devices, find_devices
    from kerasnets.training.initialising import initialise
    from kerasnets.training.logits import answering_logits
    from kerasnets.training.native import native_kernels
    from kerasnets.training.normalising import with_normalised_images
    from kerasnets.training.objective import Objective
    from kerasnets.training.optimizers import suggest_learning_rate
    from kerasnets.training.outcome import DivergedError, StuckError, Training
    from kerasnets.training.papers import (
        PaperRecipe,
        changed_recipe,
        paper_recipe,
        paper_recipes,
    )
    from kerasnets.training.precision import (
        precision_policy,
        resolve_precision,
        to_float32,
    )
    from kerasnets.training.recipe import LayerRate, Recipe
    from kerasnets.training.seeding import release_memory, seed_everything
    from kerasnets.training.trainer import BatchNorm, EachEpoch, train

__all__ = [
    "BatchNorm",
    "Checkpoint",
    "Devices",
    "DivergedError",
    "EachEpoch",
    "LayerRate",
    "Objective",
    "PaperRecipe",
    "Recipe",
    "StuckError",
    "Training",
    "answering_logits",
    "changed_recipe",
    "find_devices",
    "initialise",
    "native_kernels",
    "paper_recipe",
    "paper_recipes",
    "precision_policy",
    "release_memory",
    "resolve_precision",
    "seed_everything",
    "suggest_learning_rate",
    "to_float32",
    "train",
    "with_normalised_images",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "BatchNorm": "trainer",
        "Checkpoint": "checkpoint",
        "Devices": "devices",
        "DivergedError": "outcome",
        "EachEpoch": "trainer",
        "LayerRate": "recipe",
        "Objective": "objective",
        "Recipe": "recipe",
        "StuckError": "outcome",
        "Training": "outcome",
        "PaperRecipe": "papers",
        "answering_logits": "logits",
        "changed_recipe": "papers",
        "find_devices": "devices",
        "initialise": "initialising",
        "native_kernels": "native",
        "paper_recipe": "papers",
        "paper_recipes": "papers",
        "precision_policy": "precision",
        "release_memory": "seeding",
        "resolve_precision": "precision",
        "seed_everything": "seeding",
        "suggest_learning_rate": "optimizers",
        "to_float32": "precision",
        "train": "trainer",
        "with_normalised_images": "normalising",
    },
)
