"""Write a saved model as a file for the phone."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import __version__, export
from kerasnets.data import Source, check_class_names, open_source, spread
from kerasnets.data.sources.source import count_kinds
from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes
from kerasnets.jobs import defaults
from kerasnets.jobs.checks import check_file, check_parent, check_whole
from kerasnets.jobs.images import fitted, image_of, prepared_images
from kerasnets.pixels import describe, pixels_of
from kerasnets.progress import Progress, silent
from kerasnets.saving import import_plugins, load_model

_SEEN = 100  # test images whose ranges are compared with those of calibration
# formats that Keras itself writes: the function of ``export`` for each
_BY_KERAS = {"onnx": "export_onnx", "saved_model": "export_saved_model"}


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    Attributes:
        path: The file, or the folder of a SavedModel.
        size, gzip_size: Its bytes, and those behind gzip.
        pixels: What it does to pixels, in a line.
        calibration: How many images set the ranges and how they were chosen; None where
            none were needed.
        warnings: What to know before the file is used, a line each.
        left_out: How many files of each kind are not among the images of the data.
    """

    path: Path
    size: int
    gzip_size: int
    pixels: str
    calibration: dict[str, Any] | None
    warnings: tuple[str, ...]
    left_out: dict[str, int]


def run(
    model_path: Path,
    out: Path,
    *,
    format: str = "float32",
    data: str | None = None,
    labels: Sequence[str] | None = None,
    calibration: int = defaults.CALIBRATION,
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
        out: What to write, in a folder that exists: a ``.tflite`` or ``.onnx`` file, or
            the folder of a SavedModel.
        format: One of ``export.FORMATS``, "onnx" or "saved_model".
        data: Images whose training split sets the ranges of an int8 file, whose classes
            are the labels and whose licence is the file's where none are given.
        labels: Class names for the file's metadata.
        calibration: How many images set the ranges.
        options: The other arguments of ``export.convert``; "onnx" and "saved_model"
            have ``pixels`` and ``output`` alone.
        texts: ``name``, ``description``, ``author``, ``licence`` for the metadata,
            which are written where there are labels.
        plugins: Modules to import first, which register layers of your own.
        skip_bad_images: Leave out images that cannot be decoded.
        seed: Of the splits, where the data have none of their own.
        progress: Told how many images are decoded.

    Raises:
        KerasnetsError: An argument, a file or the data cannot be used.
    """
    options, texts = dict(options or {}), dict(texts or {})
    _check_export(out, format, data, labels, options, texts)
    check_whole("seed", seed, 0)
    check_whole("calibration", calibration, 1)
    import_plugins(plugins)
    model = load_model(model_path)
    line = describe(
        pixels_of(model, options.get("pixels")),
        inside=options.get("preprocessing", True),
    )
    if format in _BY_KERAS:
        getattr(export, _BY_KERAS[format])(model, out, export.Ends(**options))
        return Exported(out, *export.file_sizes(out), line, None, (), {})
    found = _Found(labels)
    if data is not None:
        found = _found_in(
            open_source(data),
            model,
            options,
            labels=labels,
            calibration=calibration if format == "int8" else 0,
            seed=seed,
            skip_bad_images=skip_bad_images,
            progress=progress,
        )
    content = export.convert(
        model, format=format, calibration=found.calibration, **options
    )
    if found.labels is not None:
        content = export.add_metadata(
            content,
            labels=found.labels,
            **_described(model, line, found.licence, options, texts),
        )
    write_bytes(out, content)
    return Exported(
        out,
        *export.file_sizes(out),
        line,
        found.report,
        found.warnings,
        found.left_out,
    )


@dataclass(frozen=True)
class _Found:
    """What a file gets from the data.

    Attributes:
        labels: Class names, or None.
        licence: Of the data, in a line; None without data.
        calibration: The images that set ranges; None where none do.
        report: How these were chosen.
        warnings: Where other images leave the ranges, a line each.
        left_out: How many files of each kind are not among the images.
    """

    labels: Sequence[str] | None
    licence: str | None = None
    calibration: np.ndarray | None = None
    report: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)


def _found_in(
    source: Source,
    model: keras.Model,
    options: Mapping[str, Any],
    *,
    labels: Sequence[str] | None,
    calibration: int,
    seed: int,
    skip_bad_images: bool,
    progress: Progress,
) -> _Found:
    """Read classes and licence, and so many images for calibration."""
    # asked for the classes, and for the images
    source = replace(source, load=functools.cache(source.load))
    examples = source.load()
    labels = examples.class_names if labels is None else labels
    answers = model.outputs[0].shape[-1]  # one alone tells two classes
    check_class_names(labels, None if answers == 1 else answers)
    found = _Found(
        labels,
        licence=f"data: {examples.licence}",
        left_out=count_kinds(examples.left_out),
    )
    if not calibration:
        return found
    *size, channels = image_of(model)
    given = options.get("resize_from") or size
    side = max(*given, *size)
    with prepared_images(source, side, seed, skip_bad_images, progress) as data:
        chosen = export.calibration_images(
            data.train, size=side, seed=seed, count=calibration
        )
        seen = spread(data.test.labels, _SEEN, seed)
        gaps = export.range_gap(
            model,
            fitted(chosen.images, size, channels),
            fitted(data.test.images[seen], size, channels),
            pixels=options.get("pixels"),
        )
        images = fitted(chosen.images, given, channels)
    return replace(
        found,
        calibration=images,
        report=chosen.report(),
        warnings=tuple(export.range_warnings(gaps)),
        left_out=data.left_out,
    )


def _described(
    model: keras.Model,
    line: str,
    licence: str | None,
    options: Mapping[str, Any],
    texts: Mapping[str, str],
) -> dict[str, Any]:
    """What the metadata say beside the labels."""
    described: dict[str, Any] = {
        "name": model.name,
        "description": line,
        "author": f"kerasnets {__version__}",
        **({} if licence is None else {"licence": licence}),
        **texts,
    }
    if "description" in texts:
        described["description"] = f"{texts['description']} ({line})"
    if options.get("preprocessing", True) is False:
        convention = pixels_of(model, options.get("pixels"))
        described.update(mean=convention.mean, std=convention.std)
    return described


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
    others = {*options} - {"pixels", "output"}
    if format in _BY_KERAS and (others or texts or data or labels is not None):
        raise KerasnetsError(
            f"format {format!r} takes no data, labels, texts or other options than"
            " pixels and output"
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
        check_parent(out)
    else:
        check_file(out, ".onnx" if format == "onnx" else ".tflite")
