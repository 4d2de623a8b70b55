"""Losses, as functions of a batch that give one number for each label.

Labels (batch, ...) are whole numbers, logits (batch, ..., classes). A single logit
stands for two classes, see ``class_logits``.
"""

from typing import Any

import keras
from keras import ops


def class_logits(logits):
    """Return a logit for each class: those given, or (0, z) for a single logit z.

    Its softmax is (1 - sigmoid(z), sigmoid(z)), its cross-entropy the binary one: what
    holds for classes holds for a network that ends in one sigmoid.
    """
    if logits.shape[-1] != 1:
        return logits
    return ops.concatenate([ops.zeros_like(logits), logits], axis=-1)


def cross_entropy(labels, logits, label_smoothing: float = 0.0):
    """Return -sum_c q_c log softmax(logits)_c.

    q is 1 - e for the class of the label plus e / classes for each class.

    Args:
        labels: Whole numbers (batch, ...), or shares of the classes (batch, ...,
            classes), which take the place of the 1.
        logits: (batch, ..., classes), or (batch, ..., 1) for two classes.
        label_smoothing: e (Szegedy et al. 2015, section 7).
    """
    logs: Any = ops.log_softmax(class_logits(logits), axis=-1)
    if len(labels.shape) < len(logs.shape):
        labels = ops.one_hot(ops.cast(labels, "int32"), logs.shape[-1])
    right = -ops.sum(ops.cast(labels, logs.dtype) * logs, axis=-1)
    if not label_smoothing:
        return right
    even = -ops.mean(logs, axis=-1)
    return (1.0 - label_smoothing) * right + label_smoothing * even


def squared_hinge(labels, logits):
    """Return ``MulticlassSquaredHinge`` of each label."""
    return MulticlassSquaredHinge(reduction="none")(labels, class_logits(logits))


def soft_divergence(teacher_logits, logits, temperature: float):
    """Return T^2 KL(softmax(t / T), softmax(z / T)).

    The factor keeps its gradients in proportion to those of labels when T changes
    (Hinton et al. 2015, section 2).

    Args:
        teacher_logits: t, (batch, ..., classes).
        logits: z, of the same shape; of two classes either may have a single logit.
        temperature: T, above 0.
    """
    soft: Any = ops.log_softmax(class_logits(logits) / temperature, axis=-1)
    teacher_logits = ops.cast(class_logits(teacher_logits), soft.dtype)
    target = ops.log_softmax(teacher_logits / temperature, axis=-1)
    divergence = ops.sum(ops.exp(target) * (target - soft), axis=-1)
    return temperature**2 * divergence


def logit_distance(teacher_logits, logits):
    """Return half the squared distance of the logits, (batch, ...).

    What Ba and Caruana 2014 ("Do Deep Nets Really Need to be Deep?", section 2.2)
    minimise: no information is lost in a softmax. For logits of mean 0 it is what
    ``soft_divergence`` times the number of classes comes to at high temperatures.

    Args:
        teacher_logits: (batch, ..., classes).
        logits: Of the same shape; of two classes either may have a single logit.
    """
    own: Any = class_logits(logits)
    apart: Any = ops.cast(class_logits(teacher_logits), own.dtype) - own
    return 0.5 * ops.sum(ops.square(apart), axis=-1)


def hint_distance(hint, outputs):
    """Return half the squared distance of each image's maps, (batch,).

    What a FitNet's middle learns from its teacher's (Romero et al. 2015, equation 3).

    Args:
        hint: The teacher's maps, (batch, ...).
        outputs: Of the student's regressor, of the same shape.
    """
    squares: Any = ops.square(ops.cast(hint, outputs.dtype) - outputs)
    return 0.5 * ops.sum(squares, axis=tuple(range(1, len(squares.shape))))


@keras.saving.register_keras_serializable("kerasnets")
class MulticlassSquaredHinge(keras.losses.Loss):
    """The squared hinge loss of one support vector machine a class, summed.

    sum_c max(0, 1 - s_c z_c)^2, where z are the logits and s_c is +1 for the class of
    the label and -1 for the others: 0 once the label's logit is 1 or more and all
    others are -1 or less, and as large as the number of classes where all logits are
    0. Lee et al. 2015, "Deeply-Supervised Nets", as its authors' Caffe computes it; the
    one-vs-rest L2-SVM of Tang 2013, "Deep Learning using Linear Support Vector
    Machines". Keras's own squared hinge wants the signs as labels and
    takes the mean over the classes.

    Labels (batch,) or (batch, 1) of whole numbers, logits (batch, classes). The result
    is the mean over the batch, or what ``reduction`` says.

    Args:
        reduction: as in ``keras.losses.Loss``.
        name: of the loss.
    """

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "multiclass_squared_hinge",
    ):
        super().__init__(name=name, reduction=reduction)

    def call(self, y_true, y_pred):
        """The loss of each image, (batch,)."""
        # (keras.ops has no annotations)
        *batch, classes = ops.shape(y_pred)  # type: ignore[misc]
        labels = ops.reshape(ops.cast(y_true, "int32"), batch)
        signs = 2.0 * ops.one_hot(labels, classes, dtype=y_pred.dtype) - 1.0
        return ops.sum(ops.square(ops.relu(1.0 - signs * y_pred)), axis=-1)
