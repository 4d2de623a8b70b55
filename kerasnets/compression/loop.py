"""The training of every step of TF-MOT's: one loop, on checkpoints of whole epochs."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from kerasnets.data import Feed
from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress
from kerasnets.training import Checkpoint, DivergedError, Objective, Recipe
from kerasnets.training.native import pixels_first
from kerasnets.training.objective import right_answers
from kerasnets.training.optimizers import learning_rate, with_settings


def train(
    model: tf_keras.Model,
    teacher: keras.Model | None,
    feed: Feed,
    recipe: Recipe,
    checkpoint: Checkpoint,
    progress: Progress,
    end_epoch: Callable[[], None],
) -> None:
    """Train from the last checkpoint to the end.

    Args:
        model: Wrapped by TF-MOT.
        teacher: Of the distillation, if any; it takes the images of the feed.
        feed: Training images, preprocessed for the model, and labels.
        recipe: Of the step.
        checkpoint: Of the step; it is left at the end of the training.
        progress: Told after each epoch.
        end_epoch: Called after each epoch.

    Raises:
        KerasnetsError: The recipe asks for what this loop does not do.
        DivergedError: The loss is not finite at the end of an epoch.
    """
    _check(recipe)
    epochs, steps = recipe.epochs, feed.steps_per_epoch
    optimizer = _optimizer(model, recipe, epochs * steps)
    state = _state(model, optimizer)
    done = checkpoint.restore(state)
    progress(done, epochs, "continued" if done else "started")
    step = train_step(model, optimizer, teacher, Objective(recipe))
    data = iter(feed.dataset(done * steps, epochs * steps))
    for epoch in range(done, epochs):
        with pixels_first(model.submodules):
            results = [step(*batch) for batch in itertools.islice(data, steps)]
        loss, accuracy = np.mean(results, axis=0)
        if not np.isfinite(loss):
            raise DivergedError(loss, epoch + 1, recipe)
        end_epoch()
        checkpoint.save(epoch + 1, state, now=epoch + 1 == epochs)
        progress(epoch + 1, epochs, f"loss {loss:.3f} accuracy {accuracy:.3f}")


def _check(recipe: Recipe) -> None:
    """Refuse what this loop does not do."""
    for name, is_asked, accepted in (
        ("decay", recipe.decay != "decoupled" and recipe.weight_decay, "'decoupled'"),
        ("schedule", recipe.schedule == "plateau", "others"),
        ("accumulate", recipe.accumulate > 1, "1"),
        ("ema", recipe.ema, "0"),
        ("rollback", recipe.rollback, "False"),
    ):
        if is_asked:
            raise KerasnetsError(
                f"the recipe's {name} is {getattr(recipe, name)!r}: steps of "
                f"compression take {accepted}"
            )


def train_step(
    model: tf_keras.Model,
    optimizer: tf_keras.optimizers.Optimizer,
    teacher: keras.Model | None,
    objective: Objective,
) -> Callable:
    """Compile a step: images, labels -> loss, share of right answers."""
    # Keras's code runs as it is written
    loss_of, right = map(
        tf.autograph.experimental.do_not_convert, (objective, right_answers)
    )

    @tf.function
    def step(images, labels):
        targets = {"labels": labels}
        if teacher is not None:
            targets["soft"] = teacher(images, training=False)
        with tf.GradientTape() as tape:
            logits = model(_resized(images, model), training=True)
            loss = loss_of(targets, logits)
        variables = model.trainable_variables
        optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        return loss, tf.reduce_mean(right(targets, logits))

    return step


def _optimizer(
    model: tf_keras.Model, recipe: Recipe, steps: int
) -> tf_keras.optimizers.Optimizer:
    """The recipe's, on tf_keras's variables."""
    optimizer = with_settings(tf_keras.optimizers, recipe, _Schedule(recipe, steps))
    # a depthwise kernel is called so, which is not decayed
    optimizer.exclude_from_weight_decay(
        var_list=[
            variable
            for variable in model.trainable_variables
            if variable.name.split("/")[-1].split(":")[0]
            not in ("kernel", "pointwise_kernel")
        ]
    )
    optimizer.build(model.trainable_variables)
    return optimizer


class _Schedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of a recipe, as tf_keras's optimizers ask for it."""

    def __init__(self, recipe: Recipe, steps: int):
        self.recipe, self.steps = recipe, steps

    def __call__(self, step):
        return learning_rate(self.recipe, step, self.steps)


def _state(model: tf_keras.Model, optimizer) -> list:
    """All that training changes: weights, masks and steps, slots, random state."""
    layers: list[Any] = [getattr(layer, "layer", layer) for layer in model.layers]
    random_layers = [layer for layer in layers if hasattr(layer, "_random_generator")]
    generators = [layer._random_generator._generator.state for layer in random_layers]
    return [*model.variables, *optimizer.variables, *generators]


def _resized(images, model):
    """The images at the size that the model takes."""
    size = tuple(model.input_shape[1:3])
    if size == tuple(images.shape[1:3]):
        return images
    return tf.image.resize(images, size, antialias=True)
