"""Which pixels of the image one position of a layer's output sees.

Each layer's output positions lie on a grid over the image: ``jump`` pixels apart, and
each sees the pixels from ``low`` to ``high`` around its place. A window widens that, a
stride spreads the grid; where branches meet, the pixels of all of them count. The
figure is that of theory, padding included: it may exceed the image. Normalisations are
taken as the fixed scale that they are at inference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers

from kerasnets.graph import Use
from kerasnets.traits import sides, traits_of

ReceptiveField = tuple[int, ...] | Literal["all"] | None


@dataclass(frozen=True)
class _Axis:
    """One axis of a map: pixels between positions, first and last pixel seen."""

    jump: float = 1
    low: float = 0
    high: float = 0

    def widened(self, before: float, after: float, stride: float = 1) -> "_Axis":
        """Look through a window from ``-before`` to ``after`` positions."""
        low, high = self.low - before * self.jump, self.high + after * self.jump
        return _Axis(self.jump * stride, low, high)


# of one output: an axis each, "all" of the image, or not known
_Field = tuple[_Axis, ...] | Literal["all"] | None


def receptive_fields(uses: Sequence[Use]) -> list[ReceptiveField]:
    """Tell for each use of a layer the pixels that a position of its output sees.

    Args:
        uses: From ``graph.model_uses``.

    Returns:
        (rows, columns) for images, "all" where a position sees the whole image (after
        global pooling, ``Flatten`` or dense layers on vectors), None where it is not
        known.
    """
    fields: list[_Field] = []
    for use in uses:
        fields.append(_field(use, fields))
    return [
        tuple(math.ceil(axis.high - axis.low + 1) for axis in field)
        if isinstance(field, tuple)
        else field
        for field in fields
    ]


def _field(use: Use, fields: list[_Field]) -> _Field:
    """The field of one use, those before it known."""
    if use.sources is None or not use.outputs:
        return None
    if not use.sources:
        places = _sides(use.layer, use.outputs[0])
        return tuple(_Axis() for _ in places) or "all"
    seen = [fields[source] for source in use.sources]
    if None in seen:
        return None
    if "all" in seen:
        return "all"
    field = _union([axes for axes in seen if isinstance(axes, tuple)])
    return _through(use, field) if isinstance(field, tuple) else field


def _union(fields: list[tuple[_Axis, ...]]) -> _Field:
    """All that branches see together; not known where their grids differ."""
    merged = []
    for axes in zip(*fields, strict=True):
        if len({axis.jump for axis in axes}) > 1:
            return None
        low, high = min(axis.low for axis in axes), max(axis.high for axis in axes)
        merged.append(_Axis(axes[0].jump, low, high))
    return tuple(merged)


def _through(use: Use, field: tuple[_Axis, ...]) -> _Field:
    """The field behind a layer whose input has ``field``."""
    layer = use.layer
    before, after = (_sides(layer, s[0]) for s in (use.inputs, use.outputs))
    if len(after) < len(before) or type(layer).__name__.startswith("Global"):
        return "all"
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if window is not None:
        see = _spread if traits_of(layer).transposed else _gather
        return tuple(
            see(axis, side, *_window(layer, window, i))
            for i, (axis, side) in enumerate(zip(field, before, strict=True))
        )
    if isinstance(layer, layers.UpSampling1D | layers.UpSampling2D):
        return _upsampled(layer, field)
    if isinstance(layer, layers.ZeroPadding1D | layers.ZeroPadding2D):
        return _shifted(field, layer.padding, -1)
    if isinstance(layer, layers.Cropping1D | layers.Cropping2D):
        return _shifted(field, layer.cropping, 1)
    same = any(_sides(layer, shape) == after for shape in use.inputs)
    return field if same else None


def _window(layer, window, i: int) -> tuple[int, int, int, str]:
    """Kernel, stride, dilation and padding of a layer on axis ``i``."""
    values = (window, getattr(layer, "strides", 1), getattr(layer, "dilation_rate", 1))
    kernel, stride, dilation = (v if isinstance(v, int) else v[i] for v in values)
    return kernel, stride, dilation, getattr(layer, "padding", "valid")


def _gather(
    axis: _Axis, side: int | None, kernel: int, stride: int, dilation: int, padding: str
) -> _Axis:
    """Convolution and pooling: a position sees a window of positions."""
    reach = dilation * (kernel - 1)
    zeros = 0
    if padding == "same" and side is None:
        zeros = reach
    elif padding == "same" and side is not None:
        zeros = max((math.ceil(side / stride) - 1) * stride + reach + 1 - side, 0)
    first = zeros // 2
    return axis.widened(first, reach - first, stride)


def _spread(
    axis: _Axis, side: int | None, kernel: int, stride: int, dilation: int, padding: str
) -> _Axis:
    """Transposed convolution: a position sees those that were spread over it."""
    del side
    reach = dilation * (kernel - 1)
    cut = max(reach + 1 - stride, 0) // 2 if padding == "same" else 0
    after = cut / stride
    return axis.widened(reach // stride - after, after, 1 / stride)


def _upsampled(layer, field: tuple[_Axis, ...]) -> tuple[_Axis, ...]:
    """Repeated positions; those in between see their two neighbours."""
    size = layer.size if isinstance(layer.size, tuple) else (layer.size,)
    between = 0 if getattr(layer, "interpolation", "nearest") == "nearest" else 1
    return tuple(
        axis.widened(0, between, 1 / factor)
        for axis, factor in zip(field, size, strict=True)
    )


def _shifted(field: tuple[_Axis, ...], ends, sign: int) -> tuple[_Axis, ...]:
    """Positions added (-1) or cut off (+1) at the start of each axis."""
    pairs = ends if isinstance(ends[0], tuple | list) else (ends,)
    return tuple(
        axis.widened(-sign * start, sign * start)
        for axis, (start, _) in zip(field, pairs, strict=True)
    )


def _sides(layer, shape: tuple) -> tuple:
    """The spatial sides of a map, ``shape`` with its batch; () of a vector."""
    return sides(layer, shape, keras.config.image_data_format())
