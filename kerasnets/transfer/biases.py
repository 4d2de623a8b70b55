"""Classifiers that expect the classes as often as they come.

A network that never saw a class expects none of it, and one that learned from images of
two classes expects these alone. What it knows of the others from a teacher's soft
targets shows when its biases are changed: Hinton et al. 2015, section 3, raise that of
an omitted digit.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from kerasnets.data import Feed, Split
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import predict_logits
from kerasnets.transfer.linear import classifier_of

_STEPS, _NEAR = 1000, 1e-6


def adjust_bias(
    model: keras.Model, class_priors: Sequence[float], images: Split | Feed
) -> np.ndarray:
    """Change the biases of a classifier until its answers come as often as classes do.

    Args:
        model: From images to logits; it is changed in place. Its last layer with
            weights is a dense one or a convolution with biases, without activation.
        class_priors: The share of each class among the images, each above 0; together
            they are 1.
        images: On which its mean probabilities become these; their labels are not
            looked at. A split, or a feed of batches as the network takes them.

    Returns:
        What was added to the bias of each class; the mean is 0.

    Raises:
        KerasnetsError: The network has no such layer or other classes, or the shares
            are none.
    """
    layer = classifier_of(model)
    if not layer.use_bias:
        raise KerasnetsError(
            f"{layer.name!r} of {model.name!r} has no biases to adjust"
        )
    logits = predict_logits(model, images)
    logits = logits.reshape(-1, logits.shape[-1]).astype("float64")
    priors = np.asarray(class_priors, "float64")
    if priors.shape != logits.shape[-1:]:
        raise KerasnetsError(
            f"{len(priors)} class priors for {logits.shape[-1]} classes of "
            f"{model.name!r}: one for each is accepted"
        )
    if not (priors > 0).all() or abs(priors.sum() - 1) > 1e-6:
        raise KerasnetsError(
            f"class priors from {priors.min():g} to {priors.max():g} that sum up to "
            f"{priors.sum():g}: shares above 0 that sum up to 1 are accepted"
        )
    shift = bias_shift(logits, priors)
    (*rest, bias) = layer.get_weights()
    if len(bias) == 1:  # one logit, that of the second class beside the first
        layer.set_weights([*rest, bias + (shift[1] - shift[0])])
    else:
        layer.set_weights([*rest, bias + shift])
    return shift


def bias_shift(logits: np.ndarray, class_priors: np.ndarray) -> np.ndarray:
    """Find what to add to logits so that the mean of their softmax is a distribution.

    Args:
        logits: (images, classes).
        class_priors: (classes,), above 0.

    Returns:
        (classes,), of mean 0.
    """
    shift: Any = np.zeros(len(class_priors))
    for _ in range(_STEPS):
        mean = softmax(logits + shift, axis=-1).mean(axis=0)
        if np.abs(mean - class_priors).max() < _NEAR:
            break
        shift = shift + np.log(class_priors / np.maximum(mean, 1e-300))
    return shift - shift.mean()
