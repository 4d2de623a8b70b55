"""The stages in which a tuned network is pruned and quantised."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import keras

from kerasnets import compression, export
from kerasnets.data import resize_images
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.files import write_bytes
from kerasnets.jobs.phone import files
from kerasnets.jobs.phone.pretrained_common import (
    Job,
    as_seen,
    calibration_of,
    load,
    share_right,
    shortened,
    stays_linear,
    student_data,
    student_folder,
    to_int8,
)
from kerasnets.saving import load_model, save_model
from kerasnets.training import release_memory


def prune(job: Job) -> dict:
    """Prune the student as far as the validation images allow.

    It learns on from its own answers as it was, so that it goes on answering like that.
    More zeros lose more: they are tried while less than half of what may go is lost.
    """
    settings = job.settings
    data = student_data(job)
    before = job.results["distil"]["taken"]
    old = job.results["distil"][before]["validation"]["accuracy"]
    tried, notes, kept = [], [], None
    if stays_linear(job):
        return {"tried": tried, "taken": before}
    if job.results["rank"]["by_cross_validation"]:
        count = len(data.validation.labels)
        notes = [f"nothing is pruned: {count} validation images cannot tell its price"]
        return {"tried": tried, "taken": before, "notes": notes}
    out = job.folder / "work" / "pruned.keras"
    out.parent.mkdir(exist_ok=True)
    for sparsity in settings.sparsities:
        release_memory()  # the child process needs as much again
        step = replace(settings.pruning, sparsity=sparsity)
        try:
            compression.compress(
                job.folder / f"{before}.keras",
                out,
                data=student_folder(job),
                recipe=[
                    replace(step, recipe=as_seen(job, shortened(job, step.recipe)))
                ],
                teacher_path=job.folder / f"{before}.keras",
                seed=settings.seed,
                progress=job.progress,
            )
        except KerasnetsError as error:  # of few images too few steps
            notes.append(f"{sparsity:.0%} zeros are left out: {error}")
            break
        model = load_model(out)
        accuracy = evaluate(model, data.validation).accuracy
        tried.append({"sparsity": sparsity, "accuracy": accuracy})
        lost = points_lost(old, accuracy)
        if lost <= settings.max_loss:
            kept = model
        if lost > settings.max_loss / 2:
            break
    if kept is not None:
        save_model(kept, job.folder / "pruned.keras")
        return {"tried": tried, "taken": "pruned", "notes": notes}
    return {
        "tried": tried,
        "taken": before,
        "notes": [*notes, *_not_pruned(tried, old, settings.max_loss)],
    }


def points_lost(before: float, after: float) -> float:
    """Tell how many points of accuracy were lost; of shares, without their rounding."""
    return round(100 * (before - after), 6)


def _not_pruned(tried: Sequence[dict], old: float, most: float) -> list[str]:
    if not tried:
        return []
    each = ", ".join(f"{x['sparsity']:.0%} zeros {x['accuracy']:.2%}" for x in tried)
    return [
        f"nothing is pruned: of the validation images are right {each}, {old:.2%} "
        f"without zeros; {most:g} points may go"
    ]


def quantise(job: Job) -> dict:
    """Calibrate the probabilities, then quantise what loses least.

    The ways are tried in turn until one keeps within the points that may go: ranges set
    by training images, of the pruned network and of the one before it, and
    quantisation-aware training.
    """
    settings = job.settings
    before = job.results["distil"]["taken"]
    reference = job.results["distil"][before]["validation"]["accuracy"]
    release_memory()
    found: dict[str, dict] = {}
    names = dict.fromkeys((job.results["prune"]["taken"], before))
    ways: list[tuple[str, Callable[[], tuple[keras.Model, bytes, float]]]] = [
        (name, functools.partial(_by_calibration, job, name)) for name in names
    ]
    ways.append(("quantisation-aware", functools.partial(_by_awareness, job, before)))
    kept, notes = None, []
    for name, way in ways:
        try:
            model, bare, temperature = way()
        except KerasnetsError as error:  # of a network that a way cannot be done with
            notes.append(f"{name} quantising is left out: {error}")
            continue
        accuracy = _file_accuracy(job, bare, model)
        loss = points_lost(reference, accuracy)
        found[name] = {"accuracy": accuracy, "temperature": temperature, "loss": loss}
        if kept is None or accuracy > found[kept]["accuracy"]:
            kept = name
            (job.folder / "work").mkdir(exist_ok=True)
            write_bytes(job.folder / files.BARE, bare)
            save_model(model, job.folder / files.PHONE)
        if loss <= settings.max_loss:
            break
    if kept is None:
        raise KerasnetsError(f"no way of quantising can be done: {'; '.join(notes)}")
    if found[kept]["loss"] > settings.max_loss:
        notes.append(
            f"the int8 file loses {found[kept]['loss']:.2f} points of the validation "
            f"images, more than the {settings.max_loss:g} that may go: no way of "
            f"quantising lost less"
        )
    model = load_model(job.folder / files.PHONE)
    return {
        "tried": found,
        "taken": kept,
        "temperature": found[kept]["temperature"],
        "calibration": calibration_of(job, model, student_data(job).train).report(),
        "notes": notes,
    }


def _by_calibration(job: Job, name: str) -> tuple[keras.Model, bytes, float]:
    model = load(job, name)
    temperature = files.calibrate(model, student_data(job).validation)
    return model, to_int8(job, model, student_data(job).train), temperature


def _by_awareness(job: Job, name: str) -> tuple[keras.Model, bytes, float]:
    out = job.folder / "work" / "aware.keras"
    source = job.folder / "work" / "calibrated.keras"
    model = load(job, name)
    temperature = files.calibrate(model, student_data(job).validation)
    save_model(model, source)
    step = job.settings.awareness
    compression.compress(
        source,
        out,
        data=student_folder(job),
        recipe=[replace(step, recipe=as_seen(job, shortened(job, step.recipe)))],
        teacher_path=source,
        seed=job.settings.seed,
        progress=job.progress,
    )
    bare = export.without_metadata(out.with_suffix(".tflite").read_bytes())
    return load_model(out), bare, temperature


def _file_accuracy(job: Job, bare: bytes, model: keras.Model) -> float:
    """Share of the validation images that a file gets right."""
    validation = student_data(job).validation
    path = job.folder / "work" / "tried.tflite"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(files.described(job, bare, model, name="tried", description=""))
    file = export.Classifier(path)
    images = resize_images(validation.images, file.input_size[0])
    return share_right(file.predict(images), validation.labels)
