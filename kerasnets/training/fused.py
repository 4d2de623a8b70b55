"""Batch normalisation by TensorFlow's fused kernel while a model trains.

Keras computes the statistics, the normalisation and their gradients from single
operations, each a pass over the maps; TensorFlow has one kernel for all of it. Only the
last digits differ, and nothing of it stays in the model.
"""

import contextlib
import functools
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def fused_batch_norm(model: keras.Model) -> Iterator[None]:
    """Give the batch normalisations of a model the fused kernel, inside.

    Those that it does not fit (other axes, half precision, renormalisation, statistics
    across replicas, subclasses) and other backends than TensorFlow go on as they are.
    """
    layers = [layer for layer in model._flatten_layers() if _fits(layer)]
    for layer in layers:
        layer.call = functools.partial(_call, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _fits(layer: keras.layers.Layer) -> bool:
    """Whether the kernel computes what the layer does."""
    return (
        type(layer) is keras.layers.BatchNormalization
        and keras.backend.backend() == "tensorflow"
        and layer.built
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and layer.compute_dtype == "float32"
        and not layer.synchronized
        and not layer.renorm
    )


def _call(layer, inputs, training=None, mask=None):
    """What the layer's own ``call`` does."""
    if not training or not layer.trainable or mask is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    channels = inputs.shape[-1]
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.ones(channels) if layer.gamma is None else layer.gamma,
        offset=tf.zeros(channels) if layer.beta is None else layer.beta,
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # the kernel's variance is that of a sample, Keras keeps that of the batch
    count = tf.cast(tf.size(inputs) // channels, tf.float32)
    variance = variance * (count - 1) / count
    for moving, now in (
        (layer.moving_mean, mean),
        (layer.moving_variance, variance),
    ):
        moving.assign(moving * layer.momentum + now * (1 - layer.momentum))
    return outputs
