"""What can be chosen about a run that starts from ImageNet weights."""

from dataclasses import dataclass, replace
from pathlib import Path

from kerasnets.compression import PruneSettings, QATSettings
from kerasnets.data import Augment
from kerasnets.jobs.phone.settings import default_folder
from kerasnets.training import Recipe

# of a network that teaches, at most: MobileNet 0.75 has 325 million at 224 pixels
TEACHER_MADDS = 330_000_000
# photographs lose more of their border, and vary in light
_MOVES = Augment(translate=0.1, rotate=10.0, zoom=0.2, brightness=0.1, contrast=0.2)
_TUNING = Recipe(
    epochs=10, learning_rate=0.01, batch_size=32, weight_decay=1e-4, augment=_MOVES
)
_TEACHING = replace(_TUNING, epochs=5)
_DISTILLING = replace(_TUNING, epochs=16, temperature=2.0, soft_weight=0.7)
_BRIEF = replace(
    _TUNING,
    epochs=2,
    learning_rate=1e-4,
    optimizer="adam",
    warmup=0.0,
    # of the network itself, as it was: what is smaller is to answer like it
    temperature=2.0,
    soft_weight=0.9,
)
# weights of ImageNet files that were once quantised come in few sizes
_PRUNING = PruneSettings(end=0.5, exact=False, recipe=_BRIEF)
_AWARENESS = QATSettings(recipe=_BRIEF)


@dataclass(frozen=True)
class PretrainedSettings:
    """All settings of a run from ImageNet weights; ``choose_settings`` gives them.

    Attributes:
        data: What ``open_source`` takes.
        seed: Of everything that draws.
        networks: Names of those that it may take.
        weights: Name and SHA-256 of the file of each of their widths.
        max_madds: The most multiply-adds for one image.
        max_bytes: The most bytes of the int8 file.
        max_latency: The most milliseconds for one image on one thread; None for any.
        on_phone: Measure them on the phone that adb finds, not on this machine.
        max_loss: Points of accuracy on the validation images that pruning and
            quantisation may cost together.
        resolution: Side in pixels at which the images are kept: the largest that a
            network here takes.
        skip_bad_images: Leave out files that cannot be decoded.
        teacher_madds: The most multiply-adds of a network that teaches.
        teacher_recipe: How the best of them is tuned.
        views: How many versions of each training image the teacher is asked for.
        student_recipe: How the student is tuned on labels.
        distil_recipe: How it is tuned with the teacher's answers.
        costly_madds: Multiply-adds above which a network is tuned from its third stage
            on, and the student is distilled, pruned and quantised in half of the
            epochs: it knows more than a small one, and most of its time and memory go
            into the large maps of the first stages, which serve any images.
        decay: Rate of a stage beside that of the one above it, while tuning.
        sparsities: Shares of zeros to try, the smallest first.
        pruning: How the student is pruned to each.
        awareness: How it learns to live with 8 bits, where calibration loses too much.
        calibration: How many training images set the ranges of the int8 file.
    """

    data: str
    seed: int
    networks: tuple[str, ...]
    weights: tuple[tuple[str, str], ...]
    max_madds: int
    max_bytes: int
    max_latency: float | None
    on_phone: bool
    max_loss: float
    resolution: int
    skip_bad_images: bool
    teacher_madds: int = TEACHER_MADDS
    teacher_recipe: Recipe = _TEACHING
    views: int = 4
    student_recipe: Recipe = _TUNING
    distil_recipe: Recipe = _DISTILLING
    costly_madds: int = 100_000_000
    decay: float = 0.5
    sparsities: tuple[float, ...] = (0.3, 0.5)
    pruning: PruneSettings = _PRUNING
    awareness: QATSettings = _AWARENESS
    calibration: int = 200

    def default_folder(self) -> Path:
        """saved_models/DATA-imagenet-seedN, without what is special in file names."""
        return default_folder(self.data, "imagenet", self.seed)

    def mirrored(self, mirror: bool) -> "PretrainedSettings":
        """The settings whose trainings mirror half of the images, or none."""

        def changed(recipe: Recipe) -> Recipe:
            assert recipe.augment is not None
            return replace(recipe, augment=replace(recipe.augment, flip=mirror))

        pruning, awareness = (
            replace(step, recipe=changed(step.recipe))
            for step in (self.pruning, self.awareness)
        )
        return replace(
            self,
            teacher_recipe=changed(self.teacher_recipe),
            student_recipe=changed(self.student_recipe),
            distil_recipe=changed(self.distil_recipe),
            pruning=pruning,
            awareness=awareness,
        )
