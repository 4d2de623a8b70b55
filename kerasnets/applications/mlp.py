"""The dense networks on MNIST that a large one passes its knowledge to.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network" (arXiv
1503.02531), section 3: 784 pixels, two hidden layers of rectified linear units, ten
classes. MLP800 has 800 units a layer, MLP1200 has 1,200, dropout and limited weights as
in Hinton et al. 2012, "Improving neural networks by preventing co-adaptation of feature
detectors" (arXiv 1207.0580), appendix A.1: a fifth of the pixels and half of the hidden
units are dropped, and the squared length of the weights into a unit stays below 15.

Departures: weights are drawn as Keras does, not with deviation 0.01; the classifier's
weights are not limited.
"""

from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing

_SHARES = Preprocessing((0.0,) * 3, (255.0,) * 3)
_SQUARED_LENGTH = 15.0


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """Width, and what keeps it from overfitting.

    Attributes:
        units: Of each hidden layer.
        regularised: Whether units are dropped and weights are limited.
    """

    units: int
    regularised: bool = False
    family: str = "MLP"
    year: int = 2015
    classes: int = 10
    input_shape: tuple[int, int, int] = (28, 28, 1)
    minimum: int = 8
    # the background is 0, which dropped pixels are, too
    preprocessing: Preprocessing = _SHARES
    source: str = "Hinton et al. 2015, section 3"


def _mlp(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dense_units: int | None = None,
    input_dropout: float | None = None,
    dropout: float | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    It sees its whole image at once, whose sides must be known. Without top it ends in a
    map of one place, whose channels are the units.

    Args:
        dense_units: Of each of the two hidden layers; None for the paper's.
        input_dropout: Share of the pixels that are dropped; None for the paper's.
        dropout: Share of the hidden units that are dropped; None for the paper's.
    """
    units = variant.units if dense_units is None else dense_units
    net = builder.start(variant, input_shape, common)
    if None in net.image.shape[1:]:
        raise KerasnetsError(
            f"{variant.name} sees its whole image at once: give input_shape with both "
            "sides"
        )
    usual = (0.2, 0.5) if variant.regularised else (0.0, 0.0)
    pixels, hidden = (
        known if given is None else given
        for known, given in zip(usual, (input_dropout, dropout), strict=True)
    )
    limit = None
    if variant.regularised:
        limit = keras.constraints.MaxNorm(_SQUARED_LENGTH**0.5, axis=0)
    x = builder.drop(builder.flatten(net.image), pixels, name="image_dropout")
    for name in ("hidden1", "hidden2"):
        x = layers.Dense(units, kernel_constraint=limit, name=name)(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        x = builder.drop(x, hidden, name=f"{name}_dropout")
    if not net.include_top:
        return net.finish(layers.Reshape((1, 1, units), name="map")(x))
    return net.finish(net.classify(x))


def _variant(name: str, units: int, **values):
    return builder.variant(_mlp, Variant(name=name, units=units, **values))


MLP800 = _variant("MLP800", 800)
MLP1200 = _variant("MLP1200", 1200, regularised=True)
