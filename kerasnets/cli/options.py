"""Options and arguments that several commands take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kerasnets import terminal

if TYPE_CHECKING:
    from rich.console import Console

    from kerasnets.pixels import Preprocessing

Data = Annotated[
    str,
    typer.Option(
        help="Labelled images: digits, tfds:NAME, folder:PATH, csv:FILE, npz:FILE, "
        "idx:PATH or cifar:PATH."
    ),
]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL.keras", help="Saved Keras model.")
]
Plugin = Annotated[
    list[str] | None,
    typer.Option(help="Module to import first, which registers your own layers."),
]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Download = Annotated[
    bool,
    typer.Option("--download", help="Fetch the images of tfds:NAME, if need be."),
]
SkipBad = Annotated[
    bool,
    typer.Option(
        help="Leave out images that cannot be decoded, lie in two classes, or are of "
        "kinds that are not read, however many they are."
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        metavar="all|N",
        help="Devices of this machine, which share each batch; other machines are "
        "named in TF_CONFIG.  [default: one, or all where TF_CONFIG names others]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Pixels = Annotated[
    str | None,
    typer.Option(
        metavar="CONVENTION",
        help="Pixels that the model takes, where it does not say so itself: 0..255, "
        "0..1, -1..1, torch, caffe or MEAN:STD.",
    ),
]
Output = Annotated[
    Literal["logits", "probabilities"] | None,
    typer.Option(help="What the model gives, where neither graph nor values tell."),
]
Network = Annotated[
    str, typer.Argument(help="Name of a network; see `kerasnets list`.")
]
Alpha = Annotated[float | None, typer.Option(help="Width multiplier.")]
Rho = Annotated[float | None, typer.Option(help="Resolution multiplier.")]
Size = Annotated[int | None, typer.Option(help="Side of the image in pixels.")]
Classes = Annotated[int | None, typer.Option(help="Number of classes.")]


def fetch(console: "Console", data: str | None, download: bool) -> None:
    """Fetch images, where a person wants them fetched."""
    if download and data is not None:
        from kerasnets.data.sources import download as fetch_images

        terminal.say(console, f"{data}: fetched unless it is there ...")
        fetch_images(data)


def parse_stated(pixels: str | None) -> "Preprocessing | None":
    """What a person says of a model's pixels, if anything."""
    from kerasnets.pixels import parse_pixels

    return None if pixels is None else parse_pixels(pixels)
