"""The plain protocol: one view of each image, the whole of it."""

from dataclasses import dataclass

import keras
import numpy as np

from kerasnets.applications import preprocessing, without_auxiliary
from kerasnets.data import Split, batches
from kerasnets.pretrained import UNIT
from kerasnets.training import native_kernels


@dataclass(frozen=True)
class Evaluation:
    """How a classifier did.

    Attributes:
        accuracy: share of the images whose largest logit is their label (top-1).
        loss: mean cross-entropy in nats.
        examples: number of images.
    """

    accuracy: float
    loss: float
    examples: int


def evaluate(model: keras.Model, split: Split, *, batch_size: int = 256) -> Evaluation:
    """Judge a classifier that returns logits on the images of a split."""
    logits = predict_logits(model, split, batch_size=batch_size)
    return Evaluation(
        accuracy=float(np.mean(logits.argmax(axis=1) == split.labels)),
        loss=float(np.mean(cross_entropies(logits, np.asarray(split.labels)))),
        examples=len(split.labels),
    )


def predict_logits(
    model: keras.Model, split: Split, *, batch_size: int = 256
) -> np.ndarray:
    """The logits (images, classes) for a split, in its order.

    The images are preprocessed as ``applications.preprocessing(model)`` says, or scaled
    to [-1, 1] where it says nothing.
    """
    model = without_auxiliary(model)
    dataset = batches(
        split,
        size=model.input_shape[1],
        batch_size=batch_size,
        seed=0,
        shuffle=False,
        preprocessing=preprocessing(model, default=UNIT),
    ).dataset(0, 1)
    with native_kernels(model):
        # (annotated as str only)
        logits = model.predict(dataset, verbose=0)  # pyright: ignore[reportArgumentType]
    return np.asarray(logits)


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[label] of each row, in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return log_sums - np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
