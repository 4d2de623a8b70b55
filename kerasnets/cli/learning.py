"""What a pretrained network learns from other images."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kerasnets import terminal
from kerasnets.cli import options
from kerasnets.jobs import defaults


def finetune(
    context: typer.Context,
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK|MODEL.keras",
            help="Pretrained network: a name of `kerasnets list`, or a saved Keras "
            "model.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.keras", help="File to write.")],
    data: options.Data,
    alpha: options.Alpha = None,
    size: options.Size = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights of a named network: imagenet, timm:NAME or a file.  "
            "[default: imagenet]"
        ),
    ] = None,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto",
            help="Measure how like the images are to those the network knows, try each "
            "way of transfer learning, and take the best on the validation images.",
        ),
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="LAYER",
            help="First layer that learns; those before it stay as they are.  "
            "[default: all learn]",
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(help="Epochs of tuning.")
    ] = defaults.TUNING_EPOCHS,
    rate: Annotated[
        float, typer.Option(help="Learning rate of the classifier.")
    ] = defaults.TUNING_RATE,
    decay: Annotated[
        float,
        typer.Option(
            help="Rate of each stage as a share of that of the stage above; a stage "
            "ends where the maps are halved."
        ),
    ] = defaults.STAGE_DECAY,
    unfreeze: Annotated[
        int,
        typer.Option(
            help="Epochs after which the next stage below begins to learn; 0 for all "
            "at once."
        ),
    ] = 0,
    batch_norm: Annotated[
        Literal["batch", "inference"],
        typer.Option(
            help="What batch norms normalise by: the batch, or the statistics that "
            "they have, which then stay."
        ),
    ] = "batch",
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror/--no-mirror",
            help="Mirror training photos, unless that confuses classes.",
        ),
    ] = True,
    pixels: options.Pixels = None,
    plugin: options.Plugin = None,
    seed: options.Seed = 0,
    skip_bad_images: options.SkipBad = False,
    fresh: Annotated[
        bool, typer.Option(help="Delete what an interrupted call left, and start over.")
    ] = False,
) -> None:
    """Fine-tune a pretrained network on images of other classes.

    First a linear classifier on its codes, then the network from there on. The file
    holds what is more often right on the validation images.
    """
    from kerasnets.jobs import finetune as job
    from kerasnets.reports.notes import left_out_line
    from kerasnets.reports.tables import ways_table

    result = job.run(
        network,
        out,
        data=data,
        alpha=alpha,
        size=size,
        weights=weights,
        start=start,
        epochs=epochs,
        rate=rate,
        decay=decay,
        unfreeze=unfreeze,
        batch_norm=batch_norm,
        mirror=mirror,
        auto=auto,
        pixels=options.parse_stated(pixels),
        plugins=plugin or (),
        skip_bad_images=skip_bad_images,
        seed=seed,
        fresh=fresh,
        display=terminal.StageDisplay(context.obj, len(job.STAGES)),
    )
    if result.left_out:
        terminal.say(context.obj, left_out_line(result.left_out))
    terminal.show(ways_table(result.ways, result.test, result.images, result.taken))
    for note in result.notes:
        terminal.show(note)
    terminal.show(f"{result.path}: {result.taken}")
