"""What ``phone_rules`` asks of a layer: what it is and what stands around it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import layers as keras_layers

from kerasnets import layers
from kerasnets.graph import Use
from kerasnets.traits import kernels_of, traits_of

# Measured: 16 times the median costs 4 dB of signal to noise, 64 times 17 dB.
WIDE_CHANNELS = 16
# Parameters of a dense layer that make a file too big for a quick download.
HUGE_DENSE = 1_000_000


@dataclass(frozen=True)
class Site:
    """A use of a layer and what stands around it; dropout and the like left out.

    Attributes:
        use: The use.
        layer: The layer.
        before: The layers that feed it.
        after: The layers that it feeds.
        last: Whether no layer with weights comes after it.
        mobile: Whether it is of a network with depthwise layers, as those that run
            sparse have.
    """

    use: Use
    layer: Any
    before: list[Any]
    after: list[Any]
    last: bool
    mobile: bool

    @property
    def functions(self) -> set[str]:
        """Give the names of layer and activation, in small letters: "gelu", "prelu"."""
        function = getattr(self.layer, "activation", None)
        names = [type(self.layer).__name__, getattr(function, "__name__", "")]
        return {name.replace("_", "").lower() for name in names}


def sites(uses: Sequence[Use]) -> list[Site]:
    """List the uses of a network's layers with their neighbours."""
    before: list[list[Any]] = []
    after: list[list[Any]] = [[] for _ in uses]
    for use in uses:
        origins = [_origin(uses, source) for source in use.sources or ()]
        before.append([uses[origin].layer for origin in origins])
        for origin in origins:
            after[origin].append(use.layer)
    mobile = any(type(use.layer) is keras_layers.DepthwiseConv2D for use in uses)
    weighty = [i for i, use in enumerate(uses) if getattr(use.layer, "weights", ())]
    return [
        Site(
            use=use,
            layer=use.layer,
            before=before[i],
            after=after[i],
            last=i >= max(weighty, default=0),
            mobile=mobile,
        )
        for i, use in enumerate(uses)
        if not traits_of(use.layer).idle
    ]


def _origin(uses: Sequence[Use], position: int) -> int:
    """The use whose values another one gets, past layers that a file lacks."""
    while traits_of(uses[position].layer).idle:
        sources = uses[position].sources
        if not sources:
            return position
        position = sources[0]
    return position


def is_a(*kinds: type) -> Callable[[Site], bool]:
    """Whether a layer is of one of these classes."""
    return lambda site: isinstance(site.layer, kinds)


def computes(*names: str) -> Callable[[Site], bool]:
    """Whether a layer or its activation has one of these names, as in ``functions``."""
    return lambda site: not site.functions.isdisjoint(names)


def is_grouped_transposed(site: Site) -> bool:
    """Whether a transposed convolution has groups."""
    return traits_of(site.layer).transposed and getattr(site.layer, "groups", 1) > 1


def has_open_sides(site: Site) -> bool:
    """Whether an input leaves a size open."""
    return isinstance(site.layer, keras_layers.InputLayer) and any(
        None in shape[1:] for shape in site.use.outputs
    )


def is_half_precision(site: Site) -> bool:
    """Whether a layer with weights computes in 16 bits."""
    dtype = getattr(site.layer, "compute_dtype", None)
    return bool(getattr(site.layer, "weights", ())) and dtype != "float32"


def repeats_pixels(site: Site) -> bool:
    """Whether a map grows or shrinks by repeating or leaving out pixels."""
    kinds = (keras_layers.UpSampling2D, keras_layers.Resizing)
    return isinstance(site.layer, kinds) and site.layer.interpolation == "nearest"


def joins_many(site: Site) -> bool:
    """Whether more maps are joined than XNNPACK joins at once."""
    return isinstance(site.layer, keras_layers.Concatenate) and len(site.use.inputs) > 5


def picks_pixels(site: Site) -> bool:
    """Whether a pooling has windows of one pixel."""
    pools = (keras_layers.AveragePooling2D, keras_layers.MaxPooling2D)
    return isinstance(site.layer, pools) and tuple(site.layer.pool_size) == (1, 1)


def averages(site: Site) -> bool:
    """Whether windows are averaged."""
    kinds = (keras_layers.AveragePooling2D, layers.Subsampling)
    return isinstance(site.layer, kinds) and not picks_pixels(site)


def is_cut_relu(site: Site) -> bool:
    """Whether a ReLU has another threshold than 0."""
    relu = isinstance(site.layer, keras_layers.ReLU)
    return relu and bool(site.layer.threshold)


def is_capped_elsewhere(site: Site) -> bool:
    """Whether a ReLU is capped at another value than 6."""
    if not isinstance(site.layer, keras_layers.ReLU) or site.layer.threshold:
        return False
    return site.layer.max_value not in (None, 6)


def is_relu_on_joined(site: Site) -> bool:
    """Whether a ReLU of its own follows a concatenation."""
    joined = any(isinstance(x, keras_layers.Concatenate) for x in site.before)
    return joined and not kernels_of(site.layer) and "relu" in site.functions


def is_softmax_inside(site: Site) -> bool:
    """Whether a softmax is not the end of the network."""
    return "softmax" in site.functions and bool(site.after)


def has_wide_channels(site: Site) -> bool:
    """Whether one channel reaches much further than most, by batch normalisation."""
    layer = site.layer
    if not isinstance(layer, keras_layers.BatchNormalization):
        return False
    if any(getattr(x, "max_value", None) for x in site.after):
        return False  # ReLU6 cuts all channels at the same value
    # (None until the layer is built)
    size = layer.moving_mean.shape[0]  # pyright: ignore[reportOptionalMemberAccess]
    gamma = np.ones(size) if layer.gamma is None else np.asarray(layer.gamma)
    beta = np.zeros(size) if layer.beta is None else np.asarray(layer.beta)
    reach = np.abs(beta) + 3 * np.abs(gamma)
    return bool(reach.max() > WIDE_CHANNELS * max(float(np.median(reach)), 1e-9))


def stands_alone(site: Site) -> bool:
    """Whether a batch normalisation has no linear layer of its own right before it."""
    if not isinstance(site.layer, keras_layers.BatchNormalization):
        return False
    linear = [
        bool(kernels_of(x))
        for x in site.before
        if getattr(getattr(x, "activation", None), "__name__", "linear") == "linear"
    ]
    return not (linear and all(linear))


def is_huge_dense(site: Site) -> bool:
    """Whether a dense layer on a whole map has very many weights."""
    dense = isinstance(site.layer, keras_layers.Dense)
    behind = any(isinstance(x, keras_layers.Flatten) for x in site.before)
    return dense and behind and math.prod(site.layer.kernel.shape) > HUGE_DENSE


def has_odd_channels(site: Site) -> bool:
    """Whether a convolution has channels that do not fill vectors of 4."""
    kinds = (keras_layers.Conv2D, keras_layers.DepthwiseConv2D)
    channels = site.use.outputs[0][-1] if site.use.outputs else 0
    return isinstance(site.layer, kinds) and not site.last and channels % 4 != 0


def pads_at_the_end(site: Site) -> bool:
    """Whether stem or depthwise layer of stride 2 lack zeros on all sides."""
    layer = site.layer
    if not site.mobile or getattr(layer, "strides", 1) != (2, 2):
        return False
    stem = isinstance(layer, keras_layers.Conv2D) and site.use.inputs[0][-1] == 3
    if not stem and not isinstance(layer, keras_layers.DepthwiseConv2D):
        return False
    half = tuple((side // 2,) * 2 for side in layer.kernel_size)
    return not any(
        isinstance(x, keras_layers.ZeroPadding2D) and x.padding == half
        for x in site.before
    )


def drops_sides(site: Site) -> bool:
    """Whether a global average gives a vector."""
    pools = isinstance(site.layer, keras_layers.GlobalAveragePooling2D)
    return site.mobile and pools and not site.layer.keepdims


def is_no_plain_depthwise(site: Site) -> bool:
    """Whether a convolution has more than the sparse path takes."""
    layer = site.layer
    if isinstance(layer, keras_layers.DepthwiseConv2D):
        return layer.depth_multiplier > 1 or layer.dilation_rate != (1, 1)
    return site.mobile and getattr(layer, "groups", 1) > 1
