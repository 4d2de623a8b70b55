"""Landmark CNNs as their papers drew them, and small ones for a phone.

The rooms are imported when they are first used (``kerasnets.applications``,
``kerasnets.phone``, ...): importing the package costs no TensorFlow import.
"""

import importlib
import os
from types import ModuleType

from kerasnets.errors import KerasnetsError

__version__ = "0.1.0"

__all__ = ["KerasnetsError"]

# oneDNN keeps the last 1,024 operations that TensorFlow had it compile. Dropping one it
# may read freed memory (TensorFlow 2.21: get_md_hash under lru_cache_t::evict), and a
# process that trains many networks comes to that: so none is dropped.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "65536")

_ROOMS = (
    "analysis",
    "applications",
    "blocks",
    "channels",
    "compression",
    "data",
    "evaluation",
    "export",
    "graph",
    "jobs",
    "layers",
    "losses",
    "pretrained",
    "reports",
    "runs",
    "saving",
    "studies",
    "training",
    "transfer",
    "traits",
    "tuning",
)


def __getattr__(name: str) -> ModuleType:
    if name == "phone":  # the main job, at hand
        return importlib.import_module(f"{__name__}.jobs").phone
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_ROOMS, "phone"]
