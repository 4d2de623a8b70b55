"""Searches among networks, and ways of training them."""

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from kerasnets import terminal, units
from kerasnets.cli import options
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import defaults

if TYPE_CHECKING:
    from kerasnets.tuning.chief import Address


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
    workers: Annotated[
        int,
        typer.Option(
            min=0, help="Processes of this machine that try networks at the same time."
        ),
    ] = 0,
    role: Annotated[
        Literal["chief", "worker"] | None,
        typer.Option(
            help="Of several machines with one folder: the chief names trials, workers "
            "do them."
        ),
    ] = None,
    chief: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where the chief listens; in a trusted network, it asks nobody who "
            "they are.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Of this worker, another of each.  [default: host and process]"
        ),
    ] = None,
    silence: Annotated[
        float,
        typer.Option(
            min=10.0,
            help="Seconds without a sign of life after which a worker's trial is "
            "another's.",
        ),
    ] = 60.0,
    as_json: options.Json = False,
    fresh: Annotated[
        bool, typer.Option(help="Delete what an earlier search left, and start over.")
    ] = False,
) -> None:
    """Search a network's width, resolution and training within a budget."""
    from kerasnets.jobs import tune as job
    from kerasnets.reports.search_card import trials_table
    from kerasnets.tuning import Budget, read_plan

    here = _role(role, chief, name, workers)
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
    if here.worker is not None:
        assert here.address is not None
        terminal.say(context.obj, f"{here.worker}: waiting for {here.address} ...")
        done = job.follow_chief(
            out or job.default_folder(settings),
            here.address,
            here.worker,
            say=lambda line: terminal.say(context.obj, line),
        )
        terminal.say(context.obj, f"{here.worker}: all is done, {done} trials here")
        return
    crew = None
    if workers or here.address is not None:
        crew = job.Crew(here.address, workers, silence)
    result = job.run(
        settings,
        out,
        crew=crew,
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


class _Role(NamedTuple):
    """What this process is in a search of several: neither, the chief, or a worker."""

    address: "Address | None"
    worker: str | None


def _role(role: str | None, chief: str | None, name: str | None, workers: int) -> _Role:
    """The role that options or Keras Tuner's environment variables give."""
    from kerasnets.tuning.chief import parse_address

    told = os.environ.get("KERASTUNER_TUNER_ID")
    if role is None and chief is None and told:
        try:
            host, port = (os.environ[f"KERASTUNER_ORACLE_{x}"] for x in ("IP", "PORT"))
        except KeyError as error:
            raise KerasnetsError(f"KERASTUNER_TUNER_ID without {error}") from error
        chief, name = f"{host}:{port}", name or told
        # as Keras Tuner has it
        role = "chief" if "chief" in told else "worker"
    if role is None:
        if chief or name:
            raise KerasnetsError("--chief and --name go with --role chief or worker")
        return _Role(None, None)
    if chief is None:
        raise KerasnetsError(f"--role {role} needs --chief HOST:PORT")
    if role == "chief":
        return _Role(parse_address(chief), None)
    if workers:
        raise KerasnetsError("--workers goes with the chief, or without --role")
    return _Role(parse_address(chief), name or f"{socket.gethostname()}-{os.getpid()}")


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
