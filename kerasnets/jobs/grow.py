"""Make a saved classifier wider or deeper, and train on from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params
from kerasnets.data import batches, load_prepared, open_source
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.files import sha256, write_bytes
from kerasnets.jobs import defaults
from kerasnets.jobs.checks import check_file, check_whole
from kerasnets.jobs.images import (
    DATA_FILES,
    image_of,
    prepare_images,
    side_of,
    stating_pixels,
    usual_augment,
)
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.runs import (
    Display,
    Job as AnyJob,
    Stage,
    follow,
    in_all_processes,
    run_stages,
)
from kerasnets.saving import import_plugins, load_model, save_model
from kerasnets.training import (
    Recipe,
    changed_recipe,
    find_devices,
    seed_everything,
    train,
)
from kerasnets.transfer import deepen, widen, widen_into

# how long they take beside each other, roughly
STAGES = {"data": 1.0, "grow": 1.0, "train": 20.0}
_RESULT = "work/result.keras"
# images that new batch normalisations take their statistics from
_SEEN = 256


@dataclass(frozen=True)
class Growth:
    """What becomes of a network.

    Attributes:
        widths: By the name of a layer, how many channels it gets.
        deeper: Names of layers that get a layer behind them.
        network: Name of a network of the zoo of which the model is a narrower one;
            None for none.
        alpha: Its width multiplier.
        noise: That parts copies, see ``transfer.widen``.
    """

    widths: Mapping[str, int]
    deeper: tuple[str, ...]
    network: str | None
    alpha: float | None
    noise: float

    def __post_init__(self):
        if not (self.widths or self.deeper or self.network):
            raise KerasnetsError(
                "nothing to grow: give --widen LAYER=WIDTH, --deepen LAYER, or "
                "--network NAME --alpha A"
            )
        if (self.network is None) != (self.alpha is None):
            raise KerasnetsError(
                "--network and --alpha belong together: the name of the model's network"
                " and its new width multiplier"
            )


@dataclass(frozen=True)
class Settings:
    """All settings of a run.

    Attributes:
        model_path: File of the model.
        model_hash: Digest of that file.
        growth: What becomes of it.
        pixels: What it wants done to its pixels, where it does not say so.
        data: The images, as ``kerasnets.data.open_source`` names them.
        resolution: Side in pixels at which they are kept.
        seed: Of everything random.
        skip_bad_images: Leave out images that cannot be decoded.
        recipe: How it is trained on.
        plugins: Modules that are imported first.
    """

    model_path: Path
    model_hash: str
    growth: Growth
    pixels: Preprocessing | None
    data: str
    resolution: int
    seed: int
    skip_bad_images: bool
    recipe: Recipe
    plugins: tuple[str, ...]


Job = AnyJob[Settings]


@dataclass(frozen=True)
class Grown:
    """What it came to.

    Attributes:
        path: The file that was written.
        before: Params, madds, and, where there were images, accuracy on the test images
            and how many these are, of the model given.
        after: The same of the result.
        left_out: How many files of each kind are not among the images.
    """

    path: Path
    before: dict[str, float]
    after: dict[str, float]
    left_out: dict[str, int]


def run(
    model_path: Path,
    out: Path,
    growth: Growth,
    *,
    data: str | None = None,
    changes: Mapping[str, str] | None = None,
    pixels: Preprocessing | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    devices: str | None = None,
    seed: int = 0,
    fresh: bool = False,
    display: Display | None = None,
) -> Grown | None:
    """Make a saved classifier wider or deeper, and train on from there.

    Killed and called again with the same arguments it goes on where it was: until it is
    done its work lies in the folder ``OUT.run``.

    Args:
        model_path: ``.keras`` file of a classifier; with ``data`` of square RGB images.
        out: ``.keras`` file to write, in a folder that exists.
        growth: What becomes of it.
        data: The images, as ``kerasnets.data.open_source`` names them; None to write
            the network as it has grown.
        changes: Of the recipe: a tenth of the usual rate, ten epochs.
        pixels: What the model wants done to its pixels, where it does not say so.
        plugins: Modules to import first, which register layers of your own.
        skip_bad_images: Leave out images that cannot be decoded.
        devices: As for ``jobs.train.run``.
        seed: Of everything random.
        fresh: Delete what an earlier call left in ``OUT.run``.
        display: Entered for each stage, see ``runs.run_stages``.

    Returns:
        What it came to; None in other processes than the first.

    Raises:
        KerasnetsError: An argument, a file, the data or the devices cannot be used, or
            the network cannot grow so.
    """
    check_file(out, ".keras")
    check_whole("seed", seed, 0)
    import_plugins(plugins)
    model = load_model(model_path)
    check_logits(model, "model")
    if data is None:
        if changes:
            raise KerasnetsError("--set changes how it trains, which needs --data")
        grown = grow(model, growth, seed)
        save_model(grown, out)
        return Grown(out, _size(model), _size(grown), {})
    recipe = changed_recipe(
        Recipe(
            epochs=defaults.TUNING_EPOCHS,
            learning_rate=defaults.TUNING_RATE,
            augment=usual_augment(data, mirror=False),
        ),
        changes or {},
    )
    where = find_devices(devices)
    where.check(recipe.batch_size, recipe.accumulate)
    settings = Settings(
        model_path=model_path,
        model_hash=sha256(model_path),
        growth=growth,
        pixels=pixels,
        data=data,
        resolution=side_of(stating_pixels(model, pixels)),
        seed=seed,
        skip_bad_images=skip_bad_images,
        recipe=recipe,
        plugins=tuple(plugins),
    )
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
        deliver=lambda: write_bytes(out, (folder / _RESULT).read_bytes()),
        devices=where,
    )
    return Grown(
        out,
        results["grow"]["before"],
        results["train"]["after"],
        results["data"]["left_out"],
    )


def grow(
    model: keras.Model, growth: Growth, seed: int, images: np.ndarray | None = None
) -> keras.Model:
    """Return the network as it has grown; it answers as before.

    Args:
        model: It stays as it is.
        growth: What becomes of it.
        seed: Of the choice of channels, and of noise.
        images: As the model takes them, for new batch normalisations.
    """
    if growth.network is not None:
        larger = _of_zoo(model, growth)
        widen_into(model, larger, noise=growth.noise, seed=seed)
        model = larger
    for layer, width in growth.widths.items():
        model = widen(model, layer, width, noise=growth.noise, seed=seed)
    for layer in growth.deeper:
        model = deepen(model, layer, images=images)
    return model


def _of_zoo(model: keras.Model, growth: Growth) -> keras.Model:
    """The wider network, with drawn weights."""
    assert growth.network is not None
    applications.check_classifier(growth.network)
    return applications.build(
        growth.network,
        alpha=growth.alpha,
        input_shape=image_of(model),
        classes=model.output_shape[-1],
        classifier_activation=None,
    )


def _stages() -> tuple[Stage[Settings], ...]:
    data, growing, training = STAGES
    return (
        Stage(
            data,
            _prepare,
            uses=("data", "resolution", "seed", "skip_bad_images", "model_hash"),
            files=DATA_FILES,
            share=STAGES[data],
        ),
        Stage(growing, _measure, uses=("growth", "pixels", "plugins")),
        Stage(
            training,
            _train,
            uses=("recipe",),
            files=(_RESULT,),
            scratch=("work",),
            share=STAGES[training],
        ),
    )


def _prepare(job: Job) -> dict[str, Any]:
    """Check what can be known, and decode the images."""
    settings = job.settings
    model = load_model(settings.model_path)
    grow(model, settings.growth, settings.seed)  # before any image is decoded

    def check(examples) -> None:
        given, known = len(examples.class_names), max(2, model.output_shape[-1])
        if given != known:
            raise KerasnetsError(
                f"{settings.model_path} tells {known} classes, the images have {given}"
            )

    return prepare_images(job, check)


def _measure(job: Job) -> dict[str, Any]:
    """Judge the model as it is, and as it has grown."""
    data = load_prepared(job.folder / "data")
    model = stating_pixels(load_model(job.settings.model_path), job.settings.pixels)
    grown = _grown(job)
    return {
        "before": _size(model) | _judged(model, data.test),
        "grown": _size(grown) | _judged(grown, data.validation),
    }


@in_all_processes
def _train(job: Job) -> dict[str, Any]:
    """Train on."""
    settings, data = job.settings, load_prepared(job.folder / "data")
    model = _grown(job)
    recipe = settings.recipe
    feed = batches(
        data.train,
        size=settings.resolution,
        batch_size=recipe.batch_size,
        seed=settings.seed,
        augment=recipe.augment and recipe.augment.fitted(data.train),
        preprocessing=pixels_of(model),
        mix=recipe.mix,
        classes=len(data.class_names),
    )
    train(
        model,
        feed,
        recipe,
        checkpoint=job.checkpoint("train"),
        devices=job.devices,
        progress=job.progress,
    ).check(model.name, recipe)
    if not job.devices.is_first:
        return {}
    (job.folder / "work").mkdir(exist_ok=True)
    save_model(model, job.folder / _RESULT)
    return {"after": _size(model) | _judged(model, data.test)}


def _grown(job: Job) -> keras.Model:
    """The network as it has grown, before it is trained."""
    settings, data = job.settings, load_prepared(job.folder / "data")
    seed_everything(settings.seed)
    model = stating_pixels(load_model(settings.model_path), settings.pixels)
    feed = batches(
        data.train,
        size=settings.resolution,
        batch_size=min(_SEEN, len(data.train.labels)),
        seed=settings.seed,
        shuffle=False,
        preprocessing=pixels_of(model),
    )
    images, _ = next(iter(feed.dataset(0, 1)))
    return grow(model, settings.growth, settings.seed, np.asarray(images))


def _size(model: keras.Model) -> dict[str, float]:
    return {"params": count_params(model), "madds": count_madds(model)}


def _judged(model: keras.Model, split) -> dict[str, float]:
    judged = evaluate(model, split)
    return {"accuracy": judged.accuracy, "images": judged.examples}
