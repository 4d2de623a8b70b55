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

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.layers import SAFPooling2D

EPSILON = 1e-5
# Caffe's "xavier" is uniform with variance 1 / fan-in
INITIALIZER = "lecun_uniform"


@dataclass(frozen=True)
class Group:
    """Convolutions on maps of one size, then pooling.

    Attributes:
        filters: of each convolution.
        dropout: share dropped after each but the last, which is pooled.
        saf: share of the pooled maxima dropped.
    """

    filters: tuple[int, ...]
    dropout: float = 0.0
    saf: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The groups of a released file.

    Attributes:
        groups: of convolutions.
        gaussian: convolutions, counted from 1, that start from a normal distribution
            with a standard deviation of 0.01.
        classes: of its data set.
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
    input_shape: tuple[int | None, int | None, int] | None = None,
    dropout: float | None = None,
    saf: float | None = None,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: share dropped after every convolution that no pooling follows; None
            for the rates of the authors' file, 0 for none.
        saf: share of the maxima dropped behind each of the three poolings; None for
            the rates of the authors' file, 0 for plain maximum pooling.
        classes: number of classes; the data set's when None.
    """
    groups = tuple(_with_rates(variant.groups, dropout, saf))
    inputs = x = builder.image_input(variant, input_shape, input_tensor)
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
    if include_top:
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
        if groups[-1].saf:
            x = layers.Dropout(groups[-1].saf, name="max_pool_dropout")(x)
        classes = variant.classes if classes is None else classes
        x = builder.classify(x, classes, classifier_activation, INITIALIZER)
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def _with_rates(
    groups: tuple[Group, ...], dropout: float | None, saf: float | None
) -> Iterator[Group]:
    """The groups with the rates that the user gave."""
    asked = {"dropout": dropout, "saf": saf}
    asked = {name: rate for name, rate in asked.items() if rate is not None}
    for name, rate in asked.items():
        builder.check_rate(name, rate)
    return (replace(group, **asked) for group in groups)


def _convolution(x, filters: int, *, gaussian: bool, dropout: float, name: str):
    """3x3 with bias, BN, ReLU, dropout."""
    start = keras.initializers.RandomNormal(stddev=0.01) if gaussian else INITIALIZER
    x = blocks.conv(x, filters, 3, initializer=start, name=name)  # type: ignore
    x = blocks.batch_norm(x, epsilon=EPSILON, name=f"{name}_bn")
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x


def saf_pool(x, rate: float, *, name: str):
    """2x2 maximum pooling that drops ``rate`` of the maxima."""
    pool = SAFPooling2D(rate, name=name) if rate else layers.MaxPooling2D(2, name=name)
    return pool(x)


SLIM_300K = (
    Group((30, 40, 40, 40, 50)),
    Group((50, 50, 50, 50, 58)),
    Group((58, 70, 90)),
)
SAF_300K = tuple(
    replace(group, saf=rate)
    for group, rate in zip(SLIM_300K, (0.1, 0.2, 0.2), strict=True)
)
WIDE = (
    Group((128, 182, 182, 182, 182), dropout=0.2, saf=0.2),
    Group((182, 182, 182, 182, 430), dropout=0.2, saf=0.2),
)
_CIFAR10 = "CIFAR-10, flips and shifts"
_CIFAR100 = "CIFAR-100, flips and shifts"
# the third to fifth in the files of the larger networks
_LARGE = {"gaussian": (3, 4, 5)}
_MNIST = {"input_shape": (28, 28, 1)}


def _variant(name: str, groups: tuple[Group, ...], published, **values):
    row = Variant(name=name, groups=groups, published=published, **values)
    return builder.variant(_simpnet, row)


def _published(top1: float, protocol: str, params: float | None = None):
    return builder.Published(
        params=params,
        top1=top1,
        protocol=protocol,
        source="Hasanpour et al. 2018 and its release",
    )


SimpNet300K = _variant(
    "SimpNet300K",
    SLIM_300K,
    _published(93.25, _CIFAR10, 300e3),
    params=302_316,
    madds=97_439_364,
)
SimpNet300KCIFAR100 = _variant(
    "SimpNet300KCIFAR100",
    SAF_300K,
    _published(68.47, _CIFAR100, 300e3),
    params=310_506,
    madds=97_447_464,
    classes=100,
)
SimpNet300KMNIST = _variant(
    "SimpNet300KMNIST",
    SAF_300K,
    _published(99.73, "MNIST", 300e3),
    params=301_776,
    madds=74_178_864,
    **_MNIST,
)
SimpNet600K = _variant(
    "SimpNet600K",
    (
        Group((40, 60, 60, 60, 72), dropout=0.1, saf=0.1),
        Group((73, 73, 73, 75, 81), dropout=0.1, saf=0.2),
        Group((82, 90, 120), dropout=0.2, saf=0.2),
    ),
    _published(94.03, _CIFAR10, 600e3),
    params=602_939,
    madds=206_968_368,
)
SimpNet1M = _variant(
    "SimpNet1M",
    (
        Group((60, 80, 80, 80, 85), saf=0.1),
        Group((85, 90, 90, 90, 110), saf=0.2),
        Group((110, 127, 150), saf=0.2),
    ),
    _published(94.76, _CIFAR10, 1e6),
    params=1_003_770,
    madds=346_926_300,
)
SimpNet5_4M = _variant(
    "SimpNet5_4M",
    (
        Group((66, 128, 128, 128, 192), dropout=0.2, saf=0.2),
        Group((192, 192, 192, 192, 288), dropout=0.2, saf=0.3),
        Group((288, 355, 432), dropout=0.3, saf=0.3),
    ),
    _published(95.69, _CIFAR10, 5.48e6),
    params=5_483_769,
    madds=1_270_310_112,
    **_LARGE,
)
SimpNet8_9M = _variant(
    "SimpNet8_9M",
    (*WIDE, Group((430, 455, 600), dropout=0.2, saf=0.2)),
    _published(96.12, _CIFAR10, 8.9e6),
    params=8_909_727,
    madds=1_996_079_856,
    **_LARGE,
)
SimpNet8_9MCIFAR100 = _variant(
    "SimpNet8_9MCIFAR100",
    (*WIDE, Group((430, 450, 600), dropout=0.2, saf=0.2)),
    _published(79.53, _CIFAR100, 8.9e6),
    params=8_917_442,
    madds=1_993_167_456,
    classes=100,
    **_LARGE,
)
SimpNetMNIST = _variant(
    "SimpNetMNIST",
    (
        Group((66, 64, 64, 64, 96), dropout=0.2, saf=0.2),
        Group((96, 96, 96, 96, 144), dropout=0.2, saf=0.2),
        Group((144, 178, 216), dropout=0.2, saf=0.2),
    ),
    _published(99.75, "MNIST"),
    params=1_396_440,
    madds=258_244_704,
    **_LARGE,
    **_MNIST,
)
