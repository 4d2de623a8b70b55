"""What the stages of a run from ImageNet weights share."""

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from kerasnets import export, transfer, tuning
from kerasnets.analysis import count_madds
from kerasnets.data import PreparedData, Split, batches, load_prepared
from kerasnets.files import sha256
from kerasnets.jobs.phone.pretrained_settings import PretrainedSettings
from kerasnets.jobs.phone.ranking import Ranking, within
from kerasnets.pixels import pixels_of
from kerasnets.pretrained import ImageNetFile
from kerasnets.progress import Progress
from kerasnets.runs import Job as AnyJob
from kerasnets.saving import load_model
from kerasnets.training import Recipe, seed_everything

Job = AnyJob[PretrainedSettings]
# stages of a costly network that stay as they are
_KEPT = 2


def weights_of(job: Job) -> list[ImageNetFile]:
    """The files that the run may take.

    Raises:
        KerasnetsError: One is no longer here, or another one.
    """
    return tuning.recorded_files(job.settings.networks, job.settings.weights)


def candidates_of(job: Job, classes: int) -> list[tuning.Candidate]:
    """The networks within the budget, the cheapest first."""
    return within(
        tuning.pretrained_candidates(weights_of(job), classes=classes),
        max_madds=job.settings.max_madds,
        max_bytes=job.settings.max_bytes,
    )


def candidate_of(job: Job, label: str) -> tuning.Candidate:
    """The network within the budget that is called so."""
    classes = len(job.results["data"]["classes"])
    return next(each for each in candidates_of(job, classes) if each.label == label)


def ranking_of(job: Job, images: Path | None = None) -> Ranking:
    """Rank networks; codes that an earlier stage made are used again.

    Args:
        job: Of a run whose images are decoded.
        images: Their folder; None for those at the side at which all are kept.
    """
    images = images or job.folder / "data"
    return Ranking(
        load_prepared(images),
        weights_of(job),
        job.folder / "search" / images.name,
        fingerprint=sha256(images / "splits.json"),
        seed=job.settings.seed,
    )


def student_folder(job: Job) -> Path:
    """Folder of the images as the student takes them."""
    own = job.folder / "images"
    return own if (own / "splits.json").is_file() else job.folder / "data"


def student_data(job: Job) -> PreparedData:
    """Open the images as the student takes them: as a phone will decode them."""
    return load_prepared(student_folder(job))


def to_int8(
    job: Job, model: keras.Model, split: Split, *, images: int | None = None
) -> bytes:
    """A network in 8 bits, its ranges set by so many training images."""
    chosen = calibration_of(job, model, split, images=images)
    return export.convert(model, calibration=chosen.images)


def calibration_of(
    job: Job, model: keras.Model, split: Split, *, images: int | None = None
) -> export.Calibration:
    """Draw the training images that set the ranges of a network's int8 file."""
    return export.calibration_images(
        split,
        size=model.input_shape[1],
        seed=job.settings.seed,
        count=job.settings.calibration if images is None else images,
    )


def stays_linear(job: Job) -> bool:
    """Whether the images are so few that tuning would fit their accidents.

    The lecture's case of few images, similar to those that the network knows; what is
    tuned could not be judged by so few validation images either.
    """
    data = job.results["data"]
    images = data["images"]["train"] + data["images"]["validation"]
    few = images < transfer.SMALL * len(data["classes"])
    return few and job.results["rank"]["by_cross_validation"]


def share_right(logits: np.ndarray, labels: np.ndarray) -> float:
    """Give the share of images whose largest logit is the label's."""
    return float((logits.argmax(axis=-1) == labels).mean())


def load(job: Job, name: str) -> keras.Model:
    """Open a network of the run."""
    return load_model(job.folder / f"{name}.keras")


def as_seen(job: Job, recipe: Recipe) -> Recipe:
    """The recipe without mirroring, where that confuses classes."""
    if recipe.augment is not None and job.results["rank"]["mirroring"]["confuses"]:
        return replace(recipe, augment=replace(recipe.augment, flip=False))
    return recipe


def for_images(job: Job, recipe: Recipe) -> Recipe:
    """The recipe as it suits the training images: their number, and mirroring."""
    images = job.results["data"]["images"]["train"]
    size = job.devices.batch_of(images, recipe.batch_size)
    recipe = replace(recipe, batch_size=size)
    return as_seen(job, transfer.enough_epochs(recipe, images))


def shortened(job: Job, recipe: Recipe) -> Recipe:
    """The recipe with half of the epochs, where the student is a costly network."""
    madds = job.results["search"]["best"]["cost"]["madds"]
    if madds <= job.settings.costly_madds:
        return recipe
    return replace(recipe, epochs=math.ceil(recipe.epochs / 2))


def part_of(progress: Progress, before: int, total: int, name: str) -> Progress:
    """Tell of one training as a part of several.

    Args:
        progress: Told of all of them.
        before: Epochs of those before it.
        total: Epochs of all.
        name: Of this one.
    """
    whole = total

    def report(done: int, total: int, note: str = "") -> None:
        del total
        progress(before + done, whole, f"{name}: {note}")

    return report


def train_on(
    job: Job, model: keras.Model, split: Split, recipe: Recipe, *, soft=None, **how
) -> None:
    """Train a network on from its linear classifier, in place.

    A costly network keeps its first two stages as they are.

    Args:
        job: Of the run.
        model: The network.
        split: What it learns from.
        recipe: How.
        soft: A teacher's answers to fixed views of the images; None for labels alone.
        **how: For ``transfer.train_stages``.

    Raises:
        DivergedError: The loss is not finite at the end of an epoch.
    """
    seed_everything(job.settings.seed)
    feed = batches(
        split,
        size=model.input_shape[1],
        batch_size=recipe.batch_size,
        seed=job.settings.seed,
        augment=recipe.augment,
        preprocessing=pixels_of(model),
        views=0 if soft is None else job.settings.views,
        targets={} if soft is None else {"soft": soft},
    )
    start = None
    if count_madds(model) > job.settings.costly_madds:
        start = transfer.stages(model)[_KEPT][0]
    transfer.train_stages(
        model,
        feed,
        recipe,
        start=start,
        decay=job.settings.decay,
        batch_norm="batch",
        devices=job.devices,
        progress=job.progress,
        **how,
    )
    split.let_go()
