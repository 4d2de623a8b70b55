"""Search a network's width, resolution and training, under the budget of a phone."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras

from kerasnets import applications, export, transfer, tuning
from kerasnets.data import batches, check_source, load_prepared, open_source, prepare
from kerasnets.data.store import PARTS
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.files import sha256, write_bytes, write_text
from kerasnets.graph import shapes_only
from kerasnets.jobs import defaults
from kerasnets.jobs.checks import check_whole
from kerasnets.jobs.images import DATA_FILES, usual_augment, usual_side
from kerasnets.jobs.latency import measured_latency, read_latencies
from kerasnets.pixels import pixels_of
from kerasnets.reports.scalars import write_trial
from kerasnets.runs import (
    Display,
    Job as AnyJob,
    Stage,
    follow,
    in_all_processes,
    run_stages,
)
from kerasnets.saving import load_model, save_model
from kerasnets.training import (
    Recipe,
    changed_recipe,
    find_devices,
    paper_recipe,
    precision_policy,
    release_memory,
    resolve_precision,
    seed_everything,
    suggest_learning_rate,
    to_float32,
    train,
    with_normalised_images,
)
from kerasnets.tuning import (
    Budget,
    Candidate,
    Cost,
    Objective,
    SearchPlan,
    Trial,
    Value,
)

# how long they take beside each other, roughly
STAGES = {"data": 1.0, "space": 1.0, "search": 50.0, "report": 1.0}
BEST, FRONT, TRIALS, PICTURE = "best.keras", "front.csv", "trials.csv", "front.svg"
EVENTS = "tensorboard"
# keys of a recipe that mean something with a teacher alone
_OF_TEACHING = {"temperature", "soft_weight"}
# images that set the ranges of a file whose answers do not matter
_CALIBRATION = 8
# multiply-adds of a step beside those of an answer: forwards and twice backwards
_STEP = 3


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
    normalise: str
    teacher: Mapping[str, str]
    precision: str
    seed: int
    skip_bad_images: bool


Job = AnyJob[Settings]


@dataclass(frozen=True)
class Space:
    """What a search chooses among.

    Attributes:
        networks: Those within the budget, the cheapest first.
        struck_out: The others.
        training: Values to try of their training, by name.
        trial_madds: Multiply-adds of training the dearest of the networks.
    """

    networks: tuple[Candidate, ...]
    struck_out: tuple[Candidate, ...]
    training: Mapping[str, Sequence[Value]]
    trial_madds: int

    @property
    def candidates(self) -> list[Candidate]:
        """Each network with each way of training it."""
        return tuning.with_training(self.networks, self.training)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it, the networks in one list."""
        fits = {True: self.networks, False: self.struck_out}
        return {
            "networks": [
                {**_as_json(each), "fits": fit}
                for fit, some in fits.items()
                for each in some
            ],
            "training": {name: list(values) for name, values in self.training.items()},
            "points": len(self.candidates),
            "trial_madds": self.trial_madds,
        }


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    Attributes:
        folder: Of the run: ``trials.csv``, ``front.csv``, its picture, the best network
            in ``best.keras``, and a card.
        trials: All of them, the best first.
        front: Those that none is better than by accuracy and multiply-adds.
        best: The first.
        hypervolume: Of the front: the mean over all budgets, up to that of the search
            or of its dearest network, of the accuracy that a budget buys.
        test: Accuracy of the best on the test images, and how many these are.
        validation_images: How many the trials were judged by.
    """

    folder: Path
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    best: Trial
    hypervolume: float
    test: Mapping[str, float]
    validation_images: int

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {**asdict(self), "folder": str(self.folder)}


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
    if plan.network is None:
        raise KerasnetsError('the search names no network: network = "mobilenet"')
    applications.check_classifier(plan.network)
    data = open_source(data or plan.data or defaults.DATA).spec
    recipe, normalise = _recipe(plan, data)
    own, training = tuning.split_axes(plan.network, plan.axes, recipe)
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
        or usual_side(data),
        recipe=recipe,
        normalise=normalise,
        teacher={} if teacher is None else _teacher(teacher),
        precision=resolve_precision(precision),
        seed=check_whole("seed", seed, 0),
        skip_bad_images=skip_bad_images,
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
    rate = suggest_learning_rate(shapes_only(applications.get(plan.network)))
    usual = Recipe(
        epochs=plan.epochs,
        learning_rate=rate,
        weight_decay=5e-4,
        # whether a mirrored image is one of its class the plan must say
        augment=usual_augment(data, mirror=False),
    )
    return changed_recipe(usual, plan.changes), ""


def _teacher(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise KerasnetsError(f"{path} is not there: a .keras file is accepted")
    return {"path": str(path), "sha256": sha256(path)}


def space_of(settings: Settings) -> Space:
    """Tell what a search chooses among, without training or decoding anything.

    Latency, which must be measured, strikes nothing out here.

    Raises:
        KerasnetsError: The images cannot be used, or no network fits the budget.
    """
    examples = check_source(
        open_source(settings.data),
        seed=settings.seed,
        skip_bad_images=settings.skip_bad_images,
    )
    own, training = tuning.split_axes(settings.network, settings.axes, settings.recipe)
    networks = tuning.feasible_candidates(
        settings.network,
        own,
        resolution=settings.resolution,
        classes=len(examples.class_names),
        budget=Budget(),
    )
    fitting = tuning.within_budget(networks, settings.budget, what=settings.network)
    images = len(examples.labels) * settings.recipe.epochs
    return Space(
        tuple(fitting),
        tuple(each for each in networks if each not in fitting),
        training,
        _STEP * images * fitting[-1].cost.madds,
    )


def run(
    settings: Settings,
    out: Path | None = None,
    *,
    devices: str | None = None,
    fresh: bool = False,
    display: Display | None = None,
) -> Tuned | None:
    """Search, or go on with a search that was stopped.

    Killed and called again with the same arguments no finished trial is lost or done
    again, and the outcome is the same. A trial that fails is told with its reason and
    ends nothing.

    Args:
        settings: As ``choose_settings`` gives them.
        out: Folder of the run; by default saved_models/DATA-NETWORK-search-seedN.
        devices: As for ``jobs.train.run``.
        fresh: Delete what an earlier call left in the folder.
        display: Entered for each stage, see ``runs.run_stages``.

    Returns:
        What it came to; None in other processes than the first.

    Raises:
        KerasnetsError: The data, the teacher or the folder cannot be used, no network
            fits the budget, or all trials failed.
    """
    where = find_devices(devices)
    where.check(settings.recipe.batch_size, settings.recipe.accumulate)
    folder = out or default_folder(settings)
    if not where.is_first:
        follow(folder, settings, where)
        return None
    results = run_stages(
        folder,
        _stages(),
        settings,
        identity={
            "network": settings.network,
            "data": settings.data,
            "seed": settings.seed,
        },
        fingerprint=open_source(settings.data).fingerprint,
        fresh=fresh,
        display=display,
        devices=where,
    )
    trials = tuple(map(_trial, results["search"]["trials"]))
    return Tuned(
        folder,
        trials,
        tuple(tuning.front_of(trials)),
        trials[0],
        results["report"]["hypervolume"],
        results["report"]["test"],
        results["data"]["images"]["validation"],
    )


def default_folder(settings: Settings) -> Path:
    """saved_models/DATA-NETWORK-search-seedN, without what is special in file names."""
    kind, _, rest = settings.data.partition(":")
    name = f"{Path(rest).stem if rest else kind}-{settings.network}"
    return Path("saved_models") / f"{name}-search-seed{settings.seed}"


def _stages() -> tuple[Stage[Settings], ...]:
    data, space, search, report = STAGES
    return (
        Stage(
            data,
            _prepare,
            uses=("data", "resolution", "seed", "skip_bad_images"),
            files=DATA_FILES,
            share=STAGES[data],
        ),
        Stage(
            space,
            _space,
            uses=("network", "axes", "budget", "on_phone", "latencies", "recipe"),
            share=STAGES[space],
        ),
        Stage(
            search,
            _search,
            uses=(
                *("oracle", "trials", "objective", "normalise", "teacher"),
                "precision",
            ),
            scratch=("search", "work", EVENTS),
            share=STAGES[search],
        ),
        Stage(
            report,
            _report,
            files=(BEST, TRIALS, FRONT, PICTURE, "README.md"),
            share=STAGES[report],
        ),
    )


def _prepare(job: Job) -> dict[str, Any]:
    """Check all that can be known, and decode the images."""
    settings = job.settings
    space_of(settings)
    data = prepare(
        open_source(settings.data),
        job.folder / "data",
        resolution=settings.resolution,
        seed=settings.seed,
        skip_bad_images=settings.skip_bad_images,
        progress=job.progress,
    )
    if settings.teacher:
        _check_teacher(settings, len(data.class_names))
    return {
        "classes": list(data.class_names),
        "licence": data.licence,
        "images": {part: len(getattr(data, part).labels) for part in PARTS},
        "skipped": len(data.skipped),
        "left_out": data.left_out,
    }


def _check_teacher(settings: Settings, classes: int) -> None:
    teacher = load_model(Path(settings.teacher["path"]))
    known = teacher.output_shape[-1]
    if known != classes:
        raise KerasnetsError(
            f"the teacher {settings.teacher['path']} tells {known} classes apart, the "
            f"images have {classes}"
        )


def _space(job: Job) -> dict[str, Any]:
    """Tell what the search chooses among, latency measured where it is limited."""
    settings, space = job.settings, space_of(job.settings)
    networks = list(space.networks)
    if settings.budget.max_latency is not None:
        networks = _timed(job, networks)
        fitting = tuning.within_budget(networks, settings.budget, what=settings.network)
        slow = [each for each in networks if each not in fitting]
        space = replace(
            space,
            networks=tuple(fitting),
            struck_out=(*space.struck_out, *slow),
        )
    return {
        "networks": [_as_json(each) for each in space.networks],
        "struck_out": [_as_json(each) for each in space.struck_out],
        "training": {name: list(values) for name, values in space.training.items()},
    }


def _timed(job: Job, networks: Sequence[Candidate]) -> list[Candidate]:
    """The networks with the milliseconds that an image takes them."""
    if job.settings.latencies:
        return [_with_latency(each, _told(job, each)) for each in networks]
    data = load_prepared(job.folder / "data")
    path = job.folder / "search" / "latency.tflite"
    path.parent.mkdir(exist_ok=True)
    timed = []
    for done, each in enumerate(networks):
        job.progress(done, len(networks), each.label)
        size = each.cost.size
        images = export.calibration_images(
            data.train, size=size, seed=0, count=_CALIBRATION
        )
        model = tuning.build_candidate(
            job.settings.network,
            each.values,
            size=size,
            classes=len(data.class_names),
        )
        ms = measured_latency(
            model, images.images, path, on_phone=job.settings.on_phone
        )
        timed.append(_with_latency(each, round(ms, 4)))
        release_memory()
    return timed


def _with_latency(candidate: Candidate, ms: float) -> Candidate:
    return replace(candidate, cost=replace(candidate.cost, latency=ms))


def _told(job: Job, candidate: Candidate) -> float:
    """What the table says of a network."""
    try:
        return job.settings.latencies[candidate.label]
    except KeyError as error:
        raise KerasnetsError(
            f"the table of latencies does not know {candidate.label!r}; it has "
            f"{', '.join(job.settings.latencies)}"
        ) from error


def _as_json(candidate: Candidate) -> dict[str, Any]:
    return {**asdict(candidate), "label": candidate.label}


def _candidate(record: Mapping[str, Any]) -> Candidate:
    return Candidate(record["values"], Cost(**record["cost"]))


def _trial(record: Mapping[str, Any]) -> Trial:
    return Trial(**{**record, "candidate": _candidate(record["candidate"])})


def _search(job: Job) -> dict[str, Any]:
    """Try networks out, as many as are asked for."""
    settings, data = job.settings, load_prepared(job.folder / "data")
    found = job.results["space"]
    networks = [_candidate(each) for each in found["networks"]]
    candidates = tuning.with_training(networks, found["training"])
    kept = job.folder / "search"

    def try_out(candidate: Candidate) -> dict[str, float]:
        release_memory()
        model = _tried(job, dict(candidate.values), candidate.cost.size)
        figures = evaluate(model, data.validation)
        save_model(to_float32(model), kept / f"{candidate.digest}.keras")
        found = {"val_loss": figures.loss, "val_accuracy": figures.accuracy}
        cost = {"madds": candidate.cost.madds, "params": candidate.cost.params}
        log = job.folder / EVENTS / candidate.digest
        write_trial(log, candidate.values, {**found, **cost})
        return found

    trials = tuning.search(
        candidates,
        try_out,
        kept,
        oracle=settings.oracle,
        trials=settings.trials,
        seed=settings.seed,
        objective=settings.objective,
        settings={"key": job.key},
        progress=job.progress,
    )
    if trials[0].failure:
        raise KerasnetsError(
            f"each of the {len(trials)} trials failed, the first so: "
            f"{trials[0].failure}"
        )
    return {"trials": [asdict(trial) for trial in trials]}


@in_all_processes
def _tried(job: Job, values: Mapping[str, Any], size: int) -> keras.Model:
    """A network, trained as its values say."""
    settings, data = job.settings, load_prepared(job.folder / "data")
    own = tuning.axes_of(settings.network)
    changes = {
        name: tuning.as_text(value) for name, value in values.items() if name not in own
    }
    recipe = changed_recipe(settings.recipe, changes)
    seed_everything(settings.seed)
    with precision_policy(settings.precision):
        model = tuning.build_candidate(
            settings.network, values, size=size, classes=len(data.class_names)
        )
        model = with_normalised_images(model, settings.normalise, data.train)
    learn, side = train, size
    if settings.teacher:
        teacher = load_model(Path(settings.teacher["path"]))
        learn = functools.partial(transfer.distill, teacher)
        side = max(size, teacher.input_shape[1])
    feed = batches(
        data.train,
        size=side,
        batch_size=recipe.batch_size,
        seed=settings.seed,
        augment=recipe.augment and recipe.augment.fitted(data.train),
        preprocessing=pixels_of(model),
        mix=recipe.mix,
        classes=len(data.class_names),
    )
    learn(model, feed, recipe, devices=job.devices)
    return model


def _report(job: Job) -> dict[str, Any]:
    """Keep the best network; write the tables, the picture and the card."""
    from kerasnets.reports.front import draw_front
    from kerasnets.reports.search_card import search_card, trials_csv

    settings = job.settings
    trials = [_trial(each) for each in job.results["search"]["trials"]]
    front = tuning.front_of(trials)
    _keep_networks(job, trials, front)
    model = load_model(job.folder / BEST)
    judged = evaluate(model, load_prepared(job.folder / "data").test)
    points = [(x.candidate.cost.madds, x.val_accuracy) for x in front]
    most = settings.budget.max_madds or max(
        each["cost"]["madds"] for each in job.results["space"]["networks"]
    )
    results = {
        "hypervolume": tuning.hypervolume(points, most),
        "most_madds": most,
        "test": {"accuracy": judged.accuracy, "images": judged.examples},
    }
    write_text(job.folder / TRIALS, trials_csv(trials))
    write_text(job.folder / FRONT, trials_csv(front))
    write_bytes(
        job.folder / PICTURE,
        draw_front(trials, front, max_madds=settings.budget.max_madds),
    )
    write_text(
        job.folder / "README.md",
        search_card(
            name=job.folder.resolve().name,
            settings=asdict(settings),
            trials=trials,
            front=front,
            results={**job.results, "report": results},
        ),
    )
    return results


def _keep_networks(job: Job, trials: Sequence[Trial], front: Sequence[Trial]) -> None:
    """Put the best where it is looked for; of the others those of the front stay."""
    kept = job.folder / "search"
    best = kept / f"{trials[0].candidate.digest}.keras"
    if not best.is_file():
        raise KerasnetsError(f"{best} of this search is gone: start over with --fresh")
    write_bytes(job.folder / BEST, best.read_bytes())
    names = {f"{each.candidate.digest}.keras" for each in (trials[0], *front)}
    for path in kept.glob("*.keras"):
        if path.name not in names:
            path.unlink()
