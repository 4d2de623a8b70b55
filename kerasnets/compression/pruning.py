"""Magnitude pruning of a saved model: the recipe of one step."""

from pathlib import Path

from kerasnets.compression.recipes import compress
from kerasnets.compression.settings import PruneSettings
from kerasnets.progress import Progress, silent

__all__ = ["PruneSettings", "prune"]


def prune(
    model_path: str | Path,
    out_path: str | Path,
    *,
    data: str | Path,
    settings: PruneSettings | None = None,
    teacher_path: str | Path | None = None,
    seed: int,
    checkpoint_seconds: float = 10.0,
    progress: Progress = silent,
) -> None:
    """Prune a saved Keras model while training it on, and save the result.

    ``compress`` with one step: see there for what a killed call leaves and how the
    caller's process stays as it is.

    Args:
        model_path: ``.keras`` file of a functional float32 classifier, from images
            (size, size, 3), in [-1, 1] or as ``applications.preprocessing`` says, to
            logits.
        out_path: ``.keras`` file to write.
        data: folder of prepared images (``kerasnets.data.prepare``).
        settings: by default ``PruneSettings()``.
        teacher_path: ``.keras`` file of a classifier of the same classes, from images
            to logits; the loss is then ``distillation_loss``.
        seed: of everything random.
        checkpoint_seconds: least time between two writes of the checkpoint.
        progress: told after each epoch, with loss and accuracy on the training images.

    Raises:
        KerasnetsError: as ``compress``.
    """
    compress(
        model_path,
        out_path,
        data=data,
        recipe=[settings or PruneSettings()],
        teacher_path=teacher_path,
        seed=seed,
        checkpoint_seconds=checkpoint_seconds,
        progress=progress,
    )
