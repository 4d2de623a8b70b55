"""Models and files of one's own: compress, export, verify, measure, ask."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasnets import terminal, units
from kerasnets.cli import options
from kerasnets.compression.recipes import RECIPES
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import defaults


def predict(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.tflite", help="Classifier to run.")
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...")],
    top: Annotated[
        int, typer.Option(min=1, help="Number of classes to print per image.")
    ] = 1,
    at_least: Annotated[
        float,
        typer.Option(
            help='Probability from 0 to 1 below which the answer is "none of these".'
        ),
    ] = 0.0,
) -> None:
    """Print label and probability for each image."""
    from kerasnets.data import read_image
    from kerasnets.export import Classifier

    if not 0 <= at_least <= 1:
        raise KerasnetsError(f"--at-least {at_least:g}: 0 to 1 is accepted")
    classifier = Classifier(file)
    height, width = classifier.input_size
    bad = []
    for image in images:
        try:
            pixels = read_image(image, (height, width))
        except KerasnetsError as error:
            bad.append(str(error))
            continue
        probabilities = classifier.predict(pixels[None])[0]
        best = probabilities.argsort()[::-1][:top]
        answer = ", ".join(
            f"{classifier.labels[i]} {probabilities[i]:.1%}" for i in best
        )
        if probabilities[best[0]] < at_least:
            answer = f"none of these ({answer})"
        typer.echo(f"{image}: {answer}")
    if bad:
        raise KerasnetsError("; ".join(bad))


def compress(
    context: typer.Context,
    model: options.Model,
    out: Annotated[Path, typer.Argument(metavar="OUT.keras", help="File to write.")],
    data: options.Data,
    recipe: Annotated[
        str,
        typer.Option(help=f"What is done: {', '.join(RECIPES)}."),
    ] = defaults.RECIPE,
    teacher: Annotated[
        Path | None, typer.Option(help="Saved Keras model that teaches meanwhile.")
    ] = None,
    sparsity: Annotated[
        float | None,
        typer.Option(help="Share of weights set to zero.  [default: by recipe]"),
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option(help="Distinct weights per kernel.  [default: by recipe]"),
    ] = None,
    madds: Annotated[
        float | None,
        typer.Option(
            help="Share of the multiply-adds to keep (channels).  [default: 0.5]"
        ),
    ] = None,
    multiple: Annotated[
        int | None,
        typer.Option(
            help="Keep channels in multiples of this number (channels).  [default: 8]"
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each step.  [default: by recipe]")
    ] = None,
    float_layer: Annotated[
        list[str] | None,
        typer.Option(help="Layer that quantisation leaves in float32."),
    ] = None,
    pixels: options.Pixels = None,
    plugin: options.Plugin = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    devices: options.Devices = None,
    fresh: Annotated[
        bool, typer.Option(help="Delete what an interrupted call left, and start over.")
    ] = False,
) -> None:
    """Make a classifier smaller while it trains on."""
    from kerasnets.jobs import compress as job
    from kerasnets.reports.tables import change_table

    options.fetch(context.obj, data, download)
    result = job.run(
        model,
        out,
        data=data,
        recipe=recipe,
        teacher_path=teacher,
        sparsity=sparsity,
        clusters=clusters,
        madds=madds,
        multiple=multiple,
        epochs=epochs,
        float_layers=float_layer,
        pixels=options.parse_stated(pixels),
        plugins=plugin or (),
        skip_bad_images=skip_bad_images,
        devices=devices,
        seed=seed,
        fresh=fresh,
        display=terminal.StageDisplay(context.obj, job.STAGES),
    )
    if result is None:
        return  # the first process shows what all came to
    _say_left_out(context, result.left_out)
    terminal.show(change_table(result.before, result.after))
    terminal.show("\n".join(map(str, result.files)))


def _say_left_out(context: typer.Context, left_out: Mapping[str, int]) -> None:
    """Tell what lies beside the images, if anything does."""
    from kerasnets.reports.notes import left_out_line

    if left_out:
        terminal.say(context.obj, left_out_line(left_out))


def export(
    context: typer.Context,
    model: options.Model,
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="File to write, or folder of a SavedModel."),
    ],
    format: Annotated[
        str,
        typer.Option(
            help="What to write: float32, float16, dynamic, int8, int8_weights, "
            "int4_weights, onnx or saved_model."
        ),
    ] = "float32",
    data: Annotated[
        str | None,
        typer.Option(help="Images that set the ranges of int8 and name the classes."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Text file of class names, one per line.")
    ] = None,
    calibration: Annotated[
        int, typer.Option(help="Number of images that set the ranges of int8.")
    ] = defaults.CALIBRATION,
    io: Annotated[
        Literal["uint8", "float32"] | None,
        typer.Option(help="Input and output dtype of an int8 file.  [default: uint8]"),
    ] = None,
    softmax: Annotated[bool, typer.Option(help="Put a softmax into the file.")] = True,
    preprocessing: Annotated[
        bool, typer.Option(help="Put the normalisation of pixels into the file.")
    ] = True,
    resize_from: Annotated[
        str | None, typer.Option(help="Resize images of HEIGHTxWIDTH inside the file.")
    ] = None,
    pixels: options.Pixels = None,
    output: options.Output = None,
    dynamic_batch: Annotated[
        bool, typer.Option(help="Take any number of images at once.")
    ] = False,
    sparse: Annotated[
        bool,
        typer.Option(help="Store the kernels of a pruned model as sparse tensors."),
    ] = False,
    author: Annotated[str, typer.Option(help="Author in the metadata.")] = "",
    licence: Annotated[str, typer.Option(help="Licence in the metadata.")] = "",
    description: Annotated[str, typer.Option(help="Description in the metadata.")] = "",
    plugin: options.Plugin = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
) -> None:
    """Write a saved model as a file for the phone."""
    from kerasnets.jobs import checks, export as job

    # only what was asked for: ONNX and SavedModel take none
    chosen = {
        name: value
        for name, value, asked in (
            ("io", io, io is not None),
            ("softmax", softmax, not softmax),
            ("preprocessing", preprocessing, not preprocessing),
            ("resize_from", _height_and_width(resize_from), resize_from is not None),
            ("pixels", options.parse_stated(pixels), pixels is not None),
            ("output", output, output is not None),
            ("batch", None, dynamic_batch),
            ("sparse", sparse, sparse),
        )
        if asked
    }
    texts = {"author": author, "licence": licence, "description": description}
    options.fetch(context.obj, data, download)
    with terminal.StageDisplay.one(context.obj, "export") as progress:
        result = job.run(
            model,
            out,
            format=format,
            data=data,
            labels=None if labels is None else checks.read_lines(labels),
            calibration=calibration,
            options=chosen,
            texts={key: value for key, value in texts.items() if value},
            plugins=plugin or (),
            skip_bad_images=skip_bad_images,
            seed=seed,
            progress=progress,
        )
    _say_left_out(context, result.left_out)
    for warning in result.warnings:
        terminal.say(context.obj, f"warning: {warning}")
    size, gzip_size = map(units.format_bytes, (result.size, result.gzip_size))
    terminal.show(f"{result.path}: {size}, {gzip_size} gzipped\n{result.pixels}")


def _height_and_width(text: str | None) -> tuple[int, int] | None:
    """The two numbers of "480x640"."""
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise KerasnetsError(f"--resize-from {text!r}: HEIGHTxWIDTH is accepted")
    return int(height), int(width)


def verify(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A .tflite or .onnx file, or a SavedModel."
        ),
    ],
    model: Annotated[
        Path, typer.Option(help="Saved Keras model that the file was made from.")
    ],
    data: options.Data,
    max_difference: Annotated[
        float | None, typer.Option(help="Largest difference allowed in a probability.")
    ] = None,
    agreement: Annotated[
        float | None,
        typer.Option(help="Least share of images with the same best class."),
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option(help="Least accuracy of the file.")
    ] = None,
    sqnr: Annotated[
        float | None,
        typer.Option(
            help="Least SQNR (signal to quantisation noise) of a layer in dB."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Check that answers with this many threads are the same."),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(help="Number of test images to compare.  [default: all]"),
    ] = None,
    pixels: options.Pixels = None,
    output: options.Output = None,
    plugin: options.Plugin = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    as_json: options.Json = False,
) -> None:
    """Prove that a file answers like its model; the exit code says whether it does."""
    from kerasnets.jobs import verify as job
    from kerasnets.reports import tables

    bounds = {
        "max_abs_difference": max_difference,
        "agreement": agreement,
        "accuracy": accuracy,
        "sqnr_db": sqnr,
    }
    options.fetch(context.obj, data, download)
    with terminal.StageDisplay.one(context.obj, "verify") as progress:
        result = job.run(
            file,
            model_path=model,
            data=data,
            bounds={key: value for key, value in bounds.items() if value is not None},
            threads=threads,
            images=images,
            pixels=options.parse_stated(pixels),
            output=output,
            plugins=plugin or (),
            skip_bad_images=skip_bad_images,
            seed=seed,
            progress=progress,
        )
    _say_left_out(context, result.left_out)
    found = result.report
    figures = found.as_json()
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        terminal.show(found.pixels)
        terminal.show(tables.comparison_table(figures))
        terminal.show(tables.file_table(figures))
        if worst := found.worst_layers():
            terminal.show(tables.noise_table([asdict(layer) for layer in worst]))
    if found.failures:
        raise KerasnetsError(f"{file} is out of bounds: {'; '.join(found.failures)}")


def bench(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE.tflite...")],
    reference: Annotated[
        Path | None, typer.Option(help="File that the others are compared with.")
    ] = None,
    threads: Annotated[
        int, typer.Option(help="Benchmark with 1 to this many threads.")
    ] = 1,
    runs: Annotated[int, typer.Option(help="Number of timed runs of each file.")] = 100,
    warmup: Annotated[
        int, typer.Option(help="Number of untimed runs before them.")
    ] = 5,
    seconds: Annotated[
        float, typer.Option(help="Most seconds per number of threads.")
    ] = 10,
    phone: Annotated[
        bool, typer.Option(help="Benchmark on the phone that adb finds.")
    ] = False,
    serial: Annotated[
        str | None,
        typer.Option(help="Serial number of the phone, where there are several."),
    ] = None,
    benchmark: Annotated[
        Path | None, typer.Option(help="LiteRT's benchmark_model, built for the phone.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Measure how long files take for one image, turn by turn."""
    from kerasnets import export as room
    from kerasnets.reports import tables

    if threads < 1:
        raise KerasnetsError(f"--threads {threads}: 1 or more is accepted")
    if not phone and (serial or benchmark):
        raise KerasnetsError("--serial and --benchmark go with --phone")
    counts = range(1, threads + 1)
    names = {str(path): path for path in (*([reference] if reference else ()), *files)}
    with terminal.StageDisplay.one(context.obj, "bench") as progress:
        if phone:
            rows = room.bench_on_phone(
                names,
                threads=counts,
                runs=runs,
                warmup=warmup,
                serial=serial,
                benchmark=benchmark,
                progress=progress,
            )
        else:
            rows = room.bench(
                names,
                reference=str(reference) if reference else None,
                threads=counts,
                runs=runs,
                warmup=warmup,
                seconds=seconds,
                progress=progress,
            )
    figures = [asdict(row) for row in rows]
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        show = tables.phone_latency_table if phone else tables.latency_table
        terminal.show(show(figures))
