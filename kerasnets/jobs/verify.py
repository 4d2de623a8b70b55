"""Prove that an exported file answers like its model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kerasnets import export
from kerasnets.data import open_source, spread
from kerasnets.errors import KerasnetsError
from kerasnets.export.runtime.predictors import is_litert
from kerasnets.jobs.checks import check_whole
from kerasnets.jobs.images import fitted, prepared_images
from kerasnets.pixels import Preprocessing
from kerasnets.progress import Progress, silent
from kerasnets.saving import import_plugins, load_model


@dataclass(frozen=True)
class Verified:
    """What a verification came to.

    Attributes:
        report: The figures, and which bounds do not hold.
        left_out: How many files of each kind are not among the images of the data.
    """

    report: export.Verification
    left_out: dict[str, int]


def run(
    path: Path,
    *,
    model_path: Path,
    data: str,
    bounds: Mapping[str, float] | None = None,
    threads: int | None = None,
    images: int | None = None,
    pixels: Preprocessing | None = None,
    output: str | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Verified:
    """Run an exported file and its model over the test images and compare them.

    Args:
        path: A LiteRT or ONNX file or the folder of a SavedModel.
        model_path: ``.keras`` file of the model that it was made from.
        data: The images, as ``kerasnets.data.open_source`` names them; the test split
            is used.
        bounds: Fields of ``export.Bounds`` in the place of those that are usual for the
            numbers in the file.
        threads: As in ``export.report``.
        images: How many images are compared, drawn with ``seed``, the classes taking
            turns; all by default.
        pixels: As in ``export.report``.
        output: Likewise.
        plugins: Modules to import first, which register layers of your own.
        skip_bad_images: Leave out images that cannot be decoded.
        seed: Of the splits, where the data have none of their own.
        progress: Told how many images are decoded, and compared.

    Raises:
        KerasnetsError: A file or the data cannot be used.
    """
    for name, value, least in (
        ("seed", seed, 0),
        ("threads", threads, 1),
        ("images", images, 1),
    ):
        check_whole(name, value, least)
    bounds = dict(bounds or {})
    import_plugins(plugins)
    model = load_model(model_path)
    *size, channels = _image_shape(path)
    answer = model.outputs[0].shape
    is_classifier = len(answer) == 2 and answer[-1] > 1
    if "sqnr_db" in bounds and not is_litert(path):
        raise KerasnetsError(f"{path} is no LiteRT file: it has no bound sqnr_db")
    if "accuracy" in bounds and not is_classifier:
        raise KerasnetsError(f"{model.name!r} does not score classes: no accuracy")
    source = open_source(data)
    with prepared_images(
        source, max(size), seed, skip_bad_images, progress
    ) as prepared:
        test = prepared.test
        chosen = spread(test.labels, images or len(test.labels), seed)
        report = export.report(
            path,
            model,
            fitted(test.images[chosen], size, channels),
            test.labels[chosen] if is_classifier else None,
            ids=[test.ids[index] for index in chosen],
            bounds=replace(export.default_bounds(path), **bounds),
            threads=threads,
            pixels=pixels,
            output=output,
            sqnr=True if "sqnr_db" in bounds else None,
            progress=progress,
        )
    return Verified(report, prepared.left_out)


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
