"""Searches among networks, and ways of training them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from kerasnets import terminal, units
from kerasnets.cli import options
from kerasnets.jobs import defaults


def tune(
    context: typer.Context,
    search: Annotated[
        Path,
        typer.Argument(
            metavar="SEARCH.toml", help="Search file, like those in tuning/."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled images, as of other commands.  [default: the file's]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run.  [default: saved_models/DATA-NETWORK-search-seedN]"
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option(
            "--show",
            help="Show the space, what the budget strikes out and what a trial costs; "
            "run nothing.",
        ),
    ] = False,
    trials: Annotated[
        int | None,
        typer.Option(help="Most networks to try.  [default: the file's]"),
    ] = None,
    max_madds: Annotated[
        str | None,
        typer.Option(help="Most multiply-adds for one image.  [default: the file's]"),
    ] = None,
    max_params: Annotated[
        str | None, typer.Option(help="Most parameters.  [default: the file's]")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(help="Most bytes of the int8 file.  [default: the file's]"),
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(
            help="Most time for one image on one thread, like 5ms.  "
            "[default: the file's]"
        ),
    ] = None,
    on_phone: Annotated[
        bool, typer.Option(help="Measure it on the phone that adb finds, not here.")
    ] = False,
    latency_table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Take it from a table instead: columns network (as --show calls them) "
            "and ms.",
        ),
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            help="Side in pixels to which images are resized.  [default: the file's, "
            "or by data]"
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(help="Saved Keras model that teaches in each trial."),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto, float32, mixed_float16 or mixed_bfloat16.")
    ] = defaults.PRECISION,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    devices: options.Devices = None,
    as_json: options.Json = False,
    fresh: Annotated[
        bool, typer.Option(help="Delete what an earlier search left, and start over.")
    ] = False,
) -> None:
    """Search a network's width, resolution and training within a budget."""
    from kerasnets.jobs import tune as job
    from kerasnets.reports.search_card import trials_table
    from kerasnets.tuning import Budget, read_plan

    plan = read_plan(search)
    options.fetch(context.obj, data or plan.data, download)
    settings = job.choose_settings(
        plan,
        data=data,
        resolution=resolution,
        budget=Budget(
            None if max_madds is None else units.parse_count(max_madds),
            None if max_size is None else units.parse_bytes(max_size),
            None if max_params is None else units.parse_count(max_params),
            None if max_latency is None else units.parse_ms(max_latency),
        ),
        on_phone=on_phone,
        latency_table=latency_table,
        trials=trials,
        teacher=teacher,
        precision=precision,
        seed=seed,
        skip_bad_images=skip_bad_images,
    )
    if show:
        _show(settings, as_json=as_json)
        return
    result = job.run(
        settings,
        out,
        devices=devices,
        fresh=fresh,
        display=terminal.StageDisplay(
            context.obj, {stage.name: stage.share for stage in job.STAGES}
        ),
    )
    if result is None:
        return  # the first process shows what all came to
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
        return
    terminal.show(trials_table(result.trials, result.validation_images))
    terminal.show(f"{result.folder / job.BEST}\n{result.folder / 'README.md'}")


def _show(settings, *, as_json: bool) -> None:
    """Show what a search would choose among."""
    from kerasnets.jobs import tune as job
    from kerasnets.reports.search_card import space_table

    space = job.space_of(settings)
    found = space.as_json()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    terminal.show(space_table(found["networks"]))
    for name, values in found["training"].items():
        terminal.show(f"{name}: {', '.join(map(str, values))}")
    terminal.show(
        f"{found['points']:,} points within {settings.budget}, of which up to "
        f"{settings.trials} are tried ({settings.oracle}); a trial of the dearest "
        f"takes {units.format_count(found['trial_madds'])} multiply-adds"
    )
    if settings.budget.max_latency is not None:
        terminal.show("latency is measured when the search runs, and strikes out more")
