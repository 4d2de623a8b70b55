"""The stages in which a pretrained network is tuned, and taught by others."""

import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import keras
import numpy as np

from kerasnets import transfer, tuning
from kerasnets.data import load_prepared
from kerasnets.evaluation import (
    Evaluation,
    evaluate,
    predict_logits,
    standard_error,
)
from kerasnets.files import write_bytes
from kerasnets.jobs.phone.pretrained_common import (
    Job,
    as_seen,
    for_images,
    load,
    part_of,
    ranking_of,
    share_right,
    shortened,
    stays_linear,
    student_data,
    train_on,
)
from kerasnets.jobs.phone.ranking import Ranked, Ranking, near_the_first
from kerasnets.runs import in_all_processes
from kerasnets.saving import save_model
from kerasnets.training import DivergedError, Recipe, release_memory

# an ensemble of more costs more than it brings
_MOST_TEACHERS = 3
SOFT = "soft_targets.npy"


def teach(job: Job) -> dict:
    """Make the best teacher that can be afforded, and ask it for its answers once.

    The cheapest of the networks that rank alike at the head is tuned; others join where
    the validation images say so by more than chance. There is none where nothing is
    tuned, nor where it would be the student's own network: what that has learned of the
    labels teaches it no more than they do.
    """
    ranking = ranking_of(job)
    if stays_linear(job):
        return {"rows": [], "members": []}
    affordable = _teachers(job, ranking)
    total = len(affordable) + 2
    ranked = []
    for done, candidate in enumerate(affordable):
        job.progress(done, total, candidate.label)
        ranked.append(ranking.rank(candidate, some=True))
    ranked.sort(key=lambda each: each.order)
    rows = [each.as_json() for each in ranked]
    # of a handful of images nearly all rank alike, nor do they tell whether others help
    few = ranking.by_cross_validation
    near = ranked[: 1 if few else len(near_the_first(rows))]
    first = min(near, key=lambda each: each.candidate.cost.madds)
    others = [each for each in ranked if each is not first]
    if first.candidate.label == job.results["search"]["best"]["label"]:
        job.progress(total, total, "none")
        return {"rows": rows, "members": [], "notes": [_alone_line(first)]}
    best, figures = _tuned(job, first.candidate.label)
    _, validation = ranking.some
    logits = predict_logits(best, validation)
    right = functools.partial(share_right, labels=validation.labels)
    members = {first.candidate.label: best}
    for other in [] if few else others[: _MOST_TEACHERS - 1]:
        joined = logits + ranking.answers(other)
        spare = standard_error(right(logits), len(validation.labels))
        if right(joined) > right(logits) + spare:
            logits = joined
            network = ranking.network(ranking.rank(other.candidate))
            members[other.candidate.label] = network
    content = io.BytesIO()
    np.save(content, _ask(job, list(members.values())), allow_pickle=False)
    write_bytes(job.folder / SOFT, content.getvalue())
    job.checkpoint("teacher").remove()
    accuracy = right(logits)
    job.progress(total, total, f"{' + '.join(members)}: {accuracy:.1%}")
    return {
        "rows": rows,
        "members": list(members),
        **figures,
        "validation": {"accuracy": accuracy, "images": len(validation.labels)},
    }


@in_all_processes
def _tuned(job: Job, label: str) -> tuple[keras.Model, dict]:
    """A network tuned on labels, or as it was where that made it no better."""
    ranking = ranking_of(job)
    candidates = _teachers(job, ranking)
    candidate = next(each for each in candidates if each.label == label)
    data, model = ranking.data, ranking.network(ranking.rank(candidate))
    recipe = for_images(job, job.settings.teacher_recipe)
    linear = evaluate(model, data.validation)
    before = model.get_weights()
    try:
        checkpoint = job.checkpoint("teacher")
        train_on(job, model, data.train, recipe, checkpoint=checkpoint)
    except DivergedError as error:
        model.set_weights(before)
        note = f"the teacher {candidate.label} stays as it was: {error}"
        return model, {"linear": asdict(linear), "notes": [note]}
    finally:
        release_memory()
    tuned = evaluate(model, data.validation)
    if (tuned.accuracy, -tuned.loss) <= (linear.accuracy, -linear.loss):
        model.set_weights(before)
    return model, {"linear": asdict(linear), "tuned": asdict(tuned), "notes": []}


def _alone_line(first: Ranked) -> str:
    return (
        "nothing teaches the network: none that can be afforded ranks above "
        f"{first.candidate.label} itself by more than chance"
    )


def _teachers(job: Job, ranking: Ranking) -> list[tuning.Candidate]:
    """Each network at the side that it was trained at, if that is affordable."""
    candidates = tuning.pretrained_candidates(
        ranking.files, classes=len(ranking.data.class_names)
    )
    most = job.settings.teacher_madds
    trained = [
        each for each in candidates if each.cost.size == ranking.file_of(each).side
    ]
    return [each for each in trained if each.cost.madds <= most] or trained[:1]


def _ask(job: Job, members: Sequence[keras.Model]) -> np.ndarray:
    """Mean logits of the teachers for each view of each training image."""
    settings = job.settings
    split = load_prepared(job.folder / "data").train
    recipe = as_seen(job, settings.distil_recipe)
    assert recipe.augment is not None
    answers = 0.0
    for member in members:
        kept = transfer.soft_targets(
            member,
            split,
            augment=recipe.augment,
            views=settings.views,
            seed=settings.seed,
            folder=job.folder / "work" / "soft_targets",
            progress=job.progress,
        )
        answers = answers + np.stack(kept).astype("float32")
    split.let_go()
    return (answers / len(members)).astype("float32")


def tune(job: Job) -> dict:
    """Tune the student on labels, and on a teacher's answers if any; take the best."""
    data = student_data(job)
    recipes = {} if stays_linear(job) else _recipes(job)
    epochs = [recipe.epochs for recipe in recipes.values()]
    found = {"linear": evaluate(load(job, "linear"), data.validation)}
    notes = [] if recipes else [_few_line(job)]
    for index, name in enumerate(recipes):
        progress = part_of(job.progress, sum(epochs[:index]), sum(epochs), name)
        try:
            model = _student(replace(job, progress=progress), name)
        except DivergedError as error:
            notes.append(f"{name} is left out: {error}")
        else:
            save_model(model, job.folder / f"{name}.keras")
            found[name] = evaluate(model, data.validation)
        release_memory()
    for name in recipes:
        job.checkpoint(name).remove()
    return {
        "taken": _best(found, few=job.results["rank"]["by_cross_validation"]),
        "epochs": {name: recipe.epochs for name, recipe in recipes.items()},
        "notes": notes,
        **{name: {"validation": asdict(each)} for name, each in found.items()},
    }


@in_all_processes
def _student(job: Job, name: str) -> keras.Model:
    """The student, tuned on labels or on the teacher's answers."""
    soft = None
    if name == "distilled":
        soft = np.load(job.folder / SOFT, mmap_mode="r", allow_pickle=False)
    model = load(job, "linear")
    train_on(
        job,
        model,
        student_data(job).train,
        _recipes(job)[name],
        soft=soft,
        checkpoint=job.checkpoint(name),
    )
    return model


def _best(found: Mapping[str, Evaluation], *, few: bool) -> str:
    """The way that is most often right; of equals the one that knows most.

    A handful of images does not overrule what is known of many sets: there a way gives
    place to an earlier one that is better by more than a standard error.
    """
    names = list(found)
    taken = names[-1]
    for name in reversed(names):
        new, old = found[name], found[taken]
        spare = standard_error(old.accuracy, old.examples) if few else 0.0
        if new.accuracy > old.accuracy + spare:
            taken = name
    return taken


def _few_line(job: Job) -> str:
    images = job.results["data"]["images"]
    return (
        f"with {images['train'] + images['validation']} images of "
        f"{len(job.results['data']['classes'])} classes nothing is tuned: the network "
        "ends in a linear classifier on its codes"
    )


def _recipes(job: Job) -> dict[str, Recipe]:
    """How the student is tuned: on labels, and on a teacher's answers if any."""
    settings = job.settings
    recipes = {"student": settings.student_recipe}
    if job.results["teacher"]["members"]:
        recipes["distilled"] = shortened(job, settings.distil_recipe)
    return {name: for_images(job, recipe) for name, recipe in recipes.items()}
