"""The one training loop: Keras's ``fit``, made to stop and go on."""

import keras

from kerasnets.applications import loss_weights
from kerasnets.data import Feed
from kerasnets.progress import Progress, silent
from kerasnets.training.checkpoint import Checkpoint
from kerasnets.training.native import native_kernels
from kerasnets.training.recipe import Recipe


def train(
    model: keras.Model,
    feed: Feed,
    recipe: Recipe,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> None:
    """Train a classifier that returns logits on labelled images, in place.

    A training that was stopped and is started again with the same arguments and a
    model built from the same seed goes on after the last epoch in ``checkpoint`` and
    ends with the same weights as one that was not. A finished one is not done again.

    Args:
        model: from images to logits (batch, classes); those of auxiliary classifiers
            learn the same labels with their weight in the loss.
        feed: training images and their labels; where those have one for each pixel,
            the logits are (batch, height, width, classes).
        recipe: epochs, learning rate, optimizer and loss.
        checkpoint: where the state of the training is kept; it holds the final state
            in the end.
        progress: told after each epoch, with the loss.
    """
    steps = feed.steps_per_epoch
    weights = loss_weights(model)
    several = len(weights) > 1
    model.compile(
        optimizer=recipe.make_optimizer(model, recipe.epochs * steps),
        loss=[recipe.make_loss() for _ in weights] if several else recipe.make_loss(),
        loss_weights=weights if several else None,
        metrics=[["accuracy"] for _ in weights] if several else ["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    callbacks: list[keras.callbacks.Callback] = [_Report(recipe.epochs, progress)]
    first_epoch = 0
    if checkpoint is not None:
        state = [*model.variables, *model.optimizer.variables]
        first_epoch = checkpoint.restore(state)
        callbacks.append(_Save(checkpoint, state, recipe.epochs))
    if first_epoch == recipe.epochs:
        return
    examples = feed.dataset(first_epoch, recipe.epochs)
    if several:
        examples = examples.map(
            lambda images, labels: (images, (labels,) * len(weights))
        )
    with native_kernels(model):
        model.fit(
            examples,
            initial_epoch=first_epoch,
            epochs=recipe.epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            verbose=0,  # pyright: ignore[reportArgumentType]  (annotated as str only)
            shuffle=False,
        )


class _Report(keras.callbacks.Callback):
    """Tells the progress after each epoch."""

    def __init__(self, epochs: int, progress: Progress):
        super().__init__()
        self.epochs, self.progress = epochs, progress

    def on_epoch_end(self, epoch, logs=None):
        loss = (logs or {}).get("loss", float("nan"))
        self.progress(epoch + 1, self.epochs, f"loss {loss:.3f}")


class _Save(keras.callbacks.Callback):
    """Writes the checkpoint after each epoch."""

    def __init__(self, checkpoint: Checkpoint, state: list, epochs: int):
        super().__init__()
        self.checkpoint, self.state, self.epochs = checkpoint, state, epochs

    def on_epoch_end(self, epoch, logs=None):
        del logs
        self.checkpoint.save(epoch + 1, self.state, now=epoch + 1 == self.epochs)
