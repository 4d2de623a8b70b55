"""The rows of the zoo: chosen, put in order, as JSON, compared with a model."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, Literal

from kerasnets.analysis.costs import ModelCost
from kerasnets.applications.builder import Builder, Network
from kerasnets.errors import KerasnetsError

Order = Literal["name", "year", "params", "madds", "top1"]


def rows(builders: Mapping[str, Builder[...]]) -> list[Network]:
    """Return the row of every network, in the order of the zoo."""
    return [builder.network for builder in builders.values()]


def select(
    networks: list[Network],
    *,
    family: str | None = None,
    text: str = "",
    max_params: int | None = None,
    max_madds: int | None = None,
    order: Order | None = None,
) -> list[Network]:
    """Return the networks that are asked for.

    Args:
        networks: Rows of the zoo.
        family: Name of a family; case, spaces, "-" and "_" do not matter.
        text: Part of the name, read in the same way.
        max_params: Most parameters.
        max_madds: Most multiply-adds of one image.
        order: From small to large, "top1" from the best to the worst and those without
            a printed accuracy last; None keeps the order.

    Raises:
        KerasnetsError: No network is of that family.
    """
    families = {_plain(network.family): network.family for network in networks}
    if family is not None and _plain(family) not in families:
        raise KerasnetsError(
            f"family {family!r} is unknown: {', '.join(families.values())}"
        )
    chosen = [
        network
        for network in networks
        if (family is None or _plain(network.family) == _plain(family))
        and _plain(text) in _plain(network.name)
        and (max_params is None or network.params <= max_params)
        and (max_madds is None or network.madds <= max_madds)
    ]
    return chosen if order is None else sorted(chosen, key=_KEYS[order])


def _plain(name: str) -> str:
    return "".join(
        letter for letter in name.lower() if letter.isalnum() or letter == "."
    )


_KEYS: dict[str, Callable[[Network], Any]] = {
    "name": lambda network: network.name.lower(),
    "year": lambda network: network.year,
    "params": lambda network: network.params,
    "madds": lambda network: network.madds,
    "top1": lambda network: -(network.published.top1 or 0),
}


def as_json(network: Network) -> dict[str, Any]:
    """Return the row of a network and its figures, for ``json.dumps``.

    What a family adds to the row, to build the network by, is left out.
    """
    row = {field.name: getattr(network, field.name) for field in fields(Network)}
    del row["counterparts"]
    row["preprocessing"] = asdict(network.preprocessing)
    figures = asdict(network.figures)
    for repeated in ("network", "arguments"):
        del figures[repeated]
    return {**row, **figures}


def compare(figures: ModelCost, network: Network) -> list[str]:
    """Compare the cost of a model with its row and its paper.

    Args:
        figures: Cost of the model, built with the default arguments.
        network: Its row.

    Returns:
        A line for the parameters, one for the multiply-adds, and one for the accuracy
        that is printed, if there is one.
    """
    published = network.published
    lines = [
        _figure("parameters", figures.params, network.params, published.params),
        _figure("multiply-adds", figures.madds, network.madds, published.madds),
    ]
    if published.top1 is not None:
        lines.append(f"{'top-1':13} {accuracy_text(network)}")
    return lines


def _figure(what: str, count: int, exact: int, printed: float | None) -> str:
    line = f"{what:13} {count:,}: "
    if count == exact:
        line += "as expected"
    else:
        line += f"{exact:,} were expected ({count - exact:+,})"
    if printed is not None:
        line += f"; the paper prints {printed:,.0f} ({count / printed - 1:+.1%})"
    return line


def accuracy_text(network: Network) -> str:
    """Return the printed accuracy with protocol and source; "" where there is none."""
    published = network.published
    if published.top1 is None:
        return ""
    top5 = "" if published.top5 is None else f", top-5 {published.top5:g} %"
    return f"{published.top1:g} %{top5}; {provenance(network)}"


def provenance(network: Network) -> str:
    """Return the protocol of the printed accuracy and where it is printed."""
    published = network.published
    return ": ".join(filter(None, (published.protocol, published.source)))
