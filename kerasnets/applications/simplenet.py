"""SimpleNet: thirteen plain convolutions that hold their own against deeper networks.

Hasanpour et al. 2016, "Lets keep it simple, Using simple architectures to outperform
deeper and more complex architectures", after the authors' releases in Caffe (CIFAR,
MNIST) and in PyTorch (SimpleNetTorch and the networks for ImageNet). Almost all
convolutions are 3x3; what follows one differs from layer to layer and is a row of its
own: in Caffe ``conv4`` is pooled before its batch normalisation, ``conv4_2`` after its
dropout, and the last three have no batch normalisation. Then come the maximum over the
map and the classifier. Layers have the names of the Caffe files; every one has a bias.

For ImageNet there are two poolings fewer and three convolutions of stride 2: the first
three (``M1``) or the first, second and fourth (``M2``).

Departures:
    - Caffe's last pooling is 2x2, on a map of 2x2; here it is over the whole map, so
      that other images can be classified.
    - Batch-norm statistics move by a tenth each step, as in all networks here; by 1/20
      in the releases.
    - The biases of the networks in PyTorch start from 0 and their classifiers as in
      Caffe; the release leaves both to PyTorch.
    - Global contrast normalisation and ZCA are not part of the graph.

"5.48M" counts weights only: 5,484,736. SimpleNetTorch's accuracy is that of an early
release, with a pooling too many; its dropout rates were left out of the later ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.pretrained import TORCH

EPSILON = 1e-5
# Caffe's "xavier" is uniform with variance 1 / fan-in
XAVIER = "lecun_uniform"


def xavier():
    """Of most convolutions in Caffe."""
    return XAVIER


def gaussian():
    """Of the third to fifth convolution in Caffe."""
    return keras.initializers.RandomNormal(stddev=0.01)


def relu_glorot():
    """Glorot's, with PyTorch's gain for ReLU."""
    return keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")


@dataclass(frozen=True)
class Layer:
    """A convolution and what follows it.

    Attributes:
        name: Name of the convolution; layers that follow append their step to it.
        steps: What follows, in that order: keys of ``STEPS`` or ``DROPOUTS``.
        kernel_size: Side of the kernels.
        initializer: Function that makes the initialiser of the kernel.
        filters: Filters of the convolution.
        strides: Strides of the convolution.
    """

    name: str
    steps: tuple[str, ...]
    kernel_size: int = 3
    initializer: Callable = xavier
    filters: int = 0
    strides: int = 1


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The layers of a released network.

    Attributes:
        layers: The convolutions with what follows them.
        head_dropout: Whether the maximum over the map is dropped from too.
        dropout: The rate of all dropout in the release.
    """

    layers: tuple[Layer, ...]
    head_dropout: bool = False
    dropout: float = 0.0
    classes: int = 10
    family: str = "SimpleNet"
    year: int = 2016
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 16
    source: str = "Hasanpour et al. 2016"


def _simplenet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share dropped after (almost) every layer; None for that of the release:
            0.2 in SimpleNet, none in the others.
    """
    dropout = variant.dropout if dropout is None else dropout
    net = builder.start(variant, input_shape, common)
    x = net.image
    for layer in variant.layers:
        x = _layer(x, layer, dropout=dropout)
    if net.include_top:
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
        if variant.head_dropout:
            x = builder.drop(x, dropout, name="max_pool_dropout")
        x = net.classify(x, XAVIER)
    return net.finish(x)


def _layer(x, layer: Layer, *, dropout: float):
    """Convolution, then its steps."""
    x = blocks.conv(
        x,
        layer.filters,
        layer.kernel_size,
        strides=layer.strides,
        padding="symmetric",
        initializer=layer.initializer(),
        name=layer.name,
    )
    for step in layer.steps:
        if step in STEPS:
            x = STEPS[step](x, name=f"{layer.name}_{step}")
        elif dropout:
            x = DROPOUTS[step](dropout, name=f"{layer.name}_dropout")(x)
    return x


def batch_norm(x, *, name: str):
    """Batch normalisation."""
    return blocks.batch_norm(x, epsilon=EPSILON, name=name)


def relu(x, *, name: str):
    """Rectified linear unit."""
    return layers.ReLU(name=name)(x)


def ceil_pool(x, *, name: str):
    """2x2 maximum of a map whose odd sides are rounded up, as Caffe's."""
    return layers.MaxPooling2D(2, padding="same", name=name)(x)


def floor_pool(x, *, name: str):
    """2x2 maximum of a map whose odd sides are rounded down, as PyTorch's."""
    return layers.MaxPooling2D(2, name=name)(x)


STEPS = {"bn": batch_norm, "relu": relu, "pool": ceil_pool, "floor_pool": floor_pool}
# PyTorch's drops whole maps
DROPOUTS = {"dropout": layers.Dropout, "map_dropout": layers.SpatialDropout2D}

_USUAL = ("bn", "relu", "dropout")
CAFFE = (
    Layer("conv1", _USUAL),
    Layer("conv1_0", _USUAL),
    Layer("conv2", _USUAL, initializer=gaussian),
    Layer("conv2_1", ("bn", "relu", "pool", "dropout"), initializer=gaussian),
    Layer("conv2_2", _USUAL, initializer=gaussian),
    Layer("conv3", _USUAL),
    Layer("conv4", ("pool", "bn", "relu", "dropout")),
    Layer("conv4_1", _USUAL),
    Layer("conv4_2", ("bn", "relu", "dropout", "pool")),
    Layer("conv4_0", _USUAL),
    Layer("cccp4", ("relu", "dropout"), kernel_size=1),
    Layer("cccp5", ("relu", "pool", "dropout"), kernel_size=1),
    Layer("cccp6", ("relu",)),
)


def _torch_table(pooled: tuple[str, ...]) -> tuple[Layer, ...]:
    """The order in PyTorch, where layers differ only in whether they are pooled."""
    ends: dict[str, tuple[str, ...]] = dict.fromkeys(
        pooled, ("floor_pool", "map_dropout")
    )
    # the maximum over the map follows
    ends["cccp6"] = ()
    return tuple(
        replace(
            layer,
            steps=("bn", "relu", *ends.get(layer.name, ("map_dropout",))),
            initializer=relu_glorot,
        )
        for layer in CAFFE
    )


def _with_filters(
    table: tuple[Layer, ...], *filters: int, strided: tuple[int, ...] = ()
) -> tuple[Layer, ...]:
    """The table with widths, and stride 2 at the layers ``strided``, from 1."""
    return tuple(
        replace(layer, filters=width, strides=2 if i in strided else 1)
        for i, (layer, width) in enumerate(zip(table, filters, strict=True), start=1)
    )


FULL = (64, *(128,) * 5, *(256,) * 3, 512, 2048, 256, 256)
SLIM = (64, *(32,) * 5, *(64,) * 3, 128, 256, 64, 64)
WIDE = (128, *(192,) * 5, *(320,) * 3, 640, 2560, 320, 320)
_SLIM_CAFFE = _with_filters(CAFFE, *SLIM)
_460K = _with_filters(
    (
        *CAFFE[:10],
        replace(CAFFE[10], kernel_size=3),
        replace(CAFFE[11], kernel_size=3),
        replace(CAFFE[12], kernel_size=1),
    ),
    *(*(32,) * 3, *(64,) * 6, *(96,) * 3, 100),
)
_TORCH = _with_filters(_torch_table(("conv2_1", "conv4", "conv4_2", "cccp5")), *FULL)


def _variant(name: str, rows: tuple[Layer, ...], **values):
    return builder.variant(_simplenet, Variant(name=name, layers=rows, **values))


def _imagenet(name: str, filters: tuple[int, ...], *strided: int):
    """A network for ImageNet, which is pooled twice."""
    table = _torch_table(("conv3", "conv4_0"))
    return _variant(
        name,
        _with_filters(table, *filters, strided=strided),
        head_dropout=True,
        classes=1000,
        year=2023,
        input_shape=(224, 224, 3),
        minimum=32,
        preprocessing=TORCH,
        source="the authors' release in PyTorch",
    )


M1, M2 = (1, 2, 3), (1, 2, 4)
_HALF = tuple(filters // 2 for filters in FULL)
_THREE_QUARTERS = tuple(filters * 3 // 4 for filters in FULL)

SimpleNet = _variant("SimpleNet", _with_filters(CAFFE, *FULL), dropout=0.2)
SimpleNet310K = _variant("SimpleNet310K", _SLIM_CAFFE)
SimpleNet310KMNIST = _variant(
    "SimpleNet310KMNIST", _SLIM_CAFFE, input_shape=(28, 28, 1)
)
SimpleNet460K = _variant("SimpleNet460K", _460K)
SimpleNetTorch = _variant("SimpleNetTorch", _TORCH, head_dropout=True, year=2018)
SimpleNetSmall050_M2 = _imagenet("SimpleNetSmall050_M2", _HALF, *M2)
SimpleNetSmall075_M2 = _imagenet("SimpleNetSmall075_M2", _THREE_QUARTERS, *M2)
SimpleNet5M_M1 = _imagenet("SimpleNet5M_M1", FULL, *M1)
SimpleNet5M_M2 = _imagenet("SimpleNet5M_M2", FULL, *M2)
SimpleNet9M_M1 = _imagenet("SimpleNet9M_M1", WIDE, *M1)
SimpleNet9M_M2 = _imagenet("SimpleNet9M_M2", WIDE, *M2)
