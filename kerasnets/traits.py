"""What layers are, one row a class: kernels, channels, what becomes of them in a file.

Everything that has to know which weight of a layer is its kernel, along which axis its
channels lie, whether it works on each position for itself or what it folds into, asks
this table: costs, decay, pruning, channels, calibration, the phone's rules. A class
without a row is unknown: its channels stay as they are, and what it costs it says
itself (``count_madds``), or its weights of the common names do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from keras import layers

from kerasnets import layers as own
from kerasnets.pixels import Pixels

# What a layer does with the channels of what it takes, in the last axis:
Channels = Literal[
    "makes",  # new ones, each of all that come in (of its group)
    "repeats",  # each one gives as many as the depth multiplier says
    "separates",  # repeats them, then makes new ones of all
    "passes",  # each on its own, as many as before
    "weighs",  # passes them on, with weights of their own in the last axis
    "ties",  # channel on channel of several inputs
    "joins",  # those of several inputs side by side
    "tiles",  # the channels again and again, position by position
    "own",  # by a rule of its own class
    "mixes",  # in a way that cannot be followed
]


@dataclass(frozen=True)
class Kernel:
    """A weight that is multiplied with what a layer takes.

    Attributes:
        name: The layer's attribute.
        ins: Axis of the channels that come in.
        outs: Axis of those that go out; of a depthwise one that of the multiplier.
        depthwise: Whether each channel has weights for itself.
    """

    name: str = "kernel"
    ins: int = -2
    outs: int = -1
    depthwise: bool = False


@dataclass(frozen=True)
class Traits:
    """What the layers of one class have in common.

    Attributes:
        channels: What it does with channels.
        kernels: In the order in which they are applied.
        rank: Sides of its windows: 2 of a map's; 0 without windows.
        transposed: Whether each position is spread over a window: multiply-adds count
            for each position that comes in, else for each that goes out.
        pointwise: Whether all positions of a map are treated alike, each for itself.
        identity: Whether it gives what it takes, in training too.
        idle: Whether it gives what it takes at inference.
        fuses: Whether batch normalisation and ReLU right behind it become part of it in
            a file for a phone.
        fused: Whether it becomes part of such a layer.
        word: How a convolution is called beside its window, as in "3x3 depthwise".
    """

    channels: Channels = "mixes"
    kernels: tuple[Kernel, ...] = ()
    rank: int = 0
    transposed: bool = False
    pointwise: bool = False
    identity: bool = False
    idle: bool = False
    fuses: bool = False
    fused: bool = False
    word: str = ""

    @property
    def depthwise(self) -> bool:
        """Whether all its kernels are."""
        return bool(self.kernels) and all(kernel.depthwise for kernel in self.kernels)


UNKNOWN = Traits()

_FULL, _TRANSPOSED = Kernel(), Kernel(ins=-1, outs=-2)
_DEPTHWISE = Kernel(depthwise=True)
_SEPARABLE = (Kernel("depthwise_kernel", depthwise=True), Kernel("pointwise_kernel"))


def _convolution(rank: int, *, fuses: bool = False) -> Traits:
    return Traits("makes", (_FULL,), rank, fuses=fuses)


def _transposed(rank: int) -> Traits:
    return Traits("makes", (_TRANSPOSED,), rank, transposed=True, word="transposed")


def _depthwise(rank: int, *, fuses: bool = False) -> Traits:
    return Traits("repeats", (_DEPTHWISE,), rank, fuses=fuses, word="depthwise")


def _separable(rank: int) -> Traits:
    return Traits("separates", _SEPARABLE, rank, word="separable")


_PASSES = Traits("passes")
_POINTWISE = Traits("passes", pointwise=True)
_DROPOUT = Traits("passes", pointwise=True, idle=True)
_IDENTITY = Traits("passes", pointwise=True, identity=True, idle=True)
_SUM = Traits("ties")

# by exactly this class; subclasses that have no row of their own see ``traits_of``
TABLE: dict[type, Traits] = {
    layers.Conv1D: _convolution(1, fuses=True),
    layers.Conv2D: _convolution(2, fuses=True),
    layers.Conv3D: _convolution(3),
    layers.Conv1DTranspose: _transposed(1),
    layers.Conv2DTranspose: _transposed(2),
    layers.Conv3DTranspose: _transposed(3),
    layers.DepthwiseConv1D: _depthwise(1),
    layers.DepthwiseConv2D: _depthwise(2, fuses=True),
    layers.SeparableConv1D: _separable(1),
    layers.SeparableConv2D: _separable(2),
    layers.Dense: Traits("makes", (_FULL,), pointwise=True, fuses=True),
    layers.BatchNormalization: Traits("own", pointwise=True, fuses=True, fused=True),
    layers.PReLU: Traits("weighs", pointwise=True),
    layers.ReLU: Traits("passes", pointwise=True, fused=True),
    layers.LeakyReLU: _POINTWISE,
    layers.ELU: _POINTWISE,
    layers.Activation: Traits("own", pointwise=True),
    layers.Rescaling: Traits("own"),
    layers.Softmax: Traits("mixes", pointwise=True),
    layers.Dropout: _DROPOUT,
    layers.AlphaDropout: _DROPOUT,
    layers.GaussianDropout: _DROPOUT,
    layers.GaussianNoise: _DROPOUT,
    **dict.fromkeys(
        (layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
        Traits("passes", idle=True),
    ),
    layers.Identity: _IDENTITY,
    layers.ActivityRegularization: Traits("passes", idle=True),
    **dict.fromkeys(
        (
            *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
            *(layers.AveragePooling1D, layers.AveragePooling2D),
            *(layers.AveragePooling3D, layers.GlobalMaxPooling1D),
            *(layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
            *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
            *(layers.GlobalAveragePooling3D, layers.AdaptiveMaxPooling1D),
            *(layers.AdaptiveMaxPooling2D, layers.AdaptiveMaxPooling3D),
            *(layers.AdaptiveAveragePooling1D, layers.AdaptiveAveragePooling2D),
            *(layers.AdaptiveAveragePooling3D, layers.ZeroPadding1D),
            *(layers.ZeroPadding2D, layers.ZeroPadding3D, layers.Cropping1D),
            *(layers.Cropping2D, layers.Cropping3D, layers.UpSampling1D),
            *(layers.UpSampling2D, layers.UpSampling3D, layers.Resizing),
        ),
        _PASSES,
    ),
    **dict.fromkeys(
        (
            *(layers.Add, layers.Subtract, layers.Multiply, layers.Average),
            *(layers.Maximum, layers.Minimum),
        ),
        _SUM,
    ),
    layers.Concatenate: Traits("joins"),
    layers.Flatten: Traits("tiles"),
    layers.Reshape: Traits("own"),
    own.ScaledTanh: _POINTWISE,
    Pixels: _IDENTITY,
    own.StochasticDepth: Traits("passes", idle=True),
    own.SAFPooling2D: _PASSES,
    own.CeilMaxPooling2D: _PASSES,
    own.Subsampling: Traits("weighs"),
    own.HighwayGate: _SUM,
    own.SpatialPyramidPooling: Traits("tiles"),
    own.ChannelPad: Traits("own"),
    own.Maxout: Traits("own", pointwise=True),
    own.LocalResponseNorm: UNKNOWN,
    own.PartialConv2D: UNKNOWN,
    own.RadialBasis: UNKNOWN,
}

# what a class without a row calls its kernels, as Keras's own do
_COMMON = ("kernel", "depthwise_kernel", "pointwise_kernel")


def traits_of(layer: Any) -> Traits:
    """Give the traits of a layer: of its class, or the nearest one that has a row."""
    for kind in type(layer).__mro__:
        if kind in TABLE:
            return TABLE[kind]
    return UNKNOWN


def is_identity(layer: Any) -> bool:
    """Whether a layer gives what it takes, in training too; subclasses may not."""
    return TABLE.get(type(layer), UNKNOWN).identity


def kernels_of(layer: Any, *, depthwise: bool = True) -> dict[str, Any]:
    """Give the kernels of a layer by their names; none where it has none.

    Args:
        layer: Any layer. Of one without a row in the table, the weights of the names
            that Keras's own layers use.
        depthwise: False leaves out those with weights for each channel.
    """
    row = traits_of(layer)
    names = (
        [one.name for one in row.kernels if depthwise or not one.depthwise]
        if row.kernels
        else [name for name in _COMMON if depthwise or name != "depthwise_kernel"]
    )
    found = {name: getattr(layer, name, None) for name in names}
    return {name: kernel for name, kernel in found.items() if kernel is not None}


def channels_made(layer: Any) -> dict[str, int]:
    """Count the channels that each kernel of a layer gives, by its name."""
    rows = {one.name: one for one in traits_of(layer).kernels}
    made = {}
    for name, kernel in kernels_of(layer).items():
        row = rows.get(name, Kernel())
        made[name] = kernel.shape[row.outs]
        if row.depthwise:
            made[name] *= kernel.shape[row.ins]
    return made


def classes(which: Callable[[Traits], bool]) -> tuple[type, ...]:
    """List the classes with such traits."""
    return tuple(kind for kind, row in TABLE.items() if which(row))


def names(which: Callable[[Traits], bool]) -> tuple[str, ...]:
    """List the names of Keras's classes with such traits, which tf_keras has too."""
    return tuple(
        kind.__name__
        for kind in classes(which)
        if getattr(layers, kind.__name__, None) is kind
    )


def sides(layer: Any, shape: tuple, default: str = "channels_last") -> tuple:
    """Give the spatial sides of a map that a layer takes or gives; () of a vector.

    Args:
        layer: It says where its channels are.
        shape: Batch first.
        default: Where they are in layers that do not say it.
    """
    form = getattr(layer, "data_format", None) or default
    return tuple(shape[2:] if form == "channels_first" else shape[1:-1])
