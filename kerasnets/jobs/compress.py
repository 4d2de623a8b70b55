"""Make a saved classifier smaller while it trains on."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras

from kerasnets import compression, transfer
from kerasnets.analysis import count_madds, count_params
from kerasnets.data import (
    PreparedData,
    batches,
    check_source,
    open_source,
    prepare,
)
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.files import sha256
from kerasnets.graph import all_layers
from kerasnets.jobs import defaults
from kerasnets.jobs.checks import check_classifier, check_file, check_whole
from kerasnets.jobs.images import KEPT_COPY, kept_images, side_of, stating_pixels
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.progress import Progress, silent
from kerasnets.saving import import_plugins, load_model, save_model
from kerasnets.training import Checkpoint, Recipe, seed_everything, train

CHANNELS = "channels"  # the recipe that needs no TF-MOT
_EPOCHS = 10  # after channels were removed
_SHARE = {"madds": 0.5, "multiple": 8}  # of the channels that stay
_FIELDS = {"clusters": "number_of_clusters", "float layers": "float_layers"}


@dataclass(frozen=True)
class Compressed:
    """What a compression came to.

    Attributes:
        files: what was written.
        before, after: params, madds, accuracy on the test images and zeros (share of
            the kernel weights) of the model given and of the result.
        left_out: How many files of each kind are not among the images.
    """

    files: tuple[Path, ...]
    before: dict[str, float]
    after: dict[str, float]
    left_out: dict[str, int]


def run(
    model_path: Path,
    out: Path,
    *,
    data: str,
    recipe: str = defaults.RECIPE,
    teacher_path: Path | None = None,
    sparsity: float | None = None,
    clusters: int | None = None,
    madds: float | None = None,
    multiple: int | None = None,
    epochs: int | None = None,
    float_layers: Sequence[str] | None = None,
    pixels: Preprocessing | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Compressed:
    """Make a saved classifier smaller while it trains on.

    Killed and called again with the same arguments it goes on where it was: the decoded
    images stay in ``OUT.data`` until it is done. All that can be known of arguments,
    models and data is checked before an image is decoded.

    Args:
        model_path: ``.keras`` file of a classifier of square RGB images that gives
            logits.
        out: ``.keras`` file to write, in a folder that exists; recipes that end in
            quantisation-aware training write an int8 file beside it.
        data: the images, as ``kerasnets.data.open_source`` names them.
        recipe: a name in ``compression.RECIPES``, or "channels": channels are removed
            until ``madds`` is met, and what is left trains on.
        teacher_path: ``.keras`` file of a classifier of the same classes to learn from.
        sparsity: share of zeros where the recipe prunes; its own by default.
        clusters: different weights a kernel may have where the recipe clusters.
        madds: share of the multiply-adds that "channels" keeps, 0.5 by default.
        multiple: of how many channels "channels" keeps each layer, 8 by default.
        epochs: of each step; the recipe's own by default.
        float_layers: names of layers that stay in float32 where the recipe quantises.
        pixels: what model and teacher want done to their pixels, where they do not say
            so themselves.
        plugins: modules to import first, which register layers of your own.
        skip_bad_images: leave out images that cannot be decoded.
        seed: of everything random.
        progress: told how far each part is.

    Raises:
        KerasnetsError: an argument, a file or the data cannot be used.
    """
    check_file(out, ".keras")
    check_whole("seed", seed, 0)
    check_whole("epochs", epochs, 1)
    share = {"madds": madds, "multiple": multiple}
    settings = {
        "sparsity": sparsity,
        "clusters": clusters,
        "float layers": None if float_layers is None else tuple(float_layers),
    }
    steps = _steps(recipe, settings, share, epochs)
    import_plugins(plugins)
    paths = [path for path in (model_path, teacher_path) if path is not None]
    nets = [stating_pixels(load_model(path), pixels) for path in paths]
    model, teacher = (*nets, None)[:2]
    side = max(map(side_of, nets))
    source = open_source(data)
    classes = len(
        check_source(source, seed=seed, skip_bad_images=skip_bad_images).class_names
    )
    for net in nets:
        check_classifier(net, classes, auxiliary=steps is None)
    share = _given(share, _SHARE)
    small = _narrowed(model, share) if steps is None else None
    with kept_images(out.with_suffix(".data")) as folder:
        prepared = prepare(
            source,
            folder,
            resolution=side,
            seed=seed,
            skip_bad_images=skip_bad_images,
            reuse=True,
            progress=progress,
        )
        before = _figures(model, prepared)
        if small is not None:
            _train_on(
                small,
                teacher,
                out,
                prepared,
                files=[sha256(path) for path in paths],
                fingerprint=source.fingerprint,
                share=share,
                epochs=_EPOCHS if epochs is None else epochs,
                seed=seed,
                progress=progress,
            )
        else:
            if pixels is not None:
                paths = [
                    _kept_copy(folder, path, net, pixels)
                    for path, net in zip(paths, nets, strict=True)
                ]
            compression.compress(
                paths[0],
                out,
                data=folder,
                recipe=steps or [],
                teacher_path=paths[1] if teacher is not None else None,
                seed=seed,
                plugins=plugins,
                progress=progress,
            )
        after = _figures(load_model(out), prepared)
    files = [out]
    if steps is not None and steps[-1].kind == "qat":
        files.append(out.with_suffix(".tflite"))
    return Compressed(tuple(files), before, after, prepared.left_out)


def _kept_copy(
    folder: Path, path: Path, net: keras.Model, pixels: Preprocessing
) -> Path:
    """A file of the network that says what it wants done to its pixels.

    The same at every call: the checkpoints of the steps are for this very file.
    """
    digest = hashlib.sha256(f"{sha256(path)} {pixels}".encode()).hexdigest()
    copy = folder / f"{digest}{KEPT_COPY}"
    if not copy.exists():
        save_model(net, copy)
    return copy


def _given(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values, defaults in the place of None."""
    return {
        key: defaults[key] if value is None else value for key, value in values.items()
    }


def _steps(
    recipe: str,
    settings: Mapping[str, Any],
    share: Mapping[str, float | None],
    epochs: int | None,
) -> list | None:
    """The steps of a recipe, with what is given in the place of its own settings.

    None for "channels", which takes ``share`` where the others take ``settings``.
    """
    known = (*compression.RECIPES, CHANNELS)
    if recipe not in known:
        raise KerasnetsError(f"recipe {recipe!r} is unknown: {', '.join(known)}")
    for option, value in (settings if recipe == CHANNELS else share).items():
        if value is not None:
            raise KerasnetsError(f"recipe {recipe!r} has no {option}: leave it out")
    if recipe == CHANNELS:
        return None
    steps = list(compression.RECIPES[recipe])
    if epochs is not None:
        steps = [step.with_recipe(epochs=epochs) for step in steps]
    for option, value in settings.items():
        field = _FIELDS.get(option, option)
        takers = [step for step in steps if hasattr(step, field)]
        if value is not None and not takers:
            raise KerasnetsError(f"recipe {recipe!r} has no {option}: leave it out")
        if value is not None:
            steps = [
                replace(step, **{field: value}) if step in takers else step
                for step in steps
            ]
    return steps


def _narrowed(model: keras.Model, share: dict[str, Any]) -> keras.Model:
    """The model without the channels that matter least."""
    criterion = "batch_norm" if _has_scales(model) else "l1"
    return compression.prune_channels(model, criterion=criterion, **share)


def _train_on(
    small: keras.Model,
    teacher: keras.Model | None,
    out: Path,
    data: PreparedData,
    *,
    files: list[str],
    fingerprint: str,
    share: dict[str, Any],
    epochs: int,
    seed: int,
    progress: Progress,
) -> None:
    """Train what is left and save it; ``files`` are the hashes of both networks'."""
    seed_everything(seed)
    learn, side = train, side_of(small)
    if teacher is not None:
        learn = functools.partial(transfer.distill, teacher)
        side = max(side, side_of(teacher))
    recipe = Recipe(epochs=epochs, learning_rate=0.01)
    checkpoint = Checkpoint(
        out.with_suffix(".checkpoint.npz"),
        {
            "data": [data.source, fingerprint],
            "share": share,
            "seed": seed,
            "pixels": str(pixels_of(small)),
            "recipe": asdict(recipe),
            "files": files,
        },
    )
    learn(
        small,
        batches(
            data.train,
            size=side,
            batch_size=recipe.batch_size,
            seed=seed,
            preprocessing=pixels_of(small),
        ),
        recipe,
        checkpoint=checkpoint,
        progress=progress,
    )
    save_model(small, out)
    checkpoint.remove()


def _figures(model: keras.Model, data: PreparedData) -> dict[str, float]:
    return {
        "params": count_params(model),
        "madds": count_madds(model),
        "accuracy": evaluate(model, data.test).accuracy,
        "zeros": compression.sparsity(model),
    }


def _has_scales(model: keras.Model) -> bool:
    """Whether batch normalisation scales any channels."""
    return any(
        isinstance(layer, keras.layers.BatchNormalization) and layer.scale
        for layer in all_layers(model)
    )
