"""LiteRT files for the phone: convert, describe, run, measure, verify.

A file of this package takes raw pixels (0 to 255, RGB) and returns probabilities:
normalisation and softmax are inside, labels and licence travel with it. The names
below are imported when they are first used, so running a file
(``from kerasnets.export import Classifier``) costs no TensorFlow import.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasnets.export.conversion import convert
    from kerasnets.export.flatbuffer import file_sparsity
    from kerasnets.export.float32 import to_float32
    from kerasnets.export.measure import file_sizes, measure_latency
    from kerasnets.export.metadata import add_metadata, read_labels
    from kerasnets.export.runtime import Classifier
    from kerasnets.export.verification import Bounds, Verification, verify

# The modules are not called like the functions: importing a module binds its name here.
_HOMES = {
    "Bounds": "verification",
    "Classifier": "runtime",
    "Verification": "verification",
    "add_metadata": "metadata",
    "convert": "conversion",
    "file_sizes": "measure",
    "file_sparsity": "flatbuffer",
    "measure_latency": "measure",
    "read_labels": "metadata",
    "to_float32": "float32",
    "verify": "verification",
}

__all__ = [
    "Bounds",
    "Classifier",
    "Verification",
    "add_metadata",
    "convert",
    "file_sizes",
    "file_sparsity",
    "measure_latency",
    "read_labels",
    "to_float32",
    "verify",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
