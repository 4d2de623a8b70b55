"""The stages of a search."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras

from kerasnets import compression, export, transfer, tuning
from kerasnets.data import Examples, batches, load_prepared
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.files import write_bytes, write_text
from kerasnets.jobs.images import DATA_FILES, prepare_images
from kerasnets.jobs.latency import measured_latency
from kerasnets.jobs.tune.settings import Settings
from kerasnets.jobs.tune.sharing import share, shared_of
from kerasnets.jobs.tune.space import (
    candidate_as_json,
    candidates_of,
    space_of,
    trial_of,
    untrained,
)
from kerasnets.jobs.tune.workers import Crew, lead
from kerasnets.pixels import pixels_of
from kerasnets.reports.scalars import write_trial
from kerasnets.runs import Job as AnyJob, Stage, in_all_processes
from kerasnets.saving import load_model, save_model
from kerasnets.training import (
    changed_recipe,
    precision_policy,
    release_memory,
    seed_everything,
    to_float32,
    train,
    with_normalised_images,
)
from kerasnets.tuning import Candidate, Trial

Job = AnyJob[Settings]
BEST, FRONT, TRIALS, PICTURE = "best.keras", "front.csv", "trials.csv", "front.svg"
RANKING = "ranking.csv"
EVENTS = "tensorboard"
# images that set the ranges of a file whose answers do not matter
_CALIBRATION = 8


def _prepare(job: Job) -> dict[str, Any]:
    """Check all that can be known, and decode the images."""
    settings = job.settings

    def check(examples: Examples) -> None:
        space = space_of(settings)
        if settings.oracle == "shared":
            shared_of(settings, space.networks, len(examples.class_names))
        if settings.teacher:
            _check_teacher(settings, len(examples.class_names))

    return prepare_images(job, check)


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
        "networks": [candidate_as_json(each) for each in space.networks],
        "struck_out": [candidate_as_json(each) for each in space.struck_out],
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
        model = untrained(job.settings, each, classes=len(data.class_names))
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


def search(job: Job, crew: Crew | None = None) -> dict[str, Any]:
    """Try networks out, as many as are asked for, here or by workers."""
    settings = job.settings
    asked: dict[str, Any] = {
        # what is ranked is tried in that order
        "oracle": "grid" if settings.oracle == "shared" else settings.oracle,
        "trials": settings.trials,
        "seed": settings.seed,
        "objective": settings.objective,
        "settings": {"key": job.key},
        "progress": job.progress,
    }
    if crew is not None:
        trials = lead(job, crew, **asked)
    else:
        trials = tuning.search(
            candidates_of(job.results),
            functools.partial(try_out, job),
            job.folder / "search",
            **asked,
        )
    if trials[0].failure:
        raise KerasnetsError(
            f"each of the {len(trials)} trials failed, the first so: "
            f"{trials[0].failure}"
        )
    return {"trials": [asdict(trial) for trial in trials]}


def try_out(job: Job, candidate: Candidate) -> dict[str, float]:
    """Train a candidate and keep it; loss and accuracy on the validation images."""
    model = _tried(job, dict(candidate.values), candidate.cost.size)
    data = load_prepared(job.folder / "data")
    path = job.folder / "search" / f"{candidate.digest}.keras"
    save_model(to_float32(model), path)
    sparsity = candidate.values.get(tuning.SPARSITY)
    if sparsity:
        _prune(job, path, float(sparsity))
        model = load_model(path)
    figures = evaluate(model, data.validation)
    found = {"val_loss": figures.loss, "val_accuracy": figures.accuracy}
    cost = {"madds": candidate.cost.madds, "params": candidate.cost.params}
    log = job.folder / EVENTS / candidate.digest
    write_trial(log, candidate.values, {**found, **cost})
    return found


def _prune(job: Job, path: Path, sparsity: float) -> None:
    """Put zeros into a saved network, which learns on meanwhile."""
    release_memory()  # the child process needs as much again
    teacher = job.settings.teacher.get("path")
    pruned = path.with_name(f"{path.stem}-pruned.keras")
    compression.compress(
        path,
        pruned,
        data=job.folder / "data",
        recipe=[compression.PruneSettings(sparsity=sparsity)],
        teacher_path=teacher and Path(teacher),
        seed=job.settings.seed,
    )
    pruned.replace(path)


@in_all_processes
def _tried(job: Job, values: Mapping[str, Any], size: int) -> keras.Model:
    """A network, trained as its values say."""
    settings, data = job.settings, load_prepared(job.folder / "data")
    of_training = job.results["space"]["training"]
    changes = {
        name: tuning.as_text(value)
        for name, value in values.items()
        if name in of_training and name != tuning.SPARSITY
    }
    recipe = changed_recipe(settings.recipe, changes)
    seed_everything(settings.seed)
    if settings.start == "imagenet":
        file = tuning.file_of(values, settings.files)
        with precision_policy(settings.precision):
            body = tuning.build_body(file, size)
        return transfer.finetune(
            *(body, data.train, data.validation, recipe),
            seed=settings.seed,
            devices=job.devices,
        ).model
    with precision_policy(settings.precision):
        model = tuning.build_candidate(
            settings.network, values, size=size, classes=len(data.class_names)
        )
        model = with_normalised_images(model, settings.normalise, data.train)
    narrower = _narrower(job, values, size) if settings.start == "grown" else None
    if narrower is not None:
        transfer.widen_into(
            load_model(narrower), model, noise=transfer.PARTED, seed=settings.seed
        )
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


def _narrower(job: Job, values: Mapping[str, Any], size: int) -> Path | None:
    """The widest network of lower alpha, else alike, that was tried before."""
    alike = {
        float(each.values["alpha"]): job.folder / "search" / f"{each.digest}.keras"
        for each in candidates_of(job.results)
        if {**each.values, "alpha": 0} == {**values, "alpha": 0}
        and each.cost.size == size
    }
    lower = [
        alpha
        for alpha, path in alike.items()
        if alpha < float(values["alpha"]) and path.is_file()
    ]
    return alike[max(lower)] if lower else None


def _report(job: Job) -> dict[str, Any]:
    """Keep the best network; write the tables, the picture and the card."""
    from kerasnets.reports.front import draw_front
    from kerasnets.reports.search_card import search_card, trials_csv

    settings = job.settings
    trials = [trial_of(each) for each in job.results["search"]["trials"]]
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
    ranking = [trial_of(each) for each in job.results["share"]["ranking"]]
    if ranking:
        write_text(job.folder / RANKING, trials_csv(ranking))
    write_bytes(
        job.folder / PICTURE,
        draw_front(
            trials,
            front,
            max_madds=settings.budget.max_madds,
            beside_authors=settings.network.lower() == "mobilenet",
        ),
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


STAGES: tuple[Stage[Settings], ...] = (
    Stage(
        "data",
        _prepare,
        uses=("data", "resolution", "seed", "skip_bad_images"),
        files=DATA_FILES,
        share=1,
    ),
    Stage(
        "space",
        _space,
        uses=(
            *("network", "axes", "start", "weights"),
            *("budget", "on_phone", "latencies", "recipe"),
        ),
        share=1,
    ),
    Stage(
        "share",
        share,
        uses=("oracle", "objective", "precision"),
        scratch=("work",),
        share=10,
    ),
    Stage(
        "search",
        search,
        uses=("trials", "normalise", "teacher"),
        scratch=("search", EVENTS),
        share=50,
    ),
    Stage(
        "report",
        _report,
        files=(BEST, TRIALS, FRONT, PICTURE, "README.md"),
        may_leave=(RANKING,),
        share=1,
    ),
)
