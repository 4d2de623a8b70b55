"""Networks of the zoo as Keras Tuner's hypermodels, for any of its tuners."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import keras
import keras_tuner
from keras import layers

from kerasnets import applications, losses
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import RAW, carry, pixels_of
from kerasnets.training import Recipe, changed_recipe
from kerasnets.training.optimizers import undecayed_variables, with_settings
from kerasnets.tuning.networks import (
    SPARSITY,
    as_text,
    build_candidate,
    feasible_candidates,
    split_axes,
)
from kerasnets.tuning.space import Axes, Budget, Candidate, Value

# Keras Tuner's name of the choice among networks, where a budget leaves no product
NETWORK = "network"


class HyperNet(keras_tuner.HyperModel):
    """A network of the zoo and its training, as a hypermodel.

    ``build`` gives a compiled model from images (resolution, resolution, 3) of 0 to
    255, as they come from files, to logits; it resizes and preprocesses them itself.
    Labels are whole numbers, the metric is "accuracy". The learning rate stays as it
    is: a schedule needs the number of steps, which ``search`` of a tuner alone is told.

    Args:
        builder: Builder of the zoo, as ``applications.MobileNet``, or its name.
        space: Values to try, by name: arguments of the builder, "rho" (a multiplier on
            the resolution), and keys of ``training.changed_recipe``, as
            "learning_rate" or "label_smoothing".
        resolution: Side of the images in pixels.
        classes: Number of classes.
        budget: Networks over it are not offered: one choice, "network", is made among
            the others by their labels, the cheapest first. None for all.
        recipe: What the space changes; by default AdamW at 0.001.

    Raises:
        KerasnetsError: There is no such network, axis or value, or nothing fits the
            budget.
    """

    def __init__(
        self,
        builder: str | Callable[..., keras.Model],
        space: Axes,
        *,
        resolution: int,
        classes: int,
        budget: Budget | None = None,
        recipe: Recipe | None = None,
    ):
        name = builder if isinstance(builder, str) else builder.__name__
        if not isinstance(builder, str) and applications.get(name) is not builder:
            raise KerasnetsError(f"{name} is no builder of kerasnets.applications")
        super().__init__(name=name)
        self.network, self.resolution, self.classes = name, resolution, classes
        self.recipe = recipe or Recipe(1, 1e-3, optimizer="adamw")
        self.budget = budget
        self.axes, self.training_axes = split_axes(name, space, self.recipe)
        if SPARSITY in self.training_axes:
            raise KerasnetsError(
                "sparsity is an axis of kerasnets tune: a tuner of Keras Tuner trains "
                "networks, it does not prune them"
            )
        if budget is not None:
            _ = self._feasible  # or it says what the smallest costs

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Build and compile the network of some hyperparameters."""
        values = self._network_values(hp)
        changes = {
            axis: as_text(hp.Choice(axis, list(choices)))  # type: ignore[arg-type]
            for axis, choices in self.training_axes.items()
        }
        size = round(float(values.get("rho", 1.0)) * self.resolution)
        network = build_candidate(self.network, values, size=size, classes=self.classes)
        model = _of_files(network, self.resolution)
        _compile(model, changed_recipe(self.recipe, changes))
        return model

    def _network_values(self, hp: keras_tuner.HyperParameters) -> dict[str, Value]:
        if self.budget is None:
            return {
                axis: hp.Choice(axis, list(choices))  # type: ignore[arg-type]  (a list of one type)
                for axis, choices in self.axes.items()
            }
        labels = list(self._feasible)
        label: Any = hp.Choice(NETWORK, labels)
        return dict(self._feasible[label].values)

    @cached_property
    def _feasible(self) -> dict[str, Candidate]:
        """What fits the budget, by its label."""
        fitting = feasible_candidates(
            self.network,
            self.axes,
            resolution=self.resolution,
            classes=self.classes,
            budget=self.budget or Budget(),
        )
        return {each.label: each for each in fitting}


def _of_files(network: keras.Model, side: int) -> keras.Model:
    """The network behind what makes its images of those that files hold."""
    image = keras.Input((side, side, 3), name="image")
    x = RAW.converted(carry(image, RAW), pixels_of(network))
    size = network.input_shape[1]
    if size != side:
        resize = layers.Resizing(size, size, antialias=True, dtype="float32")
        x = resize(x, training=False)
    return keras.Model(image, network(x), name=network.name)


def _compile(model: keras.Model, recipe: Recipe) -> None:
    """Compile a model for ``fit``: the recipe's optimizer, loss and accuracy."""
    plain = replace(recipe, accumulate=1, ema=0.0)
    optimizer = with_settings(keras.optimizers, plain, recipe.learning_rate)
    optimizer.exclude_from_weight_decay(var_list=undecayed_variables(model))
    loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if recipe.label_smoothing:
        loss = partial(losses.cross_entropy, label_smoothing=recipe.label_smoothing)
        loss.__name__ = "smoothed_cross_entropy"
    model.compile(optimizer, loss, metrics=["accuracy"])
    # the state of a trial is loaded into it
    model.optimizer.build(model.trainable_variables)
