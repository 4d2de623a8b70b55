"""A teacher's answers, asked for once.

Training a student beside its teacher costs the teacher's forward pass in each step. Of
a fixed set of views of each image the answers can be known beforehand: an epoch then
costs what it costs on labels.
"""

import hashlib
import io
from pathlib import Path

import keras
import numpy as np

from kerasnets.data import Augment, Feed, Split, batches, images_at_once
from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes
from kerasnets.pixels import pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.progress import Progress, silent
from kerasnets.training import native_kernels

# images by whose answers teachers of the same weights are told apart
_PROBED = 8


def soft_targets(
    teacher: keras.Model,
    split: Split,
    *,
    augment: Augment | None,
    views: int,
    seed: int,
    folder: Path,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> list[np.memmap]:
    """Return a teacher's logits of fixed views of each image.

    A student learns from them as the target "soft" of ``training.Objective``, in
    ``data.batches`` with the same split, changes, number of views and seed. The teacher
    is asked for what is not in the folder; so a killed call goes on, and other
    trainings of the same teacher, images and changes find the answers there.

    Args:
        teacher: From square images of a known size to logits (batch, classes).
        split: The images.
        augment: Their changes; None for none, and one view.
        views: How many versions there are of each image.
        seed: Of the changes.
        folder: Where answers are kept, those of other teachers, images or changes in
            folders of their own.
        batch_size: Images a step; None for ``data.images_at_once``.
        progress: Told how many batches are done.

    Returns:
        For each view float16 (images, classes), a memory map of a file.

    Raises:
        KerasnetsError: The teacher gives no logits, or such as float16 does not hold;
            or there are to be several views, and nothing makes them.
    """
    check_logits(teacher, "teacher")
    feed = batches(
        split,
        size=teacher.input_shape[1],
        batch_size=batch_size or images_at_once(teacher.input_shape[1]),
        seed=seed,
        augment=augment,
        shuffle=False,
        preprocessing=pixels_of(teacher),
        views=views,
    )
    kept = folder / _digest(teacher, split, feed, augment, seed)
    kept.mkdir(parents=True, exist_ok=True)
    paths = [kept / f"view{view}.npy" for view in range(views)]
    with native_kernels(teacher):
        for view, path in enumerate(paths):
            if not path.exists():
                answers = _answers(teacher, feed, view, views, progress)
                content = io.BytesIO()
                np.save(content, answers, allow_pickle=False)
                write_bytes(path, content.getvalue())
    return [open_soft_targets(path) for path in paths]


def open_soft_targets(path: Path) -> np.memmap:
    """Return what ``soft_targets`` has kept of a view, as it does."""
    return np.lib.format.open_memmap(path, mode="r")


def _answers(
    teacher: keras.Model, feed: Feed, view: int, views: int, progress: Progress
) -> np.ndarray:
    """Of a view of each image: float16 (images, classes)."""
    steps, answers = feed.steps_per_epoch, []
    batches_of_view = feed.dataset(view * steps, (view + 1) * steps)
    for done, (images, _) in enumerate(batches_of_view, start=1):
        answers.append(np.asarray(teacher.predict_on_batch(images), "float32"))
        progress(view * steps + done, views * steps, "soft targets")
    logits = np.concatenate(answers)
    largest, most = float(np.abs(logits).max()), float(np.finfo("float16").max)
    if not largest <= most:
        raise KerasnetsError(
            f"the teacher {teacher.name!r} answers with logits of up to {largest:g}: "
            f"those of up to {most:g} can be kept"
        )
    return logits.astype("float16")


def _digest(
    teacher: keras.Model, split: Split, feed: Feed, augment: Augment | None, seed: int
) -> str:
    """What differs where the answers may."""
    digest = hashlib.sha256()
    for weights in teacher.get_weights():
        digest.update(np.ascontiguousarray(weights).data)
    # layers without weights, and what is done to pixels, tell by what they do: a
    # network's config has names in it that another load changes
    images, _ = next(iter(feed.dataset(0, 1)))
    probed = teacher.predict_on_batch(np.asarray(images)[:_PROBED])
    digest.update(np.ascontiguousarray(probed, "float32").data)
    for start in range(0, len(split.images), 1_000):
        images = np.ascontiguousarray(split.images[start : start + 1_000])
        digest.update(images.data)
    digest.update(repr((augment, seed if augment else None)).encode())
    return digest.hexdigest()[:32]
