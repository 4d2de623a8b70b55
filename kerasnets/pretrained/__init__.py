"""Trained weights from elsewhere, and what was done to the pixels they learned from.

No file is ever unpickled or run: of Keras's files only the arrays are read, Torch's are
read with weights-only loading.
"""

from kerasnets.pixels import (
    CAFFE,
    CIFAR,
    RAW,
    TORCH,
    UNIT,
    Preprocessing,
)
from kerasnets.pretrained.carry import from_keras, from_torch
from kerasnets.pretrained.files import load_weights
from kerasnets.pretrained.twin import AUXILIARY, HEAD, Twin, origin

__all__ = [
    "AUXILIARY",
    "CAFFE",
    "CIFAR",
    "HEAD",
    "RAW",
    "TORCH",
    "UNIT",
    "Preprocessing",
    "Twin",
    "from_keras",
    "from_torch",
    "load_weights",
    "origin",
]
