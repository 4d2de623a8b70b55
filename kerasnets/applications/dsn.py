"""DSN: a network whose hidden layers have to tell the classes too.

Lee et al. 2015, "Deeply-Supervised Nets", and the authors' files for Caffe: the
convolutions are those of Network in Network for CIFAR-10 (``nin``), but no ReLU follows
the maps of the classes. While it learns, companion classifiers look at the three k x k
convolutions, before their ReLU: dense layers whose losses are added. They are left out
for fine-tuning and at inference. All losses are squared hinges
(``kerasnets.losses.MulticlassSquaredHinge``), so that the outputs to train are the
logits, ``classifier_activation=None``; for CIFAR-100 and SVHN the authors took softmax.

Departures:
    - The paper normalises the contrast of images: that belongs to the data; here pixels
      are scaled to [-1, 1].

In the authors' files biases learn twice as fast as kernels, the class layer a tenth and
the companions a thousandth as fast as the rest: that is training, and not part of the
graph.
"""

from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets.applications import builder, nin
from kerasnets.applications.builder import Common, Shape
from kerasnets.errors import KerasnetsError

# Caffe's "xavier" is uniform with variance 1 / fan-in
COMPANION_INITIALIZER = "lecun_uniform"


@dataclass(frozen=True, kw_only=True)
class Variant(nin.Variant):
    """The same as of Network in Network, in another paper."""

    family: str = "DSN"
    year: int = 2014
    source: str = "Lee et al. 2015; the authors' files for Caffe"


def _dsn(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float = 0.5,
    auxiliary: bool = False,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share of the maps' values dropped in training after each pooling.
        auxiliary: Add the companion classifiers on the three convolutions, for
            training; the model then has four outputs, the main one first. Needs the
            top, and sides that are known.
    """
    net = builder.start(variant, input_shape, common)
    if auxiliary:
        _check_auxiliary(net.image.shape[1:3], net.include_top)
    x, linear = nin.mlpconvs(net.image, variant, dropout)
    if net.include_top:
        x = nin.class_maps(x, variant, net.classes)
        x = nin.average(x, net.classifier_activation)
    companions = [
        companion(linear_map, net, name=f"auxiliary{number}")
        for number, linear_map in enumerate(linear if auxiliary else (), start=1)
    ]
    return net.finish([x, *companions] if companions else x)


def _check_auxiliary(sides: tuple, include_top: bool) -> None:
    """Raise where there is no place for companion classifiers."""
    if not include_top:
        raise KerasnetsError("auxiliary True: without top there are no classifiers")
    if None in sides:
        raise KerasnetsError(
            f"auxiliary True needs sides that are known, not {sides}: its dense layers "
            "see a map of fixed size"
        )


def companion(x, net: builder.Draft, *, name: str):
    """Dense, activation."""
    x = layers.Flatten(name=f"{name}_flatten")(x)
    return net.classify(x, COMPANION_INITIALIZER, prefix=f"{name}_")


DSN = builder.variant(_dsn, Variant(name="DSN", mlpconvs=nin.CIFAR, dropped=(1, 2)))
