"""From prepared images to batches: a pure function of seed and step.

What a step sees depends on nothing before it, so a training can go on at any step as if
it had never stopped.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnets.data.augment import Drawn, View
from kerasnets.data.decoded import Split
from kerasnets.data.feed import WHOLE, Share
from kerasnets.data.mixing import Mix
from kerasnets.data.stream import Arrays, Like, Stream, in_python, streamed
from kerasnets.errors import KerasnetsError

if TYPE_CHECKING:
    from kerasnets.pixels import Preprocessing

# a row for each image, or for each view such rows
Targets = np.ndarray | Sequence[np.ndarray]

# uses of the seed that must not share numbers
SHUFFLE, AUGMENT, VIEW, CROP, MIX = 1, 2, 3, 4, 5


def generator_of(use: int, seed: int, *where: int) -> np.random.Generator:
    """Return a generator of its own for each use, and each epoch, step or image."""
    return np.random.default_rng((use, seed, *where))


class Varied:
    """What batches of whole images and of parts do to them before a network."""

    seed: int
    augment: View | None
    mix: Mix | None
    classes: int
    part: Share

    @property
    def _read_part(self) -> Share:
        """The rows that are read: all where images are mixed with others."""
        return self.part if self.mix is None else WHOLE

    def _varied(self, tensors: Mapping[str, Any]) -> tuple[Any, Any]:
        """Images, augmented and mixed, of 0 to 255, and their labels."""
        from keras import ops

        images, labels = ops.cast(tensors["images"], "float32"), tensors["labels"]
        if self.augment is not None:
            images = self.augment(images, _under("drawn/", tensors))
        if self.mix is not None:
            images, labels = _mixed(
                self.mix, images, labels, tensors["step"], self.classes, self.seed
            )
            images, labels = self.part.cut(images), self.part.cut(labels)
        return images, labels


@dataclass(frozen=True)
class Batches(Varied):
    """The batches of a split, for training or evaluation: a ``SharedFeed``."""

    split: Split
    size: int
    batch_size: int
    seed: int
    augment: View | None
    shuffle: bool
    preprocessing: "Preprocessing | None" = None
    targets: Mapping[str, Targets] = field(default_factory=dict)
    views: int = 0
    mix: Mix | None = None
    classes: int = 0
    part: Share = WHOLE

    def __post_init__(self):
        if self.views > 1 and self.augment is None:
            raise KerasnetsError(
                f"{self.views} fixed views without augmentation: give the changes that "
                "make them"
            )
        if self.mix is not None and (self.targets or not self.classes):
            raise KerasnetsError(
                f"{self.mix!r} with other targets ({', '.join(self.targets)}) and "
                f"{self.classes} classes: what is mixed has labels alone, and the "
                "number of their classes is needed"
            )
        moved = (
            self.mix is not None
            or self.augment is not None
            or self.size != self.split.images.shape[1]
        )
        if self.split.labels.ndim > 1 and moved:
            raise KerasnetsError(
                f"labels of shape {self.split.labels.shape} with images that are "
                "resized or augmented; a label for each pixel stays where it is: give "
                "the images in the network's size and no augmentation"
            )

        self.part.check(
            batch_rows(len(self.split.labels), self.batch_size, self.shuffle)
        )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in training; all images, in evaluation."""
        return steps_per_epoch(len(self.split.labels), self.batch_size, self.shuffle)

    def share(self, index: int, count: int) -> "Batches":
        """Return those of a part of each batch: see ``SharedFeed``."""
        return replace(self, part=Share(index, count))

    def dataset(self, first: int, last: int) -> Stream:
        """Return the batches of the steps from ``first`` to before ``last``.

        Returns:
            Float32 (batch, size, size, 3), preprocessed, and int64 (batch, ...), or a
            mapping of them and of the other targets.
        """
        return streamed(self._read, self._finish, self._like(), first, last)

    def _read(self, step: int) -> Arrays:
        """What is read and drawn for a step."""
        indices = indices_of_step(
            step, len(self.split.labels), self.batch_size, self.seed, self.shuffle
        )
        view = step // self.steps_per_epoch % self.views if self.views else None
        drawn = self._drawn(step, view, indices)
        mine = self._read_part.of(len(indices))
        indices = indices[mine]
        arrays = {
            "images": self.split.images[indices],
            "labels": self.split.labels[indices].astype("int64"),
            "step": np.array(step),
        }
        for name, array in self.targets.items():
            rows: Any = array if view is None else array[view]
            arrays[f"targets/{name}"] = rows[indices]
        for name, numbers in drawn.items():
            arrays[f"drawn/{name}"] = numbers[mine]
        return arrays

    def _drawn(self, step: int, view: int | None, indices: np.ndarray) -> Drawn:
        """The numbers of a step's changes: new ones, or those of a fixed view.

        Of the whole batch, whatever part of it is read.
        """
        if self.augment is None:
            return {}
        side = self.split.images.shape[1]
        if view is None:
            generator = generator_of(AUGMENT, self.seed, step)
            return self.augment.draw(generator, len(indices), side)
        each = [
            self.augment.draw(generator_of(VIEW, self.seed, view, int(index)), 1, side)
            for index in indices
        ]
        return {
            name: np.concatenate([drawn[name] for drawn in each]) for name in each[0]
        }

    def _like(self) -> dict[str, Like]:
        """What the arrays are like that ``_read`` gives."""
        labels = self.split.labels
        arrays: dict[str, Any] = {"images": self.split.images}
        arrays["labels"] = labels[:0].astype("int64")
        for name, array in self.targets.items():
            arrays[f"targets/{name}"] = array[0] if self.views else array
        if self.augment is not None:
            side = self.split.images.shape[1]
            drawn = self.augment.draw(np.random.default_rng(0), 1, side)
            arrays |= {f"drawn/{name}": numbers for name, numbers in drawn.items()}
        rows = batch_rows(len(labels), self.batch_size, self.shuffle)
        rows = self._read_part.rows(rows)
        like = {name: Like.rows(array, rows) for name, array in arrays.items()}
        return {**like, "step": Like((), "int64")}

    def _finish(self, tensors: Mapping[str, Any]) -> tuple[Any, Any]:
        """Images as the network takes them, and what it is to learn of them."""
        from keras import ops

        # before the resize, which then smooths what the warp has roughened
        images, labels = self._varied(tensors)
        if self.size != self.split.images.shape[1]:
            images = ops.image.resize(
                images,
                (self.size, self.size),
                antialias=True,
                data_format="channels_last",
            )
        if self.preprocessing is not None:
            images = self.preprocessing(images, width=self.size)
        others = _under("targets/", tensors)
        return images, {"labels": labels, **others} if others else labels


def _mixed(
    mix: Mix, images: Any, labels: Any, step: Any, classes: int, seed: int
) -> tuple[Any, Any]:
    """A batch as it is mixed in a step; labels stay whole where they can."""

    def change(images, labels, step):
        draws = generator_of(MIX, seed, int(step))
        return mix(images, np.eye(classes, dtype="float32")[labels], draws)

    shares = Like((labels.shape[0], classes), "float32")
    changed, found = in_python(
        change, [images, labels, step], [Like(tuple(images.shape), "float32"), shares]
    )
    return changed, found if mix.of_labels else labels


def _under(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Those whose names begin so, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def steps_per_epoch(images: int, batch_size: int, shuffle: bool) -> int:
    """Return the number of full batches where they are shuffled, else of all."""
    if shuffle:
        return max(1, images // batch_size)
    return -(-images // batch_size)


def batch_rows(images: int, batch_size: int, shuffle: bool) -> int | None:
    """Return how many images each batch has; None where they are not alike."""
    if shuffle or not images % batch_size:
        return min(batch_size, images)
    return None


def images_at_once(side: int | None) -> int:
    """Return how many images a network answers at once, as their maps fit in memory.

    256 of up to 64 pixels, and as many pixels of larger ones: 64 of 128, 20 of 224.

    Args:
        side: Of the images, in pixels; None where it is not known.
    """
    return max(1, min(256, 256 * 64**2 // (side or 224) ** 2))


def indices_of_step(
    step: int, images: int, batch_size: int, seed: int, shuffle: bool
) -> np.ndarray:
    """Return which images a step sees: those of its place in the epoch's order."""
    epoch, place = divmod(step, steps_per_epoch(images, batch_size, shuffle))
    rows = slice(place * batch_size, (place + 1) * batch_size)
    if not shuffle:
        return np.arange(images)[rows]
    return _order(images, seed, epoch)[rows]


@functools.lru_cache(maxsize=4)
def _order(images: int, seed: int, epoch: int) -> np.ndarray:
    """The images in the order of an epoch."""
    return generator_of(SHUFFLE, seed, epoch).permutation(images)


def batches(
    split: Split,
    *,
    size: int,
    batch_size: int,
    seed: int,
    augment: View | None = None,
    shuffle: bool = True,
    preprocessing: "Preprocessing | None" = None,
    targets: Mapping[str, Targets] | None = None,
    views: int = 0,
    mix: Mix | None = None,
    classes: int = 0,
) -> Batches:
    """Return the batches of a split.

    Args:
        split: The images, with one label each or one for each pixel.
        size: Side to which they are resized.
        batch_size: Images a batch; where ``shuffle`` is False the last has the rest.
        seed: Of order and changes, 0 or more; each epoch has its own.
        augment: Random changes, an ``Augment`` or another ``View``; or None.
        shuffle: A new order each epoch in full batches, or the images as they are.
        preprocessing: What the network wants done to the pixels; None leaves
            them as they are, 0 to 255.
        targets: What else is learned of each image, by its name in
            ``training.Objective``: arrays with a row for each image of the split; where
            there are fixed views, one of them for each.
        views: How many versions of each image the changes make, one an epoch, by turns;
            they depend on the seed and on nothing else, so that what a teacher says of
            each can be known beforehand. 0 for new ones in each epoch.
        mix: Random changes of whole batches.
        classes: Number of classes, which mixed labels need.

    Raises:
        KerasnetsError: Labels of pixels would no longer lie on their pixels, or nothing
            makes the fixed views.
    """
    return Batches(
        split,
        size,
        batch_size,
        seed,
        augment,
        shuffle,
        preprocessing,
        targets or {},
        views,
        mix,
        classes,
    )
