"""Losses that Keras lacks."""

import keras
from keras import ops


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
        *batch, classes = ops.shape(y_pred)  # type: ignore[misc]
        labels = ops.reshape(ops.cast(y_true, "int32"), batch)
        signs = 2.0 * ops.one_hot(labels, classes, dtype=y_pred.dtype) - 1.0
        return ops.sum(ops.square(ops.relu(1.0 - signs * y_pred)), axis=-1)
