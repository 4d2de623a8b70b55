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
from kerasnets.data import Split, resize_images
from kerasnets.errors import KerasnetsError
from kerasnets.export.float32 import to_float32
from kerasnets.graph import calls
from kerasnets.pixels import pixels_of
from kerasnets.traits import traits_of

# A value that lies this share of the range outside it is cut off noticeably: 0.1 of a
# range is 25 steps of an int8 tensor.
FAR = 0.1
# The share of such values above which a layer is warned of.
TOO_MANY = 0.01
_BATCH = 8
_CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}
# Layers that pass values on as they are, in another order or not.
_RESHAPING = (keras.layers.Flatten, keras.layers.Reshape)


@dataclass(frozen=True)
class Calibration:
    """Images that set the ranges of an int8 file.

    Attributes:
        images: ``(n, h, w, channels)`` uint8, as ``convert`` takes them.
        labels: the class of each, ``(n,)``.
        method: how they were chosen, in words.
    """

    images: np.ndarray
    labels: np.ndarray
    method: str

    def report(self) -> dict[str, Any]:
        """How many images of how many classes, and how they were chosen, for JSON."""
        return {
            "images": len(self.images),
            "classes": len(np.unique(self.labels)),
            "method": self.method,
        }


def choose(labels: np.ndarray, count: int, *, seed: int | None = None) -> np.ndarray:
    """Choose images for calibration, the classes taking turns.

    Args:
        labels: ``(n,)``, the class of each image.
        count: how many images; all of them where there are fewer.
        seed: of the draw within each class; None takes the first of each.

    Returns:
        Their indices, ascending. The numbers of images of two classes differ by 1 at
        most, unless a class has no more.

    Raises:
        KerasnetsError: ``count`` is below 1.
    """
    if count < 1:
        raise KerasnetsError(f"{count} calibration images: 1 or more are accepted")
    shuffled = np.arange(len(labels))
    if seed is not None:
        shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sorted_labels = labels[order]
    starts = np.searchsorted(sorted_labels, sorted_labels, side="left")
    turn = np.arange(len(labels)) - starts
    return np.sort(order[np.argsort(turn, kind="stable")][:count])


def calibration_images(
    split: Split, *, size: int, count: int = 100, seed: int | None = None
) -> Calibration:
    """Choose images of a split, and resize them as for training.

    Order and scale of the channels are not changed: they are part of the file.

    Args:
        split: the images that the network learned from.
        size: side of the network's images, in pixels.
        count: how many images.
        seed: as in ``choose``.

    Raises:
        KerasnetsError: ``count`` is below 1.
    """
    chosen = choose(np.asarray(split.labels), count, seed=seed)
    drawn = "the first" if seed is None else f"drawn with seed {seed}"
    return Calibration(
        images=resize_images(split.images[chosen], size),
        labels=np.asarray(split.labels)[chosen],
        method=f"from the training images, the classes taking turns, {drawn} of each",
    )


@dataclass(frozen=True)
class RangeGap:
    """How far the values of a tensor leave the range that calibration gave it.

    Attributes:
        name: the layer that makes it, or "pixels, red" of the images themselves.
        outside: share of the test values that lie outside the calibrated range.
        far_outside: share of those that do by more than a tenth of it.
        calibrated: least and largest value of the calibration images.
        seen: likewise of the test images.
    """

    name: str
    outside: float
    far_outside: float
    calibrated: tuple[float, float]
    seen: tuple[float, float]


def range_gap(
    model: keras.Model, calibration_images: np.ndarray, test_images: np.ndarray
) -> list[RangeGap]:
    """Compare the values of all layers for calibration and for test images.

    The ranges are those of the Keras model: of each layer whose values the int8 file
    has as a tensor, so not of a convolution that batch normalisation follows. The file
    takes pixels from 0 to 255 whatever the images show; those of the channels tell
    where a gap comes from. The layers of a nested model are not looked at one by one.

    Args:
        model: a functional model from images, preprocessed as
            ``applications.preprocessing(model)`` says or else in [-1, 1].
        calibration_images: ``(n, h, w, channels)``, 0 to 255.
        test_images: likewise.

    Returns:
        A gap for each channel of the pixels, then for each layer in the order of the
        graph.

    Raises:
        KerasnetsError: the model is not functional, or images do not fit it or are
            missing.
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
    tensors = _Tensors(model)
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

    def __init__(self, model: keras.Model):
        channels = model.input_shape[-1]
        # a model that is rebuilt has not the attribute that tells it
        self._preprocess = pixels_of(model)
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
