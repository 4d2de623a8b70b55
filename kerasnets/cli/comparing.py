"""Trainings side by side."""

import json
from pathlib import Path
from typing import Annotated

import typer

from kerasnets import terminal
from kerasnets.cli import options


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of `kerasnets train`."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Picture of the learning curves to write, .svg or .png."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show trainings side by side, finished or not."""
    from kerasnets.jobs import compare as job

    found = [each.as_json() for each in job.run(runs, out=out)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from kerasnets.reports.comparison import trainings_table

    terminal.show(trainings_table(found))
    if out is not None:
        terminal.show(str(out))
