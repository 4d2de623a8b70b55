"""How often models and files are right, by the protocols of the literature."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasnets import terminal
from kerasnets.cli import options
from kerasnets.cli.learning import Weights


def evaluate(
    context: typer.Context,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Saved Keras models, LiteRT files, or names of `kerasnets list`.",
        ),
    ],
    data: options.Data,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Views of each image whose answers are averaged: whole, centre, "
            "ten-crop, 144-crop, multi-crop, dense, multi-scale or dense+multi-crop.  "
            "[default: whole]"
        ),
    ] = None,
    scales: Annotated[
        str | None,
        typer.Option(
            metavar="Q[,Q...]",
            help="Shorter sides to which an image is resized.  [default: by protocol]",
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Average the probabilities of all models."),
    ] = False,
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Part of the data.")
    ] = "test",
    images: Annotated[
        int | None, typer.Option(help="Number of images.  [default: all]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for figures and pictures.")
    ] = None,
    weights: Weights = None,
    alpha: options.Alpha = None,
    size: options.Size = None,
    pixels: options.Pixels = None,
    output: options.Output = None,
    threads: Annotated[int, typer.Option(help="Threads of a LiteRT file.")] = 1,
    plugin: options.Plugin = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    table: Annotated[
        bool, typer.Option("--table", help="Print errors as VGG's paper does.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Judge models and files by the images that they were not made from."""
    from kerasnets.jobs import evaluate as job
    from kerasnets.reports import tables
    from kerasnets.reports.notes import left_out_line

    options.fetch(context.obj, data, download)
    with terminal.StageDisplay.one(context.obj, "evaluate") as progress:
        result = job.run(
            models,
            data=data,
            protocols=protocol or ("whole",),
            scales=_numbers(scales),
            ensemble=ensemble,
            split=split,
            images=images,
            out=out,
            weights=weights,
            alpha=alpha,
            size=size,
            pixels=options.parse_stated(pixels),
            output=output,
            threads=threads,
            plugins=plugin or (),
            skip_bad_images=skip_bad_images,
            seed=seed,
            progress=progress,
        )
    if result.left_out:
        terminal.say(context.obj, left_out_line(result.left_out))
    found = result.as_json()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if table:
        typer.echo(tables.error_table(found["rows"]))
    else:
        terminal.show(tables.evaluation_table(found["rows"]))
    kept = f", those that {result.kept_by} kept apart" if result.kept_by else ""
    terminal.show(f"{len(result.ids):,} {result.split} images{kept}")
    if out is not None:
        terminal.show(str(out))


def _numbers(text: str | None) -> tuple[int, ...]:
    """The whole numbers of a list with commas."""
    if text is None:
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"scales {text!r}: whole numbers with commas between are accepted"
        ) from error
