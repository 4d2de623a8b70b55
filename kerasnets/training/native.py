"""TensorFlow's own kernels where Keras takes slower ways.

- Batch normalisation: Keras computes the statistics, the normalisation and their
  gradients from single operations, each a pass over the maps; TensorFlow has one kernel
  for all of it.
- Grouped convolution: Keras compiles it with XLA, because TensorFlow lacks its gradient
  on CPUs. XLA's code for CPUs takes some hundred times as long as a convolution for
  each group.
- 1x1 convolution with strides of few channels: the gradient of its kernel by oneDNN is
  wrong, or the process ends, where the channels are fewer than those that the CPU takes
  at once, 8 or 16 (oneDNN issue 6035: it writes past its workspace). The pixels are
  taken first; what is left has no strides.

Only the last digits differ, and nothing of it stays in the model.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from kerasnets.graph import all_layers
from kerasnets.training.replacing import replaced

# of the maps that the kernel of batch normalisation takes
_PRECISIONS = ("float32", "float16", "bfloat16")
# channels that oneDNN takes at once, at most (AVX-512)
_BLOCK = 16


@contextlib.contextmanager
def native_kernels(model: keras.Model) -> Iterator[None]:
    """Give the layers of a model TensorFlow's kernels, inside.

    Layers that they do not fit (other axes, double precision, renormalisation,
    statistics across replicas, subclasses), those that are called in another way
    already and other backends than TensorFlow go on as they are.
    """
    layers = []
    if keras.backend.backend() == "tensorflow":
        layers = [layer for layer in all_layers(model) if layer.built]
    batch_norms = [layer for layer in layers if _has_fused_kernel(layer)]
    grouped = [layer for layer in layers if _is_grouped(layer)]
    if grouped and _on_gpu():
        grouped = []
    with (
        replaced(batch_norms, "call", _batch_norm),
        replaced(grouped, "convolution_op", _convolution),
        pixels_first(layers),
    ):
        yield


@contextlib.contextmanager
def pixels_first(layers: Iterable[Any]) -> Iterator[None]:
    """Keep oneDNN's wrong gradients from 1x1 convolutions with strides, inside.

    Args:
        layers: Of Keras on TensorFlow, or of tf_keras; others go on as they are.
    """
    strided = [layer for layer in layers if _is_strided_pointwise(layer)]
    with replaced(strided, "convolution_op", _pointwise):
        yield


def _on_gpu() -> bool:
    """Whether XLA compiles for a GPU, where it calls cuDNN's grouped convolution."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _has_fused_kernel(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and "call" not in vars(layer)
        and getattr(layer.input_spec, "ndim", None) == 4
        and layer.axis in (-1, 3)
        and layer.compute_dtype in _PRECISIONS
        and not layer.synchronized
        and not layer.renorm
    )


def _is_grouped(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.Conv2D
        and layer.groups > 1
        and layer.data_format == "channels_last"
        and layer.padding in ("same", "valid")
    )


def _is_strided_pointwise(layer: Any) -> bool:
    return (
        type(layer).__name__ == "Conv2D"
        and layer.kernel_size == (1, 1)
        and max(layer.strides) > 1
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def _batch_norm(layer, inputs, training=None, mask=None):
    """What the layer's own ``call`` does."""
    if not training or not layer.trainable or mask is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    channels = tf.shape(inputs)[-1]  # of networks that share weights it varies
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        # in half precision, too, all but the maps is float32
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


def _convolution(layer, inputs, kernel):
    """What the layer's own ``convolution_op`` does."""
    import tensorflow as tf

    outputs = [
        tf.nn.convolution(
            part,
            filters,
            strides=layer.strides,
            padding=layer.padding.upper(),
            dilations=layer.dilation_rate,
        )
        for part, filters in zip(
            tf.split(inputs, layer.groups, axis=-1),
            tf.split(kernel, layer.groups, axis=-1),
            strict=True,
        )
    ]
    return tf.concat(outputs, axis=-1)


def _pointwise(layer, inputs, kernel):
    """What the layer's own ``convolution_op`` does."""
    import tensorflow as tf

    channels = kernel.shape[-2]  # of networks that share weights it is not known
    if channels is not None and channels >= _BLOCK:
        return type(layer).convolution_op(layer, inputs, kernel)
    rows, columns = layer.strides
    return tf.nn.convolution(inputs[:, ::rows, ::columns], kernel, padding="VALID")
