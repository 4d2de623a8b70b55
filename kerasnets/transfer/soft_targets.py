"""A teacher's answers, asked for once.

Training a student beside its teacher costs the teacher's forward pass in each step. Of
a fixed set of views of each image the answers can be known beforehand: an epoch then
costs what it costs on labels.
"""

import io
from pathlib import Path

import keras
import numpy as np

from kerasnets.data import Augment, Split, batches, images_at_once
from kerasnets.files import write_bytes
from kerasnets.pixels import pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.progress import Progress, silent
from kerasnets.training import native_kernels


def soft_targets(
    teacher: keras.Model,
    split: Split,
    *,
    augment: Augment,
    views: int,
    seed: int,
    folder: Path,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Return a teacher's logits of fixed views of each image.

    A student learns from them as the target "soft" of ``training.Objective``, in
    ``data.batches`` with the same split, changes, number of views and seed. Asked
    again after a kill it asks the teacher for what is missing.

    Args:
        teacher: From square images of a known size to logits (batch, classes).
        split: The images.
        augment: Their changes.
        views: How many versions there are of each image.
        seed: Of the changes.
        folder: Where the answers to each view are kept, as viewN.npy; whoever calls
            keeps one for each teacher and set of arguments.
        batch_size: Images a step; None for ``data.images_at_once``.
        progress: Told how many batches are done.

    Returns:
        Float32 (views, images, classes).

    Raises:
        KerasnetsError: The teacher gives no logits.
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
    folder.mkdir(parents=True, exist_ok=True)
    steps = feed.steps_per_epoch
    with native_kernels(teacher):
        for view in range(views):
            path = folder / f"view{view}.npy"
            if path.exists():
                continue
            answers = []
            batches_of_view = feed.dataset(view * steps, (view + 1) * steps)
            for done, (images, _) in enumerate(batches_of_view, start=1):
                answers.append(np.asarray(teacher.predict_on_batch(images), "float32"))
                progress(view * steps + done, views * steps, "soft targets")
            content = io.BytesIO()
            np.save(content, np.concatenate(answers), allow_pickle=False)
            write_bytes(path, content.getvalue())
    kept = [folder / f"view{view}.npy" for view in range(views)]
    return np.stack([np.load(path, allow_pickle=False) for path in kept])
