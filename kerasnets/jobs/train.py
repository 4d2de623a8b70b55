"""Train a network from random weights as a paper did."""

import contextlib
import functools
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import applications, transfer
from kerasnets.analysis import count_madds, count_params
from kerasnets.data import (
    EncodedSplit,
    Feed,
    PreparedData,
    Split,
    batches,
    check_source,
    crop_batches,
    load_prepared,
    open_source,
    prepare,
    whole_image,
)
from kerasnets.data.sources import open_unlabelled
from kerasnets.data.store import PARTS, check_store, choose_store
from kerasnets.data.unlabelled import (
    UNLABELLED_FILES,
    load_unlabelled,
    prepare_unlabelled,
)
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import (
    JudgedModel,
    Judgement,
    evaluate,
    judge,
    protocol_of,
)
from kerasnets.files import sha256, write_bytes, write_text
from kerasnets.graph import shapes_only
from kerasnets.jobs.checks import check_whole
from kerasnets.jobs.epochs import EVENTS, EpochLog
from kerasnets.jobs.teaching import (
    ADJUSTED,
    SOFT,
    Teaching,
    adjust_to_unseen,
    kept_classes,
    learned_images,
    look_at_teacher,
    teacher_of,
    tree_answers,
)
from kerasnets.pixels import pixels_of
from kerasnets.runs import (
    HISTORY,
    Display,
    Job as AnyJob,
    Stage,
    follow,
    in_all_processes,
    read_history,
    run_stages,
)
from kerasnets.saving import load_model, save_model
from kerasnets.training import (
    Recipe,
    Training,
    find_devices,
    initialise,
    paper_recipe,
    precision_policy,
    resolve_precision,
    seed_everything,
    to_float32,
    train,
    with_normalised_images,
)

# how long they take beside each other, roughly
STAGES = {"data": 1.0, "train": 50.0, "evaluate": 2.0}
LAST, BEST = "model.keras", "best.keras"
CURVES = ("curves.svg", "curves.png")
# what ``prepare`` leaves of either store
_DATA = tuple(
    f"data/{name}"
    for name in (
        "splits.json",
        "all_records.bin",
        *(f"{p}_{what}.npy" for p in PARTS for what in ("images", "index", "labels")),
    )
)


@dataclass(frozen=True)
class Settings:
    """All settings of a run.

    Attributes:
        network: Name of a network of the zoo.
        alpha: Its width multiplier; None for its own.
        size: Side of its images in pixels; None for its own.
        data: The images, as ``kerasnets.data.open_source`` names them.
        seed: Of everything random.
        skip_bad_images: Leave out images that cannot be decoded.
        paper: Name of the recipe.
        source: The paper that it is of.
        departs: What is otherwise here.
        changes: What of it was changed for this run.
        crop: The part of an image that the network sees; {} for the whole.
        store: How the images are kept: auto, decoded or encoded.
        normalise: How images are made alike.
        build: Arguments of the network's builder.
        initialise: Layers that are taken from the network trained before.
        initialise_from: File of that network, and its digest; {} for random weights.
        grow_from: File of a narrower network of the same kind that it begins as, and
            its digest; {} for none.
        train_images: From how many of the training images it learns; None for all.
        teachers: Files of networks whose answers it learns, and their digests.
        ten_crop: See ``Teaching``, as for all down to ``tree_share``.
        mean: Of the answers of several.
        views: Of how many versions of each image they are asked beforehand.
        hints: What it learns of their layers first.
        hint_epochs: For how long.
        matches: What it learns of them beside their answers.
        only: Classes of which it sees images; none for all.
        without: Classes of which it sees none.
        unlabelled: Folder of images that it learns from in place of others, and their
            fingerprint; {} for none.
        tree: Of the classes, instead of teachers.
        tree_share: What is left to its levels above.
        recipe: How it is trained.
        precision: Keras's dtype policy.
    """

    network: str
    alpha: float | None
    size: int | None
    data: str
    seed: int
    skip_bad_images: bool
    paper: str
    source: str
    departs: str
    changes: Mapping[str, str]
    crop: Mapping[str, Any]
    store: str
    normalise: str
    build: Mapping[str, Any]
    initialise: Sequence[str]
    initialise_from: Mapping[str, str]
    grow_from: Mapping[str, str]
    train_images: int | None
    teachers: Sequence[Mapping[str, str]]
    ten_crop: int | None
    mean: transfer.Mean
    views: int | None
    hints: Sequence[transfer.Match]
    hint_epochs: int | None
    matches: Sequence[transfer.Match]
    only: Sequence[str]
    without: Sequence[str]
    unlabelled: Mapping[str, str]
    tree: transfer.Tree
    tree_share: float
    recipe: Recipe
    precision: str


Job = AnyJob[Settings]


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        folder: Of the run: the weights behind the last epoch in ``model.keras``, and
            behind the best on the validation images in ``best.keras``; in
            ``adjusted.keras``, of a student that saw some classes alone, the last ones
            with biases for all (``transfer.adjust_bias``); figures of each epoch in
            ``history.csv``, their picture, and a model card.
        test: Figures of the files on the test images, ``Judgement.as_json``, by file.
        left_out: How many files of each kind are not among the images of the data.
        store: How its images were kept: decoded or encoded.
        teacher: Accuracy of its teacher on the validation images, where there is one.
    """

    folder: Path
    test: dict[str, dict[str, Any]]
    left_out: dict[str, int]
    store: str
    teacher: float | None


def run(
    network: str,
    out: Path,
    *,
    data: str,
    recipe: str,
    changes: Mapping[str, str] | None = None,
    alpha: float | None = None,
    size: int | None = None,
    precision: str = "auto",
    initialise_from: Path | None = None,
    grow_from: Path | None = None,
    train_images: int | None = None,
    teaching: Teaching | None = None,
    store: str = "auto",
    devices: str | None = None,
    skip_bad_images: bool = False,
    seed: int = 0,
    fresh: bool = False,
    display: Display | None = None,
) -> Trained | None:
    """Train a network of the zoo by the recipe of a paper.

    Killed and called again with the same arguments it goes on behind the last step that
    was kept.

    In several processes, see ``training.find_devices``, all are called with the same
    arguments, and ``out`` is a folder that all see. They train together; all else the
    first does, and writes.

    Args:
        network: Name of a network of the zoo.
        out: Folder of the run.
        data: The images, as ``kerasnets.data.open_source`` names them.
        recipe: One of ``training.paper_recipes()``.
        changes: Of the recipe, as for ``training.paper_recipe``.
        alpha: Width multiplier, of a network that has one.
        size: Side of the images in pixels; None for the network's own.
        precision: One of ``training.PRECISIONS``.
        initialise_from: Folder of a run, or a .keras file, from which layers of the
            same name and shape are taken.
        grow_from: The same, of a narrower network of the same kind: it begins with that
            one's answers, see ``transfer.widen_into``, its copies parted by noise.
        train_images: From how many of the training images it learns, the classes taking
            turns; None for all.
        teaching: By whom it is taught, and how; None for labels alone.
        store: How the images are kept: "decoded" to squares, "encoded" where they are,
            or "auto", see ``data.store.choose_store``.
        devices: "all" of this machine, or a number of them; None for one.
        skip_bad_images: Leave out images that cannot be decoded.
        seed: Of everything random.
        fresh: Delete what an earlier call left in ``out``.
        display: Entered for each stage, see ``runs.run_stages``.

    Returns:
        What it came to; None in other processes than the first.

    Raises:
        KerasnetsError: An argument, the data or the devices cannot be used, the
            training diverges, or another process has ended.
    """
    check_whole("seed", seed, 0)
    check_whole("size", size)
    check_whole("train_images", train_images)
    if initialise_from is not None and grow_from is not None:
        raise KerasnetsError(
            "a network begins with some layers of one trained before, or as a narrower "
            "one that has grown: initialise_from or grow_from is accepted"
        )
    paper = paper_recipe(recipe, changes)
    if teaching is not None:
        teaching.check(paper, store)
        store = "decoded" if teaching.needs_squares else store
    teaching = teaching or Teaching()
    check_store(store, of_parts=bool(paper.crop))
    of_squares = paper.normalise not in ("", "channels")
    if of_squares and (paper.crop or store == "encoded"):
        raise KerasnetsError(
            f"normalise is {paper.normalise!r}, which needs images that are decoded to "
            "squares: 'channels' is accepted for those that stay encoded"
        )
    where = find_devices(devices)
    where.check(paper.recipe.batch_size, paper.recipe.accumulate)
    settings = Settings(
        network=network,
        alpha=alpha,
        size=size,
        data=data,
        seed=seed,
        skip_bad_images=skip_bad_images,
        paper=paper.name,
        source=paper.source,
        departs=paper.departs,
        changes=dict(changes or {}),
        crop=paper.crop,
        store=store,
        normalise=paper.normalise,
        build={key: x for key, x in paper.network.items() if x is not None},
        initialise=paper.initialise,
        initialise_from=_trained_before(initialise_from),
        grow_from=_trained_before(grow_from),
        train_images=train_images,
        teachers=[_trained_before(path) for path in teaching.teachers],
        ten_crop=teaching.ten_crop,
        mean=teaching.mean,
        views=teaching.views,
        hints=tuple(teaching.hints),
        hint_epochs=teaching.hint_epochs,
        matches=tuple(teaching.matches),
        only=tuple(teaching.only),
        without=tuple(teaching.without),
        unlabelled=_fingerprint(teaching.unlabelled),
        tree=teaching.tree,
        tree_share=teaching.tree_share,
        recipe=paper.recipe,
        precision=resolve_precision(precision),
    )
    source = open_source(data)
    side_of(settings)
    if not where.is_first:
        follow(out, settings, where)
        return None
    results = run_stages(
        out,
        _stages(),
        settings,
        identity={
            "network": network,
            "recipe": paper.name,
            "data": data,
            "seed": seed,
        },
        fingerprint=source.fingerprint,
        fresh=fresh,
        display=display,
        devices=where,
    )
    images = results["data"]
    return Trained(
        out,
        results["evaluate"]["test"],
        images["left_out"],
        images["store"],
        results["train"]["teacher"],
    )


def _stages() -> tuple[Stage[Settings], ...]:
    data, training, evaluation = STAGES
    return (
        Stage(
            data,
            _prepare,
            uses=(
                "network",
                "alpha",
                "size",
                "data",
                "seed",
                "skip_bad_images",
                "crop",
                "store",
                "normalise",
                "build",
                *("teachers", "ten_crop", "unlabelled"),
            ),
            may_leave=(*_DATA, *(f"data/{name}" for name in UNLABELLED_FILES)),
            share=STAGES[data],
        ),
        Stage(
            training,
            _train,
            uses=(
                *("recipe", "precision", "initialise", "initialise_from"),
                *("grow_from", "train_images"),
                *("mean", "views", "hints", "hint_epochs", "matches"),
                *("only", "without", "tree", "tree_share"),
            ),
            files=(LAST, BEST, HISTORY),
            may_leave=(ADJUSTED,),
            scratch=("work", SOFT, EVENTS),
            share=STAGES[training],
        ),
        Stage(
            evaluation,
            _evaluate,
            uses=("paper", "source", "departs", "changes"),
            files=(*CURVES, "README.md"),
            share=STAGES[evaluation],
        ),
    )


def _fingerprint(unlabelled: Path | None) -> dict[str, str]:
    """A folder of images without labels, and what changes with them."""
    if unlabelled is None:
        return {}
    found = open_unlabelled(unlabelled)
    return {"path": str(unlabelled), "fingerprint": found.fingerprint}


def side_of(settings: Settings) -> int:
    """Side of the square images that the network takes.

    Raises:
        KerasnetsError: There is no such network, or it takes others.
    """
    applications.check_classifier(settings.network)
    height, width, _ = _image_shape(settings)
    if height != width:
        raise KerasnetsError(
            f"{settings.network} takes images of {height} x {width} pixels; square "
            "ones are accepted"
        )
    return height


def _image_shape(settings: Settings) -> tuple[int, int, int]:
    height, width, channels = applications.get(settings.network).network.input_shape
    if settings.size is not None:
        height = width = settings.size
    return height, width, channels


def _trained_before(path: Path | None) -> dict[str, str]:
    """The file of a network that was trained before, and its digest."""
    if path is None:
        return {}
    file = path / LAST if path.is_dir() else path
    if not file.is_file():
        raise KerasnetsError(
            f"{file} is not there: the folder of a finished run of train is accepted, "
            "or a .keras file"
        )
    return {"path": str(file), "sha256": sha256(file)}


def new_network(
    settings: Settings, classes: int, split: Split | None = None
) -> keras.Model:
    """Build the network with random weights, from images to logits.

    Args:
        settings: Of the run.
        classes: Number of classes.
        split: The training images, by which images are made alike.
    """
    given = dict(settings.build)
    if settings.alpha is not None:
        given["alpha"] = settings.alpha
    seed_everything(settings.seed)
    with precision_policy(settings.precision):
        model = applications.build(
            settings.network,
            input_shape=_image_shape(settings),
            classes=classes,
            classifier_activation=None,
            **given,
        )
        return with_normalised_images(model, settings.normalise, split)


def _prepare(job: Job) -> dict[str, Any]:
    """Check all that can be known, and read the images."""
    settings = job.settings
    source = open_source(settings.data)
    examples = check_source(
        source, seed=settings.seed, skip_bad_images=settings.skip_bad_images
    )
    classes = len(examples.class_names)
    student = shapes_only(lambda: new_network(settings, classes))
    side = side_of(settings)
    kept_classes(settings, examples.class_names)
    if settings.tree:
        transfer.tree_targets(settings.tree, examples.class_names, settings.tree_share)
    if settings.grow_from:
        _initialise(new_network(settings, classes), settings)
    if settings.teachers:
        teacher = teacher_of(settings)
        transfer.check_teacher(teacher, classes, _image_shape(settings)[-1])
        transfer.check_matches(teacher, student, (*settings.hints, *settings.matches))
        side = max(side, teacher.input_shape[1])
    store = choose_store(
        settings.store,
        len(examples.ids),
        side,
        job.folder,
        of_parts=bool(settings.crop),
    )
    data = prepare(
        source,
        job.folder / "data",
        resolution=side if store == "decoded" else None,
        store=store,
        seed=settings.seed,
        skip_bad_images=settings.skip_bad_images,
        progress=job.progress,
    )
    images = {part: len(getattr(data, part).labels) for part in PARTS}
    if not images["validation"] or not images["test"]:
        raise KerasnetsError(
            f"{images['validation']} validation images and {images['test']} test images"
            f" beside {images['train']} for training: some of each are needed"
        )
    left_out = Counter(data.left_out)
    count = images["train"]
    if settings.unlabelled:
        left_out += Counter(
            prepare_unlabelled(
                open_unlabelled(Path(settings.unlabelled["path"])),
                job.folder / "data",
                resolution=side,
                skip_bad_images=settings.skip_bad_images,
                progress=job.progress,
            )
        )
        count = len(load_unlabelled(job.folder / "data").labels)
    learned = min(count, settings.train_images or count)
    if settings.recipe.batch_size > learned:
        raise KerasnetsError(
            f"a batch of {settings.recipe.batch_size} of {learned} training images: "
            "give a smaller one, --set batch_size=N"
        )
    return {
        "classes": list(data.class_names),
        "licence": data.licence,
        "images": images,
        "skipped": len(data.skipped),
        "left_out": dict(sorted(left_out.items())),
        "store": store,
    }


def _feeds(
    job: Job,
    data: PreparedData,
    model: keras.Model,
    teacher: keras.Model | None,
    **told: Any,
) -> tuple[Feed, Feed]:
    """Batches of the training images, and of the validation images.

    Args:
        job: Of the run.
        data: The images.
        model: The network that learns.
        teacher: One that is asked about the same batches.
        told: Targets of the training images that are known beforehand, and of how many
            fixed views of them.
    """
    settings, pixels = job.settings, pixels_of(model)
    recipe, side = settings.recipe, side_of(settings)
    how: dict[str, Any] = {
        "seed": settings.seed,
        "preprocessing": pixels,
        "batch_size": recipe.batch_size,
    }
    learned: dict[str, Any] = {
        # both networks see the same image, each at its own size
        "size": side if teacher is None else max(side, teacher.input_shape[1]),
        "augment": recipe.augment and recipe.augment.fitted(data.train),
        "mix": recipe.mix,
        "classes": len(data.class_names),
    }
    if isinstance(data.train, EncodedSplit):
        crop = paper_recipe(settings.paper).make_crop() or whole_image
        # of parts the middle is judged
        judged = None if settings.crop else whole_image
        return (
            crop_batches(data.train, crop=crop, **learned, **how),
            crop_batches(data.validation, size=side, crop=judged, shuffle=False, **how),
        )
    return (
        batches(data.train, **learned, **told, **how),
        batches(data.validation, size=side, shuffle=False, **how),
    )


def _train(job: Job) -> dict[str, Any]:
    """Look at the teacher, if there is one, and train."""
    taught, asked = look_at_teacher(job) if job.settings.teachers else (None, [])
    results = _learn(job, asked)
    if job.settings.only or job.settings.without:
        adjust_to_unseen(job, LAST)
    return {**results, "teacher": taught}


@in_all_processes
def _learn(job: Job, asked: Sequence[str]) -> dict[str, Any]:
    """Train, and judge by the validation images after each epoch.

    Args:
        job: Of the run.
        asked: Files of a teacher's answers to fixed views of the images, if any.
    """
    settings = job.settings
    data = learned_images(job, load_prepared(job.folder / "data"))
    model = new_network(settings, len(data.class_names), data.train)
    taken = _initialise(model, settings)
    soft = [transfer.open_soft_targets(job.folder / path) for path in asked]
    told: dict[str, Any] = {}
    if soft:
        told = {"targets": {"soft": soft}, "views": len(soft)}
    if settings.tree:
        told = {"targets": {"soft": tree_answers(settings, data)}}
    live = bool(settings.teachers) and not soft
    teacher = teacher_of(settings) if live or settings.hints else None
    if teacher is not None and settings.hints:
        feed, _ = _feeds(job, data, model, teacher)
        transfer.learn_hints(
            teacher,
            model,
            feed,
            replace(
                settings.recipe, epochs=settings.hint_epochs or settings.recipe.epochs
            ),
            settings.hints,
            checkpoint=job.checkpoint("hints"),
            devices=job.devices,
            progress=job.progress,
        )
    learn = train
    if live:
        learn = functools.partial(transfer.distill, teacher, matches=settings.matches)
    feed, validation = _feeds(job, data, model, teacher if live else None, **told)
    history = EpochLog(job.folder, functools.partial(evaluate, model, validation))

    def each_epoch(epoch: int, training: Training) -> float:
        row, is_best = history.add(epoch, training)
        if is_best:
            save_model(to_float32(model), job.folder / BEST)
        return row["validation_accuracy"]

    with contextlib.closing(history):
        learn(
            applications.without_auxiliary(model) if told else model,
            feed,
            settings.recipe,
            checkpoint=job.checkpoint("train"),
            each_epoch=each_epoch,
            stop_at_chance=True,
            devices=job.devices,
            progress=job.progress,
        ).check(settings.network, settings.recipe)
    if not job.devices.is_first:
        return {}
    save_model(to_float32(model), job.folder / LAST)
    shutil.rmtree(job.folder / "work")
    best = max(history.rows, key=lambda row: row["validation_accuracy"])
    return {
        "params": count_params(model),
        "madds": count_madds(model),
        "best_epoch": best["epoch"],
        "validation_accuracy": best["validation_accuracy"],
        "taken": list(taken),
        "views": len(soft),
        "images": len(data.train.labels),
    }


def _initialise(model: keras.Model, settings: Settings) -> tuple[str, ...]:
    """Take what the settings say from a network that was trained before."""
    if settings.grow_from:
        narrow = load_model(Path(settings.grow_from["path"]))
        transfer.widen_into(narrow, model, noise=transfer.PARTED, seed=settings.seed)
        return ()
    if not settings.initialise_from:
        return ()
    trained = load_model(Path(settings.initialise_from["path"]))
    return initialise(model, trained, settings.initialise)


def _evaluate(job: Job) -> dict[str, Any]:
    """Judge both files by the test images; write the curves and the card."""
    from kerasnets.reports.curves import draw_curves
    from kerasnets.reports.training_card import training_card

    settings, data = job.settings, load_prepared(job.folder / "data")
    test = {}
    files = [x for x in (LAST, BEST, ADJUSTED) if (job.folder / x).is_file()]
    for done, name in enumerate(files):
        job.progress(done, len(files), name)
        judged = JudgedModel(load_model(job.folder / name))
        protocol = protocol_of(
            "centre" if settings.crop else "whole",
            size=judged.size,
            resize=judged.resize,
        )
        answers = judge([judged], data.test, protocol)
        found = Judgement(answers, np.asarray(data.test.labels), data.class_names)
        test[name] = {"protocol": protocol.name, **found.as_json()}
    rows = read_history(job.folder / HISTORY)
    title = f"{settings.network}, {settings.paper}"
    for name in CURVES:
        kind = Path(name).suffix[1:]
        write_bytes(job.folder / name, draw_curves(rows, title=title, kind=kind))
    write_text(
        job.folder / "README.md",
        training_card(
            name=job.folder.resolve().name,
            settings=asdict(settings),
            results=job.results,
            test=test,
        ),
    )
    return {"test": test}
