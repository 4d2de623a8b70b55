"""The one training loop: Keras's ``fit``, made to stop and go on."""

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import ops

from kerasnets.applications import loss_weights
from kerasnets.data import Feed
from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress, silent
from kerasnets.training.checkpoint import Checkpoint
from kerasnets.training.logits import answering_logits
from kerasnets.training.native import native_kernels
from kerasnets.training.objective import Objective, right_answers
from kerasnets.training.optimizers import (
    decayed_variables,
    make_optimizer,
    penalty,
)
from kerasnets.training.recipe import LayerRate, Recipe
from kerasnets.training.statistics import kept_statistics

# from a batch of images to targets beside its labels, as ``Objective`` knows them
Teach = Callable[[Any], Mapping[str, Any]]
# what batch norms normalise by while a network learns: statistics of the batch, or the
# moving ones, which then stay as they are
BatchNorm = Literal["batch", "inference"]


class DivergedError(KerasnetsError):
    """The loss of a training is no longer a finite number."""

    def __init__(self, loss: float, epoch: int, recipe: Recipe):
        super().__init__(
            f"the loss is {loss} in epoch {epoch} of {recipe.epochs}: take a smaller "
            f"learning rate than {recipe.learning_rate:g}"
        )


@dataclass(frozen=True)
class Training:
    """How the last epoch of a training went, on what the network was shown.

    Attributes:
        loss: Mean over the epoch.
        accuracy: Share of the labels that got the largest logit.
        chance: Share of the most frequent label: what one same answer to all would get.
        labels: Number of labels.
    """

    loss: float
    accuracy: float
    chance: float
    labels: int

    @property
    def at_chance(self) -> bool:
        """Whether that many right answers come without looking at the images.

        Within two standard deviations of the binomial distribution.
        """
        spread = math.sqrt(self.chance * (1 - self.chance) / max(1, self.labels))
        above = self.accuracy > self.chance + 2 * spread or self.accuracy == 1
        return self.labels > 0 and not above

    def check(self, what: str, recipe: Recipe) -> None:
        """Refuse a network that has learned nothing.

        Args:
            what: The network, as the message calls it.
            recipe: What it was trained with.

        Raises:
            KerasnetsError: The accuracy is that of chance.
        """
        if self.at_chance:
            raise KerasnetsError(
                f"{what} has learned nothing: {self.accuracy:.1%} right after "
                f"{recipe.epochs} epochs, the most frequent class has "
                f"{self.chance:.1%}; another learning rate than "
                f"{recipe.learning_rate:g} or more epochs may help"
            )


def train(
    model: keras.Model,
    feed: Feed,
    recipe: Recipe,
    *,
    teach: Teach | None = None,
    objective: Objective | None = None,
    rates: Mapping[str, LayerRate] | None = None,
    batch_norm: BatchNorm = "batch",
    checkpoint: Checkpoint | None = None,
    each_epoch: Callable[[int, "Training"], None] | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a classifier that returns logits on labelled images, in place.

    A training that was stopped and is started again with the same arguments and a
    model built from the same seed goes on after the last epoch in ``checkpoint`` and
    ends with the same weights as one that was not. A finished one is not done again.

    Args:
        model: From images to logits (batch, classes), or one logit for two classes;
            those of auxiliary classifiers learn the same with their weight in the loss.
            A sigmoid or a softmax at its end is left out while it learns.
        feed: Training images and their labels; where those have one for each pixel,
            the logits are (batch, height, width, classes).
        recipe: Epochs, learning rate, optimizer and loss.
        teach: Gives further targets of a batch of images: {"soft": logits} of a
            teacher, for instance. It is not trained.
        objective: The loss. Default: the recipe's, of each output with its weight; a
            network that learns hints says which of its outputs they belong to.
        rates: How fast layers learn, by their names (``nested_model/layer`` in nested
            ones); those that are not named learn at the recipe's rate.
        batch_norm: What batch norms normalise by: "batch", the statistics of each
            batch, or "inference", the moving ones, which stay as they are; scale and
            offset learn in either case.
        checkpoint: Where the state of the training is kept; it holds the final state
            in the end.
        each_epoch: Called after each epoch with its number, counted from 1, and how it
            went; the model may be judged there. Where a training goes on, those behind
            the checkpoint are not told again.
        progress: Told after each epoch, with loss and accuracy.

    Returns:
        Loss and accuracy of the last epoch; ``check`` it where it matters that the
        network has learned.

    Raises:
        KerasnetsError: ``rates`` names no layer of the model, or ``batch_norm`` is
            unknown.
        DivergedError: The loss is not finite at the end of an epoch.
    """
    check_batch_norm(batch_norm)
    steps = feed.steps_per_epoch
    objective = objective or Objective(recipe, tuple(loss_weights(model)))
    learner = _Learner(model, objective, teach)
    learner.compile(
        optimizer=make_optimizer(recipe, model, recipe.epochs * steps, rates)
    )
    learner.optimizer.build(model.trainable_variables)
    callbacks: list[keras.callbacks.Callback] = [
        _Watch(learner, recipe, progress, each_epoch)
    ]
    first_epoch = 0
    if checkpoint is not None:
        state = [*model.variables, *learner.optimizer.variables, *learner.figures]
        first_epoch = checkpoint.restore(state)
        callbacks.append(_Save(checkpoint, state, recipe.epochs))
    if first_epoch < recipe.epochs:
        keeping = kept_statistics if batch_norm == "inference" else nullcontext
        with keeping(model), native_kernels(model), answering_logits(model):
            learner.fit(
                feed.dataset(first_epoch, recipe.epochs),
                initial_epoch=first_epoch,
                epochs=recipe.epochs,
                steps_per_epoch=steps,
                callbacks=callbacks,
                verbose=0,  # pyright: ignore[reportArgumentType]  (annotated as str)
                shuffle=False,
            )
    return learner.result()


def check_batch_norm(name: str) -> None:
    """Raise where ``train`` knows no such way of batch normalisation."""
    if name not in get_args(BatchNorm):
        raise KerasnetsError(
            f"batch_norm {name!r} is unknown: {', '.join(get_args(BatchNorm))}"
        )


class _Learner(keras.Model):
    """The network with its objective in the place of Keras's losses."""

    def __init__(self, model: keras.Model, objective: Objective, teach: Teach | None):
        super().__init__(name="learner", dtype=model.dtype_policy, autocast=False)
        self.network, self.objective = model, objective
        self._decayed = decayed_variables(model)
        # in a closure: Keras would take a teacher's weights for those of the learner
        self._teach = (lambda images: teach(images)) if teach else None
        self._mean_loss = keras.metrics.Mean("mean_loss")
        self._accuracy = keras.metrics.Mean("accuracy")
        classes = model.outputs[0].shape[-1]
        self._labels = _LabelCounts(2 if classes == 1 else classes)
        self.built = True

    def call(self, images, training=None):
        return self.network(images, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        del sample_weight, training
        targets = dict(y) if isinstance(y, dict) else {"labels": y}
        if self._teach is not None:
            targets |= self._teach(x)
        loss = self.objective(targets, y_pred)
        for extra in self.network.losses:
            loss = loss + extra
        loss = loss + penalty(self.objective.recipe, self._decayed)
        self._mean_loss.update_state(loss)
        if "labels" in targets and self.objective.weights:
            mask = targets.get("mask")
            self._accuracy.update_state(right_answers(targets, y_pred), mask)
            self._labels.update_state(targets["labels"], mask)
        return loss

    @property
    def figures(self) -> list[keras.Variable]:
        """What the result is made from."""
        metrics = (self._mean_loss, self._accuracy, self._labels)
        return [variable for metric in metrics for variable in metric.variables]

    def result(self) -> Training:
        """Of the last epoch."""
        counts = np.asarray(self._labels.counts)
        labels = counts.sum()
        loss: Any = self._mean_loss.result()
        accuracy: Any = self._accuracy.result()
        return Training(
            loss=float(loss),
            accuracy=float(accuracy),
            chance=float(counts.max() / max(1, labels)),
            labels=int(labels),
        )


class _LabelCounts(keras.metrics.Metric):
    """How often each label came."""

    def __init__(self, classes: int):
        super().__init__(name="labels")
        self.counts: Any = self.add_variable((classes,), "zeros", dtype="float64")

    def update_state(self, labels, mask=None):
        classes = self.counts.shape[0]
        labels = ops.cast(labels, "int32")
        each: Any = ops.one_hot(labels, classes, dtype="float64")
        if mask is not None:
            each = each * ops.expand_dims(ops.cast(mask, "float64"), -1)
        self.counts.assign_add(ops.sum(ops.reshape(each, (-1, classes)), axis=0))

    def result(self):
        return ops.max(self.counts)


class _Watch(keras.callbacks.Callback):
    """Ends a training that has diverged; tells the progress after each epoch."""

    def __init__(
        self,
        learner: _Learner,
        recipe: Recipe,
        progress: Progress,
        each_epoch: Callable[[int, Training], None] | None,
    ):
        super().__init__()
        self.learner, self.recipe, self.progress = learner, recipe, progress
        self.each_epoch = each_epoch

    def on_epoch_end(self, epoch, logs=None):
        del logs
        now = self.learner.result()
        if not math.isfinite(now.loss):
            raise DivergedError(now.loss, epoch + 1, self.recipe)
        note = f"loss {now.loss:.3f} accuracy {now.accuracy:.3f}"
        if now.at_chance:
            note += " (as by chance)"
        if self.each_epoch is not None:
            self.each_epoch(epoch + 1, now)
        self.progress(epoch + 1, self.recipe.epochs, note)


class _Save(keras.callbacks.Callback):
    """Writes the checkpoint after each epoch."""

    def __init__(self, checkpoint: Checkpoint, state: list, epochs: int):
        super().__init__()
        self.checkpoint, self.state, self.epochs = checkpoint, state, epochs

    def on_epoch_end(self, epoch, logs=None):
        del logs
        self.checkpoint.save(epoch + 1, self.state, now=epoch + 1 == self.epochs)
