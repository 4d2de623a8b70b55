"""Smaller networks: TF-MOT behind one door, and channels removed for real.

TensorFlow Model Optimization works on ``tf_keras`` models only, and importing it
switches the whole process to them. The bridge rebuilds a Keras 3 model in tf_keras
and back; pruning, clustering and quantisation-aware training run in a child process.
Importing this room imports neither.
"""

from typing import TYPE_CHECKING

from kerasnets.lazy import names_of

if TYPE_CHECKING:
    from kerasnets.compression.bridge import (
        KerasInside,
        check_equal,
        from_tf_keras,
        register_counterpart,
        to_tf_keras,
    )
    from kerasnets.compression.channels import prune_channels
    from kerasnets.compression.kernels import sparsity
    from kerasnets.compression.recipes import RECIPES, steps_of
    from kerasnets.compression.run import check_recipe, compress
    from kerasnets.compression.settings import (
        ChannelSettings,
        ClusterSettings,
        PruneSettings,
        QATSettings,
    )

__all__ = [
    "RECIPES",
    "ChannelSettings",
    "ClusterSettings",
    "KerasInside",
    "PruneSettings",
    "QATSettings",
    "check_equal",
    "check_recipe",
    "compress",
    "from_tf_keras",
    "prune_channels",
    "register_counterpart",
    "sparsity",
    "steps_of",
    "to_tf_keras",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "RECIPES": "recipes",
        "ChannelSettings": "settings",
        "ClusterSettings": "settings",
        "KerasInside": "bridge",
        "PruneSettings": "settings",
        "QATSettings": "settings",
        "check_equal": "bridge",
        "check_recipe": "run",
        "compress": "run",
        "from_tf_keras": "bridge",
        "prune_channels": "channels",
        "register_counterpart": "bridge",
        "sparsity": "kernels",
        "steps_of": "recipes",
        "to_tf_keras": "bridge",
    },
)
