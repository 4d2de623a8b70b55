"""Weight clustering with TF-MOT: the weights of a kernel share a few values."""

from collections.abc import Callable, Collection, Mapping, Sequence

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
from kerasnets.compression.steps.step import Step, no_more
from kerasnets.errors import KerasnetsError

_Init = tfmot.clustering.keras.CentroidInitialization
_INITIALISATIONS = {
    "kmeans++": _Init.KMEANS_PLUS_PLUS,
    "linear": _Init.LINEAR,
    "density": _Init.DENSITY_BASED,
}


class Cluster(Step[ClusterSettings]):
    """The weights of a kernel share a few values."""

    def check(self) -> None:
        """Refuse a network without a kernel that clustering would change."""
        chosen, clusters = self._chosen(), self.settings.number_of_clusters
        most = max(np.unique(kernel_of(layer)).size for layer in chosen.values())
        if most <= clusters:
            raise KerasnetsError(
                f"number_of_clusters {clusters}: no kernel of {self.net.name!r} to "
                f"cluster has more than {most} different weights; less than that is "
                "accepted"
            )

    def wrap(self, updates: int) -> tuple[tf_keras.Model, Callable[[], None]]:
        """Wrap the layers to cluster, which moves the weights within each step."""
        del updates
        chosen, clusters = self._chosen(), self.settings.number_of_clusters
        sparse = names_of_pruned(self.net, self.before)

        def wrapped(layer):
            if layer.name not in chosen or np.unique(kernel_of(layer)).size <= clusters:
                return layer
            return ClusterWeights(
                layer,
                clusters,
                _INITIALISATIONS[self.settings.initialisation],
                preserve_sparsity=layer.name in sparse,
                cluster_per_channel=self.settings.per_channel
                and _fills_channels(layer, clusters),
            )

        clone = tf_keras.models.clone_model(self.net, clone_function=wrapped)
        return clone, no_more

    def unwrap(self, wrapped: tf_keras.Model) -> tf_keras.Model:
        """Give the network without wrappers, each kernel of its few values."""
        return tfmot.clustering.keras.strip_clustering(wrapped)

    def _chosen(self) -> Mapping[str, tf_keras.layers.Layer]:
        return clustered_layers(self.net, self.settings)


def clustered_layers(
    net: tf_keras.Model, settings: ClusterSettings
) -> Mapping[str, tf_keras.layers.Layer]:
    """Choose the layers whose kernels get few values, by name."""
    return chosen_layers(net, names=settings.layers, spare_ends=settings.spare_ends)


def names_of_pruned(net: tf_keras.Model, before: Sequence[Settings]) -> Collection[str]:
    """Name the layers that earlier steps gave zeros."""
    return {
        name
        for step in before
        if isinstance(step, PruneSettings)
        for name in pruned_layers(net, step)
    }


def _fills_channels(layer: tf_keras.layers.Layer, clusters: int) -> bool:
    """Whether every output channel has more weights, zeros aside, than values."""
    kernel = kernel_of(layer)
    if not isinstance(layer, tf_keras.layers.Conv2D):
        return False
    return bool((np.count_nonzero(kernel, axis=(0, 1, 2)) > clusters).all())
