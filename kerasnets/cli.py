"""The command line: parses, calls one room, prints."""

import inspect
import json
import os
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kerasnets import terminal
from kerasnets.errors import KerasnetsError

app = typer.Typer(
    name="kerasnets",
    help="Landmark CNNs as their papers drew them, and small ones for a phone.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_INTERRUPTED = 130
_INTERRUPTION = "interrupted; the same command continues where it was"


def main() -> None:
    """Run the command line; every error is one line, without ``--debug``."""
    # TensorFlow takes oneDNN by itself only on CPUs with AVX-512 VNNI; a training step
    # on others is up to 2.5 times faster with it
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    with terminal.quiet(not debug) as console:
        try:
            # the option may stand anywhere, so it is taken out here
            arguments = [a for a in arguments if a != "--debug"]
            code = app(arguments, obj=console, standalone_mode=False) or 0
            message = _INTERRUPTION if code == _INTERRUPTED else ""
        except KeyboardInterrupt:
            code, message = _INTERRUPTED, _INTERRUPTION
        except Exception as error:
            if debug:
                traceback.print_exc()
            code = 2 if isinstance(error, typer.TyperException) else 1
            message = _one_line(error)
        if message:
            terminal.say(console, f"kerasnets: {message}")
    sys.exit(code)


def _one_line(error: BaseException) -> str:
    """What the user must know of an error."""
    if isinstance(error, KerasnetsError):
        return " ".join(str(error).split())
    if isinstance(error, typer.TyperException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    first = next(iter(str(error).splitlines()), "no message")
    return f"{type(error).__name__}: {first} (--debug shows where)"


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show it.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    del debug  # main has seen it
    if version:
        import kerasnets

        typer.echo(kerasnets.__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def phone(
    context: typer.Context,
    data: Annotated[
        str, typer.Option(help="digits, tfds:NAME, folder:PATH or npz:FILE")
    ] = "digits",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run.  [default: saved_models/DATA-STUDENT]"),
    ] = None,
    teacher: Annotated[
        str, typer.Option(help="Network to learn from; see `kerasnets list`.")
    ] = "resnet20",
    student: Annotated[str, typer.Option(help="Network for the phone.")] = "mobilenet",
    max_madds: Annotated[
        str, typer.Option(help="Most multiply-adds for one image.")
    ] = "2M",
    max_size: Annotated[
        str, typer.Option(help="Most bytes of the int8 file.")
    ] = "350kB",
    trials: Annotated[
        int | None, typer.Option(help="Most networks to try.  [default: the search's]")
    ] = None,
    search: Annotated[
        Path | None, typer.Option(help="TOML file of the search, as in tuning/.")
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(help="Side in pixels the images are kept at.  [default: by data]"),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto, float32, mixed_float16 or mixed_bfloat16")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Repeats a run bit for bit.")] = 0,
    skip_bad_images: Annotated[
        bool, typer.Option(help="Leave out files that are no images.")
    ] = False,
    fresh: Annotated[bool, typer.Option(help="Start the run over.")] = False,
) -> None:
    """Turn a set of images into a verified int8 file for a phone."""
    from kerasnets import phone as room, units
    from kerasnets.analysis.tables import figures_table

    result = room.run(
        data=data,
        teacher=teacher,
        student=student,
        max_madds=units.parse_count(max_madds),
        max_bytes=units.parse_bytes(max_size),
        trials=trials,
        search_file=search,
        resolution=resolution,
        precision=precision,
        seed=seed,
        skip_bad_images=skip_bad_images,
        out=out,
        fresh=fresh,
        display=terminal.StageDisplay(context.obj, len(room.STAGES)),
    )
    terminal.show(figures_table(result.models))
    terminal.show(f"{result.int8_file}\n{result.card}")


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(metavar="FILE.tflite", help="A classifier.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...")],
    top: Annotated[int, typer.Option(help="How many classes an image.")] = 1,
) -> None:
    """Print label and probability for each image."""
    from kerasnets.data import read_image
    from kerasnets.export import Classifier

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
        best = probabilities.argsort()[::-1][: max(1, top)]
        answers = (f"{classifier.labels[i]} {probabilities[i]:.1%}" for i in best)
        typer.echo(f"{image}: {', '.join(answers)}")
    if bad:
        raise KerasnetsError("; ".join(bad))


@app.command(name="list")
def list_networks(
    family: Annotated[str | None, typer.Option(help="Networks of one family.")] = None,
    text: Annotated[
        str, typer.Option("--filter", help="Networks with this in their name.")
    ] = "",
    max_params: Annotated[str | None, typer.Option(help="Most parameters.")] = None,
    max_madds: Annotated[
        str | None, typer.Option(help="Most multiply-adds for one image.")
    ] = None,
    sort: Annotated[
        Literal["name", "year", "params", "madds", "top1"] | None,
        typer.Option(help="Order of the rows.  [default: the zoo's]"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that is known, as JSON.")
    ] = False,
) -> None:
    """List the networks: parameters, multiply-adds, accuracy, papers."""
    from kerasnets import applications
    from kerasnets.analysis import tables, zoo

    networks = zoo.select(
        zoo.rows(applications.BUILDERS),
        family=family,
        text=text,
        max_params=_count(max_params),
        max_madds=_count(max_madds),
        order=sort,
    )
    if as_json:
        typer.echo(json.dumps([zoo.as_json(row) for row in networks], indent=2))
    elif networks:
        terminal.show(tables.zoo_table(networks))
        terminal.show(tables.sources(networks))
    else:
        terminal.show("no network of the zoo is like that")


def _count(text: str | None) -> int | None:
    from kerasnets import units

    return None if text is None else units.parse_count(text)


_Name = Annotated[str, typer.Argument(help="A network; see `kerasnets list`.")]
_Alpha = Annotated[float | None, typer.Option(help="Width multiplier.")]
_Rho = Annotated[float | None, typer.Option(help="Resolution multiplier.")]
_Size = Annotated[int | None, typer.Option(help="Side of the image.")]
_Classes = Annotated[int | None, typer.Option(help="Number of classes.")]


@app.command()
def summary(
    name: _Name,
    alpha: _Alpha = None,
    rho: _Rho = None,
    size: _Size = None,
    classes: _Classes = None,
) -> None:
    """Show a network layer by layer: output, cost, and the pixels a position sees."""
    from kerasnets import applications
    from kerasnets.analysis import cost, shapes_only, tables, zoo

    arguments = _arguments(name, alpha=alpha, rho=rho, size=size, classes=classes)
    figures = cost(shapes_only(lambda: applications.build(name, **arguments)))
    terminal.show(tables.layer_table(figures))
    if not arguments:
        network = applications.get(name).network  # type: ignore[attr-defined]
        terminal.show("\n".join(zoo.compare(figures, network)))


@app.command()
def plot(
    name: _Name,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write, .svg or .png.  [default: NAME.svg]"),
    ] = None,
    alpha: _Alpha = None,
    rho: _Rho = None,
    size: _Size = None,
    classes: _Classes = None,
) -> None:
    """Draw a network block by block."""
    from kerasnets import applications
    from kerasnets.analysis import plot as drawing, shapes_only

    path = drawing.picture_path(out or f"{name}.svg")
    arguments = _arguments(name, alpha=alpha, rho=rho, size=size, classes=classes)
    model = shapes_only(lambda: applications.build(name, **arguments))
    drawing.draw(drawing.architecture_blocks(model), path, title=model.name)
    terminal.show(str(path))


def _arguments(name: str, *, size: int | None, **options) -> dict[str, Any]:
    """What a builder is given for the options of the command line.

    Raises:
        KerasnetsError: the builder does not take one of them.
    """
    from kerasnets import applications

    builder = applications.get(name)
    given = {key: value for key, value in options.items() if value is not None}
    accepted = inspect.signature(builder).parameters
    for option in given:
        if option not in accepted:
            raise KerasnetsError(
                f"network {name!r} has no {option}: leave --{option} out"
            )
    if size is not None:
        channels = builder.network.input_shape[2]  # type: ignore[attr-defined]
        given["input_shape"] = (size, size, channels)
    return given


_Model = Annotated[Path, typer.Argument(metavar="MODEL.keras", help="A saved model.")]
_Plugin = Annotated[
    list[str] | None,
    typer.Option(help="Module to import first, which registers your layers."),
]
_Seed = Annotated[int, typer.Option(help="Of everything random.")]
_SkipBad = Annotated[bool, typer.Option(help="Leave out files that are no images.")]


@app.command()
def compress(
    context: typer.Context,
    model: _Model,
    out: Annotated[Path, typer.Argument(metavar="OUT.keras", help="What to write.")],
    data: Annotated[
        str, typer.Option(help="digits, tfds:NAME, folder:PATH or npz:FILE")
    ],
    recipe: Annotated[
        str,
        typer.Option(
            help="prune, prune_2_4, prune_xnnpack, cluster, prune_cluster, qat, pqat, "
            "cqat, pcqat or channels"
        ),
    ] = "pcqat",
    teacher: Annotated[
        Path | None, typer.Option(help="A saved model to learn from meanwhile.")
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="Share of zeros.  [default: the recipe's]")
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option(help="Different weights a kernel.  [default: the recipe's]"),
    ] = None,
    madds: Annotated[
        float | None,
        typer.Option(
            help="Share of the multiply-adds that channels keeps.  [default: 0.5]"
        ),
    ] = None,
    multiple: Annotated[
        int | None,
        typer.Option(
            help="Channels that channels keeps come in so many.  [default: 8]"
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of each step.  [default: the recipe's]")
    ] = None,
    float_layer: Annotated[
        list[str] | None,
        typer.Option(help="Name of a layer that quantisation leaves in float32."),
    ] = None,
    plugin: _Plugin = None,
    seed: _Seed = 0,
    skip_bad_images: _SkipBad = False,
) -> None:
    """Make a classifier smaller while it trains on."""
    from kerasnets import workbench
    from kerasnets.analysis.tables import compression_table

    with terminal.StageDisplay(context.obj, 1)("compress", False) as progress:
        result = workbench.compress(
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
            plugins=plugin or (),
            skip_bad_images=skip_bad_images,
            seed=seed,
            progress=progress,
        )
    terminal.show(compression_table(result.before, result.after))
    terminal.show("\n".join(map(str, result.files)))


@app.command()
def export(
    context: typer.Context,
    model: _Model,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="File, or folder of a SavedModel.")
    ],
    format: Annotated[
        str,
        typer.Option(
            help="float32, float16, dynamic, int8, int8_weights, int4_weights, onnx or "
            "saved_model"
        ),
    ] = "float32",
    data: Annotated[
        str | None,
        typer.Option(help="Images that set the ranges of int8 and name the classes."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Text file with a class name a line.")
    ] = None,
    calibration: Annotated[
        int, typer.Option(help="How many images set the ranges of int8.")
    ] = 100,
    io: Annotated[
        Literal["uint8", "float32"] | None,
        typer.Option(help="What an int8 file takes.  [default: uint8]"),
    ] = None,
    softmax: Annotated[bool, typer.Option(help="Softmax inside.")] = True,
    preprocessing: Annotated[bool, typer.Option(help="Normalisation inside.")] = True,
    resize_from: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH of images to resize inside.")
    ] = None,
    dynamic_batch: Annotated[bool, typer.Option(help="Any number of images.")] = False,
    sparse: Annotated[
        bool, typer.Option(help="Store the zeros of a pruned model as such.")
    ] = False,
    author: Annotated[str, typer.Option(help="For the metadata.")] = "",
    licence: Annotated[str, typer.Option(help="For the metadata.")] = "",
    description: Annotated[str, typer.Option(help="For the metadata.")] = "",
    plugin: _Plugin = None,
    seed: _Seed = 0,
    skip_bad_images: _SkipBad = False,
) -> None:
    """Write a saved model as a file for the phone."""
    from kerasnets import units, workbench

    # only what was asked for: ONNX and SavedModel take none
    options = {
        name: value
        for name, value, asked in (
            ("io", io, io is not None),
            ("softmax", softmax, not softmax),
            ("preprocessing", preprocessing, not preprocessing),
            ("resize_from", _height_and_width(resize_from), resize_from is not None),
            ("batch", None, dynamic_batch),
            ("sparse", sparse, sparse),
        )
        if asked
    }
    texts = {"author": author, "licence": licence, "description": description}
    with terminal.StageDisplay(context.obj, 1)("export", False) as progress:
        result = workbench.export_file(
            model,
            out,
            format=format,
            data=data,
            labels=None if labels is None else workbench.read_lines(labels),
            calibration=calibration,
            options=options,
            texts={key: value for key, value in texts.items() if value},
            plugins=plugin or (),
            skip_bad_images=skip_bad_images,
            seed=seed,
            progress=progress,
        )
    for warning in result.warnings:
        terminal.say(context.obj, f"warning: {warning}")
    size, gzip_size = map(units.format_bytes, (result.size, result.gzip_size))
    terminal.show(f"{result.path}: {size}, {gzip_size} behind gzip")


def _height_and_width(text: str | None) -> tuple[int, int] | None:
    """The two numbers of "480x640"."""
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise KerasnetsError(f"--resize-from {text!r}: HEIGHTxWIDTH is accepted")
    return int(height), int(width)


@app.command()
def verify(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=".tflite, .onnx or a SavedModel.")
    ],
    model: Annotated[Path, typer.Option(help="The Keras model it was made from.")],
    data: Annotated[
        str, typer.Option(help="digits, tfds:NAME, folder:PATH or npz:FILE")
    ],
    max_difference: Annotated[
        float | None, typer.Option(help="Most a probability may differ.")
    ] = None,
    agreement: Annotated[
        float | None, typer.Option(help="Least share of equal best classes.")
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option(help="Least accuracy of the file.")
    ] = None,
    sqnr: Annotated[
        float | None, typer.Option(help="Least signal-to-noise of a layer, dB.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Answers with so many must be the same.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Most test images.  [default: all]")
    ] = None,
    plugin: _Plugin = None,
    seed: _Seed = 0,
    skip_bad_images: _SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove that a file answers like its model; the exit code says whether it does."""
    from kerasnets import workbench
    from kerasnets.analysis import tables

    bounds = {
        "max_abs_difference": max_difference,
        "agreement": agreement,
        "accuracy": accuracy,
        "sqnr_db": sqnr,
    }
    with terminal.StageDisplay(context.obj, 1)("verify", False) as progress:
        found = workbench.verify_file(
            file,
            model_path=model,
            data=data,
            bounds={key: value for key, value in bounds.items() if value is not None},
            threads=threads,
            images=images,
            plugins=plugin or (),
            skip_bad_images=skip_bad_images,
            seed=seed,
            progress=progress,
        )
    figures = found.as_json()
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        terminal.show(tables.comparison_table(figures))
        terminal.show(tables.file_table(figures))
        if worst := found.worst_layers():
            terminal.show(tables.noise_table([asdict(layer) for layer in worst]))
    if found.failures:
        raise KerasnetsError(f"{file} is out of bounds: {'; '.join(found.failures)}")


@app.command()
def bench(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE.tflite...")],
    reference: Annotated[
        Path | None, typer.Option(help="File that the others are measured against.")
    ] = None,
    threads: Annotated[
        int, typer.Option(help="Measure with 1 to so many threads.")
    ] = 1,
    runs: Annotated[int, typer.Option(help="Timed runs of each file.")] = 100,
    warmup: Annotated[int, typer.Option(help="Untimed runs before them.")] = 5,
    seconds: Annotated[float, typer.Option(help="Most time a number of threads.")] = 10,
    phone: Annotated[
        bool, typer.Option(help="On the phone that adb finds, not here.")
    ] = False,
    serial: Annotated[
        str | None, typer.Option(help="Of the phone, where there are several.")
    ] = None,
    benchmark: Annotated[
        Path | None, typer.Option(help="LiteRT's benchmark_model for the phone.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how long files take for one image, turn by turn."""
    from kerasnets import export as room
    from kerasnets.analysis import tables

    if threads < 1:
        raise KerasnetsError(f"--threads {threads}: 1 or more is accepted")
    if not phone and (serial or benchmark):
        raise KerasnetsError("--serial and --benchmark go with --phone")
    counts = range(1, threads + 1)
    names = {str(path): path for path in (*([reference] if reference else ()), *files)}
    with terminal.StageDisplay(context.obj, 1)("bench", False) as progress:
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
