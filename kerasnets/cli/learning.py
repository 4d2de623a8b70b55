"""What a pretrained network learns from other images, and sees in them."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kerasnets import terminal
from kerasnets.cli import options
from kerasnets.jobs import defaults

Network = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK|MODEL.keras",
        help="Pretrained network: a name of `kerasnets list`, or a saved Keras model.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Weights of a named network: imagenet, timm:NAME or a file.  "
        "[default: imagenet]"
    ),
]


Run = Annotated[Path, typer.Option("--out", help="Folder of the run.")]
PaperRecipe = Annotated[
    str,
    typer.Option(help="Recipe of a paper, as resnet-cifar; a wrong one names all."),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change of the recipe, as epochs=30 or augment.flip=false.",
    ),
]
Precision = Annotated[
    str, typer.Option(help="auto, float32, mixed_float16 or mixed_bfloat16.")
]
Accumulate = Annotated[
    int | None,
    typer.Option(help="Batches for one step of the optimizer, for small memories."),
]
Store = Annotated[
    Literal["auto", "decoded", "encoded"],
    typer.Option(
        help="Keep images decoded to squares, or as the files they are; auto: "
        "decoded where a quarter of the free disk is enough and the recipe cuts no "
        "parts out."
    ),
]
TrainImages = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Learn from so many of the training images, the classes taking turns "
        "[default: from all].",
    ),
]
Fresh = Annotated[
    bool, typer.Option(help="Delete what an interrupted call left, and start over.")
]


def train(
    context: typer.Context,
    network: options.Network,
    out: Run,
    data: options.Data,
    recipe: PaperRecipe,
    changes: Changes = None,
    alpha: options.Alpha = None,
    size: options.Size = None,
    precision: Precision = "auto",
    initialise_from: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN|FILE.keras",
            help="Begin with layers of a network that was trained before, those of the "
            "same name and shape.",
        ),
    ] = None,
    grow_from: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN|FILE.keras",
            help="Begin as a narrower network of the same kind, trained before.",
        ),
    ] = None,
    train_images: TrainImages = None,
    accumulate: Accumulate = None,
    store: Store = "auto",
    devices: options.Devices = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    fresh: Fresh = False,
) -> None:
    """Train a network from random weights as a paper did."""
    _train(
        context,
        network,
        out,
        download=download,
        accumulate=accumulate,
        changes=changes,
        data=data,
        recipe=recipe,
        alpha=alpha,
        size=size,
        precision=precision,
        initialise_from=initialise_from,
        grow_from=grow_from,
        train_images=train_images,
        store=store,
        devices=devices,
        skip_bad_images=skip_bad_images,
        seed=seed,
        fresh=fresh,
    )


def distill(
    context: typer.Context,
    network: Annotated[
        str, typer.Argument(help="Student: a name of `kerasnets list`.")
    ],
    teacher: Annotated[
        list[Path],
        typer.Option(
            metavar="RUN|FILE.keras",
            help="Network of the same classes that teaches; several teach as one.",
        ),
    ],
    out: Run,
    data: options.Data,
    recipe: PaperRecipe,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change of the recipe, as temperature=4, soft_weight=0.9 (the labels "
            "have the rest) or soft_loss=logits.",
        ),
    ] = None,
    mean: Annotated[
        Literal["arithmetic", "geometric"],
        typer.Option(help="Of the answers of several teachers, and to ten crops."),
    ] = "arithmetic",
    ten_crop: Annotated[
        int | None,
        typer.Option(
            metavar="SIDE",
            min=1,
            help="Teachers answer with the mean for ten parts of images of this side, "
            "each as large as the images that they take.",
        ),
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Versions of each image of which the teacher is asked once, "
            "beforehand; the student sees them by turns. 0: it is asked in each step, "
            "and each epoch has new ones.  [default: 1 where the recipe changes no "
            "images and nothing is matched, else 0]",
        ),
    ] = None,
    hints: Annotated[
        list[str] | None,
        typer.Option(
            "--hint",
            metavar="TEACHER_LAYER=STUDENT_LAYER",
            help="First train the student up to this layer, to give what that layer of "
            "the teacher gives.",
        ),
    ] = None,
    hint_epochs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Epochs of hints.  [default: as many as the recipe has]"
        ),
    ] = None,
    matches: Annotated[
        list[str] | None,
        typer.Option(
            "--match",
            metavar="[attention:]TEACHER_LAYER=STUDENT_LAYER",
            help="Layers that are to give the same beside the soft targets: maps, or "
            "where they are active.",
        ),
    ] = None,
    match_weight: Annotated[
        float, typer.Option(help="Of each --match in the loss.")
    ] = 1.0,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="Class whose images the student sees.  [default: all classes]",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS", help="Class of which the student sees no image."),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Images that the student learns from in place of the training images, "
            "in folders of any names: the teacher says what they show. With "
            "soft_weight=1.",
        ),
    ] = None,
    alpha: options.Alpha = None,
    size: options.Size = None,
    precision: Precision = "auto",
    train_images: TrainImages = None,
    accumulate: Accumulate = None,
    store: Store = "auto",
    devices: options.Devices = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    fresh: Fresh = False,
) -> None:
    """Train a small network on the answers of a larger one, and the labels."""
    from kerasnets.jobs.teaching import Teaching
    from kerasnets.transfer import Match

    _train(
        context,
        network,
        out,
        download=download,
        accumulate=accumulate,
        changes=changes,
        teaching=Teaching(
            teachers=teacher,
            mean=mean,
            ten_crop=ten_crop,
            views=views,
            hints=[Match.of(text) for text in hints or []],
            hint_epochs=hint_epochs,
            matches=[Match.of(text, match_weight) for text in matches or []],
            only=only or (),
            without=without or (),
            unlabelled=unlabelled,
        ),
        data=data,
        recipe=recipe,
        alpha=alpha,
        size=size,
        precision=precision,
        train_images=train_images,
        store=store,
        devices=devices,
        skip_bad_images=skip_bad_images,
        seed=seed,
        fresh=fresh,
    )


def _train(
    context: typer.Context,
    network: str,
    out: Path,
    *,
    data: str,
    download: bool,
    accumulate: int | None,
    changes: list[str] | None,
    **given: Any,
) -> None:
    """Do the job, and print what it came to."""
    from kerasnets.jobs import train as job
    from kerasnets.reports.notes import left_out_line
    from kerasnets.reports.tables import evaluation_table

    changed = _pairs(changes or [])
    if accumulate is not None:
        changed["accumulate"] = str(accumulate)
    options.fetch(context.obj, data, download)
    result = job.run(
        network,
        out,
        data=data,
        changes=changed,
        display=terminal.StageDisplay(context.obj, job.STAGES),
        **given,
    )
    if result is None:
        return  # the first process shows what all came to
    if result.teacher is not None:
        terminal.say(
            context.obj, f"the teacher: {result.teacher:.1%} of the validation images"
        )
    terminal.say(context.obj, f"images were kept {result.store}")
    if result.left_out:
        terminal.say(context.obj, left_out_line(result.left_out))
    terminal.show(evaluation_table([{"name": n, **x} for n, x in result.test.items()]))
    terminal.show(str(out))


def _pairs(texts: list[str], option: str = "--set") -> dict[str, str]:
    """KEY=VALUE texts as a mapping."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{option} {text!r}: KEY=VALUE is accepted")
        pairs[key.strip()] = value.strip()
    return pairs


def finetune(
    context: typer.Context,
    network: Network,
    out: Annotated[Path, typer.Argument(metavar="OUT.keras", help="File to write.")],
    data: options.Data,
    alpha: options.Alpha = None,
    size: options.Size = None,
    weights: Weights = None,
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
        int | None,
        typer.Option(
            help="Epochs of tuning.  "
            f"[default: {defaults.TUNING_EPOCHS}, more where images are few]"
        ),
    ] = None,
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
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    devices: options.Devices = None,
    fresh: Fresh = False,
) -> None:
    """Fine-tune a pretrained network on images of other classes.

    First a linear classifier on its codes, then the network from there on. The file
    holds what is more often right on the validation images.
    """
    from kerasnets.jobs import finetune as job
    from kerasnets.reports.notes import left_out_line
    from kerasnets.reports.tables import ways_table

    options.fetch(context.obj, data, download)
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
        devices=devices,
        seed=seed,
        fresh=fresh,
        display=terminal.StageDisplay(context.obj, job.STAGES),
    )
    if result is None:
        return  # the first process shows what all came to
    if result.left_out:
        terminal.say(context.obj, left_out_line(result.left_out))
    terminal.show(ways_table(result.ways, result.test, result.images, result.taken))
    for note in result.notes:
        terminal.show(note)
    terminal.show(f"{result.path}: {result.taken}")


def grow(
    context: typer.Context,
    model: options.Model,
    out: Annotated[Path, typer.Argument(metavar="OUT.keras", help="File to write.")],
    widths: Annotated[
        list[str] | None,
        typer.Option(
            "--widen",
            metavar="LAYER=CHANNELS",
            help="Convolution or dense layer that gets more channels.",
        ),
    ] = None,
    deepen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER", help="Activation that gets one more layer behind it."
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="Network of the zoo that the model is, to widen all of it."),
    ] = None,
    alpha: options.Alpha = None,
    noise: Annotated[
        float,
        typer.Option(help="Parts copies: deviation as a share of the layer's."),
    ] = 0.0,
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled images to train on, as of `train`.  [default: none, the "
            "file answers as the model does]"
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change of the recipe, as epochs=30 or learning_rate=0.003.",
        ),
    ] = None,
    pixels: options.Pixels = None,
    plugin: options.Plugin = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    devices: options.Devices = None,
    fresh: Fresh = False,
) -> None:
    """Make a classifier wider or deeper; it answers as before, and trains on."""
    from kerasnets.jobs import grow as job
    from kerasnets.reports.notes import left_out_line
    from kerasnets.reports.tables import change_table

    options.fetch(context.obj, data, download)
    growth = job.Growth(
        widths=_whole_numbers(_pairs(widths or [], "--widen")),
        deeper=tuple(deepen or ()),
        network=network,
        alpha=alpha,
        noise=noise,
    )
    result = job.run(
        model,
        out,
        growth,
        data=data,
        changes=_pairs(changes or []),
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
    if result.left_out:
        terminal.say(context.obj, left_out_line(result.left_out))
    terminal.show(change_table(result.before, result.after))
    terminal.show(str(result.path))


def _whole_numbers(pairs: dict[str, str]) -> dict[str, int]:
    """LAYER=CHANNELS."""
    for layer, text in pairs.items():
        if not text.isdecimal() or not int(text):
            raise typer.BadParameter(
                f"--widen {layer}={text}: a whole number of channels is accepted"
            )
    return {layer: int(text) for layer, text in pairs.items()}


def neighbours(
    context: typer.Context,
    network: Network,
    data: options.Data,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGE]...", help="Images to ask about."),
    ] = None,
    k: Annotated[int, typer.Option("--k", help="Number of neighbours.")] = 6,
    split: Annotated[
        Literal["train", "validation", "test"],
        typer.Option(help="Part of the data in which they are looked for."),
    ] = "train",
    suspects: Annotated[
        int,
        typer.Option(
            help="Number of images of that part to show whose label may be wrong: most "
            "of their neighbours have one other label."
        ),
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Picture sheet to write, .png.")
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer whose outputs are compared.  [default: the last hidden one]"
        ),
    ] = None,
    weights: Weights = None,
    alpha: options.Alpha = None,
    size: options.Size = None,
    pixels: options.Pixels = None,
    plugin: options.Plugin = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    skip_bad_images: options.SkipBad = False,
    as_json: options.Json = False,
) -> None:
    """Find the images that a network sees as most like others, and doubtful labels."""
    from kerasnets.jobs import neighbours as job
    from kerasnets.reports import tables
    from kerasnets.reports.notes import left_out_line

    options.fetch(context.obj, data, download)
    with terminal.StageDisplay.one(context.obj, "neighbours") as progress:
        result = job.run(
            network,
            images or [],
            data=data,
            out=out,
            k=k,
            split=split,
            doubted=suspects,
            layer=layer,
            weights=weights,
            alpha=alpha,
            size=size,
            pixels=options.parse_stated(pixels),
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
    if found["neighbours"]:
        terminal.show(tables.neighbours_table(found["neighbours"]))
    if suspects:
        terminal.show(tables.suspects_table(found["suspects"]))
        shown, in_all = len(found["suspects"]), found["suspects_in_all"]
        terminal.show(f"{shown} of {in_all} images whose label may be wrong")
    if out is not None:
        terminal.show(str(out))
