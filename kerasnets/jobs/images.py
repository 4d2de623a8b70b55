"""Images as the commands need them: decoded once, in the size that a model takes."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets.data import (
    Augment,
    Examples,
    PreparedData,
    Source,
    check_source,
    open_source,
    prepare,
    read_image,
    to_channels,
)
from kerasnets.data.store import PARTS
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing, pixels_of, with_pixels
from kerasnets.progress import Progress
from kerasnets.reports.notes import left_out_line
from kerasnets.runs import Job

# what a stage leaves that decodes the images into the folder "data"
DATA_FILES = (
    "data/splits.json",
    *(f"data/{part}_images.npy" for part in PARTS),
    *(f"data/{part}_labels.npy" for part in PARTS),
)


# the side in pixels at which images are kept where nobody says: the digits' teacher is
# the CIFAR ResNet of the paper, for 32x32 images; larger ones leave a student a
# resolution to choose
_SIDES = {
    "digits": 40,
    **dict.fromkeys(("npz", "idx", "cifar"), 32),
    **dict.fromkeys(("tfds", "folder", "csv"), 96),
}


def usual_side(data: str) -> int:
    """The side in pixels at which images of a source are kept, from scratch."""
    return _SIDES[data.partition(":")[0]]


def of_photographs(data: str) -> bool:
    """Whether the images are files of pictures, as photographs are."""
    return data.startswith(("folder:", "csv:"))


def usual_augment(data: str, *, mirror: bool) -> Augment:
    """Small movements; only photos may be mirrored, and go on past their border."""
    photos = of_photographs(data)
    return Augment(
        translate=0.1,
        rotate=10.0,
        zoom=0.1,
        flip=photos and mirror,
        border="mirror" if photos else "black",
    )


def prepare_images(job: Job[Any], check: Callable[[Examples], None]) -> dict:
    """Decode every image once, split the set, keep it as arrays.

    Args:
        job: Of settings with data, resolution, seed and skip_bad_images.
        check: Raises where the networks cannot learn these classes; nothing is decoded
            then.
    """
    settings = job.settings
    source = open_source(settings.data)
    check(
        check_source(
            source, seed=settings.seed, skip_bad_images=settings.skip_bad_images
        )
    )
    data = prepare(
        source,
        job.folder / "data",
        resolution=settings.resolution,
        seed=settings.seed,
        skip_bad_images=settings.skip_bad_images,
        progress=job.progress,
    )
    images = {part: len(getattr(data, part).labels) for part in PARTS}
    count = sum(images.values())
    job.progress(count, count, f"{count:,} images")
    return {
        "classes": list(data.class_names),
        "licence": data.licence,
        "images": images,
        "skipped": len(data.skipped),
        "left_out": data.left_out,
        "notes": [left_out_line(data.left_out)] if data.left_out else [],
    }


@contextlib.contextmanager
def prepared_images(
    source: Source, side: int, seed: int, skip_bad_images: bool, progress: Progress
) -> Iterator[PreparedData]:
    """The images of a set, decoded, as long as they are needed."""
    with tempfile.TemporaryDirectory() as folder:
        yield prepare(
            source,
            Path(folder),
            resolution=side,
            seed=seed,
            skip_bad_images=skip_bad_images,
            progress=progress,
        )


def stating_pixels(model: keras.Model, stated: Preprocessing | None) -> keras.Model:
    """The model, which says by itself what it wants done to its pixels.

    Args:
        model: A model of one batch of images.
        stated: What its owner says, or None.

    Raises:
        KerasnetsError: Nothing is stated, and the model does not say it.
    """
    if stated is None:
        pixels_of(model)
        return model
    return with_pixels(model, stated)


def side_of(model: keras.Model) -> int:
    """Side of the square RGB images that a model takes."""
    height, width, channels = image_of(model)
    if height != width or channels != 3:
        raise KerasnetsError(
            f"{model.name!r} takes images of shape {(height, width, channels)}; square"
            " RGB images, (side, side, 3), are accepted"
        )
    return height


def image_of(model: keras.Model) -> tuple[int, int, int]:
    """Height, width and channels of the images that a model takes."""
    shapes = [tuple(x.shape) for x in getattr(model, "inputs", None) or ()]
    if len(shapes) != 1 or len(shapes[0]) != 4 or None in shapes[0][1:]:
        given = ", ".join(map(str, shapes)) or "that is not known"
        raise KerasnetsError(
            f"{model.name!r} takes inputs of shape {given}; images of a fixed size,"
            " (None, height, width, channels), are accepted"
        )
    return shapes[0][1:]


def fitted(images: np.ndarray, size: Sequence[int], channels: int) -> np.ndarray:
    """RGB images as something takes them that wants this size and so many channels."""
    height, width = size
    if images.shape[1:3] != (height, width):
        images = np.stack([read_image(image, (height, width)) for image in images])
    return to_channels(images, channels)
