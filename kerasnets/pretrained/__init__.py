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
from kerasnets.pretrained.counterpart import AUXILIARY, HEAD, Counterpart, origin
from kerasnets.pretrained.files import load_weights
from kerasnets.pretrained.imagenet import (
    OFFLINE,
    ImageNetFile,
    imagenet_files,
    trained_shape,
)

__all__ = [
    "AUXILIARY",
    "CAFFE",
    "CIFAR",
    "HEAD",
    "OFFLINE",
    "RAW",
    "TORCH",
    "UNIT",
    "Counterpart",
    "ImageNetFile",
    "Preprocessing",
    "from_keras",
    "from_torch",
    "imagenet_files",
    "load_weights",
    "origin",
    "trained_shape",
]
