"""From prepared images to batches: a pure function of seed and step.

What a step sees depends on nothing before it, so a training can go on at any step as if
it had never stopped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnets.data.decoded import Split
from kerasnets.errors import KerasnetsError

if TYPE_CHECKING:
    import tensorflow as tf

    from kerasnets.pixels import Preprocessing

# uses of the seed that must not share numbers
_SHUFFLE, _AUGMENT, _VIEW = 1, 2, 3

# float32 pixels of 0 to 255 (batch, side, side, 3) and a seed (2,) -> the same, changed
View = Callable[[Any, Any], Any]

_BORDERS = {"repeat": "NEAREST", "mirror": "REFLECT", "black": "CONSTANT"}


@dataclass(frozen=True)
class Augment:
    """Random changes of the training images; 0 leaves a change out.

    Attributes:
        translate: Largest shift, as a share of the side.
        pad: Largest shift in whole pixels, each as likely: as if the image was cut out
            of one that is padded by so many.
        rotate: Largest turn in degrees, to either side.
        zoom: Largest relative change of scale, up or down.
        flip: Mirror half of the images left to right.
        brightness: Largest shift of the pixel values, as a share of their range.
        contrast: Largest relative change of the distance from the image's mean.
        border: What shows where the image has moved away: "repeat" its last pixels,
            "mirror" it, or "black".
    """

    translate: float = 0.0
    pad: int = 0
    rotate: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    border: str = "mirror"

    def __post_init__(self):
        limits = dict.fromkeys(("translate", "zoom", "brightness", "contrast"), 1)
        for name, limit in {**limits, "rotate": 180, "pad": 128}.items():
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise KerasnetsError(
                    f"augmentation {name} is {value}; 0 to {limit} is accepted"
                )
        if self.border not in _BORDERS:
            raise KerasnetsError(
                f"augmentation border is {self.border!r}; {', '.join(_BORDERS)} are "
                "accepted"
            )

    def __call__(self, images, seed):
        """Return changed copies of images: an augmentation is a view.

        Args:
            images: Float32 (batch, side, side, 3) with values 0 to 255.
            seed: Two whole numbers; the same ones make the same changes.
        """
        import tensorflow as tf

        return _augmented(images, self, _Draw(seed, tf.shape(images)[:1]))

    def of_set(self, images, seed, indices, total: int):
        """Return changed copies of some images of a set, alike in any batch.

        Args:
            images: As for ``__call__``.
            seed: As for ``__call__``.
            indices: Int64 (batch,), the place of each image in the set.
            total: Number of images of the set.
        """
        return _augmented(images, self, _Draw(seed, (total,), indices))


@dataclass(frozen=True)
class Batches:
    """The batches of a split, for training or evaluation: a ``Feed``."""

    split: Split
    size: int
    batch_size: int
    seed: int
    augment: View | None
    shuffle: bool
    preprocessing: "Preprocessing | None" = None
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)
    views: int = 0

    def __post_init__(self):
        if self.views and not isinstance(self.augment, Augment):
            raise KerasnetsError(
                f"{self.views} fixed views with the augmentation {self.augment!r}: an "
                "Augment is accepted"
            )
        moved = self.augment is not None or self.size != self.split.images.shape[1]
        if self.split.labels.ndim > 1 and moved:
            raise KerasnetsError(
                f"labels of shape {self.split.labels.shape} with images that are "
                "resized or augmented; a label for each pixel stays where it is: give "
                "the images in the network's size and no augmentation"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in training; all images, in evaluation."""
        return steps_per_epoch(len(self.split.labels), self.batch_size, self.shuffle)

    def dataset(self, first_epoch: int, epochs: int) -> "tf.data.Dataset":
        """Return the batches of the epochs from ``first_epoch`` to before ``epochs``.

        Returns:
            A dataset of float32 (batch, size, size, 3), preprocessed, and int64
            (batch, ...), or a mapping of them and of the other targets.
        """
        import tensorflow as tf

        steps = self.steps_per_epoch
        return (
            tf.data.Dataset.range(first_epoch * steps, epochs * steps)
            .map(self._batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .prefetch(tf.data.AUTOTUNE)
        )

    def _batch(self, step):
        import tensorflow as tf

        indices = indices_of_step(
            step, len(self.split.labels), self.batch_size, self.seed, self.shuffle
        )

        def read(array: np.ndarray, dtype, *place):
            rows = tf.numpy_function(
                lambda *chosen: array[chosen].astype(dtype.as_numpy_dtype),
                [*place, indices],
                dtype,
                stateful=False,
            )
            rows.set_shape((*indices.shape, *array.shape[1 + len(place) :]))
            return rows

        side = self.split.images.shape[1]
        # an epoch each, by turns
        view = [step // self.steps_per_epoch % self.views] if self.views else []
        images = tf.cast(read(self.split.images, tf.uint8), tf.float32)
        labels = read(self.split.labels, tf.int64)
        if self.targets:
            others = {
                name: read(array, tf.as_dtype(array.dtype), *view)
                for name, array in self.targets.items()
            }
            labels = {"labels": labels, **others}
        if self.augment is not None:
            # before the resize, which then smooths what the warp has roughened
            images = self._changed(images, step, view, indices)
        if self.size != side:
            images = tf.image.resize(images, (self.size, self.size), antialias=True)
        if self.preprocessing is not None:
            images = self.preprocessing(images)
        return images, labels

    def _changed(self, images, step, view, indices):
        """The images, augmented: each step anew, or as they are in a fixed view."""
        if not view:
            assert self.augment is not None
            return self.augment(images, _seed_of(_AUGMENT, self.seed, step))
        assert isinstance(self.augment, Augment)
        seed = _seed_of(_VIEW, self.seed, view[0])
        return self.augment.of_set(images, seed, indices, len(self.split.labels))


def steps_per_epoch(images: int, batch_size: int, shuffle: bool) -> int:
    """Return the number of full batches where they are shuffled, else of all."""
    if shuffle:
        return max(1, images // batch_size)
    return -(-images // batch_size)


def images_at_once(side: int | None) -> int:
    """Return how many images a network answers at once, as their maps fit in memory.

    256 of up to 64 pixels, and as many pixels of larger ones: 64 of 128, 20 of 224.

    Args:
        side: Of the images, in pixels; None where it is not known.
    """
    return max(1, min(256, 256 * 64**2 // (side or 224) ** 2))


def indices_of_step(step, images: int, batch_size: int, seed: int, shuffle: bool):
    """Return which images a step sees: those of its place in the epoch's permutation.

    Returns:
        Their indices; how many they are is known where all batches are alike.
    """
    import tensorflow as tf

    steps = steps_per_epoch(images, batch_size, shuffle)
    epoch, place = step // steps, step % steps
    first = place * batch_size
    indices = tf.range(first, tf.minimum(first + batch_size, images))
    if not shuffle:
        return indices
    shuffled = tf.random.experimental.index_shuffle(
        indices, _seed_of(_SHUFFLE, seed, epoch), np.int64(images - 1)
    )
    return tf.ensure_shape(shuffled, (min(batch_size, images),))


def batches(
    split: Split,
    *,
    size: int,
    batch_size: int,
    seed: int,
    augment: View | None = None,
    shuffle: bool = True,
    preprocessing: "Preprocessing | None" = None,
    targets: Mapping[str, np.ndarray] | None = None,
    views: int = 0,
) -> Batches:
    """Return the batches of a split.

    Args:
        split: The images, with one label each or one for each pixel.
        size: Side to which they are resized.
        batch_size: Images a batch; where ``shuffle`` is False the last has the rest.
        seed: Of order and changes; each epoch has its own.
        augment: Random changes, or None: an ``Augment``, or any function of images of
            0 to 255 and a seed.
        shuffle: A new order each epoch in full batches, or the images as they are.
        preprocessing: What the network wants done to the pixels; None leaves
            them as they are, 0 to 255.
        targets: What else is learned of each image, by its name in
            ``training.Objective``: arrays with a row for each image of the split, of
            fixed views (views, images, ...).
        views: How many versions of each image the changes make, one an epoch, by turns;
            they depend on the seed and on nothing else, so that what a teacher says of
            each can be known beforehand. 0 for new ones in each epoch.

    Raises:
        KerasnetsError: Labels of pixels would no longer lie on their pixels, or fixed
            views are not made by an ``Augment``.
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
    )


def _seed_of(use: int, seed: int, index):
    """A seed of its own for each use and each epoch or step."""
    import tensorflow as tf

    both = tf.constant([use, seed], tf.int64)
    return tf.random.experimental.stateless_fold_in(both, index)


@dataclass(frozen=True)
class _Draw:
    """Draws numbers for images: as many as the shape says, of these those chosen."""

    seed: Any
    shape: Any
    chosen: Any = None

    def __call__(self, index: int, limit: float):
        """One number a picture, uniform on +-limit."""
        import tensorflow as tf

        own = tf.random.experimental.stateless_fold_in(self.seed, index)
        drawn = tf.random.stateless_uniform(self.shape, own, -limit, limit)
        return drawn if self.chosen is None else tf.gather(drawn, self.chosen)


def _augmented(images, augment: Augment, draw: _Draw):
    """Changed copies of float32 images (n, side, side, 3) with values 0 to 255."""
    import tensorflow as tf

    moved = (augment.translate, augment.pad, augment.rotate, augment.zoom, augment.flip)
    if any(moved):
        images = _warped(images, augment, draw)
    if augment.contrast:
        mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
        factor = 1.0 + draw(5, augment.contrast)
        images = mean + (images - mean) * factor[:, None, None, None]
    if augment.brightness:
        images += 255.0 * draw(6, augment.brightness)[:, None, None, None]
    return tf.clip_by_value(images, 0.0, 255.0)


def _warped(images, augment: Augment, draw: _Draw):
    """Turn, zoom, shift and mirror in one bilinear step."""
    import tensorflow as tf

    side = images.shape[1]
    angle = draw(0, augment.rotate * np.pi / 180)
    scale = 1.0 + draw(1, augment.zoom)
    across = draw(2, augment.translate * side)
    down = draw(3, augment.translate * side)
    if augment.pad:
        # whole numbers of +-(pad + 1/2) are each as likely
        across += tf.round(draw(7, augment.pad + 0.5))
        down += tf.round(draw(8, augment.pad + 0.5))
    mirror = tf.sign(draw(4, 1.0)) if augment.flip else tf.ones_like(scale)
    # from output to input coordinates, around the middle of the picture
    middle = (side - 1) / 2
    cos, sin = tf.cos(angle) * scale, tf.sin(angle) * scale
    matrix = [
        *(mirror * cos, -sin, middle * (1.0 - mirror * cos + sin) + across),
        *(mirror * sin, cos, middle * (1.0 - mirror * sin - cos) + down),
        *(tf.zeros_like(scale), tf.zeros_like(scale)),
    ]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(matrix, axis=1),
        output_shape=(side, side),
        interpolation="BILINEAR",
        fill_mode=_BORDERS[augment.border],
        fill_value=0.0,
    )
