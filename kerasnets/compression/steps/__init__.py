"""What TF-MOT does to a network while it is trained, a file a step."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tf_keras

from kerasnets.compression.bridge import names_in_tf_keras
from kerasnets.compression.settings import PruneSettings, Settings
from kerasnets.compression.steps.cluster import Cluster
from kerasnets.compression.steps.prune import Prune
from kerasnets.compression.steps.qat import QuantiseAware
from kerasnets.compression.steps.step import Step

STEPS: dict[str, type[Step]] = {
    "prune": Prune,
    "cluster": Cluster,
    "qat": QuantiseAware,
}

__all__ = ["STEPS", "Step", "last_step"]


def last_step(
    model: keras.Model, net: tf_keras.Model, recipe: Sequence[Settings]
) -> Step:
    """Give the last step of a recipe, to be done after the others.

    Args:
        model: The Keras network that it begins with.
        net: The same network in tf_keras.
        recipe: Settings of the steps up to it; layers are named as in ``model``.
    """
    names = names_in_tf_keras(model)
    *before, settings = [_named_as(one, names) for one in recipe]
    return STEPS[settings.kind](model, net, settings, before)


def _named_as(settings: Settings, names: Mapping[str, str]) -> Settings:
    """The settings with other names for layers; names that are not in it stay."""
    changes: dict[str, Any] = {
        key: tuple(names.get(name, name) for name in getattr(settings, key))
        for key in ("layers", "float_layers")
        if hasattr(settings, key)
    }
    if isinstance(settings, PruneSettings):
        shares = settings.layer_sparsity.items()
        changes["layer_sparsity"] = {names.get(name, name): x for name, x in shares}
    return dataclasses.replace(settings, **changes)
