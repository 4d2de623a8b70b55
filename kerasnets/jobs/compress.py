"""Make a saved classifier smaller while it trains on."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import keras

from kerasnets import compression
from kerasnets.analysis import count_madds, count_params
from kerasnets.compression.settings import Settings as StepSettings
from kerasnets.data import (
    PreparedData,
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
from kerasnets.jobs.images import DATA_FILES, side_of, stating_pixels
from kerasnets.pixels import Preprocessing
from kerasnets.runs import (
    Display,
    Job as AnyJob,
    Stage,
    follow,
    in_all_processes,
    run_stages,
)
from kerasnets.saving import import_plugins, load_model, save_model
from kerasnets.training import Devices, find_devices, release_memory

# how long they take beside each other, roughly
STAGES = {"data": 1.0, "before": 1.0, "compress": 20.0, "after": 1.0}
# options that are called otherwise than the settings of the steps
_FIELDS = {"clusters": "number_of_clusters"}


class Options(TypedDict, total=False):
    """What can be changed about a recipe; None leaves it as the recipe has it.

    Attributes:
        epochs: Of each step.
        sparsity: Share of zeros where the recipe prunes.
        clusters: Different weights a kernel may have where the recipe clusters.
        madds: Share of the multiply-adds that removing channels keeps.
        multiple: Of how many channels that keeps each layer.
        float_layers: Names of layers that stay in float32 where the recipe quantises.
    """

    epochs: int | None
    sparsity: float | None
    clusters: int | None
    madds: float | None
    multiple: int | None
    float_layers: Sequence[str] | None


@dataclass(frozen=True)
class Compressed:
    """What a compression came to.

    Attributes:
        files: What was written.
        before: Params, madds, accuracy on the test images, how many images these are
            and zeros (share of the kernel weights) of the model given.
        after: The same of the result.
        left_out: How many files of each kind are not among the images.
    """

    files: tuple[Path, ...]
    before: dict[str, float]
    after: dict[str, float]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Settings:
    """All settings of a run.

    Attributes:
        data: The images, as ``kerasnets.data.open_source`` names them.
        side: Side in pixels at which they are kept.
        seed: Of everything random.
        skip_bad_images: Leave out images that cannot be decoded.
        model_path: File of the model.
        model_hash: Digest of that file.
        teacher_path: File of the teacher, if there is one.
        teacher_hash: Digest of that file.
        pixels: What both want done to their pixels, where they do not say so.
        steps: Settings of the steps.
        plugins: Modules that are imported first.
    """

    data: str
    side: int
    seed: int
    skip_bad_images: bool
    model_path: Path
    model_hash: str
    teacher_path: Path | None
    teacher_hash: str | None
    pixels: Preprocessing | None
    steps: tuple[StepSettings, ...]
    plugins: tuple[str, ...]


Job = AnyJob[Settings]


def run(
    model_path: Path,
    out: Path,
    *,
    data: str,
    recipe: str = defaults.RECIPE,
    teacher_path: Path | None = None,
    pixels: Preprocessing | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    devices: str | None = None,
    seed: int = 0,
    fresh: bool = False,
    display: Display | None = None,
    **options: Unpack[Options],
) -> Compressed | None:
    """Make a saved classifier smaller while it trains on.

    Killed and called again with the same arguments it goes on where it was: until it is
    done its work lies in the folder ``OUT.run``. With other arguments it does again
    what they change. All that can be known of arguments, networks and data is checked
    before an image is decoded.

    Args:
        model_path: ``.keras`` file of a classifier of square RGB images that gives
            logits, or one logit or one sigmoid for two classes.
        out: ``.keras`` file to write, in a folder that exists; recipes that end in
            quantisation-aware training write an int8 file beside it, and a model of one
            logit z gets two that differ by z for it.
        data: The images, as ``kerasnets.data.open_source`` names them.
        recipe: A name in ``compression.RECIPES``.
        teacher_path: ``.keras`` file of a classifier of the same classes to learn from.
        pixels: What model and teacher want done to their pixels, where they do not say
            so themselves.
        plugins: Modules to import first, which register layers of your own.
        skip_bad_images: Leave out images that cannot be decoded.
        devices: As for ``jobs.train.run``; for recipes that begin with channels.
        seed: Of everything random.
        fresh: Delete what an earlier call left in ``OUT.run``.
        display: Entered for each stage, see ``runs.run_stages``.
        **options: Those of ``Options``.

    Returns:
        What it came to; None in other processes than the first.

    Raises:
        KerasnetsError: An argument, a file, the data or the devices cannot be used.
    """
    check_file(out, ".keras")
    check_whole("seed", seed, 0)
    steps = steps_with(recipe, options)
    where = find_devices(devices)
    _check_devices(where, recipe, steps)
    import_plugins(plugins)
    paths = [path for path in (model_path, teacher_path) if path is not None]
    nets = [stating_pixels(load_model(path), pixels) for path in paths]
    settings = Settings(
        data=data,
        side=max(map(side_of, nets)),
        seed=seed,
        skip_bad_images=skip_bad_images,
        model_path=model_path,
        model_hash=sha256(model_path),
        teacher_path=teacher_path,
        teacher_hash=None if teacher_path is None else sha256(teacher_path),
        pixels=pixels,
        steps=steps,
        plugins=tuple(plugins),
    )
    del nets
    suffixes = (".keras", ".tflite") if steps[-1].kind == "qat" else (".keras",)
    files = {f"work/result{suffix}": out.with_suffix(suffix) for suffix in suffixes}
    folder = out.with_suffix(".run")
    if not where.is_first:
        follow(folder, settings, where)
        return None
    results = run_stages(
        folder,
        _stages(tuple(files)),
        settings,
        identity={},
        fingerprint=open_source(data).fingerprint,
        fresh=fresh,
        display=display,
        deliver=functools.partial(_deliver, folder, files),
        devices=where,
    )
    return Compressed(
        files=tuple(files.values()),
        before=results["before"],
        after=results["after"],
        left_out=results["data"]["left_out"],
    )


def _check_devices(where: Devices, recipe: str, steps: Sequence[StepSettings]) -> None:
    """Raise where nothing could be trained on several devices, or not so."""
    if where.replicas > 1 and steps[0].kind != "channels":
        raise KerasnetsError(
            f"recipe {recipe!r} on {where.replicas} devices: what TF-MOT does takes "
            "one; several are for removing channels"
        )
    where.check(steps[0].recipe.batch_size, steps[0].recipe.accumulate)


def steps_with(recipe: str, options: Options) -> tuple[StepSettings, ...]:
    """The steps of a recipe, with what is given in the place of its own settings.

    Raises:
        KerasnetsError: There is no such recipe, or none of its steps has that.
    """
    steps: tuple[Any, ...] = compression.steps_of(recipe)
    given: dict[str, Any] = {o: x for o, x in options.items() if x is not None}
    if "epochs" in given:
        epochs = check_whole("epochs", given.pop("epochs"))
        steps = tuple(step.with_recipe(epochs=epochs) for step in steps)
    for option, value in given.items():
        field = _FIELDS.get(option, option)
        if not any(hasattr(step, field) for step in steps):
            name = option.replace("_", " ")
            raise KerasnetsError(f"recipe {recipe!r} has no {name}: leave it out")
        value = tuple(value) if isinstance(value, list) else value
        steps = tuple(
            replace(step, **{field: value}) if hasattr(step, field) else step
            for step in steps
        )
    return steps


def _stages(results: tuple[str, ...]) -> tuple[Stage[Settings], ...]:
    """What is done for results of these names."""
    data, before, compress, after = STAGES
    return (
        Stage(
            data,
            _decode,
            uses=("data", "side", "seed", "skip_bad_images"),
            files=DATA_FILES,
            scratch=("work",),
        ),
        Stage(before, _measure_given, uses=("model_hash", "pixels")),
        Stage(
            compress,
            _compress,
            uses=("teacher_hash", "steps", "plugins"),
            files=results,
        ),
        Stage(after, _measure_result),
    )


def _decode(job: Job) -> dict[str, Any]:
    """Check all that can be known, and decode the images."""
    settings = job.settings
    source = open_source(settings.data)
    examples = check_source(
        source, seed=settings.seed, skip_bad_images=settings.skip_bad_images
    )
    model_path, teacher_path = _networks(job)
    compression.check_recipe(
        model_path,
        settings.steps,
        classes=len(examples.class_names),
        teacher_path=teacher_path,
        plugins=settings.plugins,
    )
    prepared = prepare(
        source,
        job.folder / "data",
        resolution=settings.side,
        seed=settings.seed,
        skip_bad_images=settings.skip_bad_images,
        reuse=True,
        progress=job.progress,
    )
    return {"left_out": prepared.left_out}


def _measure_given(job: Job) -> dict[str, float]:
    """Measure the model as it is."""
    settings = job.settings
    model = stating_pixels(load_model(settings.model_path), settings.pixels)
    return _figures(model, load_prepared(job.folder / "data"))


@in_all_processes
def _compress(job: Job) -> dict[str, Any]:
    """Do the steps."""
    settings = job.settings
    (job.folder / "work").mkdir(exist_ok=True)
    model_path, teacher_path = _networks(job)
    release_memory()  # a child process needs as much again
    result = compression.compress(
        model_path,
        job.folder / "work" / "result.keras",
        data=job.folder / "data",
        recipe=settings.steps,
        teacher_path=teacher_path,
        seed=settings.seed,
        plugins=settings.plugins,
        devices=job.devices,
        progress=job.progress,
    )
    return {"validation": result.validation}


def _measure_result(job: Job) -> dict[str, float]:
    """Measure what the model has become."""
    model = load_model(job.folder / "work" / "result.keras")
    return _figures(model, load_prepared(job.folder / "data"))


def _deliver(folder: Path, files: Mapping[str, Path]) -> None:
    """Write the files to where they were asked for."""
    for name, path in files.items():
        write_bytes(path, (folder / name).read_bytes())


def _networks(job: Job) -> tuple[Path, Path | None]:
    """Files of model and teacher that say what is to be done to their pixels."""
    teacher = job.settings.teacher_path
    return (
        _stating(job, job.settings.model_path),
        None if teacher is None else _stating(job, teacher),
    )


def _stating(job: Job, path: Path) -> Path:
    """The file, or a copy of it, where its owner says what to do to its pixels.

    The same at every call: the checkpoints of the steps are for this very file.
    """
    pixels = job.settings.pixels
    if pixels is None:
        return path
    (job.folder / "work").mkdir(exist_ok=True)
    digest = hashlib.sha256(f"{sha256(path)} {pixels!r}".encode()).hexdigest()
    copy = job.folder / "work" / f"{digest}.keras"
    if not copy.exists():
        save_model(stating_pixels(load_model(path), pixels), copy)
    return copy


def _figures(model: keras.Model, data: PreparedData) -> dict[str, float]:
    judged = evaluate(model, data.test)
    return {
        "params": count_params(model),
        "madds": count_madds(model),
        "accuracy": judged.accuracy,
        "images": judged.examples,
        "zeros": compression.sparsity(model),
    }
