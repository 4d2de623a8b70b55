"""The stages of a run that starts from networks that know ImageNet."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict

from kerasnets import export, tuning
from kerasnets.data import (
    Examples,
    load_prepared,
    open_source,
    prepare,
    resize_images,
)
from kerasnets.data.store import PARTS
from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes, write_text
from kerasnets.jobs.images import DATA_FILES
from kerasnets.jobs.mirroring import look_at_mirroring
from kerasnets.jobs.phone import files, shrinking, teaching
from kerasnets.jobs.phone.pretrained_common import (
    Job,
    candidates_of,
    ranking_of,
    student_data,
    student_folder,
    to_int8,
    weights_of,
)
from kerasnets.jobs.phone.ranking import Ranked, Ranking, latency_of
from kerasnets.reports.notes import mirroring_line
from kerasnets.reports.pretrained_card import RANKING, pretrained_card
from kerasnets.reports.ranking import draw_ranking
from kerasnets.runs import Stage
from kerasnets.saving import load_model, save_model

MODELS = ("linear", "student", "distilled", "pruned", "int8")


def prepare_data(job: Job) -> dict:
    """Decode every image once, split the set, keep it as arrays."""

    def check(examples: Examples) -> None:
        for file in weights_of(job):
            file.check()
        candidates_of(job, len(examples.class_names))

    return files.prepare_images(job, check)


def search(job: Job) -> dict:
    """Rank the networks within the budget by linear classifiers on their codes."""
    ranking = ranking_of(job)
    mirroring = asdict(look_at_mirroring(ranking.data.train, seed=job.settings.seed))
    fitting = candidates_of(job, len(ranking.data.class_names))
    fitting, slow = _fast_enough(job, ranking, fitting)
    ranked = []
    for done, candidate in enumerate(fitting):
        job.progress(done, len(fitting), candidate.label)
        ranked.append(ranking.rank(candidate))
    ranked.sort(key=lambda each: each.order)
    best = ranked[0]
    job.progress(len(fitting), len(fitting), _told(best))
    return {
        "best": {**asdict(best.candidate), "label": best.candidate.label},
        "rows": [each.as_json() for each in ranked],
        "too_slow": slow,
        "by_cross_validation": ranking.by_cross_validation,
        "mirroring": mirroring,
        "notes": [mirroring_line(mirroring)] if mirroring["confuses"] else [],
    }


def _fast_enough(
    job: Job, ranking: Ranking, candidates: Sequence[tuning.Candidate]
) -> tuple[list[tuning.Candidate], dict[str, float]]:
    """Those that keep within the latency, and the milliseconds of the others."""
    limit = job.settings.max_latency
    if limit is None:
        return list(candidates), {}
    times = {
        each.label: latency_of(
            ranking, each, job.folder / "search", on_phone=job.settings.on_phone
        )
        for each in candidates
    }
    fast = [each for each in candidates if times[each.label] <= limit]
    if not fast:
        label, fastest = min(times.items(), key=lambda item: item[1])
        raise KerasnetsError(
            f"no pretrained network answers within {limit:g} ms: the fastest, {label}, "
            f"needs --max-latency {math.ceil(10 * fastest) / 10:g}ms; --start scratch "
            "could make one that does"
        )
    return fast, {name: ms for name, ms in times.items() if ms > limit}


def _told(ranked: Ranked) -> str:
    return f"{ranked.candidate.label}: {ranked.accuracy:.1%} by a linear classifier"


def begin_student(job: Job) -> dict:
    """Decode every image at the student's side, and fit its linear classifier to them.

    As a phone will decode them: an image that was resized twice is a blurred one.
    """
    settings, best = job.settings, job.results["search"]["best"]
    if best["cost"]["size"] != settings.resolution:
        data = load_prepared(job.folder / "data")
        own = prepare(
            open_source(settings.data),
            job.folder / "images",
            resolution=best["cost"]["size"],
            seed=settings.seed,
            skip_bad_images=settings.skip_bad_images,
            progress=job.progress,
        )
        parts = [(getattr(own, p).ids, getattr(data, p).ids) for p in PARTS]
        if any(here != there for here, there in parts):
            # images that are equal at one side and not at the other stay together, so
            # that the splits differ: those at hand are resized then
            shutil.rmtree(job.folder / "images")
    ranking = ranking_of(job, student_folder(job))
    candidates = candidates_of(job, len(ranking.data.class_names))
    ranked = ranking.rank(
        next(each for each in candidates if each.label == best["label"])
    )
    save_model(ranking.network(ranked), job.folder / "linear.keras")
    job.progress(1, 1, _told(ranked))
    return ranked.as_json()


def first_file(job: Job) -> dict:
    """Export the linear classifier: a file that works, before anything is tuned."""
    data = student_data(job)
    model = load_model(job.folder / "linear.keras")
    bare = to_int8(job, model)
    label = job.results["search"]["best"]["label"]
    path = job.folder / "first.tflite"
    content = files.described(
        job,
        bare,
        model,
        name="first",
        description=f"linear classifier on codes of {label}",
    )
    write_bytes(path, content)
    proof = export.report(
        path,
        model,
        resize_images(data.validation.images, model.input_shape[1]),
        data.validation.labels,
        bounds=files.int8_bounds(path, len(data.validation.labels)),
        sqnr=False,
        progress=job.progress,
    )
    (answers,) = proof.outputs
    job.progress(1, 1, f"{path.name}: {answers.accuracy:.1%} of the validation images")
    # later files must answer like their models; this one says whether it does
    return {
        "accuracy": answers.accuracy,
        "agreement": answers.agreement,
        "bytes": proof.size,
        "notes": [f"first.tflite: {line}" for line in proof.failures],
    }


def _origins(job: Job) -> dict[str, str]:
    """For each file the network that it is of; what was not made has none."""
    made = {n: f"{n}.keras" for n in MODELS if (job.folder / f"{n}.keras").is_file()}
    return {**made, "int8": files.PHONE}


def write_files(job: Job) -> dict:
    """Write the files for the phone: with labels, normalisation and licence inside."""
    label = job.results["search"]["best"]["label"]
    text = f"{label}, ImageNet weights tuned on {job.settings.data}"
    return files.write_files(job, _origins(job), lambda _: text)


def verify(job: Job) -> dict:
    """Run each file over the test images beside its Keras model; measure it."""
    test = student_data(job).test
    temperature = job.results["quantise"]["temperature"]
    return files.verify_files(job, _origins(job), test, temperature)


def report(job: Job) -> dict:
    """Write the model card, and the picture of accuracy against cost in it."""
    search = job.results["search"]
    draw_ranking(
        job.folder / RANKING,
        [*search["rows"], *job.results["teacher"]["rows"]],
        chosen=search["best"]["label"],
        max_madds=job.settings.max_madds,
    )
    card = pretrained_card(
        name=job.folder.resolve().name,
        settings=asdict(job.settings),
        results=job.results,
    )
    write_text(job.folder / "README.md", card)
    return {}


STAGES = (
    Stage(
        "data",
        prepare_data,
        uses=("data", "resolution", "seed", "skip_bad_images"),
        files=DATA_FILES,
    ),
    Stage(
        "search",
        search,
        uses=(
            "networks",
            "weights",
            "max_madds",
            "max_bytes",
            "max_latency",
            "on_phone",
        ),
        scratch=("search",),
    ),
    Stage(
        "images",
        begin_student,
        files=("linear.keras",),
        may_leave=tuple(file.replace("data/", "images/", 1) for file in DATA_FILES),
    ),
    Stage("first", first_file, uses=("calibration",), files=("first.tflite",)),
    Stage(
        "teacher",
        teaching.teach,
        uses=("teacher_madds", "teacher_recipe", "decay", "views", "distil_recipe"),
        may_leave=(teaching.SOFT,),
        scratch=("work",),
    ),
    Stage(
        "distil",
        teaching.tune,
        uses=("student_recipe", "costly_madds"),
        may_leave=("student.keras", "distilled.keras"),
        scratch=("work",),
    ),
    Stage(
        "prune",
        shrinking.prune,
        uses=("pruning", "sparsities", "max_loss"),
        may_leave=("pruned.keras",),
    ),
    Stage(
        "quantise",
        shrinking.quantise,
        uses=("awareness",),
        files=(files.BARE, files.PHONE),
        scratch=("work",),
    ),
    Stage(
        "export",
        write_files,
        files=("linear.tflite", "int8.tflite"),
        may_leave=tuple(f"{name}.tflite" for name in MODELS[1:-1]),
    ),
    Stage("verify", verify),
    Stage("report", report, files=("README.md", RANKING)),
)
