"""What a network or a file answers to the views of images that a protocol asks for."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol as Interface

import keras
import numpy as np
from scipy.special import softmax

from kerasnets.applications import to_fully_convolutional, without_auxiliary
from kerasnets.data import (
    ImageStore,
    Window,
    images_at_once,
    read_image,
    to_channels,
)
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation.protocols import Protocol
from kerasnets.losses import class_logits
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.probabilities import gives_probabilities
from kerasnets.progress import Progress, silent
from kerasnets.training import native_kernels


class Judged(Interface):
    """A classifier of square images, whatever it is made of."""

    @property
    def name(self) -> str:
        """What errors and tables call it."""
        ...

    @property
    def size(self) -> int:
        """Side of its images, in pixels."""
        ...

    @property
    def resize(self) -> int:
        """Shorter side of the images that it was trained on parts of, in pixels."""
        ...

    @property
    def classes(self) -> int:
        """How many it tells apart."""
        ...

    def answers(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, classes) for RGB images uint8 (n, h, w, 3).

        Raises:
            KerasnetsError: Their sides are not ``size``, and it cannot take others.
        """
        ...


class JudgedModel:
    """A Keras model, asked as it wants to be: a ``Judged``.

    Args:
        model: From images to probabilities or logits (batch, classes).
        pixels: What it wants done to pixels, where it does not say so itself.
        output: "logits" or "probabilities", where neither graph nor answers tell.
        name: What errors and tables call it; its own by default.

    Raises:
        KerasnetsError: It takes other images, or what it wants or gives is not known.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        pixels: Preprocessing | None = None,
        output: str | None = None,
        name: str | None = None,
    ):
        self.name = name or model.name
        self._model = without_auxiliary(model)
        self._pixels = pixels_of(self._model, pixels)
        shape, answer = self._model.input_shape, self._model.output_shape
        if shape[1] != shape[2] or len(answer) != 2:
            raise KerasnetsError(
                f"{self.name} goes from {shape} to {answer}: square images and one row "
                "of classes are accepted"
            )
        self.size, self.resize = self._pixels.size, self._pixels.resize
        self._gives_probabilities = gives_probabilities(
            self._model, output=output, pixels=pixels
        )
        self._anywhere: keras.Model | None = None

    @property
    def classes(self) -> int:
        """How many it tells apart; one output tells two."""
        return max(2, self._model.output_shape[-1])

    def answers(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, classes) for RGB images uint8 (n, h, w, 3)."""
        model = self._model
        if images.shape[1:3] != (self.size, self.size):
            self._anywhere = self._anywhere or to_fully_convolutional(self._model)
            model = self._anywhere
        images = to_channels(images, model.input_shape[3])
        with native_kernels(model):
            found = model.predict_on_batch(self._pixels(images))
        found = np.asarray(keras.ops.convert_to_numpy(found), "float64")
        if not self._gives_probabilities:
            return softmax(np.asarray(class_logits(found)), axis=-1)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found


def judge(
    judged: Sequence[Judged],
    images: ImageStore,
    protocol: Protocol,
    *,
    progress: Progress = silent,
) -> np.ndarray:
    """Ask about the views of each image, and average the answers.

    Args:
        judged: One classifier, or several whose probabilities are averaged; all of the
            protocol's size.
        images: What they are asked about.
        protocol: Which views.
        progress: Told how many images are done.

    Returns:
        Float64 (n, classes), the mean of the probabilities for all views of an image.

    Raises:
        KerasnetsError: One cannot take the images, or has other classes.
    """
    first = judged[0]
    for each in judged:
        if each.size != protocol.size or each.classes != first.classes:
            raise KerasnetsError(
                f"{each.name} has images of {each.size} pixels and {each.classes} "
                f"classes: {protocol.size} and {first.classes}, as {first.name}, are "
                "accepted"
            )

    def ask(views: np.ndarray) -> np.ndarray:
        return np.mean([each.answers(views) for each in judged], axis=0)

    ways = []
    if protocol.windows is not None:
        ways.append(_of_parts(ask, images, protocol))
    if protocol.slides:
        ways.append(_of_scales(ask, images, protocol))
    found = []
    for each in zip(*ways, strict=True):
        found.append(np.mean(each, axis=0))
        progress(len(found), len(images.ids))
    return np.array(found)


def _of_parts(ask, images: ImageStore, protocol: Protocol) -> Iterator[np.ndarray]:
    """The mean answer to the parts of each image, in turn."""
    assert protocol.windows is not None
    size, at_once = protocol.size, images_at_once(protocol.size)
    windows = [
        protocol.windows(Window(0, 0, height, width))
        for height, width in images.sizes.tolist()
    ]

    def cut(index: int) -> np.ndarray:
        if len(windows[index]) == 1:
            return images.crop(index, windows[index][0], size)[None]
        whole = images.read(index)
        return np.stack([read_image(whole, size, window=w) for w in windows[index]])

    together = max(1, at_once // max(map(len, windows)))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(windows), together):
            chosen = range(start, min(start + together, len(windows)))
            views = np.concatenate(list(pool.map(cut, chosen)))
            answers = np.concatenate(
                [ask(views[i : i + at_once]) for i in range(0, len(views), at_once)]
            )
            ends = np.cumsum([len(windows[i]) for i in chosen])
            yield from (part.mean(axis=0) for part in np.split(answers, ends[:-1]))


def _of_scales(ask, images: ImageStore, protocol: Protocol) -> Iterator[np.ndarray]:
    """The mean answer to each image and its mirror image, whole, at all scales."""
    for index in range(len(images.ids)):
        whole = images.read(index)
        height, width = whole.shape[:2]
        answers = []
        for scale in protocol.scales:
            ratio = scale / min(height, width)
            size = max(scale, round(height * ratio)), max(scale, round(width * ratio))
            view = read_image(whole, size)
            answers.append(ask(np.stack([view, view[:, ::-1]])))
        yield np.concatenate(answers).mean(axis=0)
