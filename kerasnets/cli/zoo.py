"""The networks of the zoo: listed, summed up, drawn."""

import inspect
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kerasnets import terminal, units
from kerasnets.cli import options
from kerasnets.errors import KerasnetsError


def list_networks(
    family: Annotated[
        str | None, typer.Option(help="Only networks of this family.")
    ] = None,
    text: Annotated[
        str, typer.Option("--filter", help="Only networks whose name contains this.")
    ] = "",
    max_params: Annotated[str | None, typer.Option(help="Most parameters.")] = None,
    max_madds: Annotated[
        str | None, typer.Option(help="Most multiply-adds for one image.")
    ] = None,
    sort: Annotated[
        Literal["name", "year", "params", "madds", "top1"] | None,
        typer.Option(help="Order of the rows.  [default: the zoo's]"),
    ] = None,
    pretrained: Annotated[
        bool,
        typer.Option(
            "--pretrained", help="ImageNet weights of these networks that are here."
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the networks: parameters, multiply-adds, accuracy, papers."""
    from kerasnets import applications
    from kerasnets.analysis import zoo
    from kerasnets.reports import tables

    networks = zoo.select(
        zoo.rows(applications.BUILDERS),
        family=family,
        text=text,
        max_params=_count(max_params),
        max_madds=_count(max_madds),
        order=sort,
    )
    if pretrained:
        _list_weights([network.name for network in networks], as_json=as_json)
    elif as_json:
        typer.echo(json.dumps([zoo.as_json(row) for row in networks], indent=2))
    elif networks:
        terminal.show(tables.zoo_table(networks))
        terminal.show(tables.sources(networks))
    else:
        terminal.show("no network matches these filters")


def _list_weights(networks: list[str], *, as_json: bool) -> None:
    """Print the files of ImageNet weights that are cached."""
    from kerasnets.pretrained import imagenet_files
    from kerasnets.reports import tables

    known = [file for name in networks for file in imagenet_files(name)]
    cached = [file for file in known if file.is_cached]
    if as_json:
        typer.echo(json.dumps([file.as_json() for file in cached], indent=2))
    elif cached:
        terminal.show(tables.weights_table(cached))
    elif known:
        terminal.show(f"none of {len(known)} files is in {known[0].path.parent}")
    else:
        terminal.show("keras.applications has no network that matches these filters")


def _count(text: str | None) -> int | None:
    return None if text is None else units.parse_count(text)


def summary(
    name: options.Network,
    alpha: options.Alpha = None,
    rho: options.Rho = None,
    size: options.Size = None,
    classes: options.Classes = None,
) -> None:
    """Show a network layer by layer: output, cost, and the pixels a position sees."""
    from kerasnets import applications
    from kerasnets.analysis import cost, shapes_only, zoo
    from kerasnets.reports import tables

    arguments = _arguments(name, alpha=alpha, rho=rho, size=size, classes=classes)
    figures = cost(shapes_only(lambda: applications.build(name, **arguments)))
    terminal.show(tables.layer_table(figures))
    if not arguments:
        network = applications.get(name).network
        terminal.show("\n".join(zoo.compare(figures, network)))


def plot(
    name: options.Network,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write, .svg or .png.  [default: NAME.svg]"),
    ] = None,
    alpha: options.Alpha = None,
    rho: options.Rho = None,
    size: options.Size = None,
    classes: options.Classes = None,
) -> None:
    """Draw a network block by block."""
    from kerasnets import applications
    from kerasnets.analysis import shapes_only
    from kerasnets.reports import plot as drawing

    path = drawing.picture_path(out or f"{name}.svg")
    arguments = _arguments(name, alpha=alpha, rho=rho, size=size, classes=classes)
    model = shapes_only(lambda: applications.build(name, **arguments))
    drawing.draw(drawing.architecture_blocks(model), path, title=model.name)
    terminal.show(str(path))


def _arguments(name: str, *, size: int | None, **given) -> dict[str, Any]:
    """What a builder is given for the options of the command line.

    Raises:
        KerasnetsError: the builder does not take one of them.
    """
    from kerasnets import applications

    builder = applications.get(name)
    given = {key: value for key, value in given.items() if value is not None}
    accepted = inspect.signature(builder).parameters
    for option in given:
        if option not in accepted:
            raise KerasnetsError(
                f"network {name!r} has no {option}: leave --{option} out"
            )
    if size is not None:
        channels = builder.network.input_shape[2]
        given["input_shape"] = (size, size, channels)
    return given
