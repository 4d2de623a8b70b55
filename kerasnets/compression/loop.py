"""The training of every step: one loop, on checkpoints of whole epochs."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from kerasnets.compression.loss import cross_entropy, distillation_loss
from kerasnets.compression.settings import StepSettings
from kerasnets.data import Feed
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.progress import Progress
from kerasnets.training import Checkpoint


def train(
    model: tf_keras.Model,
    teacher: keras.Model | None,
    images: Feed,
    settings: StepSettings,
    checkpoint: Checkpoint,
    progress: Progress,
    end_epoch: Callable[[], None],
) -> None:
    """Train from the last checkpoint to the end.

    Args:
        model: wrapped by TF-MOT.
        teacher: of the distillation, if any.
        images: training batches, preprocessed for the model.
        settings: of the step.
        checkpoint: of the step; it is left at the end of the training.
        progress: told after each epoch.
        end_epoch: called after each epoch.
    """
    epochs, steps = settings.epochs, images.steps_per_epoch
    cosine: Any = tf_keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, epochs * steps
    )
    optimizer = tf_keras.optimizers.Adam(cosine)
    optimizer.build(model.trainable_variables)
    state = _state(model, optimizer)
    done = checkpoint.restore(state)
    progress(done, epochs, "continued" if done else "started")
    step = train_step(model, optimizer, teacher, settings, images.preprocessing)
    data = iter(images.dataset(done, epochs))
    for epoch in range(done, epochs):
        results = [step(*batch) for batch in itertools.islice(data, steps)]
        loss, accuracy = np.mean(results, axis=0)
        if not np.isfinite(loss):
            raise KerasnetsError(
                f"the loss is {loss} in epoch {epoch + 1} of {epochs}: take a smaller "
                "learning_rate"
            )
        end_epoch()
        checkpoint.save(epoch + 1, state, now=epoch + 1 == epochs)
        progress(epoch + 1, epochs, f"loss {loss:.3f} accuracy {accuracy:.3f}")


def train_step(
    model: tf_keras.Model,
    optimizer: tf_keras.optimizers.Optimizer,
    teacher: keras.Model | None,
    settings: StepSettings,
    given: Preprocessing,
) -> Callable:
    """A compiled step: images, preprocessed as given, and labels -> loss, accuracy."""
    own = given if teacher is None else pixels_of(teacher)

    def loss_of(images, labels, logits):
        if teacher is None:
            return cross_entropy(labels, logits)
        return distillation_loss(
            labels,
            logits,
            teacher(_resized(given.converted(images, own), teacher), training=False),
            temperature=settings.temperature,
            soft_weight=settings.soft_weight,
        )

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(_resized(images, model), training=True)
            loss = loss_of(images, labels, logits)
        variables = model.trainable_variables
        optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        right = tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels
        return loss, tf.reduce_mean(tf.cast(right, tf.float32))

    return step


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
