"""Write a saved model as a file for the phone."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
        path: the file, or the folder of a SavedModel.
        size, gzip_size: its bytes, and those behind gzip.
        pixels: what it does to pixels, in a line.
        calibration: how many images set the ranges and how they were chosen; None where
            none were needed.
        warnings: what to know before the file is used, a line each.
        left_out: how many files of each kind are not among the images of the data.
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
        out: what to write, in a folder that exists: a ``.tflite`` or ``.onnx`` file, or
            the folder of a SavedModel.
        format: one of ``export.FORMATS``, "onnx" or "saved_model".
        data: images whose training split sets the ranges of an int8 file, whose classes
            are the labels and whose licence is the file's where none are given.
        labels: class names for the file's metadata.
        calibration: how many images set the ranges.
        options: the other arguments of ``export.convert``; "onnx" and "saved_model"
            have ``pixels`` and ``output`` alone.
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
    described: dict[str, Any] = {
        "name": model.name,
        "description": line,
        "author": f"kerasnets {__version__}",
    }
    images, report, warnings, left_out = None, None, [], {}
    if data is not None:
        source = open_source(data)
        # asked for the classes, and for the images
        source = replace(source, load=functools.cache(source.load))
        labels = source.load().class_names if labels is None else labels
        answers = model.outputs[0].shape[-1]  # one alone tells two classes
        check_class_names(labels, None if answers == 1 else answers)
        described["licence"] = f"data: {source.load().licence}"
        left_out = count_kinds(source.load().left_out)
        if format == "int8":
            images, report, warnings, left_out = _calibrated(
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
        if "description" in texts:
            described["description"] = f"{texts['description']} ({line})"
        if options.get("preprocessing", True) is False:
            convention = pixels_of(model, options.get("pixels"))
            described.update(mean=convention.mean, std=convention.std)
        content = export.add_metadata(content, labels=labels, **described)
    write_bytes(out, content)
    return Exported(
        out, *export.file_sizes(out), line, report, tuple(warnings), left_out
    )


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


def _calibrated(
    model: keras.Model,
    source: Source,
    options: Mapping[str, Any],
    *,
    count: int,
    seed: int,
    skip_bad_images: bool,
    progress: Progress,
) -> tuple[np.ndarray, dict[str, Any], list[str], dict[str, int]]:
    """Images as an int8 file takes them, how chosen, warnings, what was left out."""
    *size, channels = image_of(model)
    given = options.get("resize_from") or size
    side = max(*given, *size)
    with prepared_images(source, side, seed, skip_bad_images, progress) as data:
        chosen = export.calibration_images(
            data.train, size=side, seed=seed, count=count
        )
        seen = spread(data.test.labels, _SEEN, seed)
        gaps = export.range_gap(
            model,
            fitted(chosen.images, size, channels),
            fitted(data.test.images[seen], size, channels),
            pixels=options.get("pixels"),
        )
        images = fitted(chosen.images, given, channels)
    return images, chosen.report(), export.range_warnings(gaps), data.left_out
