"""TF-MOT's 8 bit scheme, with what each kernel keeps decided layer by layer.

TF-MOT has a scheme for each combination (PQAT, CQAT, PCQAT) that treats all kernels of
a network alike: one dense kernel makes its PCQAT forget the zeros of all others, and
convolutions always get clusters for each channel. Here a layer keeps what was done to
it, with TF-MOT's quantisers.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras
from tensorflow_model_optimization.python.core.clustering.keras import (
    cluster_config,
    clustering_algorithm,
)
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_aware_activation,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (  # noqa: E501
    cluster_preserve_quantize_registry as clusters,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (  # noqa: E501
    prune_preserve_quantize_registry as zeros,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_configs,
    default_8bit_quantize_registry,
    default_8bit_quantize_scheme,
)

from kerasnets.traits import names

_Activation = quantize_aware_activation.QuantizeAwareActivation
_ACTIVATIONS = (
    _Activation._PRE_QUANT_ACTIVATIONS
    | _Activation._POST_QUANT_ACTIVATIONS
    | _Activation._NO_QUANTIZE_ACTIVATIONS
)
_NoConfig = default_8bit_quantize_configs.NoOpQuantizeConfig
_BEFORE_RELU = names(lambda row: row.fuses and bool(row.kernels))
# split in two layers by TF-MOT, which lose the way back
_SPLIT = names(lambda row: len(row.kernels) > 1)


@dataclass(frozen=True)
class Kept:
    """What the kernel of a layer keeps.

    Attributes:
        zeros: Those that it has.
        clusters: At most its values of now, "whole" kernel or by output "channel".
    """

    zeros: bool
    clusters: str | None = None


def float_config() -> Any:
    """Give that of a layer that computes in float32: its output alone is quantised."""
    return default_8bit_quantize_configs.Default8BitOutputQuantizeConfig()


class Scheme(default_8bit_quantize_scheme.Default8BitQuantizeScheme):
    """The default scheme; layers that it does not know are noted and left in float.

    Args:
        float_layers: Names of layers to leave in float.
        kept: What kernels keep, by name of their layer.
    """

    def __init__(
        self, float_layers: Collection[str], kept: Mapping[str, Kept] | None = None
    ):
        self.refused: set[str] = set()
        self._float_layers = float_layers
        self._kept = kept or {}

    def get_layout_transformer(self) -> Any:
        """Say what ``quantize_apply`` fits layers to each other with: this."""
        return self

    def apply(self, model: tf_keras.Model, configs: dict) -> tuple:
        """Fit the layers to what the converter fuses.

        Before a ReLU TF-MOT means to leave a layer's output alone, and leaves its
        kernel alone too: such a layer gets its kernel rounded here.
        """
        model, configs = super().get_layout_transformer().apply(model, configs)
        for layer in model.layers:
            config = configs.get(layer.name, {})
            if (
                isinstance(config.get("quantize_config"), _NoConfig)
                and type(layer).__name__ in _BEFORE_RELU
                and layer.name not in self._float_layers
            ):
                config["quantize_config"] = None
                if layer.activation is tf_keras.activations.linear:
                    layer.activation = quantize_aware_activation.NoOpActivation()
        return model, configs

    def get_quantize_registry(self) -> Any:
        """Say where ``quantize_apply`` asks about each layer: here."""
        return self

    def supports(self, layer: tf_keras.layers.Layer) -> bool:
        """Answer for every layer."""
        del layer
        return True

    def get_quantize_config(self, layer: tf_keras.layers.Layer) -> Any:
        """Say how a layer is quantised."""
        registry = default_8bit_quantize_registry.Default8BitQuantizeRegistry()
        if not _is_quantised(layer, registry):
            self.refused.add(layer.name)
            return float_config()
        config = registry.get_quantize_config(layer)
        if layer.name in self._kept:
            config.weight_quantizer = _keeping(
                config.weight_quantizer, self._kept[layer.name]
            )
        return config


def _is_quantised(layer: tf_keras.layers.Layer, registry: Any) -> bool:
    """Whether TF-MOT knows the layer, and its activation."""
    if type(layer).__name__ in _SPLIT or not registry.supports(layer):
        return False
    config = registry.get_quantize_config(layer)
    try:
        config.get_output_quantizers(layer)  # an Activation layer checks its function
        functions = [
            function for function, _ in config.get_activations_and_quantizers(layer)
        ]
    except ValueError:
        return False
    names = [getattr(one, "__name__", type(one).__name__) for one in functions]
    return type(layer).__name__ == "Activation" or all(
        name in _ACTIVATIONS for name in names
    )


def _keeping(default: Any, kept: Kept) -> Any:
    """The quantiser of a kernel that keeps zeros, clusters or both."""
    if kept.clusters is not None:
        return _KeepsClusters(default, kept)
    if default.per_axis:
        return zeros.PrunePreserveDefault8BitConvWeightsQuantizer()
    return zeros.PrunePreserveDefault8BitWeightsQuantizer()


class _KeepsClusters(clusters.ClusterPreserveDefaultWeightsQuantizer):
    """TF-MOT's quantiser that keeps clusters, on those that the kernel has.

    TF-MOT's own looks for clusters in the channels of every convolution and gives up
    where these differ in number.
    """

    def __init__(self, default: Any, kept: Kept):
        super().__init__(8, default.per_axis, True, True, kept.zeros)
        self._ranges = default
        self._per_channel = kept.clusters == "channel"

    def build(self, tensor_shape, name, layer):
        """Make the variables: values, which weight has which, ranges."""
        kernel = getattr(layer.layer, name).numpy()
        values = _values(kernel, self._per_channel)
        centroids = _weight(layer, clusters.CLUSTER_CENTROIDS, values)
        algorithm = (
            clustering_algorithm.ClusteringAlgorithmPerChannel
            if self._per_channel
            else clustering_algorithm.ClusteringAlgorithm
        )(centroids, cluster_config.GradientAggregation.SUM, "channels_last")
        indices = algorithm.get_pulling_indices(kernel).numpy()
        return {
            clusters.CLUSTER_CENTROIDS: centroids,
            clusters.CLUSTERING_IMPL: algorithm,
            clusters.CENTROIDS_MASK: (values != 0).astype("float32"),
            clusters.ORIGINAL_WEIGHTS: _weight(
                layer, clusters.ORIGINAL_WEIGHTS, kernel
            ),
            clusters.SPARSITY_MASK: (kernel != 0).astype("float32"),
            clusters.PULLING_INDICES: _weight(
                layer, clusters.PULLING_INDICES, indices, trainable=False
            ),
            **self._ranges.build(tensor_shape, name, layer),
        }


def _values(kernel: np.ndarray, per_channel: bool) -> np.ndarray:
    """The different values of a kernel, (values,), or (channels, values)."""
    if not per_channel:
        return np.unique(kernel)
    rows = [np.unique(kernel[..., channel]) for channel in range(kernel.shape[-1])]
    most = max(row.size for row in rows)
    # one twice changes nothing: weights go to the first of equal values
    return np.stack([np.pad(row, (0, most - row.size), mode="edge") for row in rows])


def _weight(layer: Any, name: str, value: np.ndarray, *, trainable: bool = True) -> Any:
    """A variable of the layer that begins as ``value``."""
    begin: Any = value
    return layer.add_weight(
        name,
        shape=value.shape,
        dtype=value.dtype,
        initializer=tf_keras.initializers.Constant(begin),
        trainable=trainable,
    )
