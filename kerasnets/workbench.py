"""The steps of the path to the phone one by one, with models of one's own.

Each function is the command of its name: it reads files, calls the rooms and writes
files. ``kerasnets.phone`` does all of them in one run, training included.
"""

import contextlib
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
    batches,
    open_source,
    prepare,
    prepare_once,
    resize_images,
)
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.files import write_bytes
from kerasnets.pretrained import UNIT
from kerasnets.progress import Progress, silent
from kerasnets.runs import sha256
from kerasnets.saving import load_model, save_model
from kerasnets.training import Checkpoint, Recipe, seed_everything, train

CHANNELS = "channels"  # the recipe that needs no TF-MOT
_EPOCHS = 10  # after channels were removed
_SEEN = 100  # test images whose ranges are compared with those of calibration
# formats that Keras itself writes: the function of ``export`` for each
_BY_KERAS = {"onnx": "export_onnx", "saved_model": "export_saved_model"}
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
    madds: float = 0.5,
    multiple: int = 8,
    epochs: int | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Compressed:
    """Make a saved classifier smaller while it trains on.

    Killed and called again with the same arguments it goes on where it was. The decoded
    images stay in ``OUT.data`` until it is done.

    Args:
        model_path: ``.keras`` file of a classifier that gives logits.
        out: ``.keras`` file to write; recipes that end in quantisation-aware training
            write an int8 file beside it.
        data: the images, as ``kerasnets.data.open_source`` names them.
        recipe: a name in ``compression.RECIPES``, or "channels": channels are removed
            until ``madds`` is met, and what is left trains on.
        teacher_path: ``.keras`` file of a classifier of the same classes to learn from.
        sparsity: share of zeros where the recipe prunes; its own by default.
        clusters: different weights a kernel may have where the recipe clusters.
        madds: share of the multiply-adds that "channels" keeps.
        multiple: of how many channels "channels" keeps each layer.
        epochs: of each step; the recipe's own by default.
        plugins: modules to import first, which register layers of your own.
        skip_bad_images: leave out images that cannot be decoded.
        seed: of everything random.
        progress: told how far each part is.

    Raises:
        KerasnetsError: an argument, a file or the data cannot be used.
    """
    if out.suffix != ".keras":
        raise KerasnetsError(f"cannot save to {str(out)!r}: name a .keras file")
    steps = None
    if recipe != CHANNELS:
        steps = _steps(recipe, sparsity, clusters, epochs)
    model = load_model(model_path)
    teacher = None if teacher_path is None else load_model(teacher_path)
    folder = out.with_suffix(".data")
    prepared = prepare_once(
        open_source(data),
        folder,
        resolution=max(_side(net) for net in (model, teacher) if net is not None),
        seed=seed,
        skip_bad_images=skip_bad_images,
        progress=progress,
    )
    before = _figures(model, prepared)
    if steps is None:
        _remove_channels(
            model,
            teacher,
            out,
            prepared,
            files=[sha256(path) for path in (model_path, teacher_path) if path],
            share={"madds": madds, "multiple": multiple},
            epochs=epochs or _EPOCHS,
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
    shutil.rmtree(folder)
    files = [path for path in (out, out.with_suffix(".tflite")) if path.exists()]
    return Compressed(tuple(files), before, after)


def _steps(
    recipe: str, sparsity: float | None, clusters: int | None, epochs: int | None
) -> list:
    """The steps of a recipe, with what is given in the place of its own settings."""
    if recipe not in compression.RECIPES:
        known = ", ".join((*compression.RECIPES, CHANNELS))
        raise KerasnetsError(f"recipe {recipe!r} is unknown: {known}")
    steps = list(compression.RECIPES[recipe])
    for option, field, value in (
        ("sparsity", "sparsity", sparsity),
        ("clusters", "number_of_clusters", clusters),
        ("epochs", "epochs", epochs),
    ):
        if value is None:
            continue
        takers = [step for step in steps if hasattr(step, field)]
        if not takers:
            raise KerasnetsError(f"recipe {recipe!r} has no {option}: leave it out")
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
    share: dict[str, Any],
    epochs: int,
    seed: int,
    progress: Progress,
) -> None:
    """Cut channels off, train on, save; ``files`` are the hashes of both networks'."""
    small = compression.prune_channels(model, **share)
    seed_everything(seed)
    learner, side = small, _side(small)
    if teacher is not None:
        learner = transfer.distiller(teacher, small, temperature=4.0, soft_weight=0.5)
        side = max(side, _side(teacher))
    recipe = Recipe(epochs=epochs, learning_rate=0.01)
    checkpoint = Checkpoint(
        out.with_suffix(".checkpoint.npz"),
        {
            "data": data.source,
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


def _side(model: keras.Model) -> int:
    """Side of the square images that a model takes."""
    shape = model.input_shape
    if isinstance(shape, list | dict) or len(shape) != 4 or shape[1] != shape[2]:
        raise KerasnetsError(
            f"{model.name!r} takes inputs of shape {shape}; square images, (None, side,"
            " side, channels), are accepted"
        )
    if shape[1] is None:
        raise KerasnetsError(
            f"{model.name!r} takes images of any size; a side is needed"
        )
    return shape[1]


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
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Exported:
    """Write a saved model as a LiteRT or ONNX file or as a SavedModel.

    Args:
        model_path: ``.keras`` file of a functional or sequential model.
        out: what to write.
        format: one of ``export.FORMATS``, "onnx" or "saved_model".
        data: images whose training split sets the ranges of an int8 file, whose classes
            are the labels and whose licence is the file's where none are given.
        labels: class names for the file's metadata.
        calibration: how many images set the ranges.
        options: the other arguments of ``export.convert``; "onnx" and "saved_model"
            have none.
        texts: ``name``, ``description``, ``author``, ``licence`` for the metadata.
        skip_bad_images: leave out images that cannot be decoded.
        seed: of the splits, where the data have none of their own.
        progress: told how many images are decoded.

    Raises:
        KerasnetsError: an argument, a file or the data cannot be used.
    """
    model = load_model(model_path)
    author = f"kerasnets {__version__}"
    described: dict[str, Any] = {"name": model.name, "author": author, **(texts or {})}
    options = dict(options or {})
    if format in _BY_KERAS:
        if options or data or labels:
            raise KerasnetsError(
                f"format {format!r} takes no data, labels or other options"
            )
        getattr(export, _BY_KERAS[format])(model, out)
        return Exported(out, *export.file_sizes(out), None, ())
    chosen, warnings = None, []
    if data is not None:
        with _prepared(data, _side(model), seed, skip_bad_images, progress) as images:
            labels = images.class_names if labels is None else labels
            described.setdefault("licence", f"data: {images.licence}")
            if format == "int8":
                side = _side(model)
                chosen = export.calibration_images(
                    images.train, size=side, count=calibration
                )
                seen = resize_images(images.test.images[:_SEEN], side)
                gaps = export.range_gap(model, chosen.images, seen)
                warnings = export.range_warnings(gaps)
    elif format == "int8":
        raise KerasnetsError(
            "format 'int8' needs images that set its ranges: name data"
        )
    content = export.convert(
        model,
        format=format,
        calibration=None if chosen is None else chosen.images,
        **options,
    )
    if labels is not None:
        content = export.add_metadata(content, labels=labels, **described)
    write_bytes(out, content)
    report = None if chosen is None else chosen.report()
    return Exported(out, *export.file_sizes(out), report, tuple(warnings))


def verify_file(
    path: Path,
    *,
    model_path: Path,
    data: str,
    bounds: Mapping[str, float] | None = None,
    threads: int | None = None,
    images: int | None = None,
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
        skip_bad_images: leave out images that cannot be decoded.
        seed: of the splits, where the data have none of their own.
        progress: told how many images are decoded, and compared.

    Raises:
        KerasnetsError: a file or the data cannot be used.
    """
    model = load_model(model_path)
    side, channels = _image_shape(path)
    with _prepared(data, side, seed, skip_bad_images, progress) as prepared:
        test = prepared.test
        is_classifier = len(model.outputs[0].shape) == 2
        return export.report(
            path,
            model,
            _with_channels(resize_images(test.images[:images], side), channels),
            test.labels[:images] if is_classifier else None,
            bounds=replace(export.default_bounds(path), **(bounds or {})),
            threads=threads,
            progress=progress,
        )


@contextlib.contextmanager
def _prepared(
    data: str, side: int, seed: int, skip_bad_images: bool, progress: Progress
) -> Iterator[PreparedData]:
    """The images of a set, decoded, as long as they are needed."""
    with tempfile.TemporaryDirectory() as folder:
        yield prepare(
            open_source(data),
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


def _image_shape(path: Path) -> tuple[int, int]:
    """Side and channels of the square images that an exported file takes."""
    inputs = export.open_predictor(path).inputs
    shapes = [each.shape for each in inputs]
    if len(shapes) == 1 and len(shapes[0]) == 4:
        _, height, width, channels = shapes[0]
        if height is not None and height == width and channels is not None:
            return height, channels
    raise KerasnetsError(
        f"{path} takes inputs of shape {', '.join(map(str, shapes))}; square images,"
        " (n, side, side, channels), are accepted"
    )


def _with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """RGB images as a file takes them."""
    if channels == 3:
        return images
    if channels == 1:
        return np.round(images @ _LUMA).astype(np.uint8)[..., None]
    raise KerasnetsError(
        f"the file takes {channels} channels; 3 (RGB) or 1 (grey) are accepted"
    )
