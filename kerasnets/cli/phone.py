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
    start: Annotated[
        defaults.Start,
        typer.Option(
            help="Weights to begin with; auto takes ImageNet's for photos where they "
            "are cached or can be fetched."
        ),
    ] = "auto",
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Network that teaches the student, from scratch; see `kerasnets list`."
            f"  [default: {defaults.TEACHER}]"
        ),
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(
            help=f"Network for the phone.  [default: {defaults.STUDENT} from scratch, "
            "else any with weights]"
        ),
    ] = None,
    max_madds: Annotated[
        str | None,
        typer.Option(
            help="Most multiply-adds for one image.  [default: "
            f"{units.format_count(defaults.MAX_MADDS)} from scratch, "
            f"{units.format_count(defaults.MAX_MADDS_PRETRAINED)} from ImageNet "
            "weights]"
        ),
    ] = None,
    max_size: Annotated[
        str, typer.Option(help="Most bytes of the int8 file.")
    ] = units.format_bytes(defaults.MAX_BYTES),
    max_latency: Annotated[
        str | None,
        typer.Option(
            help="Most time for one image on one thread, like 5ms; from ImageNet "
            "weights."
        ),
    ] = None,
    on_phone: Annotated[
        bool, typer.Option(help="Measure it on the phone that adb finds, not here.")
    ] = False,
    max_loss: Annotated[
        float,
        typer.Option(
            help="Points of accuracy that pruning and quantisation may cost, from "
            "ImageNet weights."
        ),
    ] = defaults.MAX_LOSS,
    trials: Annotated[
        int | None,
        typer.Option(
            help="Most networks to try, from scratch.  [default: by the search file]"
        ),
    ] = None,
    search: Annotated[
        Path | None,
        typer.Option(
            help="TOML file that describes the search from scratch, like those in "
            "tuning/."
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
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    devices: options.Devices = None,
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

    stages: dict[str, float] = {}

    def begin(choice: job.Choice) -> None:
        terminal.say(context.obj, f"start: {choice.start}")
        stages.update({x.name: x.share for x in job.stages_of(choice.settings)})

    options.fetch(context.obj, data, download)
    result = job.run(
        data=data,
        start=start,
        teacher=teacher,
        student=student,
        max_madds=None if max_madds is None else units.parse_count(max_madds),
        max_bytes=units.parse_bytes(max_size),
        max_latency=None if max_latency is None else units.parse_ms(max_latency),
        on_phone=on_phone,
        max_loss=max_loss,
        trials=trials,
        search_file=search,
        resolution=resolution,
        precision=precision,
        seed=seed,
        skip_bad_images=skip_bad_images,
        devices=devices,
        mirror=mirror,
        out=out,
        fresh=fresh,
        display=terminal.StageDisplay(context.obj, stages),
        on_start=begin,
    )
    if result is None:
        return  # the first process shows what all came to
    terminal.show(figures_table(result.models, result.test_images))
    for note in result.notes:
        terminal.show(note)
    terminal.show(f"{result.int8_file}\n{result.card}")
