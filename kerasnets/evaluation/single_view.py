"""The plain protocol: one view of each image, the whole of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from kerasnets.applications import without_auxiliary
from kerasnets.data import Feed, Split, batches, images_at_once
from kerasnets.evaluation.intervals import Interval, share_interval
from kerasnets.losses import class_logits
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.training import answering_logits, native_kernels


@dataclass(frozen=True)
class Evaluation:
    """How a classifier, of images or of their pixels, did.

    Attributes:
        accuracy: Share of the labels that have the largest logit (top-1).
        loss: Mean cross-entropy in nats.
        examples: Number of images.
    """

    accuracy: float
    loss: float
    examples: int

    @property
    def interval(self) -> Interval:
        """Within which the accuracy on all such images lies, at 95 %.

        Wilson's; an image counts once, however many of its pixels have a label.
        """
        return share_interval(round(self.accuracy * self.examples), self.examples)


def evaluate(
    model: keras.Model,
    images: Split | Feed,
    *,
    batch_size: int | None = None,
    pixels: Preprocessing | None = None,
) -> Evaluation:
    """Judge a classifier that returns logits.

    Args:
        model: From images to logits (batch, classes), or (batch, height, width,
            classes) where each pixel has a label. A single logit stands for two
            classes: the second where it is above 0. A sigmoid or a softmax at the end
            is left out.
        images: A split, which gets the pixels that the network wants, or a feed of
            batches that are as the network takes them: one epoch of it.
        batch_size: Images a batch of a split; None for ``data.images_at_once``.
        pixels: What the model wants done to the pixels of a split; None for what
            ``pixels_of`` says.
    """
    examples, labelled, right, loss = 0, 0, 0, 0.0
    for logits, labels in _answers(model, images, batch_size, pixels):
        examples += len(labels)
        labelled += labels.size
        right += int(np.sum(logits.argmax(axis=-1) == labels))
        loss += float(np.sum(cross_entropies(logits, labels), dtype=np.float64))
    return Evaluation(right / labelled, loss / labelled, examples)


def predict_logits(
    model: keras.Model,
    images: Split | Feed,
    *,
    batch_size: int | None = None,
    pixels: Preprocessing | None = None,
) -> np.ndarray:
    """Return the logits (images, ..., classes) of a split or a feed, in its order.

    The arguments are those of ``evaluate``.
    """
    return np.concatenate([x for x, _ in _answers(model, images, batch_size, pixels)])


def _answers(
    model: keras.Model,
    images: Split | Feed,
    batch_size: int | None,
    pixels: Preprocessing | None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Logits and labels of each batch."""
    model = without_auxiliary(model)
    if isinstance(images, Split):
        images = batches(
            images,
            size=model.input_shape[1],
            batch_size=batch_size or images_at_once(model.input_shape[1]),
            seed=0,
            shuffle=False,
            preprocessing=pixels_of(model, pixels),
        )
    with native_kernels(model), answering_logits(model) as changed:
        if changed:  # what Keras has compiled for the model gives probabilities
            model = keras.Model(model.inputs, model.outputs)
        for batch, targets in images.dataset(0, images.steps_per_epoch):
            labels = targets["labels"] if isinstance(targets, dict) else targets
            answers = class_logits(np.asarray(model.predict_on_batch(batch)))
            yield np.asarray(answers), np.asarray(labels)


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[label] along the last axis, in nats."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=-1))
    return log_sums - np.take_along_axis(shifted, labels[..., None], axis=-1)[..., 0]
