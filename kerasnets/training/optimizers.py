"""The learning rate of each step, and the optimizer that follows it."""

import math
from typing import Any

import keras
from keras import layers, ops

from kerasnets.graph import all_layers
from kerasnets.training.recipe import Recipe
from kerasnets.traits import kernels_of

_NORMALISATIONS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
)
# what trained the zoo's small networks: a large rate kills the ReLUs of one without
# normalisation, which then gives the same answer to every image
_RATES = {"sgd": (0.1, 0.01), "adam": (0.003, 0.001), "adamw": (0.003, 0.001)}


def suggest_learning_rate(model: keras.Model, optimizer: str = "sgd") -> float:
    """Return a peak learning rate for training a network from random weights.

    With SGD 0.1 as in the papers on residual networks, or 0.01 as in those before batch
    normalisation (AlexNet, VGG); with Adam 0.003 or 0.001.

    Args:
        model: Whether it normalises anywhere decides.
        optimizer: As in ``Recipe``.
    """
    normalised, bare = _RATES[optimizer]
    return normalised if has_normalisation(model) else bare


def has_normalisation(model: keras.Model) -> bool:
    """Return whether a layer normalises its inputs by their statistics."""
    return any(isinstance(x, _NORMALISATIONS) for x in all_layers(model))


def learning_rate(recipe: Recipe, step: Any, steps: int) -> Any:
    """Return the learning rate of step ``step`` of ``steps``, counted from 0.

    rate * step / w in the first w steps of the warm-up; then rate, or
    rate * (1 + cos(pi (step - w) / (steps - w))) / 2 along the cosine.
    """
    step = ops.cast(step, "float32")
    warmup = round(recipe.warmup * steps)
    share = 1.0
    if recipe.schedule == "cosine":
        behind = ops.clip((step - warmup) / max(1, steps - warmup), 0.0, 1.0)
        share = 0.5 * (1.0 + ops.cos(math.pi * behind))
    if warmup:
        share = ops.where(step < warmup, step / warmup, share)
    return recipe.learning_rate * ops.cast(share, "float32")


def make_optimizer(
    recipe: Recipe, model: keras.Model, steps: int
) -> keras.optimizers.Optimizer:
    """Return the optimizer for ``model``, which decays only the weights that it should.

    Args:
        recipe: Optimizer, learning rate, schedule and weight decay.
        model: The network that is trained.
        steps: Of the whole training.
    """
    rate: Any = _Schedule(recipe, steps)  # Any: Keras annotates it as a float
    optimizer = with_settings(keras.optimizers, recipe, rate)
    optimizer.exclude_from_weight_decay(var_list=undecayed_variables(model))
    return optimizer


def with_settings(optimizers: Any, recipe: Recipe, rate: Any) -> Any:
    """Return the recipe's optimizer from ``keras.optimizers`` or tf_keras's.

    Args:
        optimizers: The module.
        recipe: Names the optimizer and its weight decay.
        rate: A schedule of the same library.
    """
    decay = recipe.weight_decay
    if recipe.optimizer == "sgd":
        return optimizers.SGD(
            rate, momentum=0.9, nesterov=True, weight_decay=decay or None
        )
    if recipe.optimizer == "adam":
        return optimizers.Adam(rate, weight_decay=decay or None)
    return optimizers.AdamW(rate, weight_decay=decay)


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of a recipe, as Keras's optimizers ask for it."""

    def __init__(self, recipe: Recipe, steps: int):
        self.recipe, self.steps = recipe, steps

    def __call__(self, step):
        return learning_rate(self.recipe, step, self.steps)

    def get_config(self):
        raise NotImplementedError("a recipe's optimizer is not saved with its network")


def undecayed_variables(model: keras.Model) -> list[keras.Variable]:
    """Return biases, the parameters of batch norms, and depthwise kernels.

    Decaying them costs accuracy: depthwise kernels have so few parameters that they
    need none of it (Howard et al. 2017, section 3.2).
    """
    decayed = {
        id(kernel)
        for layer in all_layers(model)
        for kernel in kernels_of(layer, depthwise=False).values()
    }
    return [
        variable
        for variable in model.trainable_variables
        if id(variable) not in decayed
    ]
