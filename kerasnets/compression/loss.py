"""The loss of a student that has a teacher."""

import tensorflow as tf


def distillation_loss(
    labels, logits, teacher_logits, *, temperature: float, soft_weight: float
):
    """(1 - w) CE(labels, z) + w T^2 KL(softmax(t / T) || softmax(z / T)), batch mean.

    Hinton et al. 2015, section 2, as ``keras.distillation`` computes it.

    Args:
        labels: (batch,) integers.
        logits: z, (batch, classes).
        teacher_logits: t, (batch, classes).
        temperature: T.
        soft_weight: w; with 0 the loss is the plain cross-entropy.
    """
    soft = tf.nn.log_softmax(logits / temperature)
    target = tf.nn.log_softmax(teacher_logits / temperature)
    divergence = tf.reduce_sum(tf.exp(target) * (target - soft), axis=-1)
    return (1 - soft_weight) * cross_entropy(labels, logits) + (
        soft_weight * temperature**2 * tf.reduce_mean(divergence)
    )


def cross_entropy(labels, logits):
    """Mean over the batch of -log softmax(logits)[label]."""
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    )
