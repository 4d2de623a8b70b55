"""Auxiliary classifiers: outputs for training that vanish at inference.

Szegedy et al. 2014, section 5: their losses are added with weight 0.3 while the
network learns; at inference they are left out. A model that has them gives the main
output first; the layers of the others have names that start with "auxiliary".
"""

import keras

from kerasnets.graph import deep_graphs, maker
from kerasnets.pretrained import AUXILIARY

WEIGHT = 0.3


def has_auxiliary(model: keras.Model) -> bool:
    """Whether the model has outputs that are for training only."""
    return any(_is_auxiliary(output) for output in model.outputs[1:])


def loss_weights(model: keras.Model) -> list[float]:
    """The weight of the loss of each output: 1, and 0.3 for auxiliary ones.

    A subclassed model counts as one output.
    """
    outputs = getattr(model, "outputs", None)
    if not outputs:
        return [1.0]
    return [WEIGHT if _is_auxiliary(output) else 1.0 for output in outputs]


def without_auxiliary(model: keras.Model) -> keras.Model:
    """The model with its main output only; the weights are shared.

    The model itself where it has no auxiliary classifiers.
    """
    if not has_auxiliary(model):
        return model
    with deep_graphs():
        return keras.Model(model.input, model.outputs[0], name=model.name)


def _is_auxiliary(output) -> bool:
    return maker(output).operation.name.startswith(AUXILIARY)
