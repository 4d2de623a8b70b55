"""The command line: parses, calls one room, prints."""

import sys
import traceback
from pathlib import Path
from typing import Annotated

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
    from kerasnets import phone as room
    from kerasnets import units
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
def list_networks() -> None:
    """List the networks: parameters, multiply-adds, paper."""
    from kerasnets import applications
    from kerasnets.analysis.tables import zoo_table

    terminal.show(zoo_table(applications.BUILDERS))


@app.command()
def summary(
    name: Annotated[str, typer.Argument(help="A network; see `kerasnets list`.")],
    alpha: Annotated[float | None, typer.Option(help="Width multiplier.")] = None,
    rho: Annotated[float | None, typer.Option(help="Resolution multiplier.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the image.")] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
) -> None:
    """Show a network layer by layer: output, parameters, multiply-adds."""
    from kerasnets import applications
    from kerasnets.analysis.tables import layer_table

    given = {"alpha": alpha, "rho": rho, "classes": classes}
    if size is not None:
        given["input_shape"] = (size, size, 3)
    arguments = {key: value for key, value in given.items() if value is not None}
    terminal.show(layer_table(applications.build(name, **arguments)))
