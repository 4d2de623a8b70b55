"""The main job: images in, a verified file for a phone out."""

from pathlib import Path
from typing import Annotated

import typer

from kerasnets import terminal, units
from kerasnets.cli import options
from kerasnets.jobs import defaults


def phone(
    context: typer.Context,
    data: options.Data = defaults.DATA,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run.  [default: saved_models/DATA-STUDENT-seedN]"
        ),
    ] = None,
    teacher: Annotated[
        str,
        typer.Option(help="Network that teaches the student; see `kerasnets list`."),
    ] = defaults.TEACHER,
    student: Annotated[
        str, typer.Option(help="Network for the phone.")
    ] = defaults.STUDENT,
    max_madds: Annotated[
        str, typer.Option(help="Most multiply-adds for one image.")
    ] = units.format_count(defaults.MAX_MADDS),
    max_size: Annotated[
        str, typer.Option(help="Most bytes of the int8 file.")
    ] = units.format_bytes(defaults.MAX_BYTES),
    trials: Annotated[
        int | None,
        typer.Option(help="Most networks to try.  [default: by the search file]"),
    ] = None,
    search: Annotated[
        Path | None,
        typer.Option(
            help="TOML file that describes the search, like those in tuning/."
        ),
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            help="Side in pixels to which images are resized.  [default: by data]"
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="Dtypes of training: auto, float32, mixed_float16 or mixed_bfloat16."
        ),
    ] = defaults.PRECISION,
    seed: options.Seed = 0,
    skip_bad_images: options.SkipBad = False,
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror/--no-mirror",
            help="Mirror training photos, unless that confuses classes.",
        ),
    ] = True,
    fresh: Annotated[
        bool, typer.Option(help="Delete what an earlier run left, and start over.")
    ] = False,
) -> None:
    """Turn a set of images into a verified int8 file for a phone."""
    from kerasnets.jobs import phone as job
    from kerasnets.reports.tables import figures_table

    result = job.run(
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
        mirror=mirror,
        out=out,
        fresh=fresh,
        display=terminal.StageDisplay(context.obj, len(job.STAGES)),
    )
    terminal.show(figures_table(result.models, result.test_images))
    for note in result.notes:
        terminal.show(note)
    terminal.show(f"{result.int8_file}\n{result.card}")
