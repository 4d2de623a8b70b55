"""The steps of the path to the phone one by one, with models of one's own.

Each function is the command of its name: it reads files, calls the rooms and writes
files. ``kerasnets.phone`` does all of them in one run, training included.
"""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import __version__, applications, compression, export, transfer
from kerasnets.analysis import count_madds, count_params
from kerasnets.data import (
    PreparedData,
    Source,
    batches,
    is_prepared_file,
    open_source,
    prepare,
    prepare_once,
    read_image,
)
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.export.inference import gives_probabilities
from kerasnets.export.predictors import is_litert
from kerasnets.files import sha256, write_bytes
from kerasnets.graph import all_layers
from kerasnets.pretrained import UNIT, Preprocessing
from kerasnets.progress import Progress, silent
from kerasnets.saving import import_plugins, load_model, save_model
from kerasnets.training import Checkpoint, Recipe, seed_everything, train

CHANNELS = "channels"  # the recipe that needs no TF-MOT
_EPOCHS = 10  # after channels were removed
_SHARE = {"madds": 0.5, "multiple": 8}  # of the channels that stay
_SEEN = 100  # test images whose ranges are compared with those of calibration
# formats that Keras itself writes: the function of ``export`` for each
_BY_KERAS = {"onnx": "export_onnx", "saved_model": "export_saved_model"}
_FIELDS = {"clusters": "number_of_clusters", "float layers": "float_layers"}
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class Compressed:
    """What a compression came to.

    Attributes:
        files: what was written.
        before, after: params, madds, accuracy on the test images and zeros (share of
            the kernel weights) of the model given and of the result.
    """

    files: tuple[Path, ...]
    before: dict[str, float]
    after: dict[str, float]


def compress(
    model_path: Path,
    out: Path,
    *,
    data: str,
    recipe: str = "pcqat",
    teacher_path: Path | None = None,
    sparsity: float | None = None,
    clusters: int | None = None,
    madds: float | None = None,
    multiple: int | None = None,
    epochs: int | None = None,
    float_layers: Sequence[str] | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Compressed:
    """Make a saved classifier smaller while it trains on.

    Killed and called again with the same arguments it goes on where it was: the decoded
    images stay in ``OUT.data`` until it is done or has failed.

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
        plugins: modules to import first, which register layers of your own.
        skip_bad_images: leave out images that cannot be decoded.
        seed: of everything random.
        progress: told how far each part is.

    Raises:
        KerasnetsError: an argument, a file or the data cannot be used.
    """
    _check_file(out, ".keras")
    _check_whole("seed", seed, 0)
    _check_whole("epochs", epochs, 1)
    share = {"madds": madds, "multiple": multiple}
    settings = {
        "sparsity": sparsity,
        "clusters": clusters,
        "float layers": None if float_layers is None else tuple(float_layers),
    }
    steps = _steps(recipe, settings, share, epochs)
    import_plugins(plugins)
    model = load_model(model_path)
    teacher = None if teacher_path is None else load_model(teacher_path)
    nets = [net for net in (model, teacher) if net is not None]
    side = max(map(_side, nets))
    source = open_source(data)
    with _kept_images(out.with_suffix(".data")) as folder:
        prepared = prepare_once(
            source,
            folder,
            resolution=side,
            seed=seed,
            skip_bad_images=skip_bad_images,
            progress=progress,
        )
        for net in nets:
            _check_classifier(net, len(prepared.class_names))
        before = _figures(model, prepared)
        if steps is None:
            _remove_channels(
                model,
                teacher,
                out,
                prepared,
                files=[sha256(path) for path in (model_path, teacher_path) if path],
                fingerprint=source.fingerprint,
                share=_given(share, _SHARE),
                epochs=_EPOCHS if epochs is None else epochs,
                seed=seed,
                progress=progress,
            )
        else:
            compression.compress(
                model_path,
                out,
                data=folder,
                recipe=steps,
                teacher_path=teacher_path,
                seed=seed,
                plugins=plugins,
                progress=progress,
            )
        after = _figures(load_model(out), prepared)
    files = [out]
    if steps is not None and steps[-1].kind == "qat":
        files.append(out.with_suffix(".tflite"))
    return Compressed(tuple(files), before, after)


def _given(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values, defaults in the place of None."""
    return {
        key: defaults[key] if value is None else value for key, value in values.items()
    }


@contextlib.contextmanager
def _kept_images(folder: Path) -> Iterator[Path]:
    """A folder that stays after an interruption, and goes at the end or an error."""
    # decoded anew, the images are the same: the checkpoints go on holding
    if folder.is_symlink() or folder.exists():
        names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else {""}
        foreign = [name for name in sorted(names) if not is_prepared_file(name)]
        if folder.is_symlink() or foreign:
            raise KerasnetsError(
                f"{folder} is needed for the decoded images, and is not of this"
                " command: move it away or choose another OUT"
            )
    try:
        yield folder
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder)


def _check_classifier(model: keras.Model, classes: int) -> None:
    """Raise unless the model gives a logit for each class."""
    shape = applications.without_auxiliary(model).output_shape
    if shape != (None, classes):
        raise KerasnetsError(
            f"{model.name!r} gives outputs of shape {shape}; the data have {classes}"
            f" classes, (None, {classes}) is accepted"
        )
    if gives_probabilities(model):
        raise KerasnetsError(
            f"{model.name!r} gives probabilities; logits, without a softmax at the end,"
            " are accepted"
        )


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
    for option, value in {**settings, "epochs": epochs}.items():
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


def _remove_channels(
    model: keras.Model,
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
    """Cut channels off, train on, save; ``files`` are the hashes of both networks'."""
    criterion = "batch_norm" if _has_scales(model) else "l1"
    small = compression.prune_channels(model, criterion=criterion, **share)
    seed_everything(seed)
    learner, side = small, _side(small)
    if teacher is not None:
        learner = transfer.distiller(teacher, small, temperature=4.0, soft_weight=0.5)
        side = max(side, _side(teacher))
    recipe = Recipe(epochs=epochs, learning_rate=0.01)
    checkpoint = Checkpoint(
        out.with_suffix(".checkpoint.npz"),
        {
            "data": [data.source, fingerprint],
            "share": share,
            "seed": seed,
            "recipe": asdict(recipe),
            "files": files,
        },
    )
    train(
        learner,
        batches(
            data.train,
            size=side,
            batch_size=recipe.batch_size,
            seed=seed,
            preprocessing=applications.preprocessing(small, default=UNIT),
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


def _side(model: keras.Model) -> int:
    """Side of the square RGB images that a model takes."""
    height, width, channels = _image_of(model)
    if height != width or channels != 3:
        raise KerasnetsError(
            f"{model.name!r} takes images of shape {(height, width, channels)}; square"
            " RGB images, (side, side, 3), are accepted"
        )
    return height


def _image_of(model: keras.Model) -> tuple[int, int, int]:
    """Height, width and channels of the images that a model takes."""
    shapes = [tuple(x.shape) for x in getattr(model, "inputs", None) or ()]
    if len(shapes) != 1 or len(shapes[0]) != 4 or None in shapes[0][1:]:
        given = ", ".join(map(str, shapes)) or "that is not known"
        raise KerasnetsError(
            f"{model.name!r} takes inputs of shape {given}; images of a fixed size,"
            " (None, height, width, channels), are accepted"
        )
    return shapes[0][1:]


def _check_file(out: Path, suffix: str) -> None:
    """Raise unless a file of this suffix can be written there."""
    if out.suffix != suffix:
        raise KerasnetsError(f"cannot save to {str(out)!r}: name a {suffix} file")
    if out.is_dir():
        raise KerasnetsError(f"cannot save to {str(out)!r}: it is a folder")
    _check_parent(out)


def _check_parent(out: Path) -> None:
    if not out.parent.is_dir():
        raise KerasnetsError(
            f"cannot save to {str(out)!r}: there is no folder {str(out.parent)!r}"
        )


def _check_whole(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise KerasnetsError(
            f"{name} {value!r} is not a whole number of {least} or more"
        )


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    Attributes:
        path: the file, or the folder of a SavedModel.
        size, gzip_size: its bytes, and those behind gzip.
        calibration: how many images set the ranges and how they were chosen; None where
            none were needed.
        warnings: what to know before the file is used, a line each.
    """

    path: Path
    size: int
    gzip_size: int
    calibration: dict[str, Any] | None
    warnings: tuple[str, ...]


def export_file(
    model_path: Path,
    out: Path,
    *,
    format: str = "float32",
    data: str | None = None,
    labels: Sequence[str] | None = None,
    calibration: int = 100,
    options: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Exported:
    """Write a saved model as a LiteRT or ONNX file or as a SavedModel.

    Args:
        model_path: ``.keras`` file of a functional or sequential model.
        out: what to write, in a folder that exists: a ``.tflite`` or ``.onnx`` file, or
            the folder of a SavedModel.
        format: one of ``export.FORMATS``, "onnx" or "saved_model".
        data: images whose training split sets the ranges of an int8 file, whose classes
            are the labels and whose licence is the file's where none are given.
        labels: class names for the file's metadata.
        calibration: how many images set the ranges.
        options: the other arguments of ``export.convert``; "onnx" and "saved_model"
            have none.
        texts: ``name``, ``description``, ``author``, ``licence`` for the metadata,
            which are written where there are labels.
        plugins: modules to import first, which register layers of your own.
        skip_bad_images: leave out images that cannot be decoded.
        seed: of the splits, where the data have none of their own.
        progress: told how many images are decoded.

    Raises:
        KerasnetsError: an argument, a file or the data cannot be used.
    """
    options, texts = dict(options or {}), dict(texts or {})
    _check_export(out, format, data, labels, options, texts)
    _check_whole("seed", seed, 0)
    _check_whole("calibration", calibration, 1)
    import_plugins(plugins)
    model = load_model(model_path)
    if format in _BY_KERAS:
        getattr(export, _BY_KERAS[format])(model, out)
        return Exported(out, *export.file_sizes(out), None, ())
    described: dict[str, Any] = {
        "name": model.name,
        "author": f"kerasnets {__version__}",
    }
    images, report, warnings = None, None, []
    if data is not None:
        source = open_source(data)
        # asked for the classes, and for the images
        source = replace(source, load=functools.cache(source.load))
        labels = source.load().class_names if labels is None else labels
        described["licence"] = f"data: {source.load().licence}"
        if format == "int8":
            images, report, warnings = _calibrated(
                model,
                source,
                options,
                count=calibration,
                seed=seed,
                skip_bad_images=skip_bad_images,
                progress=progress,
            )
    content = export.convert(model, format=format, calibration=images, **options)
    if labels is not None:
        described.update(texts)
        if options.get("preprocessing", True) is False:
            convention = _convention(model)
            described.update(mean=convention.mean, std=convention.std)
        content = export.add_metadata(content, labels=labels, **described)
    write_bytes(out, content)
    return Exported(out, *export.file_sizes(out), report, tuple(warnings))


def _check_export(
    out: Path,
    format: str,
    data: str | None,
    labels: Sequence[str] | None,
    options: Mapping[str, Any],
    texts: Mapping[str, str],
) -> None:
    """Raise unless the format is known and the arguments fit it."""
    known = (*export.FORMATS, *_BY_KERAS)
    if format not in known:
        raise KerasnetsError(f"format {format!r} is unknown: {', '.join(known)}")
    if format in _BY_KERAS and (options or texts or data or labels is not None):
        raise KerasnetsError(
            f"format {format!r} takes no data, labels, texts or other options"
        )
    if format == "int8" and data is None:
        raise KerasnetsError(
            "format 'int8' needs images that set its ranges: name data"
        )
    if texts and data is None and labels is None:
        raise KerasnetsError(
            f"{', '.join(texts)} would be lost: metadata need labels, or data that name"
            " the classes"
        )
    if format == "saved_model":
        _check_parent(out)
    else:
        _check_file(out, ".onnx" if format == "onnx" else ".tflite")


def _convention(model: keras.Model) -> Preprocessing:
    """What is done to the pixels before the model."""
    default = UNIT.fitted(None, _image_of(model)[2])
    return applications.preprocessing(model, default=default)


def _calibrated(
    model: keras.Model,
    source: Source,
    options: Mapping[str, Any],
    *,
    count: int,
    seed: int,
    skip_bad_images: bool,
    progress: Progress,
) -> tuple[np.ndarray, dict[str, Any], list[str]]:
    """Images as an int8 file takes them, how they were chosen, and warnings."""
    *size, channels = _image_of(model)
    given = options.get("resize_from") or size
    side = max(*given, *size)
    with _prepared(source, side, seed, skip_bad_images, progress) as data:
        chosen = export.calibration_images(data.train, size=side, count=count)
        gaps = export.range_gap(
            model,
            _fitted(chosen.images, size, channels),
            _fitted(data.test.images[:_SEEN], size, channels),
        )
        images = _fitted(chosen.images, given, channels)
    if options.get("preprocessing", True) is False:
        # black and white, as convert does for pixels: bytes given to a uint8 file as
        # they are then mean what they should
        images = np.array(images)
        images[0, 0, 0], images[0, -1, -1] = 0, 255
        images = np.asarray(_convention(model)(images), "float32")
    return images, chosen.report(), export.range_warnings(gaps)


def verify_file(
    path: Path,
    *,
    model_path: Path,
    data: str,
    bounds: Mapping[str, float] | None = None,
    threads: int | None = None,
    images: int | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> "export.VerificationReport":
    """Run an exported file and its model over the test images and compare them.

    Args:
        path: a LiteRT or ONNX file or the folder of a SavedModel.
        model_path: ``.keras`` file of the model that it was made from.
        data: the images, as ``kerasnets.data.open_source`` names them; the test split
            is used.
        bounds: fields of ``export.Bounds`` in the place of those that are usual for the
            numbers in the file.
        threads: as in ``export.report``.
        images: how many images are compared; all by default.
        plugins: modules to import first, which register layers of your own.
        skip_bad_images: leave out images that cannot be decoded.
        seed: of the splits, where the data have none of their own.
        progress: told how many images are decoded, and compared.

    Raises:
        KerasnetsError: a file or the data cannot be used.
    """
    for name, value, least in (
        ("seed", seed, 0),
        ("threads", threads, 1),
        ("images", images, 1),
    ):
        _check_whole(name, value, least)
    bounds = dict(bounds or {})
    import_plugins(plugins)
    model = load_model(model_path)
    *size, channels = _image_shape(path)
    if "sqnr_db" in bounds and not is_litert(path):
        raise KerasnetsError(f"{path} is no LiteRT file: it has no bound sqnr_db")
    classes = model.outputs[0].shape
    is_classifier = len(classes) == 2 and classes[-1] > 1
    if "accuracy" in bounds and not is_classifier:
        raise KerasnetsError(f"{model.name!r} does not score classes: no accuracy")
    source = open_source(data)
    with _prepared(source, max(size), seed, skip_bad_images, progress) as prepared:
        test = prepared.test
        return export.report(
            path,
            model,
            _fitted(test.images[:images], size, channels),
            test.labels[:images] if is_classifier else None,
            bounds=replace(export.default_bounds(path), **bounds),
            threads=threads,
            sqnr=True if "sqnr_db" in bounds else None,
            progress=progress,
        )


@contextlib.contextmanager
def _prepared(
    source: Source, side: int, seed: int, skip_bad_images: bool, progress: Progress
) -> Iterator[PreparedData]:
    """The images of a set, decoded, as long as they are needed."""
    with tempfile.TemporaryDirectory() as folder:
        yield prepare(
            source,
            Path(folder),
            resolution=side,
            seed=seed,
            skip_bad_images=skip_bad_images,
            progress=progress,
        )


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a text file: class names, in the order of the outputs.

    Raises:
        KerasnetsError: it is no text in UTF-8.
    """
    try:
        return tuple(path.read_text("utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise KerasnetsError(f"{path} is not text in UTF-8: {error.reason}") from error


def _image_shape(path: Path) -> tuple[int, int, int]:
    """Height, width and channels of the images that an exported file takes."""
    shapes = [each.shape for each in export.open_predictor(path).inputs]
    if len(shapes) == 1 and len(shapes[0]) == 4:
        _, height, width, channels = shapes[0]
        if height is not None and width is not None and channels is not None:
            return height, width, channels
    raise KerasnetsError(
        f"{path} takes inputs of shape {', '.join(map(str, shapes))}; images of a fixed"
        " size, (n, height, width, channels), are accepted"
    )


def _fitted(images: np.ndarray, size: Sequence[int], channels: int) -> np.ndarray:
    """RGB images as something takes them that wants this size and so many channels."""
    height, width = size
    if images.shape[1:3] != (height, width):
        images = np.stack([read_image(image, (height, width)) for image in images])
    if channels == 3:
        return np.asarray(images)
    if channels == 1:
        return np.round(images @ _LUMA).astype(np.uint8)[..., None]
    raise KerasnetsError(
        f"images of {channels} channels are wanted; the data give 3 (RGB) or 1 (grey)"
    )
