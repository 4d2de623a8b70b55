"""Options and arguments that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Option(help="Labelled images: digits, tfds:NAME, folder:PATH or npz:FILE."),
]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL.keras", help="Saved Keras model.")
]
Plugin = Annotated[
    list[str] | None,
    typer.Option(help="Module to import first, which registers your own layers."),
]
Seed = Annotated[int, typer.Option(help="Random seed.")]
SkipBad = Annotated[
    bool,
    typer.Option(
        help="Leave out images that cannot be decoded, lie in two classes, or are of "
        "kinds that are not read, however many they are."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Network = Annotated[
    str, typer.Argument(help="Name of a network; see `kerasnets list`.")
]
Alpha = Annotated[float | None, typer.Option(help="Width multiplier.")]
Rho = Annotated[float | None, typer.Option(help="Resolution multiplier.")]
Size = Annotated[int | None, typer.Option(help="Side of the image in pixels.")]
Classes = Annotated[int | None, typer.Option(help="Number of classes.")]
