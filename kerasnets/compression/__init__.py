"""TF-MOT behind one door: the Keras 3 <-> tf_keras bridge, and pruning.

TensorFlow Model Optimization works on ``tf_keras`` models only, and importing it
switches the whole process to them. The bridge rebuilds a Keras 3 model in tf_keras
and back; pruning runs in a child process. Importing this room imports neither.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasnets.compression.bridge import check_equal, from_tf_keras, to_tf_keras
    from kerasnets.compression.kernels import sparsity
    from kerasnets.compression.pruning import PruneSettings, prune
    from kerasnets.compression.twins import KerasInside, register_twin

__all__ = [
    "KerasInside",
    "PruneSettings",
    "check_equal",
    "from_tf_keras",
    "prune",
    "register_twin",
    "sparsity",
    "to_tf_keras",
]

_MODULES = {
    "KerasInside": "twins",
    "PruneSettings": "pruning",
    "check_equal": "bridge",
    "from_tf_keras": "bridge",
    "prune": "pruning",
    "register_twin": "twins",
    "sparsity": "kernels",
    "to_tf_keras": "bridge",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
