"""Fine-tune a pretrained network on images of other classes."""

import functools
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras

from kerasnets import applications
from kerasnets.data import (
    Augment,
    PreparedData,
    Split,
    check_source,
    load_prepared,
    open_source,
    prepare,
)
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.files import sha256, write_bytes
from kerasnets.jobs import defaults
from kerasnets.jobs.checks import check_file, check_whole
from kerasnets.jobs.images import DATA_FILES, side_of, usual_augment
from kerasnets.jobs.mirroring import look_at_mirroring
from kerasnets.jobs.networks import is_saved, open_network
from kerasnets.pixels import Preprocessing, pixels_of, with_pixels
from kerasnets.progress import Progress, silent
from kerasnets.reports.notes import mirroring_line
from kerasnets.runs import (
    Display,
    Job as AnyJob,
    Stage,
    follow,
    in_all_processes,
    run_stages,
)
from kerasnets.saving import import_plugins, load_model, save_model
from kerasnets.training import BatchNorm, Recipe, find_devices, seed_everything
from kerasnets.training.trainer import check_batch_norm
from kerasnets.transfer import LinearClassifier, body, with_linear
from kerasnets.transfer.finetune import (
    FineTuning,
    count_classes,
    enough_epochs,
    finetune,
    linear_head,
    unfitted,
)
from kerasnets.transfer.recommend import recommend, similarity
from kerasnets.transfer.stages import stage_rates, stages

# how long they take beside each other, roughly
STAGES = {"data": 1.0, "linear": 2.0, "tune": 15.0}
_LINEAR, _RESULT = "work/linear.keras", "work/result.keras"


@dataclass(frozen=True)
class FineTuned:
    """What a fine-tuning came to.

    Attributes:
        path: The file that was written.
        ways: Accuracy of each way on the validation images, by its name.
        taken: The way that the file holds: the most accurate one.
        test: Accuracy of the linear classifier and of the result on the test images.
        images: How many validation and test images there are.
        notes: What was found, a sentence each.
        left_out: How many files of each kind are not among the images.
    """

    path: Path
    ways: dict[str, float]
    taken: str
    test: dict[str, float]
    images: dict[str, int]
    notes: tuple[str, ...]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Settings:
    """All settings of a run.

    Attributes:
        network: Name of a network of the zoo, or a ``.keras`` file.
        alpha: Width multiplier of a network of the zoo; None for its own.
        size: Side of the images in pixels; None for the network's own.
        weights: Of a network of the zoo, as its builder takes them; None for
            "imagenet".
        hashes: Digests of the files among these.
        pixels: What the network wants done to its pixels, where it does not say so.
        plugins: Modules that are imported first.
        data: The images, as ``kerasnets.data.open_source`` names them.
        side: Side in pixels at which they are kept.
        seed: Of everything random.
        skip_bad_images: Leave out images that cannot be decoded.
        auto: Measure what ``recommend`` chooses among.
        start: Name of the first layer that learns; None for all.
        epochs: Of tuning, where they are given.
        recipe: How the network is tuned, but for what is known of the images later.
        decay: Rate of a stage beside that of the one above it.
        unfreeze: Epochs after which the next stage below begins to learn.
        batch_norm: What batch norms normalise by.
    """

    network: str
    alpha: float | None
    size: int | None
    weights: str | None
    hashes: tuple[str, ...]
    pixels: Preprocessing | None
    plugins: tuple[str, ...]
    data: str
    side: int
    seed: int
    skip_bad_images: bool
    auto: bool
    start: str | None
    epochs: int | None
    recipe: Recipe
    decay: float
    unfreeze: int
    batch_norm: BatchNorm


Job = AnyJob[Settings]


def run(
    network: str,
    out: Path,
    *,
    data: str,
    alpha: float | None = None,
    size: int | None = None,
    weights: str | None = None,
    start: str | None = None,
    epochs: int | None = None,
    rate: float = defaults.TUNING_RATE,
    decay: float = defaults.STAGE_DECAY,
    unfreeze: int = 0,
    batch_norm: BatchNorm = "batch",
    mirror: bool = True,
    auto: bool = False,
    pixels: Preprocessing | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    devices: str | None = None,
    seed: int = 0,
    fresh: bool = False,
    display: Display | None = None,
) -> FineTuned | None:
    """Fine-tune a pretrained network on images of other classes.

    First a linear classifier on its codes, then the network from there on; what is
    more often right on the validation images is written. Killed and called again with
    the same arguments it goes on where it was: until it is done its work lies in the
    folder ``OUT.run``. All that can be known of arguments, network and data is checked
    before an image is decoded.

    Args:
        network: Name of a network of the zoo, or a ``.keras`` file of one of square RGB
            images.
        out: ``.keras`` file to write, in a folder that exists.
        data: The images, as ``kerasnets.data.open_source`` names them.
        alpha: Width multiplier of a network of the zoo.
        size: Side of the images in pixels; None for the network's own.
        weights: Of a network of the zoo, as its builder takes them; None for
            "imagenet".
        start: Name of the first layer that learns; None for all.
        epochs: Of tuning; None for 10, or as many as make 300 steps of few images.
        rate: Learning rate of the classifier.
        decay: Rate of a stage beside that of the one above it.
        unfreeze: Epochs after which the next stage below begins to learn; 0 for all at
            once.
        batch_norm: As for ``train``.
        mirror: Mirror half of the training photos (folder, csv), unless a look at them
            tells that this confuses classes.
        auto: Measure what ``transfer.recommend`` chooses among, and take the best.
        pixels: What the network wants done to its pixels, where it does not say so
            itself.
        plugins: Modules to import first, which register layers of your own.
        skip_bad_images: Leave out images that cannot be decoded.
        devices: As for ``jobs.train.run``.
        seed: Of everything random.
        fresh: Delete what an earlier call left in ``OUT.run``.
        display: Entered for each stage, see ``runs.run_stages``.

    Returns:
        What it came to; None in other processes than the first.

    Raises:
        KerasnetsError: An argument, a file, the data or the devices cannot be used.
    """
    check_file(out, ".keras")
    check_whole("seed", seed, 0)
    check_whole("unfreeze", unfreeze, 0)
    check_whole("size", size)
    check_batch_norm(batch_norm)
    if auto and start is not None:
        raise KerasnetsError(
            f"auto chooses where tuning starts: leave start {start!r} out"
        )
    where = find_devices(devices)
    settings = Settings(
        network=network,
        alpha=alpha,
        size=size,
        weights=weights,
        hashes=tuple(
            sha256(Path(text))
            for text in (network, weights or "")
            if Path(text).is_file()
        ),
        pixels=pixels,
        plugins=tuple(plugins),
        data=data,
        side=0,
        seed=seed,
        skip_bad_images=skip_bad_images,
        auto=auto,
        start=start,
        epochs=epochs,
        recipe=Recipe(
            epochs=check_whole("epochs", epochs) or defaults.TUNING_EPOCHS,
            learning_rate=rate,
            batch_size=32,
            augment=usual_augment(data, mirror=mirror),
        ),
        decay=decay,
        unfreeze=unfreeze,
        batch_norm=batch_norm,
    )
    where.check(settings.recipe.batch_size, settings.recipe.accumulate)
    import_plugins(plugins)
    model = _network(settings)
    pixels_of(model, pixels)
    codes = body(model, size=size)
    stage_rates(
        unfitted(codes, 2),
        settings.recipe,
        start=start,
        decay=decay,
        unfreeze=unfreeze,
    )
    settings = replace(settings, side=side_of(codes))
    del model, codes
    folder = out.with_suffix(".run")
    if not where.is_first:
        follow(folder, settings, where)
        return None
    results = run_stages(
        folder,
        _stages(),
        settings,
        identity={},
        fingerprint=open_source(data).fingerprint,
        fresh=fresh,
        display=display,
        deliver=functools.partial(_deliver, folder, out),
        devices=where,
    )
    linear, tune = results["linear"], results["tune"]
    return FineTuned(
        path=out,
        ways=tune["ways"],
        taken=tune["taken"],
        test={"linear": linear["test"], tune["taken"]: tune["test"]},
        images=results["data"]["images"],
        notes=tuple(linear["notes"]),
        left_out=results["data"]["left_out"],
    )


def _stages() -> tuple[Stage[Settings], ...]:
    data, linear, tune = STAGES
    network = ("network", "alpha", "size", "weights", "hashes", "pixels", "plugins")
    return (
        Stage(
            data,
            _decode,
            uses=("data", "side", "seed", "skip_bad_images"),
            files=DATA_FILES,
            scratch=("work",),
        ),
        Stage(linear, _fit_linear, uses=(*network, "auto", "recipe"), files=(_LINEAR,)),
        Stage(
            tune,
            _tune,
            uses=("start", "decay", "unfreeze", "batch_norm"),
            files=(_RESULT,),
        ),
    )


def _decode(job: Job) -> dict[str, Any]:
    """Check all that can be known, and decode the images."""
    settings = job.settings
    source = open_source(settings.data)
    check_source(source, seed=settings.seed, skip_bad_images=settings.skip_bad_images)
    data = prepare(
        source,
        job.folder / "data",
        resolution=settings.side,
        seed=settings.seed,
        skip_bad_images=settings.skip_bad_images,
        reuse=True,
        progress=job.progress,
    )
    count_classes(data.train, data.validation, data.class_names)
    images = {name: len(getattr(data, name).labels) for name in ("validation", "test")}
    return {"left_out": data.left_out, "images": images}


def _fit_linear(job: Job) -> dict[str, Any]:
    """Fit the linear classifier, and measure what recommends a way."""
    settings, data = job.settings, load_prepared(job.folder / "data")
    (job.folder / "work").mkdir(exist_ok=True)
    model = _network(settings)
    codes = body(model, size=settings.size)
    head = _fit(codes, data, settings, progress=job.progress)
    linear = with_linear(codes, head)
    save_model(linear, job.folder / _LINEAR)
    found, notes = {}, []
    if settings.auto:
        found, notes = _recommend(model, data, settings)
    flip = _augment(settings).flip
    if flip:
        mirroring = asdict(look_at_mirroring(data.train, seed=settings.seed))
        flip = not mirroring["confuses"]
        if not flip:
            notes.append(mirroring_line(mirroring))
    return {
        "ways": {"linear": head.accuracy},
        "test": _accuracy(linear, data.test, settings),
        "notes": notes,
        "flip": flip,
        **found,
    }


def _recommend(
    model: keras.Model, data: PreparedData, settings: Settings
) -> tuple[dict[str, Any], list[str]]:
    """What ``recommend`` says, and what it says it from."""
    found = similarity(
        model,
        data.train,
        size=settings.size,
        pixels=settings.pixels,
        seed=settings.seed,
    )
    classes = len(data.class_names)
    said = recommend(len(data.train.labels) / classes, classes, found.value)
    shown = ", ".join(f"{name} {x:.1%}" for name, x in found.accuracies.items())
    notes = [
        f"right in cross-validation by the codes of each stage: {shown}",
        f"recommended is {said.way}: {said.reason}",
    ]
    earlier = None if found.value == 1 else found.best
    return {"recommended": said.way, "earlier": earlier}, notes


def _tune(job: Job) -> dict[str, Any]:
    """Tune the network each way; what is right most often is the result."""
    settings, data = job.settings, load_prepared(job.folder / "data")
    done = job.results["linear"]
    best = load_model(job.folder / _LINEAR)
    taken, ways = "linear", dict(done["ways"])
    if earlier := done.get("earlier"):
        codes = body(_network(settings), earlier, size=settings.size)
        other = _fit(codes, data, settings)
        ways["earlier"] = other.accuracy
        if other.accuracy > ways[taken]:
            taken, best = "earlier", with_linear(codes, other)
    for way, start in _starts(settings).items():
        tuned = _tuned(job, way, start)
        ways[way] = tuned.tuned.accuracy
        if tuned.taken == "tuned" and ways[way] >= ways[taken]:
            taken, best = way, tuned.model
    test = _accuracy(best, data.test, settings)
    if settings.pixels is not None:
        best = with_pixels(best, settings.pixels)
    save_model(best, job.folder / _RESULT)
    return {"ways": ways, "taken": taken, "test": test}


@in_all_processes
def _tuned(job: Job, way: str, start: str | None) -> FineTuning:
    """Tune the network from a layer on."""
    settings, data = job.settings, load_prepared(job.folder / "data")
    linear = load_model(job.folder / _LINEAR)
    kernel, bias = linear.get_layer("logits").get_weights()
    accuracy = job.results["linear"]["ways"]["linear"]
    seed_everything(settings.seed)
    return finetune(
        _network(settings),
        data.train,
        data.validation,
        recipe=_recipe(job, len(data.train.labels)),
        start=start,
        decay=settings.decay,
        unfreeze=settings.unfreeze,
        batch_norm=settings.batch_norm,
        size=settings.size,
        pixels=settings.pixels,
        head=LinearClassifier(kernel, bias, 0.0, accuracy, {}),
        seed=settings.seed,
        checkpoint=job.checkpoint(way),
        devices=job.devices,
        progress=job.progress,
    )


def _recipe(job: Job, images: int) -> Recipe:
    """How the network is tuned on so many images, which may be mirrored or not."""
    settings, recipe = job.settings, job.settings.recipe
    augment = replace(_augment(settings), flip=job.results["linear"]["flip"])
    size = job.devices.batch_of(images, recipe.batch_size)
    recipe = replace(recipe, augment=augment, batch_size=size)
    if settings.epochs is not None:
        return recipe
    return enough_epochs(recipe, images)


def _augment(settings: Settings) -> Augment:
    """How training images are changed."""
    return settings.recipe.augment or Augment()


def _starts(settings: Settings) -> dict[str, str | None]:
    """The first layer that learns, of each way in which the network is tuned."""
    if not settings.auto:
        return {"tuned": settings.start}
    codes = body(_network(settings), size=settings.size)
    return {"top": stages(codes)[-1][0], "all": None}


def _fit(
    codes: keras.Model,
    data: PreparedData,
    settings: Settings,
    progress: Progress = silent,
) -> LinearClassifier:
    """A linear classifier on codes."""
    return linear_head(
        codes,
        data.train,
        data.validation,
        pixels=settings.pixels,
        seed=settings.seed,
        progress=progress,
    )


def _accuracy(model: keras.Model, split: Split, settings: Settings) -> float:
    return evaluate(model, split, pixels=settings.pixels).accuracy


def _network(settings: Settings) -> keras.Model:
    """The pretrained network.

    Raises:
        KerasnetsError: There is none, or it has no such size or width.
    """
    seed_everything(settings.seed)  # names of layers begin anew, too
    if not is_saved(settings.network):
        applications.check_classifier(settings.network)
    with warnings.catch_warnings():
        # of a classifier for other classes, which is left out anyway
        warnings.simplefilter("ignore", UserWarning)
        return open_network(
            settings.network,
            weights=settings.weights,
            alpha=settings.alpha,
            size=settings.size,
        )


def _deliver(folder: Path, out: Path) -> None:
    """Write the file to where it was asked for."""
    write_bytes(out, (folder / _RESULT).read_bytes())
