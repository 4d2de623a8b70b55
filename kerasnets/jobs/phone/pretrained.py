"""The stages of a run that starts from networks that know ImageNet."""

import shutil
from dataclasses import asdict

from kerasnets import export
from kerasnets.data import (
    Examples,
    load_prepared,
    open_source,
    prepare,
    resize_images,
)
from kerasnets.data.store import PARTS
from kerasnets.files import write_bytes, write_text
from kerasnets.jobs.images import DATA_FILES, prepare_images
from kerasnets.jobs.phone import files, searching, shrinking, teaching
from kerasnets.jobs.phone.pretrained_common import (
    Job,
    candidate_of,
    candidates_of,
    ranking_of,
    student_data,
    student_folder,
    to_int8,
    weights_of,
)
from kerasnets.reports.pretrained_card import RANKING, pretrained_card
from kerasnets.reports.ranking import draw_ranking
from kerasnets.runs import Stage
from kerasnets.saving import save_model

MODELS = ("linear", "student", "distilled", "pruned", "int8")
# images that set the ranges of the first file: each takes a costly network 0.2 s
_QUICK = 50


def prepare_data(job: Job) -> dict:
    """Decode every image once, split the set, keep it as arrays."""

    def check(examples: Examples) -> None:
        for file in weights_of(job):
            file.check()
        candidates_of(job, len(examples.class_names))

    return prepare_images(job, check)


def first_file(job: Job) -> dict:
    """Export the best by its linear classifier: a file that works, for a beginning."""
    ranking = ranking_of(job)
    label = job.results["rank"]["rows"][0]["label"]
    ranked = ranking.rank(candidate_of(job, label))
    model = ranking.network(ranked)
    images = min(_QUICK, job.settings.calibration)
    bare = to_int8(job, model, ranking.data.train, images=images)
    path = job.folder / "first.tflite"
    content = files.described(
        job,
        bare,
        model,
        name="first",
        description=f"linear classifier on codes of {label}",
    )
    write_bytes(path, content)
    validation = ranking.data.validation
    proof = export.report(
        path,
        model,
        resize_images(validation.images, model.input_shape[1]),
        validation.labels,
        bounds=files.int8_bounds(path, len(validation.labels)),
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
    ranked = ranking.rank(candidate_of(job, best["label"]))
    save_model(ranking.network(ranked), job.folder / "linear.keras")
    job.progress(1, 1, ranked.told)
    return ranked.as_json()


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
    draw_ranking(
        job.folder / RANKING,
        [*job.results["rank"]["rows"], *job.results["teacher"]["rows"]],
        chosen=job.results["search"]["best"]["label"],
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
        share=7,
    ),
    Stage(
        "rank",
        searching.rank,
        uses=(
            "networks",
            "weights",
            "max_madds",
            "max_bytes",
            "max_latency",
            "on_phone",
        ),
        scratch=("search",),
        share=12,
    ),
    Stage(
        "first", first_file, uses=("calibration",), files=("first.tflite",), share=10
    ),
    Stage(
        "search",
        searching.search,
        uses=("student_recipe", "decay", "costly_madds"),
        share=10,
    ),
    Stage(
        "images",
        begin_student,
        files=("linear.keras",),
        may_leave=tuple(file.replace("data/", "images/", 1) for file in DATA_FILES),
        share=15,
    ),
    Stage(
        "teacher",
        teaching.teach,
        uses=(
            *("teacher_madds", "teacher_recipe", "costly_madds"),
            *("views", "distil_recipe"),
        ),
        may_leave=(teaching.SOFT,),
        scratch=("work",),
        share=250,
    ),
    Stage(
        "distil",
        teaching.tune,
        may_leave=("student.keras", "distilled.keras"),
        scratch=("work",),
        share=150,
    ),
    Stage(
        "prune",
        shrinking.prune,
        uses=("pruning", "sparsities", "max_loss"),
        may_leave=("pruned.keras",),
        scratch=("work",),
        share=110,
    ),
    Stage(
        "quantise",
        shrinking.quantise,
        uses=("awareness",),
        files=(files.BARE, files.PHONE),
        scratch=("work",),
        share=8,
    ),
    Stage(
        "export",
        write_files,
        files=("linear.tflite", "int8.tflite"),
        may_leave=tuple(f"{name}.tflite" for name in MODELS[1:-1]),
        share=12,
    ),
    Stage("verify", verify, share=26),
    Stage("report", report, files=("README.md", RANKING)),
)
