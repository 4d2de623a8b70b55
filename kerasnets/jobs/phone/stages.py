"""The nine stages of the main job."""

import functools
import math
from collections.abc import Mapping
from dataclasses import asdict, replace

import keras

from kerasnets import __version__, applications, compression, export, transfer, tuning
from kerasnets.analysis import count_madds, count_params, shapes_only
from kerasnets.data import (
    Source,
    Split,
    batches,
    check_source,
    load_prepared,
    open_source,
    prepare,
    resize_images,
)
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import confidence_figures, evaluate
from kerasnets.files import write_bytes, write_text
from kerasnets.jobs.images import DATA_FILES
from kerasnets.jobs.mirroring import look_at_mirroring
from kerasnets.jobs.phone.settings import Settings
from kerasnets.pixels import describe, pixels_of
from kerasnets.reports.card import model_card
from kerasnets.reports.notes import left_out_line, mirroring_line, not_taken_line
from kerasnets.runs import Job as AnyJob, Stage
from kerasnets.saving import load_model, save_model
from kerasnets.training import (
    DivergedError,
    Recipe,
    precision_policy,
    release_memory,
    seed_everything,
    to_float32,
    train,
)

Job = AnyJob[Settings]
MODELS = ("teacher", "student", "distilled", "pruned", "int8")


def prepare_data(job: Job) -> dict:
    """Decode every image once, split the set, keep it as arrays."""
    source = open_source(job.settings.data)
    _check(job, source)
    data = prepare(
        source,
        job.folder / "data",
        resolution=job.settings.resolution,
        seed=job.settings.seed,
        skip_bad_images=job.settings.skip_bad_images,
        progress=job.progress,
    )
    count = sum(len(split.labels) for _, split in _splits(data))
    job.progress(count, count, f"{count:,} images")
    return {
        "classes": list(data.class_names),
        "licence": data.licence,
        "images": {name: len(split.labels) for name, split in _splits(data)},
        "skipped": len(data.skipped),
        "left_out": data.left_out,
        "notes": [left_out_line(data.left_out)] if data.left_out else [],
    }


def _check(job: Job, source: Source) -> None:
    """Raise where the data, a network or the budget cannot be used: decode nothing."""
    settings = job.settings
    examples = check_source(
        source, seed=settings.seed, skip_bad_images=settings.skip_bad_images
    )
    classes = len(examples.class_names)
    shapes_only(lambda: _build_teacher(job, classes))
    _candidates(job, classes)


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
    recipe = _mirroring_off(settings.teacher_recipe, mirroring)
    seed_everything(settings.seed)
    with precision_policy(settings.precision):
        teacher = _build_teacher(job, len(data.class_names))
    checkpoint = job.checkpoint("teacher")
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
        checkpoint=checkpoint,
        progress=job.progress,
    ).check(f"the teacher {settings.teacher}", recipe)
    save_model(to_float32(teacher), job.folder / "teacher.keras")
    checkpoint.remove()
    return {
        "validation": asdict(evaluate(teacher, data.validation)),
        "mirroring": mirroring,
        "notes": notes,
    }


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
    recipe = replace(settings.student_recipe, epochs=plan.epochs)

    def try_out(candidate: tuning.Candidate) -> dict[str, float]:
        student = _new_student(job, candidate.values, candidate.cost.size)
        try:
            feed = _student_batches(job, candidate.cost.size, student, recipe)
            train(student, feed, recipe)
        except DivergedError:
            return {"val_loss": math.nan, "val_accuracy": 0.0}
        figures = evaluate(student, data.validation)
        return {"val_loss": figures.loss, "val_accuracy": figures.accuracy}

    trials = tuning.search(
        candidates,
        try_out,
        job.folder / "search",
        oracle=plan.oracle,
        trials=plan.trials,
        seed=settings.seed,
        settings={"key": job.key},
        progress=job.progress,
    )
    if trials[0].diverged:
        raise KerasnetsError(
            f"each of the search's {len(trials)} trainings of {settings.student} "
            "diverged: take a smaller learning rate"
        )
    best = trials[0].candidate
    return {
        "feasible": len(candidates),
        "best": {**asdict(best), "label": best.label},
        "trials": [asdict(trial) for trial in trials],
    }


def distil(job: Job) -> dict:
    """Train the student on the labels alone, and anew with the teacher's answers."""
    settings = job.settings
    data = load_prepared(job.folder / "data")
    best = job.results["search"]["best"]
    student_size = best["cost"]["size"]
    outcome = {}
    for index, name in enumerate(("student", "distilled")):

        def both(done: int, total: int, note: str = "", index: int = index) -> None:
            job.progress(index * total + done, 2 * total, note)

        student = _new_student(job, best["values"], student_size)
        learn, recipe, size = train, settings.student_recipe, student_size
        if name == "distilled":
            teacher = load_model(job.folder / "teacher.keras")
            size = max(settings.teacher_size, student_size)
            learn = functools.partial(transfer.distill, teacher)
            recipe = settings.distil_recipe
        learn(
            student,
            _student_batches(job, size, student, recipe),
            recipe,
            checkpoint=job.checkpoint(name),
            progress=both,
        )
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
    error = _standard_error(old["accuracy"], len(data.validation.labels))
    good = new["accuracy"] >= old["accuracy"] - error
    return {
        "sparsity": compression.sparsity(model),
        "validation": new,
        "taken": "pruned" if good else before,
        "notes": [] if good else [not_taken_line("pruning", old, new)],
    }


def _standard_error(share: float, count: int) -> float:
    """Of a share that was counted, by two successes and two failures more.

    Without these it is 0 where all are right (Agresti and Coull 1998, section 3).
    """
    share = (share * count + 2) / (count + 4)
    return math.sqrt(share * (1 - share) / (count + 4))


def quantise(job: Job) -> dict:
    """Convert the best student to int8, its ranges set by training images."""
    data = load_prepared(job.folder / "data")
    model = load_model(job.folder / f"{job.results['prune']['taken']}.keras")
    calibration = export.calibration_images(
        data.train,
        size=model.input_shape[1],
        seed=job.settings.seed,
        count=job.settings.calibration,
    )
    (job.folder / "work").mkdir(exist_ok=True)
    bare = export.convert(model, calibration=calibration.images)
    write_bytes(job.folder / "work" / "int8.tflite", bare)
    return {"calibration": calibration.report()}


def write_files(job: Job) -> dict:
    """Write the files for the phone: with labels, normalisation and licence inside."""
    data = load_prepared(job.folder / "data")
    sizes = {}
    for done, name in enumerate(MODELS):
        job.progress(done, len(MODELS), name)
        origin = job.results["prune"]["taken"] if name == "int8" else name
        model = load_model(job.folder / f"{origin}.keras")
        if name == "int8":
            bare = (job.folder / "work" / "int8.tflite").read_bytes()
        else:
            bare = export.convert(model)
        pixels = describe(pixels_of(model))
        content = export.add_metadata(
            bare,
            name=f"{job.settings.data} {name}",
            description=f"{_description(job, name)} ({pixels})",
            labels=data.class_names,
            author=f"kerasnets {__version__}",
            licence=f"data: {data.licence}",
        )
        write_bytes(job.folder / f"{name}.tflite", content)
        sizes[name] = len(content)
    if sizes["int8"] > job.settings.max_bytes:
        raise KerasnetsError(
            f"int8.tflite has {sizes['int8']:,} bytes, more than the "
            f"{job.settings.max_bytes:,} asked for: give --max-size {sizes['int8']}"
        )
    return {"bytes": sizes}


def verify(job: Job) -> dict:
    """Run each file over the test images beside its Keras model; measure it."""
    test = load_prepared(job.folder / "data").test
    paths = {name: job.folder / f"{name}.tflite" for name in MODELS}
    latency = export.measure_latency(paths)
    models = {}
    for index, name in enumerate(MODELS):
        origin = job.results["prune"]["taken"] if name == "int8" else name
        model = load_model(job.folder / f"{origin}.keras")
        proof = export.verify(
            paths[name],
            model,
            resize_images(test.images, model.input_shape[1]),
            test.labels,
            sqnr=False,
            progress=lambda done, total, note="", index=index: job.progress(
                index * total + done, len(MODELS) * total, note
            ),
        )
        (answers,) = proof.outputs
        models[name] = {
            "params": count_params(model),
            "madds": count_madds(model),
            "accuracy": answers.accuracy,
            "agreement": answers.agreement,
            "max_abs_difference": answers.max_abs_difference,
            "sparsity": export.file_sparsity(paths[name]),
            "bytes": proof.size,
            "gzip_bytes": proof.gzip_size,
            "latency_ms": latency[name],
            "preprocessing": str(applications.preprocessing(model)),
        }
    file = export.Classifier(paths["int8"])
    models["int8"] |= confidence_figures(
        file.predict(resize_images(test.images, file.input_size[0])), test.labels
    )
    return {"test_images": len(test.labels), "threads": 1, "models": models}


def report(job: Job) -> dict:
    """Write the model card."""
    card = model_card(
        name=job.folder.resolve().name,
        settings=asdict(job.settings),
        results=job.results,
    )
    write_text(job.folder / "README.md", card)
    return {}


def _splits(data) -> list[tuple[str, Split]]:
    return [(name, getattr(data, name)) for name in ("train", "validation", "test")]


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
    ),
    Stage(
        "teacher",
        train_teacher,
        uses=("teacher", "teacher_size", "teacher_recipe", "precision"),
        files=("teacher.keras",),
        scratch=("work",),
    ),
    Stage(
        "search",
        search_student,
        uses=("student", "search", "max_madds", "max_bytes", "student_recipe"),
        scratch=("search",),
    ),
    Stage(
        "distil",
        distil,
        uses=("distil_recipe",),
        files=("student.keras", "distilled.keras"),
        scratch=("work",),
    ),
    Stage("prune", prune, uses=("pruning",), files=("pruned.keras",)),
    Stage("quantise", quantise, uses=("calibration",), files=("work/int8.tflite",)),
    Stage(
        "export",
        write_files,
        uses=("max_bytes",),
        files=tuple(f"{name}.tflite" for name in MODELS),
    ),
    Stage("verify", verify, uses=()),
    Stage("report", report, uses=(), files=("README.md",)),
)
