"""Quantisation-aware training with TF-MOT, after pruning and clustering or not."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quant_ops,
    quantizers,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import (  # noqa: E501
    QuantizeLayer,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import (  # noqa: E501
    QuantizeWrapper,
)

from kerasnets.compression.kernels import kernel_of
from kerasnets.compression.settings import ClusterSettings, QATSettings, Settings
from kerasnets.compression.steps.cluster import clustered_layers, names_of_pruned
from kerasnets.compression.steps.qat_scheme import Kept, Scheme, float_config
from kerasnets.compression.steps.step import Step, no_more
from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion.litert import convert_aware
from kerasnets.pixels import pixels_of
from kerasnets.traits import names

_PREFIX = "quant_"
# layers whose kernels TF-MOT's quantisers can keep zeros and clusters of
_KEEP = names(
    lambda row: (
        row.fuses and bool(row.kernels) and not row.depthwise and row.rank in (0, 2)
    )
)
# of the ranges of activations: a hundred steps or so count
_DECAY = 0.99


class QuantiseAware(Step[QATSettings]):
    """The network trains with its numbers rounded to 8 bits."""

    def check(self) -> None:
        """Refuse a network with layers that TF-MOT does not quantise; name them all."""
        names = self.settings.float_layers
        known = {layer.name: type(layer).__name__ for layer in self.net.layers}
        if unknown := [name for name in names if name not in known]:
            raise KerasnetsError(
                f"float_layers names {', '.join(unknown)}; {self.net.name!r} has no "
                "such layer"
            )
        _check_kept(self.net, self.settings, self.before)
        scheme = Scheme(names)
        aware = _quantise_aware(self.net, names, scheme)
        if refused := tuple(sorted(scheme.refused)):
            listed = ", ".join(f"{name} ({known[name]})" for name in refused)
            raise KerasnetsError(
                f"{self.model.name!r} has layers that TF-MOT cannot quantise: "
                f"{listed}; QATSettings(float_layers={refused!r}) leaves them in "
                "float32, at the cost of two conversions and a float operator each"
            )
        if names:  # they may compute what LiteRT cannot
            convert_aware(aware, like=self.model)

    def wrap(self, updates: int) -> tuple[tf_keras.Model, Callable[[], None]]:
        """Give the quantise-aware network."""
        del updates
        names = self.settings.float_layers
        scheme = Scheme(names, _kept(self.net, self.before))
        aware = _quantise_aware(self.net, names, scheme)
        _start_ranges(aware, self.model)
        return aware, no_more

    def unwrap(self, wrapped: tf_keras.Model) -> tf_keras.Model:
        """Give the float network, with the weights that the other one rounds."""
        trained = {layer.name.removeprefix(_PREFIX): layer for layer in wrapped.layers}
        for layer in self.net.layers:
            if layer.weights:
                _copy_back(trained[layer.name], layer)
        return self.net


def _check_kept(
    net: tf_keras.Model, settings: QATSettings, before: Sequence[Settings]
) -> None:
    """Refuse to lose the zeros and clusters of a layer."""
    lost = [
        layer.name
        for layer in net.layers
        if layer.name in {*names_of_pruned(net, before), *_clusters(net, before)}
        and (layer.name in settings.float_layers or type(layer).__name__ not in _KEEP)
    ]
    if lost:
        raise KerasnetsError(
            f"layers {', '.join(lost)} would lose their zeros and clusters: "
            f"quantisation keeps those of {' and '.join(_KEEP)} layers that are not in "
            "float_layers; leave the others out of the earlier steps (layers=)"
        )


def _clusters(
    net: tf_keras.Model, before: Sequence[Settings]
) -> Mapping[str, ClusterSettings]:
    """The clustering of each layer that earlier steps clustered."""
    return {
        name: step
        for step in before
        if isinstance(step, ClusterSettings)
        for name in clustered_layers(net, step)
    }


def _kept(net: tf_keras.Model, before: Sequence[Settings]) -> dict[str, Kept]:
    """What the kernels of the layers keep."""
    sparse, clustered = names_of_pruned(net, before), _clusters(net, before)
    kept = {name: Kept(zeros=True) for name in sparse}
    for name, step in clustered.items():
        kernel = kernel_of(net.get_layer(name))
        alike = np.unique(kernel).size <= step.number_of_clusters
        clusters = "whole" if alike else "channel"
        kept[name] = Kept(zeros=name in sparse, clusters=clusters)
    return kept


def _quantise_aware(
    net: tf_keras.Model, float_layers: Collection[str], scheme: Scheme
) -> tf_keras.Model:
    """A copy of the network with fake quantisation."""

    def annotated(layer):
        config = float_config() if layer.name in float_layers else None
        return tfmot.quantization.keras.quantize_annotate_layer(layer, config)

    functions = [getattr(layer, "activation", None) for layer in net.layers]
    known = {name: f for f in functions if (name := getattr(f, "__name__", None))}
    try:
        with tfmot.quantization.keras.quantize_scope(known):
            return tfmot.quantization.keras.quantize_apply(
                tf_keras.models.clone_model(net, clone_function=annotated),
                scheme,
                quantized_layer_name_prefix=_PREFIX,
            )
    except (ValueError, TypeError, RuntimeError) as error:
        raise KerasnetsError(
            f"TF-MOT cannot make {net.name!r} quantise-aware: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error


def _start_ranges(aware: tf_keras.Model, model: keras.Model) -> None:
    """Let ranges begin with what there is to round, and batch norm count as Keras's.

    TF-MOT begins every range at -6 to 6 and moves it by a thousandth a step: a short
    training would end with ranges that have little to do with the network.
    """
    given = pixels_of(model)
    ends = [
        ((pixel - mean) / std)
        for pixel in (0, 255)
        for mean, std in zip(given.mean, given.std, strict=True)
    ]
    for layer in aware.layers:
        if isinstance(layer, QuantizeLayer):
            layer.quantizer_vars["min_var"].assign(min(0.0, *ends))
            layer.quantizer_vars["max_var"].assign(max(0.0, *ends))
        if not isinstance(layer, QuantizeWrapper):
            continue
        if isinstance(layer.layer, tf_keras.layers.BatchNormalization):
            layer.layer.fused = False
        if layer._output_quantizers:
            layer._output_quantizers = [_Ranges()]
            _unset(layer._output_quantizer_vars)
        for activation in layer._quantize_activations:
            activation.quantizer = _Ranges()
            for when in ("_pre_activation_vars", "_post_activation_vars"):
                _unset(getattr(activation, when, {}))


def _unset(variables: Mapping[str, tf.Variable]) -> None:
    """Make a range empty."""
    for variable in variables.values():
        variable.assign(tf.zeros_like(variable))


class _Ranges(quantizers.MovingAverageQuantizer):
    """The moving average of the ranges of batches, from the first batch on."""

    def __init__(self):
        super().__init__(
            num_bits=8, per_axis=False, symmetric=False, narrow_range=False
        )

    def __call__(self, inputs, training, weights, **kwargs):
        """Round the tensor."""
        del kwargs
        empty = weights["max_var"] <= weights["min_var"]
        decay: Any = tf.where(empty, 0.0, _DECAY)
        return quant_ops.MovingAvgQuantize(
            inputs,
            weights["min_var"],
            weights["max_var"],
            ema_decay=decay,
            is_training=training,
        )


def _copy_back(trained: Any, layer: tf_keras.layers.Layer) -> None:
    """Copy the weights of a quantise-aware layer to the plain one."""
    if not isinstance(trained, QuantizeWrapper):
        layer.set_weights(trained.get_weights())
        return
    names = getattr(trained.quantize_config, "weight_attrs", [])
    kernels = [getattr(layer, name) for name in names]
    # the wrapper keeps the kernels, its layer holds rounded ones in their place
    for kernel, (source, *_) in zip(kernels, trained._weight_vars, strict=True):
        kernel.assign(source)
    others = [w for w in layer.weights if not any(w is kernel for kernel in kernels)]
    for weight, source in zip(others, trained.layer.weights, strict=True):
        weight.assign(source)
