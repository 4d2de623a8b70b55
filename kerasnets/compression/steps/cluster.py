"""Weight clustering with TF-MOT: the weights of a kernel share a few values."""

from collections.abc import Callable, Collection, Mapping, Sequence

import keras
import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras

# the public cluster_weights skips convolutions without bias where channels have values
# of their own: it takes the kernel for the bias that it counts channels by
from tensorflow_model_optimization.python.core.clustering.keras.cluster_wrapper import (
    ClusterWeights,
)

from kerasnets.compression.kernels import chosen_layers, kernel_of
from kerasnets.compression.settings import ClusterSettings, PruneSettings, Settings
from kerasnets.compression.steps.prune import pruned_layers
from kerasnets.errors import KerasnetsError

_Init = tfmot.clustering.keras.CentroidInitialization
_INITIALISATIONS = {
    "kmeans++": _Init.KMEANS_PLUS_PLUS,
    "linear": _Init.LINEAR,
    "density": _Init.DENSITY_BASED,
}


def check(
    twin: tf_keras.Model,
    model: keras.Model,
    settings: ClusterSettings,
    before: Sequence[Settings],
) -> None:
    """Refuse a network without a kernel that clustering would change."""
    del model, before
    chosen = clustered_layers(twin, settings)
    most = max(np.unique(kernel_of(layer)).size for layer in chosen.values())
    if most <= settings.number_of_clusters:
        raise KerasnetsError(
            f"number_of_clusters {settings.number_of_clusters}: no kernel of "
            f"{twin.name!r} to cluster has more than {most} different weights; less "
            "than that is accepted"
        )


def wrap(
    twin: tf_keras.Model,
    model: keras.Model,
    settings: ClusterSettings,
    before: Sequence[Settings],
    steps: int,
) -> tuple[tf_keras.Model, Callable[[], None]]:
    """Wrap the layers to cluster; nothing is due after an epoch."""
    del model, steps
    clusters = settings.number_of_clusters
    chosen = clustered_layers(twin, settings)
    sparse = names_of_pruned(twin, before)

    def wrapped(layer):
        if layer.name not in chosen or np.unique(kernel_of(layer)).size <= clusters:
            return layer
        return ClusterWeights(
            layer,
            clusters,
            _INITIALISATIONS[settings.initialisation],
            preserve_sparsity=layer.name in sparse,
            cluster_per_channel=settings.per_channel
            and _fills_channels(layer, clusters),
        )

    return tf_keras.models.clone_model(twin, clone_function=wrapped), _nothing


def unwrap(
    clustered: tf_keras.Model, twin: tf_keras.Model, settings: ClusterSettings
) -> tf_keras.Model:
    """The network without wrappers, each kernel of its few values."""
    del twin, settings
    return tfmot.clustering.keras.strip_clustering(clustered)


def clustered_layers(
    twin: tf_keras.Model, settings: ClusterSettings
) -> Mapping[str, tf_keras.layers.Layer]:
    """The layers whose kernels get few values, by name."""
    return chosen_layers(twin, names=settings.layers, spare_ends=settings.spare_ends)


def names_of_pruned(
    twin: tf_keras.Model, before: Sequence[Settings]
) -> Collection[str]:
    """The layers that earlier steps gave zeros."""
    return {
        name
        for step in before
        if isinstance(step, PruneSettings)
        for name in pruned_layers(twin, step)
    }


def _fills_channels(layer: tf_keras.layers.Layer, clusters: int) -> bool:
    """Whether every output channel has more weights, zeros aside, than values."""
    kernel = kernel_of(layer)
    if not isinstance(layer, tf_keras.layers.Conv2D):
        return False
    return bool((np.count_nonzero(kernel, axis=(0, 1, 2)) > clusters).all())


def _nothing() -> None:
    """The wrapper moves the weights within each step."""
