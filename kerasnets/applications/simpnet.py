"""SimpNet: thirteen 3x3 convolutions whose poolings drop some of what they find.

Hasanpour et al. 2018, "Towards Principled Design of Deep Convolutional Networks:
Introducing SimpNet", after the authors' release in Caffe, whose files give the widths:
three groups of convolution, batch normalisation and ReLU, each ended by maximum pooling
(2x2, 2x2, global), and a classifier. Dropout right behind a pooling is the paper's SAF
pooling: ``saf=0`` is its ablation. The convolutions of a group may be dropped from too.

Departures:
    - Batch-norm statistics move by a tenth each step, as in all networks here; the
      files move them by 1/20 (MNIST and from 5.4M on) or 1/100.
    - On sides that are no multiple of 4 the poolings round down; Caffe rounds up.
    - Global contrast normalisation and ZCA are not part of the graph.

The paper's millions do not count batch-norm statistics. Its networks of 15 and 25
million parameters were never released.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.layers import SAFPooling2D

EPSILON = 1e-5
# Caffe's "xavier" is uniform with variance 1 / fan-in
INITIALIZER = "lecun_uniform"


@dataclass(frozen=True)
class Group:
    """Convolutions on maps of one size, then pooling.

    Attributes:
        filters: Filters of each convolution.
        dropout: Share dropped after each but the last, which is pooled.
        saf: Share of the pooled maxima dropped.
    """

    filters: tuple[int, ...]
    dropout: float = 0.0
    saf: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The groups of a released file.

    Attributes:
        groups: Groups of convolutions.
        gaussian: Convolutions, counted from 1, that start from a normal distribution
            with a standard deviation of 0.01.
    """

    groups: tuple[Group, ...]
    gaussian: tuple[int, ...] = ()
    classes: int = 10
    family: str = "SimpNet"
    year: int = 2018
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    source: str = "Hasanpour et al. 2018"


def _simpnet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float | None = None,
    saf: float | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share dropped after every convolution that no pooling follows; None
            for the rates of the authors' file, 0 for none.
        saf: Share of the maxima dropped behind each of the three poolings; None for
            the rates of the authors' file, 0 for plain maximum pooling.
    """
    groups = tuple(_with_rates(variant.groups, dropout, saf))
    net = builder.start(variant, input_shape, common)
    x = net.image
    number = 0
    for i, group in enumerate(groups, start=1):
        for j, filters in enumerate(group.filters, start=1):
            number += 1
            x = _convolution(
                x,
                filters,
                gaussian=number in variant.gaussian,
                dropout=group.dropout if j < len(group.filters) else 0,
                name=f"stage{i}_conv{j}",
            )
        if i < len(groups):
            x = saf_pool(x, group.saf, name=f"stage{i}_pool")
    if net.include_top:
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
        x = builder.drop(x, groups[-1].saf, name="max_pool_dropout")
        x = net.classify(x, INITIALIZER)
    return net.finish(x)


def _with_rates(
    groups: tuple[Group, ...], dropout: float | None, saf: float | None
) -> Iterator[Group]:
    """The groups with the rates that the user gave."""
    asked = {"dropout": dropout, "saf": saf}
    asked = {name: rate for name, rate in asked.items() if rate is not None}
    return (replace(group, **asked) for group in groups)


def _convolution(x, filters: int, *, gaussian: bool, dropout: float, name: str):
    """3x3 with bias, BN, ReLU, dropout."""
    start = keras.initializers.RandomNormal(stddev=0.01) if gaussian else INITIALIZER
    # (annotated as str, as Keras's own initializers are)
    x = blocks.conv(x, filters, 3, initializer=start, name=name)  # type: ignore
    x = blocks.batch_norm(x, epsilon=EPSILON, name=f"{name}_bn")
    x = layers.ReLU(name=f"{name}_relu")(x)
    return builder.drop(x, dropout, name=f"{name}_dropout")


def saf_pool(x, rate: float, *, name: str):
    """2x2 maximum pooling that drops ``rate`` of the maxima."""
    pool = SAFPooling2D(rate, name=name) if rate else layers.MaxPooling2D(2, name=name)
    return pool(x)


def _groups(*filters: tuple[int, ...], saf=(0.0,) * 3, dropout=(0.0,) * 3):
    """The three groups of a network with their rates."""
    return tuple(map(Group, filters, dropout, saf))


def _variant(name: str, groups: tuple[Group, ...], **values):
    return builder.variant(_simpnet, Variant(name=name, groups=groups, **values))


_300K = (30, 40, 40, 40, 50), (50, 50, 50, 50, 58), (58, 70, 90)
_SAF_300K = _groups(*_300K, saf=(0.1, 0.2, 0.2))
_600K = (40, 60, 60, 60, 72), (73, 73, 73, 75, 81), (82, 90, 120)
_1M = (60, 80, 80, 80, 85), (85, 90, 90, 90, 110), (110, 127, 150)
_5_4M = (66, 128, 128, 128, 192), (192, 192, 192, 192, 288), (288, 355, 432)
_WIDE = (128, 182, 182, 182, 182), (182, 182, 182, 182, 430)
_ALL_MNIST = (66, 64, 64, 64, 96), (96, 96, 96, 96, 144), (144, 178, 216)
_FIFTHS: dict[str, Any] = {"dropout": (0.2,) * 3, "saf": (0.2,) * 3}
# the third to fifth convolution in the files of the larger networks
_LARGE = (3, 4, 5)
_MNIST = (28, 28, 1)

SimpNet300K = _variant("SimpNet300K", _groups(*_300K))
SimpNet300KCIFAR100 = _variant("SimpNet300KCIFAR100", _SAF_300K, classes=100)
SimpNet300KMNIST = _variant("SimpNet300KMNIST", _SAF_300K, input_shape=_MNIST)
SimpNet600K = _variant(
    "SimpNet600K", _groups(*_600K, dropout=(0.1, 0.1, 0.2), saf=(0.1, 0.2, 0.2))
)
SimpNet1M = _variant("SimpNet1M", _groups(*_1M, saf=(0.1, 0.2, 0.2)))
SimpNet5_4M = _variant(
    "SimpNet5_4M",
    _groups(*_5_4M, dropout=(0.2, 0.2, 0.3), saf=(0.2, 0.3, 0.3)),
    gaussian=_LARGE,
)
SimpNet8_9M = _variant(
    "SimpNet8_9M", _groups(*_WIDE, (430, 455, 600), **_FIFTHS), gaussian=_LARGE
)
SimpNet8_9MCIFAR100 = _variant(
    "SimpNet8_9MCIFAR100",
    _groups(*_WIDE, (430, 450, 600), **_FIFTHS),
    gaussian=_LARGE,
    classes=100,
)
SimpNetMNIST = _variant(
    "SimpNetMNIST",
    _groups(*_ALL_MNIST, **_FIFTHS),
    gaussian=_LARGE,
    input_shape=_MNIST,
)
