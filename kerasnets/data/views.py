"""Which part of an image a network sees, and batches of such parts.

A crop is a function of an image's height and width and of a generator. What is drawn
depends on seed, step and image only, so that a training can go on at any step.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnets.data.augment import View
from kerasnets.data.feed import WHOLE, Share
from kerasnets.data.image_store import ImageStore
from kerasnets.data.images import Window
from kerasnets.data.mixing import Mix
from kerasnets.data.pipeline import (
    AUGMENT,
    CROP,
    Varied,
    batch_rows,
    generator_of,
    indices_of_step,
    steps_per_epoch,
)
from kerasnets.data.stream import Arrays, Like, Stream, streamed
from kerasnets.errors import KerasnetsError

if TYPE_CHECKING:
    from kerasnets.pixels import Preprocessing

Crop = Callable[[int, int, np.random.Generator], Window]

# Top and left of a corner, as a share of the room that the crop leaves.
CORNERS = {
    "top left": (0, 0),
    "top right": (0, 1),
    "bottom left": (1, 0),
    "bottom right": (1, 1),
}


def whole_image(height: int, width: int, draws: np.random.Generator) -> Window:
    """Return all of an image, whatever its aspect."""
    del draws
    return Window(0, 0, height, width)


@dataclass(frozen=True)
class CentreCrop:
    """The square in the middle of an image.

    Resizing the shorter side to 256 pixels and cutting out 224 is a share of 0.875; the
    side is a whole number of the pixels of the image as it is stored.

    Attributes:
        share: Share of the shorter side that is kept.
    """

    share: float

    def __post_init__(self):
        _check_share(self.share)

    def __call__(self, height: int, width: int, draws: np.random.Generator) -> Window:
        """Return the part of an image; nothing is drawn."""
        del draws
        return Window(0, 0, height, width).square(self.share, 0.5, 0.5)


@dataclass(frozen=True)
class CornerCrop:
    """The square in a corner of an image.

    Attributes:
        share: Share of the shorter side that is kept.
        corner: A key of ``CORNERS``.
    """

    share: float
    corner: str

    def __post_init__(self):
        _check_share(self.share)
        if self.corner not in CORNERS:
            raise KerasnetsError(
                f"corner is {self.corner!r}; {', '.join(CORNERS)} are accepted"
            )

    def __call__(self, height: int, width: int, draws: np.random.Generator) -> Window:
        """Return the part of an image; nothing is drawn."""
        del draws
        whole = Window(0, 0, height, width)
        return whole.square(self.share, *CORNERS[self.corner])


@dataclass(frozen=True)
class RandomCrop:
    """A square anywhere in an image (Krizhevsky et al. 2012, section 4.1).

    Attributes:
        share: Share of the shorter side that is kept.
        mirror: Mirror half of the images left to right.
        largest: Share up to which it is drawn for each image, so that the scale S to
            which the image would be resized is uniform (Simonyan and Zisserman 2014,
            section 3.1); None for ``share`` alone.
    """

    share: float
    mirror: bool = True
    largest: float | None = None

    def __post_init__(self):
        _check_share(self.share)
        if self.largest is not None:
            _check_share(self.largest)
            if self.largest < self.share:
                raise KerasnetsError(
                    f"shares of a crop from {self.share} to {self.largest}: the least "
                    "first"
                )

    def __call__(self, height: int, width: int, draws: np.random.Generator) -> Window:
        """Draw the part of an image."""
        share = self.share
        if self.largest is not None:
            share = 1 / draws.uniform(1 / self.largest, 1 / self.share)
        side = Window(0, 0, height, width).square(share, 0, 0).height
        top = int(draws.integers(height - side + 1))
        left = int(draws.integers(width - side + 1))
        return Window(top, left, side, side, self.mirror and draws.random() < 0.5)


@dataclass(frozen=True)
class AreaCrop:
    """A part of random area and aspect (Szegedy et al. 2015, section 6).

    Where ten draws do not lie in the image, the square in its middle is taken.

    Attributes:
        area: Least and largest share of the image's area.
        aspect: Least and largest width by height, drawn on a logarithmic scale.
        mirror: Mirror half of the images left to right.
    """

    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    mirror: bool = True

    def __post_init__(self):
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise KerasnetsError(
                f"area of a crop is {self.area}; two shares above 0 and up to 1 are "
                "accepted, the least first"
            )
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise KerasnetsError(
                f"aspect of a crop is {self.aspect}; two ratios above 0 are accepted, "
                "the least first"
            )

    def __call__(self, height: int, width: int, draws: np.random.Generator) -> Window:
        """Draw the part of an image."""
        is_mirrored = self.mirror and draws.random() < 0.5
        for _ in range(10):
            area = height * width * draws.uniform(*self.area)
            aspect = np.exp(draws.uniform(*np.log(self.aspect)))
            across, down = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if 0 < across <= width and 0 < down <= height:
                top = int(draws.integers(height - down + 1))
                left = int(draws.integers(width - across + 1))
                return Window(top, left, down, across, is_mirrored)
        middle = Window(0, 0, height, width).square(1.0, 0.5, 0.5)
        return middle._replace(is_mirrored=is_mirrored)


def window_at(
    crop: Crop, height: int, width: int, *, seed: int, step: int, index: int
) -> Window:
    """Return the part of an image that a step of a training sees.

    Args:
        crop: Which part.
        height: Height of the upright image, in pixels.
        width: Width of the upright image, in pixels.
        seed: Seed of the training.
        step: Number of the step.
        index: Which image of the split it is.
    """
    return crop(height, width, generator_of(CROP, seed, step, index))


@dataclass(frozen=True)
class CropBatches(Varied):
    """The batches of parts of a split's images: a ``SharedFeed``."""

    split: ImageStore
    size: int
    batch_size: int
    seed: int
    crop: Crop
    shuffle: bool
    preprocessing: "Preprocessing"
    augment: View | None = None
    mix: Mix | None = None
    classes: int = 0
    part: Share = WHOLE

    def __post_init__(self):
        self.part.check(batch_rows(len(self.split.ids), self.batch_size, self.shuffle))

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in training; all images, in evaluation."""
        return steps_per_epoch(len(self.split.ids), self.batch_size, self.shuffle)

    def share(self, index: int, count: int) -> "CropBatches":
        """Return those of a part of each batch: see ``SharedFeed``."""
        return replace(self, part=Share(index, count))

    def dataset(self, first: int, last: int) -> Stream:
        """Return the batches of the steps from ``first`` to before ``last``.

        Returns:
            Float32 (batch, size, size, 3), preprocessed, and int64 (batch,).
        """
        return streamed(self._read, self._finish, self._like(), first, last)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count() or 1)

    @cached_property
    def _sizes(self) -> np.ndarray:
        return self.split.sizes

    def _read(self, step: int) -> Arrays:
        """The parts of a step's images, and what is drawn for them."""

        def part(index: int) -> np.ndarray:
            height, width = self._sizes[index].tolist()
            window = window_at(
                self.crop, height, width, seed=self.seed, step=step, index=index
            )
            return self.split.crop(index, window, self.size)

        indices = indices_of_step(
            step, len(self.split.ids), self.batch_size, self.seed, self.shuffle
        )
        mine = self._read_part.of(len(indices))
        read = indices[mine]
        arrays = {
            "images": np.stack(list(self._pool.map(part, read.tolist()))),
            "labels": np.asarray(self.split.labels)[read].astype("int64"),
            "step": np.array(step),
        }
        if self.augment is not None:
            generator = generator_of(AUGMENT, self.seed, step)
            drawn = self.augment.draw(generator, len(indices), self.size)
            arrays |= {
                f"drawn/{name}": numbers[mine] for name, numbers in drawn.items()
            }
        return arrays

    def _like(self) -> dict[str, Like]:
        """What the arrays are like that ``_read`` gives."""
        rows = batch_rows(len(self.split.ids), self.batch_size, self.shuffle)
        rows = self._read_part.rows(rows)
        like = {
            "images": Like((rows, self.size, self.size, 3), "uint8"),
            "labels": Like((rows,), "int64"),
            "step": Like((), "int64"),
        }
        if self.augment is not None:
            drawn = self.augment.draw(np.random.default_rng(0), 1, self.size)
            for name, numbers in drawn.items():
                like[f"drawn/{name}"] = Like.rows(numbers, rows)
        return like

    def _finish(self, tensors: Mapping[str, Any]) -> tuple[Any, Any]:
        """Images as the network takes them, and their labels."""
        images, labels = self._varied(tensors)
        return self.preprocessing(images, self.size), labels


def crop_batches(
    split: ImageStore,
    *,
    preprocessing: "Preprocessing",
    batch_size: int,
    seed: int,
    crop: Crop | None = None,
    size: int | None = None,
    augment: View | None = None,
    mix: Mix | None = None,
    classes: int = 0,
    shuffle: bool = True,
) -> CropBatches:
    """Return the batches of parts of a split's images.

    Args:
        split: The images, with one label each.
        preprocessing: What the network wants done to the pixels.
        batch_size: Images a batch; where ``shuffle`` is False the last has the rest.
        seed: Seed of order and crops; each epoch has its own.
        crop: Which part of each image; by default the middle, as ``preprocessing``
            says.
        size: Side to which the parts are resized; by default that of
            ``preprocessing``.
        augment: Random changes of the parts, an ``Augment`` or another ``View``.
        mix: Random changes of whole batches.
        classes: Number of classes, which mixed labels need.
        shuffle: A new order each epoch in full batches, or the images as they are.

    Raises:
        KerasnetsError: The labels are not one for each image.
    """
    if split.labels.ndim != 1:
        raise KerasnetsError(
            f"labels of shape {split.labels.shape} with parts of images: one label for "
            "each image is needed"
        )
    return CropBatches(
        split,
        preprocessing.size if size is None else size,
        batch_size,
        seed,
        CentreCrop(preprocessing.size / preprocessing.resize) if crop is None else crop,
        shuffle,
        preprocessing,
        augment,
        mix,
        classes,
    )


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise KerasnetsError(f"share of a crop is {share}; above 0 to 1 is accepted")
