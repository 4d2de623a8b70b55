"""By whom the student of a training is taught, and how."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasnets import applications, transfer
from kerasnets.data import (
    EncodedSplit,
    PreparedData,
    Split,
    load_prepared,
    spread,
)
from kerasnets.data.unlabelled import load_unlabelled
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import predict_logits
from kerasnets.files import write_bytes
from kerasnets.jobs.checks import check_whole
from kerasnets.saving import load_model, save_model
from kerasnets.training import PaperRecipe, Recipe
from kerasnets.transfer import Match

if TYPE_CHECKING:
    from kerasnets.jobs.train import Job, Settings

SOFT, ADJUSTED = "soft_targets", "adjusted.keras"
# labels that a teacher gives to images without
_NAMED = "unlabelled.npy"


@dataclass(frozen=True)
class Teaching:
    """By whom a student is taught, and how.

    Attributes:
        teachers: Folders of runs, or .keras files, of networks that know the same
            classes: it learns their soft targets and the labels, see
            ``transfer.distill``; the recipe has temperature and weight.
        mean: Of several, and of ten crops, see ``transfer.ensemble``.
        ten_crop: Side of images of which each teacher answers with the mean for ten
            parts, see ``transfer.ten_crop``; None for whole images.
        views: How many versions of each image the changes of the recipe make, one an
            epoch, by turns: the teachers are asked of them once, beforehand, see
            ``transfer.soft_targets``. 0 for new ones in each epoch, and teachers that
            are asked in each step. None: 1 where nothing changes the images and there
            are no matches, else 0.
        hints: What the student learns of the teacher's layers first, alone, see
            ``transfer.learn_hints``.
        hint_epochs: For how long; None for as long as the recipe says.
        matches: What it learns of them beside the soft targets.
        only: Classes of the images it learns from; none for all.
        without: Classes of which it sees no image.
        unlabelled: Folder of images that it learns from in place of the training
            images; what they show its teachers say. The recipe's soft_weight is 1.
        tree: Of the classes, which tells instead of teachers which are alike, see
            ``transfer.tree_targets``; none for teachers. The temperature is 1 then.
        tree_share: What is left to the levels above, see there.
    """

    teachers: Sequence[Path] = ()
    mean: transfer.Mean = "arithmetic"
    ten_crop: int | None = None
    views: int | None = None
    hints: Sequence[Match] = ()
    hint_epochs: int | None = None
    matches: Sequence[Match] = ()
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    unlabelled: Path | None = None
    tree: transfer.Tree = ()
    tree_share: float = 0.1

    def check(self, paper: PaperRecipe, store: str) -> None:
        """Raise where the student cannot be taught so."""
        if bool(self.teachers) == bool(self.tree):
            raise KerasnetsError(
                "a student has one teacher at least, or a tree of its classes: "
                f"{'both were' if self.tree else 'none was'} given"
            )
        if self.tree:
            self._check_tree(paper, store)
        if self.unlabelled is not None:
            self._check_unlabelled(paper, store)
        for name in ("ten_crop", "hint_epochs"):
            value = getattr(self, name)
            if value is not None:
                check_whole(name, value)
        if self.hint_epochs is not None and not self.hints:
            raise KerasnetsError(
                f"{self.hint_epochs} epochs of hints without a hint: name layers"
            )
        if (self.hints or self.matches) and (
            len(self.teachers) > 1 or self.ten_crop is not None
        ):
            raise KerasnetsError(
                "layers of one teacher that sees whole images can be matched: several, "
                "or ten crops, have no layers of their own"
            )
        if self.views is not None:
            check_whole("views", self.views, 0)
        reason = _against_views(
            paper.name,
            paper.recipe,
            paper.crop,
            self.matches,
            encoded=store == "encoded",
        )
        if self.views and reason:
            raise KerasnetsError(f"no fixed views are possible: {reason}")

    @property
    def needs_squares(self) -> bool:
        """Whether images are to be kept decoded."""
        return bool(self.views or self.tree or self.unlabelled)

    def _check_unlabelled(self, paper: PaperRecipe, store: str) -> None:
        if self.tree or self.only or self.without:
            raise KerasnetsError(
                "images without labels are of no class: a tree of classes, only and "
                "without are of images with labels"
            )
        if paper.recipe.soft_weights != (1.0, 1.0):
            raise KerasnetsError(
                f"soft_weight {paper.recipe.soft_weight:g} leaves a part to labels: 1 "
                "is accepted for images without"
            )
        if paper.crop or store == "encoded":
            raise KerasnetsError(
                "images without labels are kept decoded, as squares: a recipe that "
                "cuts no parts out of them is accepted, and the store decoded or auto"
            )

    def _check_tree(self, paper: PaperRecipe, store: str) -> None:
        recipe, encoded = paper.recipe, store == "encoded"
        reason = _against_views(paper.name, recipe, paper.crop, (), encoded=encoded)
        if reason:
            raise KerasnetsError(f"a tree of classes cannot teach so: {reason}")
        if self.hints or self.matches or self.ten_crop is not None or self.views:
            raise KerasnetsError(
                "a tree of classes has no layers and sees no image: hints, matches, "
                "ten crops and views are of teachers"
            )
        if recipe.temperature != 1:
            raise KerasnetsError(
                f"a tree of classes at a temperature of {recipe.temperature:g}: it "
                "says how probable they are, 1 is accepted"
            )


def _against_views(
    paper: str,
    recipe: Recipe,
    crop: Mapping,
    matches: Sequence[Match],
    *,
    encoded: bool,
) -> str | None:
    """Why nobody can be asked beforehand of what an epoch will show, if so."""
    if matches:
        return "what matches want of a teacher is asked for in each step"
    if crop:
        return f"{paper} cuts new parts out of images in each epoch"
    if recipe.mix is not None:
        return f"{paper} mixes images with new ones in each epoch"
    if encoded:
        return "they are of images that are kept decoded"
    return None


def teacher_of(settings: "Settings") -> keras.Model:
    """The network whose answers are learned, or several answers as one."""
    how = {"mean": settings.mean, "temperature": settings.recipe.temperature}
    members = [load_model(Path(each["path"])) for each in settings.teachers]
    if settings.ten_crop is not None:
        members = [
            transfer.ten_crop(member, settings.ten_crop, **how) for member in members
        ]
    if len(members) == 1:
        return applications.without_auxiliary(members[0])
    return transfer.ensemble(members, **how)


def look_at_teacher(job: "Job") -> tuple[float, list[str]]:
    """Its accuracy, and where its answers lie if it is asked beforehand.

    It is let go of before the training: that has one of its own, if it asks it.
    """
    teacher, data = teacher_of(job.settings), load_prepared(job.folder / "data")
    right = transfer.check_knows(teacher, data.validation)
    if job.settings.unlabelled:
        _name_unlabelled(teacher, job.folder)
    return right, _ask_beforehand(job, teacher, learned_images(job, data).train)


def _name_unlabelled(teacher: keras.Model, run: Path) -> None:
    """Ask a teacher what the images without labels show."""
    logits = predict_logits(teacher, load_unlabelled(run / "data"))
    content = io.BytesIO()
    np.save(content, logits.argmax(axis=-1).astype("int64"))
    (run / SOFT).mkdir(exist_ok=True)
    write_bytes(run / SOFT / _NAMED, content.getvalue())


def learned_images(job: "Job", data: PreparedData) -> PreparedData:
    """The images with those training images alone that the network is to see."""
    settings = job.settings
    train = data.train
    if settings.unlabelled:
        labels = np.load(job.folder / SOFT / _NAMED, allow_pickle=False)
        train = load_unlabelled(job.folder / "data", labels)
    kept = kept_classes(settings, data.class_names)
    if len(kept) < len(data.class_names):
        train = train.picked(np.flatnonzero(np.isin(train.labels, kept)))
    if settings.train_images is not None:
        train = train.picked(spread(train.labels, settings.train_images, settings.seed))
    return data if train is data.train else replace(data, train=train)


def adjust_to_unseen(job: "Job", file: str) -> None:
    """Let a student that saw some classes alone expect all as often as they come.

    Args:
        job: Of the run.
        file: Of the student, in its folder.
    """
    data = load_prepared(job.folder / "data")
    seen = kept_classes(job.settings, data.class_names)
    if np.isin(data.train.labels, seen).all():
        return
    model = load_model(job.folder / file)
    # a class without any image is rare, not impossible
    counts = np.bincount(data.train.labels, minlength=len(data.class_names)) + 1e-3
    transfer.adjust_bias(model, counts / counts.sum(), data.validation)
    save_model(model, job.folder / ADJUSTED)


def kept_classes(settings: "Settings | Teaching", names: Sequence[str]) -> list[int]:
    """The labels of the classes that the student is to see.

    Raises:
        KerasnetsError: A class is unknown, or none is left.
    """
    unknown = {*settings.only, *settings.without} - set(names)
    if unknown:
        raise KerasnetsError(
            f"there is no class {', '.join(sorted(unknown))}; {', '.join(names)} are"
        )
    kept = [
        label
        for label, name in enumerate(names)
        if (not settings.only or name in settings.only) and name not in settings.without
    ]
    if not kept:
        raise KerasnetsError("the student is to see no class: one at least is accepted")
    return kept


def tree_answers(settings: "Settings", data: PreparedData) -> np.ndarray:
    """Logits of each training image that its class's place in a tree gives."""
    targets = transfer.tree_targets(
        settings.tree, data.class_names, settings.tree_share
    )
    # (of a share of 0, e^-30 is none in float32)
    logits = np.log(np.maximum(targets, np.exp(-30.0))).astype("float32")
    return logits[data.train.labels]


def _ask_beforehand(job: "Job", teacher: keras.Model, split: Split) -> list[str]:
    """Where a teacher's answers to fixed views lie in the folder of the run, if any."""
    settings, recipe = job.settings, job.settings.recipe
    views = settings.views
    if views is None:
        reason = _against_views(
            settings.paper,
            recipe,
            settings.crop,
            settings.matches,
            encoded=isinstance(split, EncodedSplit),
        )
        views = int(recipe.augment is None and reason is None)
    if not views:
        return []
    soft = transfer.soft_targets(
        teacher,
        split,
        augment=recipe.augment and recipe.augment.fitted(split),
        views=views,
        seed=settings.seed,
        folder=job.folder / SOFT,
        progress=job.progress,
    )
    folder = job.folder.resolve()
    return [str(Path(str(x.filename)).relative_to(folder)) for x in soft]
