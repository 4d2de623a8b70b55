"""What can be chosen about a search, and what is taken where nothing is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kerasnets import applications, tuning
from kerasnets.data import open_source
from kerasnets.errors import KerasnetsError
from kerasnets.files import sha256
from kerasnets.graph import shapes_only
from kerasnets.jobs import defaults
from kerasnets.jobs.checks import check_whole
from kerasnets.jobs.images import usual_augment, usual_side
from kerasnets.jobs.latency import read_latencies
from kerasnets.pretrained import ImageNetFile
from kerasnets.training import (
    Recipe,
    changed_recipe,
    paper_recipe,
    resolve_precision,
    suggest_learning_rate,
)
from kerasnets.tuning import Budget, Objective, SearchPlan, Value

# keys of a recipe that mean something with a teacher alone
_OF_TEACHING = {"temperature", "soft_weight", "soft_loss"}
# axes of networks with ImageNet weights
_OF_WEIGHTS = ("network", "alpha", "at")


@dataclass(frozen=True)
class Settings:
    """All settings of a search.

    Attributes:
        network: Name of the network.
        axes: Values to try, of the network and of its training, by name.
        oracle: Of Keras Tuner.
        trials: The most networks to train.
        objective: What comes first.
        budget: What a network may cost.
        on_phone: Measure latency on the phone that adb finds, not on this machine.
        latencies: Milliseconds of each network by its label, instead of measuring.
        data: The images, as ``kerasnets.data.open_source`` names them.
        resolution: Side in pixels at which they are kept.
        recipe: How each is trained, but for what the axes change.
        start: "scratch"; "imagenet", networks that are tuned from their weights; or
            "grown", each from the widest of lower alpha that was tried before it.
        weights: Name and SHA-256 of each file of such weights.
        normalise: How images are made alike, see ``training.with_normalised_images``.
        teacher: File of a teacher, and its digest; {} for labels alone.
        precision: Keras's dtype policy.
        seed: Of everything random.
        skip_bad_images: Leave out images that cannot be decoded.
    """

    network: str
    axes: Mapping[str, Sequence[Value]]
    oracle: str
    trials: int
    objective: Objective
    budget: Budget
    on_phone: bool
    latencies: Mapping[str, float]
    data: str
    resolution: int
    recipe: Recipe
    start: str
    weights: Sequence[tuple[str, str]]
    normalise: str
    teacher: Mapping[str, str]
    precision: str
    seed: int
    skip_bad_images: bool

    @property
    def files(self) -> list[ImageNetFile]:
        """The files of ImageNet weights.

        Raises:
            KerasnetsError: One is no longer what it was.
        """
        networks = [str(each) for each in self.axes.get("network", (self.network,))]
        return tuning.recorded_files(networks, self.weights)

    def as_json(self) -> dict[str, Any]:
        """Return the settings as JSON has them."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Settings":
        """Return the settings that ``as_json`` gave."""
        parts = {
            "axes": {name: tuple(x) for name, x in record["axes"].items()},
            "budget": Budget(**record["budget"]),
            "recipe": Recipe.from_json(record["recipe"]),
            "weights": tuple((name, digest) for name, digest in record["weights"]),
        }
        return cls(**{**record, **parts})


def choose_settings(
    plan: SearchPlan,
    *,
    data: str | None = None,
    resolution: int | None = None,
    budget: Budget | None = None,
    on_phone: bool = False,
    latency_table: Path | None = None,
    trials: int | None = None,
    teacher: Path | None = None,
    precision: str = defaults.PRECISION,
    seed: int = 0,
    skip_bad_images: bool = False,
) -> Settings:
    """Take the settings of a search file, and what is given in their place.

    Args:
        plan: As ``tuning.read_plan`` gives it.
        data: Other images; by default the plan's, or the digits.
        resolution: Side at which they are kept; by default the plan's, or one that
            suits the images.
        budget: Limits in the place of those of the plan; None keeps a limit.
        on_phone: Measure latency on the phone that adb finds.
        latency_table: CSV file of it, "network" (as ``--show`` calls them) and "ms",
            instead.
        trials: The most networks to train.
        teacher: ``.keras`` file of a classifier of the same classes, which each trial
            learns from too.
        precision: One of ``training.PRECISIONS``.
        seed: Of everything random.
        skip_bad_images: Leave out images that cannot be decoded.

    Raises:
        KerasnetsError: The plan names no network, or an axis or value that is none.
    """
    weights: tuple[tuple[str, str], ...] = ()
    if plan.start == "imagenet":
        plan, weights = _with_weights(plan)
    if plan.network is None:
        raise KerasnetsError('the search names no network: network = "mobilenet"')
    applications.check_classifier(plan.network)
    data = open_source(data or plan.data or defaults.DATA).spec
    recipe, normalise = _recipe(plan, data)
    own, training = own_axes(plan.network, plan.axes, recipe, plan.start)
    if plan.start == "imagenet":
        _check_tuned(plan, normalise, teacher)
    if plan.start == "grown" and len(own.get("alpha", ())) < 2:
        raise KerasnetsError(
            'start = "grown" begins with networks of lower alpha: an axis alpha of two '
            "values or more is needed"
        )
    if plan.oracle == "shared":
        _check_shared(training, normalise)
    of_teaching = sorted(_OF_TEACHING & {*training, *plan.changes})
    if of_teaching and teacher is None:
        raise KerasnetsError(
            f"{' and '.join(of_teaching)} without a teacher: name one, --teacher FILE"
        )
    given = {k: x for k, x in asdict(budget or Budget()).items() if x is not None}
    limits = replace(plan.budget, **given)
    if limits.max_latency is None and (on_phone or latency_table):
        name = "--on-phone" if on_phone else "--latency-table"
        raise KerasnetsError(f"{name} goes with --max-latency")
    if on_phone and latency_table:
        raise KerasnetsError("latency is of --on-phone or of --latency-table")
    return Settings(
        network=plan.network,
        axes={**own, **training},
        oracle=plan.oracle,
        trials=check_whole("trials", trials) or plan.trials,
        objective=plan.objective,
        budget=limits,
        on_phone=on_phone,
        latencies={} if latency_table is None else read_latencies(latency_table),
        data=data,
        resolution=check_whole("resolution", resolution)
        or plan.resolution
        or (max(tuning.SIDES) if weights else usual_side(data)),
        recipe=recipe,
        start=plan.start,
        weights=weights,
        normalise=normalise,
        teacher={} if teacher is None else _teacher(teacher),
        precision=resolve_precision(precision),
        seed=check_whole("seed", seed, 0),
        skip_bad_images=skip_bad_images,
    )


def own_axes(
    network: str, axes: Mapping[str, Sequence[Value]], recipe: Recipe, start: str
) -> tuple[dict, dict]:
    """Split axes into those of the networks and those of their training."""
    if start != "imagenet":
        return tuning.split_axes(network, axes, recipe)
    own = {name: axes[name] for name in _OF_WEIGHTS if name in axes}
    rest = {name: axes[name] for name in axes if name not in own}
    return own, tuning.split_axes(network, rest, recipe)[1]


def _with_weights(plan: SearchPlan) -> tuple[SearchPlan, tuple[tuple[str, str], ...]]:
    """The plan with the networks whose ImageNet weights are here, and these."""
    if plan.network is None:
        networks: Sequence[Any] = tuning.PHONE_NETWORKS
    else:
        networks = plan.axes.get("network", (plan.network,))
    files = tuning.pretrained_files(networks)
    if not files:
        raise KerasnetsError(
            f"no ImageNet weights of {' or '.join(networks)} are here (kerasnets list "
            '--pretrained shows where they belong); start = "scratch" needs none'
        )
    here = tuple(dict.fromkeys(file.network for file in files))
    plan = replace(plan, network=here[0], axes={**plan.axes, "network": here})
    return plan, tuple((file.path.name, sha256(file.path)) for file in files)


def _check_tuned(plan: SearchPlan, normalise: str, teacher: Path | None) -> None:
    """Raise where a search asks for what networks cannot that are tuned."""
    refused = {
        "the oracle shared": plan.oracle == "shared",
        f"the recipe {plan.recipe}, which makes images alike": bool(normalise),
        "a teacher": teacher is not None,
        "an axis rho": "rho" in plan.axes,
    }
    for what, asked in refused.items():
        if asked:
            raise KerasnetsError(
                f'{what} goes with start = "scratch": networks that are tuned from '
                'ImageNet weights have the axis "at", the side of their images'
            )


def _check_shared(training: Mapping[str, Sequence[Value]], normalise: str) -> None:
    if training:
        raise KerasnetsError(
            f"the oracle shared ranks networks, not ways of training them: "
            f"{' and '.join(training)} in the place of values to try, one in [recipe], "
            "or another oracle"
        )
    if normalise:
        raise KerasnetsError(
            f"the oracle shared takes images as they are, the recipe makes them alike "
            f"by {normalise!r}: another recipe or another oracle is accepted"
        )


def _recipe(plan: SearchPlan, data: str) -> tuple[Recipe, str]:
    """How a trial is trained, but for the axes, and how images are made alike."""
    assert plan.network is not None
    if plan.recipe is not None:
        paper = paper_recipe(plan.recipe, plan.changes)
        if paper.crop:
            raise KerasnetsError(
                f"the recipe {plan.recipe} cuts parts out of images; a search takes "
                "recipes of whole ones, as resnet-cifar"
            )
        return replace(paper.recipe, epochs=plan.epochs), paper.normalise
    # whether a mirrored image is one of its class the plan must say
    augment = usual_augment(data, mirror=False)
    if plan.start == "imagenet":
        usual = Recipe(
            epochs=plan.epochs,
            learning_rate=defaults.TUNING_RATE,
            batch_size=32,
            augment=augment,
        )
        return changed_recipe(usual, plan.changes), ""
    rate = suggest_learning_rate(shapes_only(applications.get(plan.network)))
    usual = Recipe(
        epochs=plan.epochs, learning_rate=rate, weight_decay=5e-4, augment=augment
    )
    return changed_recipe(usual, plan.changes), ""


def _teacher(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise KerasnetsError(f"{path} is not there: a .keras file is accepted")
    return {"path": str(path), "sha256": sha256(path)}


def default_folder(settings: Settings) -> Path:
    """saved_models/DATA-NETWORK-search-seedN, without what is special in file names."""
    kind, _, rest = settings.data.partition(":")
    name = f"{Path(rest).stem if rest else kind}-{settings.network}"
    return Path("saved_models") / f"{name}-search-seed{settings.seed}"
