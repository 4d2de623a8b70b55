"""Images that set the ranges of an int8 file, and whether other images keep to them.

An int8 file cuts off what lies outside the ranges that its calibration images had. So
these are chosen from what the network learned from, all classes alike, and compared
with the images that it is judged by.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasnets.applications import without_auxiliary
from kerasnets.data import Split, resize_images, spread
from kerasnets.errors import KerasnetsError
from kerasnets.graph import calls
from kerasnets.pixels import Pixels, Preprocessing, pixels_of
from kerasnets.training import to_float32
from kerasnets.traits import traits_of

# A value that lies this share of the range outside it is cut off noticeably: 0.1 of a
# range is 25 steps of an int8 tensor.
FAR = 0.1
# The share of such values above which a layer is warned of.
TOO_MANY = 0.01
_BATCH = 8
_CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}
# Layers that pass values on as they are, in another order or not.
_RESHAPING = (keras.layers.Flatten, keras.layers.Reshape, Pixels)


@dataclass(frozen=True)
class Calibration:
    """Images that set the ranges of an int8 file.

    Attributes:
        images: ``(n, h, w, channels)`` uint8, as ``convert`` takes them.
        labels: The class of each, ``(n,)``.
        ids: The name of each in its data set.
        method: How they were chosen, in words.
    """

    images: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]
    method: str

    def report(self) -> dict[str, Any]:
        """Return for JSON how many of how many classes, chosen how, and which."""
        return {
            "images": len(self.images),
            "classes": len(np.unique(self.labels)),
            "method": self.method,
            "ids": list(self.ids),
        }


def calibration_images(
    split: Split, *, size: int, seed: int, count: int = 100
) -> Calibration:
    """Draw images of a split, the classes taking turns, and resize them.

    They are resized as for training. Order and scale of the channels are not changed:
    they are part of the file.

    Args:
        split: The images that the network learned from.
        size: Side of the network's images, in pixels.
        seed: Of the draw, see ``kerasnets.data.spread``.
        count: How many images; all of them where there are fewer.

    Raises:
        KerasnetsError: ``count`` is below 1.
    """
    labels = np.asarray(split.labels)
    chosen = spread(labels, count, seed)
    return Calibration(
        images=resize_images(split.images[chosen], size),
        labels=labels[chosen],
        ids=tuple(split.ids[index] for index in chosen),
        method=f"training images drawn with seed {seed}, the classes taking turns",
    )


@dataclass(frozen=True)
class RangeGap:
    """How far the values of a tensor leave the range that calibration gave it.

    Attributes:
        name: The layer that makes it, or "pixels, red" of the images themselves.
        outside: Share of the test values that lie outside the calibrated range.
        far_outside: Share of those that do by more than a tenth of it.
        calibrated: Least and largest value of the calibration images.
        seen: Likewise of the test images.
    """

    name: str
    outside: float
    far_outside: float
    calibrated: tuple[float, float]
    seen: tuple[float, float]


def range_gap(
    model: keras.Model,
    calibration_images: np.ndarray,
    test_images: np.ndarray,
    *,
    pixels: Preprocessing | None = None,
) -> list[RangeGap]:
    """Compare the values of all layers for calibration and for test images.

    The ranges are those of the Keras model: of each layer whose values the int8 file
    has as a tensor, so not of a convolution that batch normalisation follows. The file
    takes pixels from 0 to 255 whatever the images show; those of the channels tell
    where a gap comes from. The layers of a nested model are not looked at one by one.

    Args:
        model: A functional or sequential model of images.
        calibration_images: ``(n, h, w, channels)``, 0 to 255.
        test_images: Likewise.
        pixels: What the model wants done to pixels. Default: what ``pixels_of`` finds.

    Returns:
        A gap for each channel of the pixels, then for each layer in the order of the
        graph.

    Raises:
        KerasnetsError: The model has no graph, images do not fit it or are missing, or
            what it wants done to pixels cannot be known.
    """
    for title, images in (
        ("calibration", calibration_images),
        ("test", test_images),
    ):
        if not len(images) or images.shape[1:] != model.input_shape[1:]:
            raise KerasnetsError(
                f"the {title} images have shape {images.shape}; "
                f"(n, {', '.join(map(str, model.input_shape[1:]))}), n of 1 or more, "
                "fits the model"
            )
    tensors = _Tensors(model, pixels)
    calibrated = _ranges(tensors.of(calibration_images))
    seen = _ranges(tensors.of(test_images))
    outside = np.zeros((len(tensors.names), 2))
    for values in tensors.of(test_images):
        outside += [
            len(test) / len(test_images) * _shares_outside(test, *limits)
            for test, limits in zip(values, calibrated, strict=True)
        ]
    return [
        RangeGap(name, float(any_), float(far), calibrated=ours, seen=theirs)
        for name, (any_, far), ours, theirs in zip(
            tensors.names, outside, calibrated, seen, strict=True
        )
    ]


def range_warnings(gaps: Sequence[RangeGap]) -> list[str]:
    """A line that names the worst layers, if test images leave the ranges often.

    That is where more than 1 % of a layer's values lie more than a tenth of its range
    outside it.
    """
    wide = sorted(
        (gap for gap in gaps if gap.far_outside > TOO_MANY),
        key=lambda gap: gap.far_outside,
        reverse=True,
    )
    if not wide:
        return []
    worst = ", ".join(
        f"{gap.name} ({gap.far_outside:.1%} of its values; {_text(gap.calibrated)} "
        f"calibrated, {_text(gap.seen)} seen)"
        for gap in wide[:3]
    )
    return [
        f"the test images leave the calibrated ranges of {len(wide)} of {len(gaps)} "
        f"tensors by more than a tenth: {worst}; choose calibration images like those "
        "that the phone will see"
    ]


class _Tensors:
    """The values that an int8 file keeps a range of, batch by batch."""

    def __init__(self, model: keras.Model, pixels: Preprocessing | None):
        channels = model.input_shape[-1]
        self._preprocess = pixels_of(model, pixels)
        model = to_float32(without_auxiliary(model))
        names, outputs = _quantised(model)
        colours = _CHANNELS.get(channels, tuple(map(str, range(1, channels + 1))))
        self.names = [*(f"pixels, {colour}" for colour in colours), *names]
        self._run = keras.Model(model.inputs, outputs)

    def of(self, images: np.ndarray) -> Iterator[list[np.ndarray]]:
        """The values of each tensor for some images, then for the next ones."""
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            values = self._run(self._preprocess(part), training=False)
            yield [
                *np.moveaxis(np.asarray(part, "float32"), -1, 0),
                *map(np.asarray, keras.tree.flatten(values)),
            ]


def _quantised(model: keras.Model) -> tuple[list[str], list]:
    """Names and tensors of the layers whose values stay tensors in the file."""
    inner = [call for call in calls(model) if call.inputs]
    readers: dict[int, list] = {}
    for call in inner:
        for tensor in call.inputs:
            readers.setdefault(id(tensor), []).append(call.operation)
    names, tensors = [], []
    for call in inner:
        tensor = call.outputs[0]
        next_ones = readers.get(id(tensor), [])
        traits = traits_of(call.operation)
        passes = traits.idle or isinstance(call.operation, _RESHAPING)
        folds = traits.fuses and [traits_of(x).fused for x in next_ones] == [True]
        if not passes and not folds:
            names.append(call.operation.name)
            tensors.append(tensor)
    return names, tensors


def _ranges(batches: Iterator[list[np.ndarray]]) -> list[tuple[float, float]]:
    """Least and largest value of each tensor over all batches."""
    limits = np.array([[(x.min(), x.max()) for x in values] for values in batches])
    low, high = limits[..., 0].min(axis=0), limits[..., 1].max(axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _shares_outside(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The shares of values outside the range, and far outside it."""
    beyond = np.maximum(low - values, values - high)
    return np.array([np.mean(beyond > 0), np.mean(beyond > FAR * (high - low))])


def _text(limits: tuple[float, float]) -> str:
    return f"{limits[0]:.3g} to {limits[1]:.3g}"
