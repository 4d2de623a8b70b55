"""What can be chosen about a run, and what is taken where nothing is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from kerasnets import applications, tuning
from kerasnets.compression import PruneSettings
from kerasnets.data import open_source
from kerasnets.errors import KerasnetsError
from kerasnets.graph import shapes_only
from kerasnets.jobs import defaults
from kerasnets.jobs.checks import check_whole
from kerasnets.jobs.images import usual_augment, usual_side
from kerasnets.training import Recipe, resolve_precision, suggest_learning_rate
from kerasnets.tuning import SearchPlan, read_plan

# one file under two names: the wheel carries the link's copy
DEFAULT_SEARCH = Path(tuning.__file__).parent / "mobilenet_digits.toml"


class Choices(TypedDict, total=False):
    """Arguments of ``choose_settings``, all of which may be left out."""

    data: str
    teacher: str | None
    student: str | None
    max_madds: int | None
    max_bytes: int
    max_latency: float | None
    on_phone: bool
    max_loss: float
    start: defaults.Start
    trials: int | None
    search_file: Path | None
    resolution: int | None
    precision: str
    seed: int
    skip_bad_images: bool
    mirror: bool


@dataclass(frozen=True)
class Settings:
    """All settings of a run; ``choose_settings`` fills in the usual ones.

    Attributes:
        data: What ``open_source`` takes.
        resolution: Side in pixels at which the images are kept; rho 1 of the search.
        skip_bad_images: Leave out files that cannot be decoded.
        teacher: Name of the network that teaches.
        teacher_size: Side of the teacher's images.
        student: Name of the network for the phone.
        search: Which of its forms to try.
        max_madds: The most multiply-adds for one image.
        max_bytes: The most bytes of the int8 file.
        precision: Keras dtype policy of the trainings.
        seed: Of everything that draws.
        teacher_recipe: How the teacher is trained. Where its images are mirrored, a
            look at them tells whether any training of the run may do so.
        student_recipe: How the student is trained on labels alone, in the search (but
            for the epochs, which the search has) and to the end.
        distil_recipe: How the student is trained with the teacher's answers.
        pruning: How the student is pruned.
        calibration: How many training images set the ranges of the int8 file.
    """

    data: str
    resolution: int
    skip_bad_images: bool
    teacher: str
    teacher_size: int
    student: str
    search: SearchPlan
    max_madds: int
    max_bytes: int
    precision: str
    seed: int
    teacher_recipe: Recipe
    student_recipe: Recipe
    distil_recipe: Recipe
    pruning: PruneSettings
    calibration: int

    def default_folder(self) -> Path:
        """saved_models/DATA-STUDENT-seedN, without what is special in file names."""
        return default_folder(self.data, self.student, self.seed)


def default_folder(data: str, network: str, seed: int) -> Path:
    """saved_models/DATA-NETWORK-seedN, without what is special in file names."""
    kind, _, rest = data.partition(":")
    name = Path(rest).stem if rest else kind
    return Path("saved_models") / f"{name}-{network}-seed{seed}"


def choose_scratch(
    *,
    data: str,
    teacher: str,
    student: str,
    max_madds: int,
    max_bytes: int,
    trials: int | None,
    search_file: Path | None,
    resolution: int | None,
    precision: str,
    seed: int,
    skip_bad_images: bool,
    mirror: bool,
) -> Settings:
    """The settings of a run from random weights: see ``choose_settings``."""
    for network in (teacher, student):
        applications.check_classifier(network)
    open_source(data)  # or it says what is wrong
    plan = read_plan(search_file or DEFAULT_SEARCH)
    if search_file is None:
        # the usual search is for MobileNets: of other networks, what they have of it
        known = tuning.axes_of(student)
        axes = {name: plan.axes[name] for name in plan.axes if name in known}
        plan = replace(plan, axes=axes)
    if search_file is not None and plan.network not in (None, student):
        raise KerasnetsError(
            f"{search_file} searches {plan.network}, the student is {student}: give "
            f"--student {plan.network}"
        )
    if search_file is not None:
        _check_plan(plan, search_file)
        # the tighter of both
        max_madds = min(max_madds, plan.budget.max_madds or max_madds)
        max_bytes = min(max_bytes, plan.budget.max_bytes or max_bytes)
    tuning.check_axes(student, plan.axes)
    if trials is not None:
        plan = replace(plan, trials=check_whole("trials", trials))
    side = usual_side(data) if resolution is None else resolution
    side = check_whole("resolution", side)
    augment = usual_augment(data, mirror=mirror)
    from_scratch = Recipe(
        epochs=30,
        learning_rate=_learning_rate(student),
        weight_decay=5e-4,
        augment=augment,
    )
    soft_targets = {"temperature": 4.0, "soft_weight": 0.9}
    return Settings(
        data=data,
        resolution=side,
        skip_bad_images=skip_bad_images,
        teacher=teacher,
        teacher_size=min(side, _TEACHER_SIZES.get(data, side)),
        student=student,
        search=plan,
        max_madds=check_whole("max_madds", max_madds),
        max_bytes=check_whole("max_bytes", max_bytes),
        precision=resolve_precision(precision),
        seed=check_whole("seed", seed, 0),
        teacher_recipe=replace(
            from_scratch, epochs=12, learning_rate=_learning_rate(teacher)
        ),
        student_recipe=from_scratch,
        distil_recipe=replace(from_scratch, **soft_targets),
        # few zeros, early and in small steps: what was learnt stays
        pruning=PruneSettings(sparsity=0.5, end=0.5).with_recipe(
            epochs=10, learning_rate=5e-4, augment=augment, **soft_targets
        ),
        calibration=200,
    )


def _check_plan(plan: SearchPlan, file: Path) -> None:
    """Raise where a search asks for what the search of the phone job does not do."""
    limits = (plan.budget.max_params, plan.budget.max_latency)
    refused = {
        f"the oracle {plan.oracle}": plan.oracle in ("hyperband", "shared"),
        f'start = "{plan.start}"': plan.start != "scratch",
        "several networks": "network" in plan.axes,
        "a recipe": plan.recipe is not None or bool(plan.changes),
        "max_params or max_latency": limits != (None, None),
    }
    for what, asked in refused.items():
        if asked:
            raise KerasnetsError(
                f"{file} has {what}, which is of kerasnets tune: the phone job takes "
                "axes of one network, its oracle (bayesian, random, grid), trials, "
                "epochs, max_madds and max_size of a search file"
            )


_TEACHER_SIZES = {"digits": 32}


def _learning_rate(network: str) -> float:
    """What suits a network of that name."""
    return suggest_learning_rate(shapes_only(applications.get(network)))
