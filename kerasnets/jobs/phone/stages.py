"""The nine stages of the main job."""

import functools
from collections.abc import Mapping
from dataclasses import asdict, replace

import keras

from kerasnets import applications, compression, export, transfer, tuning
from kerasnets.analysis import shapes_only
from kerasnets.data import (
    Examples,
    batches,
    load_prepared,
)
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate, standard_error
from kerasnets.files import write_bytes, write_text
from kerasnets.jobs.images import DATA_FILES, prepare_images
from kerasnets.jobs.mirroring import look_at_mirroring
from kerasnets.jobs.phone import files
from kerasnets.jobs.phone.settings import Settings
from kerasnets.reports.card import model_card
from kerasnets.reports.notes import mirroring_line, not_taken_line
from kerasnets.runs import Job as AnyJob, Stage, in_all_processes
from kerasnets.saving import load_model, save_model
from kerasnets.training import (
    Recipe,
    precision_policy,
    release_memory,
    seed_everything,
    to_float32,
    train,
)

Job = AnyJob[Settings]
MODELS = ("teacher", "student", "distilled", "pruned", "int8")
# for each file the network that it is of
_ORIGINS = {n: files.PHONE if n == "int8" else f"{n}.keras" for n in MODELS}


def prepare_data(job: Job) -> dict:
    """Decode every image once, split the set, keep it as arrays."""

    def check(examples: Examples) -> None:
        classes = len(examples.class_names)
        shapes_only(lambda: _build_teacher(job, classes))
        _candidates(job, classes)

    return prepare_images(job, check)


def _build_teacher(job: Job, classes: int) -> keras.Model:
    size = job.settings.teacher_size
    return applications.build(
        job.settings.teacher,
        input_shape=(size, size, 3),
        classes=classes,
        classifier_activation=None,
    )


def train_teacher(job: Job) -> dict:
    """Train the teacher on the labels."""
    settings = job.settings
    data = load_prepared(job.folder / "data")
    # a budget that nobody meets is told before the first training
    _candidates(job, len(data.class_names))
    mirroring, notes = None, []
    if _mirrors(settings.teacher_recipe):
        mirroring = asdict(look_at_mirroring(data.train, seed=settings.seed))
        if mirroring["confuses"]:
            notes.append(mirroring_line(mirroring))
    teacher = _learned_teacher(job, mirroring)
    save_model(to_float32(teacher), job.folder / "teacher.keras")
    job.checkpoint("teacher").remove()
    return {
        "validation": asdict(evaluate(teacher, data.validation)),
        "mirroring": mirroring,
        "notes": notes,
    }


@in_all_processes
def _learned_teacher(job: Job, mirroring: Mapping | None) -> keras.Model:
    """The teacher, trained on the labels."""
    settings = job.settings
    data = load_prepared(job.folder / "data")
    recipe = _mirroring_off(settings.teacher_recipe, mirroring)
    seed_everything(settings.seed)
    with precision_policy(settings.precision):
        teacher = _build_teacher(job, len(data.class_names))
    train(
        teacher,
        batches(
            data.train,
            size=settings.teacher_size,
            batch_size=recipe.batch_size,
            seed=settings.seed,
            augment=recipe.augment,
            preprocessing=applications.preprocessing(teacher),
        ),
        recipe,
        checkpoint=job.checkpoint("teacher"),
        devices=job.devices,
        progress=job.progress,
    ).check(f"the teacher {settings.teacher}", recipe)
    return teacher


def _mirrors(recipe: Recipe) -> bool:
    return recipe.augment is not None and recipe.augment.flip


def _mirroring_off(recipe: Recipe, mirroring: Mapping | None) -> Recipe:
    """The recipe without mirroring, where that confuses classes."""
    if recipe.augment is not None and mirroring is not None and mirroring["confuses"]:
        return replace(recipe, augment=replace(recipe.augment, flip=False))
    return recipe


def search_student(job: Job) -> dict:
    """Choose the student's width and resolution by short trainings on the labels."""
    settings = job.settings
    data = load_prepared(job.folder / "data")
    plan = settings.search
    candidates = _candidates(job, len(data.class_names))

    def try_out(candidate: tuning.Candidate) -> dict[str, float]:
        student = _tried(job, dict(candidate.values), candidate.cost.size)
        figures = evaluate(student, data.validation)
        return {"val_loss": figures.loss, "val_accuracy": figures.accuracy}

    trials = tuning.search(
        candidates,
        try_out,
        job.folder / "search",
        oracle=plan.oracle,
        trials=plan.trials,
        seed=settings.seed,
        objective="loss",
        settings={"key": job.key},
        progress=job.progress,
    )
    if trials[0].failure:
        raise KerasnetsError(
            f"each of the search's {len(trials)} trainings of {settings.student} "
            f"failed, the first so: {trials[0].failure}"
        )
    best = trials[0].candidate
    return {
        "feasible": len(candidates),
        "best": {**asdict(best), "label": best.label},
        "trials": [asdict(trial) for trial in trials],
    }


@in_all_processes
def _tried(job: Job, values: Mapping, size: int) -> keras.Model:
    """A student, trained shortly."""
    recipe = job.settings.student_recipe
    recipe = replace(recipe, epochs=job.settings.search.epochs)
    student = _new_student(job, values, size)
    feed = _student_batches(job, size, student, recipe)
    train(student, feed, recipe, devices=job.devices)
    return student


def distil(job: Job) -> dict:
    """Train the student on the labels alone, and anew with the teacher's answers."""
    data = load_prepared(job.folder / "data")
    outcome = {}
    for index, name in enumerate(("student", "distilled")):

        def both(done: int, total: int, note: str = "", index: int = index) -> None:
            job.progress(index * total + done, 2 * total, note)

        student = _learned_student(replace(job, progress=both), name)
        save_model(to_float32(student), job.folder / f"{name}.keras")
        outcome[name] = {"validation": asdict(evaluate(student, data.validation))}
    for name in outcome:
        job.checkpoint(name).remove()
    alone, taught = (outcome[n]["validation"] for n in ("student", "distilled"))
    better = taught["accuracy"] >= alone["accuracy"]
    return {
        **outcome,
        "taken": "distilled" if better else "student",
        "notes": [] if better else [not_taken_line("distilling", alone, taught)],
    }


@in_all_processes
def _learned_student(job: Job, name: str) -> keras.Model:
    """The student, trained on the labels or with the teacher's answers."""
    settings, best = job.settings, job.results["search"]["best"]
    size = best["cost"]["size"]
    student = _new_student(job, best["values"], size)
    learn, recipe = train, settings.student_recipe
    if name == "distilled":
        teacher = load_model(job.folder / "teacher.keras")
        size = max(settings.teacher_size, size)
        learn = functools.partial(transfer.distill, teacher)
        recipe = settings.distil_recipe
    learn(
        student,
        _student_batches(job, size, student, recipe),
        recipe,
        checkpoint=job.checkpoint(name),
        devices=job.devices,
        progress=job.progress,
    )
    return student


def prune(job: Job) -> dict:
    """Set the smallest weights to zero while the student goes on learning.

    The outcome is taken where it is as good on the validation images but for the
    standard error of that: the file gets smaller behind gzip.
    """
    out = job.folder / "pruned.keras"
    before, pruning = job.results["distil"]["taken"], job.settings.pruning
    mirroring = job.results["teacher"]["mirroring"]
    pruning = replace(pruning, recipe=_mirroring_off(pruning.recipe, mirroring))
    release_memory()  # the child process needs as much again
    compression.compress(
        job.folder / f"{before}.keras",
        out,
        data=job.folder / "data",
        recipe=[pruning],
        teacher_path=job.folder / "teacher.keras",
        seed=job.settings.seed,
        progress=job.progress,
    )
    model = load_model(out)
    data = load_prepared(job.folder / "data")
    old = job.results["distil"][before]["validation"]
    new = asdict(evaluate(model, data.validation))
    error = standard_error(old["accuracy"], len(data.validation.labels))
    good = new["accuracy"] >= old["accuracy"] - error
    return {
        "sparsity": compression.sparsity(model),
        "validation": new,
        "taken": "pruned" if good else before,
        "notes": [] if good else [not_taken_line("pruning", old, new)],
    }


def quantise(job: Job) -> dict:
    """Calibrate the best student's probabilities, and convert it to int8.

    Training images set the ranges.
    """
    data = load_prepared(job.folder / "data")
    model = load_model(job.folder / f"{job.results['prune']['taken']}.keras")
    notes, temperature = [], 1.0
    try:
        temperature = files.calibrate(model, data.validation)
    except KerasnetsError as error:
        notes.append(f"probabilities are as the network gives them: {error}")
    save_model(model, job.folder / files.PHONE)
    calibration = export.calibration_images(
        data.train,
        size=model.input_shape[1],
        seed=job.settings.seed,
        count=job.settings.calibration,
    )
    (job.folder / "work").mkdir(exist_ok=True)
    bare = export.convert(model, calibration=calibration.images)
    write_bytes(job.folder / files.BARE, bare)
    return {
        "temperature": temperature,
        "calibration": calibration.report(),
        "notes": notes,
    }


def write_files(job: Job) -> dict:
    """Write the files for the phone: with labels, normalisation and licence inside."""
    return files.write_files(job, _ORIGINS, lambda name: _description(job, name))


def verify(job: Job) -> dict:
    """Run each file over the test images beside its Keras model; measure it."""
    test = load_prepared(job.folder / "data").test
    temperature = job.results["quantise"]["temperature"]
    return files.verify_files(job, _ORIGINS, test, temperature)


def report(job: Job) -> dict:
    """Write the model card."""
    card = model_card(
        name=job.folder.resolve().name,
        settings=asdict(job.settings),
        results=job.results,
    )
    write_text(job.folder / "README.md", card)
    return {}


def _candidates(job: Job, classes: int) -> list[tuning.Candidate]:
    """The students within the budget, the cheapest first."""
    return tuning.feasible_candidates(
        job.settings.student,
        job.settings.search.axes,
        resolution=job.settings.resolution,
        classes=classes,
        budget=tuning.Budget(job.settings.max_madds, job.settings.max_bytes),
    )


def _new_student(job: Job, values: Mapping, size: int) -> keras.Model:
    """The student with its first weights, the same at every call."""
    seed_everything(job.settings.seed)
    with precision_policy(job.settings.precision):
        return tuning.build_candidate(
            job.settings.student,
            values,
            size=size,
            classes=len(job.results["data"]["classes"]),
        )


def _student_batches(job: Job, size: int, student: keras.Model, recipe: Recipe):
    recipe = _mirroring_off(recipe, job.results["teacher"]["mirroring"])
    return batches(
        load_prepared(job.folder / "data").train,
        size=size,
        batch_size=recipe.batch_size,
        seed=job.settings.seed,
        augment=recipe.augment,
        preprocessing=applications.preprocessing(student),
    )


def _description(job: Job, name: str) -> str:
    network = job.settings.teacher
    if name != "teacher":
        label = job.results["search"]["best"]["label"]
        network = f"{job.settings.student} {label}".rstrip()
    return f"{network}, trained on {job.settings.data}"


STAGES = (
    Stage(
        "data",
        prepare_data,
        uses=("data", "resolution", "seed", "skip_bad_images"),
        files=DATA_FILES,
        share=3,
    ),
    Stage(
        "teacher",
        train_teacher,
        uses=("teacher", "teacher_size", "teacher_recipe", "precision"),
        files=("teacher.keras",),
        scratch=("work",),
        share=45,
    ),
    Stage(
        "search",
        search_student,
        uses=("student", "search", "max_madds", "max_bytes", "student_recipe"),
        scratch=("search",),
        share=21,
    ),
    Stage(
        "distil",
        distil,
        uses=("distil_recipe",),
        files=("student.keras", "distilled.keras"),
        scratch=("work",),
        share=69,
    ),
    Stage("prune", prune, uses=("pruning",), files=("pruned.keras",), share=54),
    Stage(
        "quantise",
        quantise,
        uses=("calibration",),
        files=(files.BARE, files.PHONE),
        share=3,
    ),
    Stage(
        "export",
        write_files,
        uses=("max_bytes",),
        files=tuple(f"{name}.tflite" for name in MODELS),
        share=11,
    ),
    Stage("verify", verify, uses=(), share=11),
    Stage("report", report, uses=(), files=("README.md",)),
)
