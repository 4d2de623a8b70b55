"""The rows of the zoo: chosen, put in order, told as JSON, held against a model."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

from kerasnets.analysis.costs import ModelCost
from kerasnets.applications.builder import Network
from kerasnets.errors import KerasnetsError

Order = Literal["name", "year", "params", "madds", "top1"]


def rows(builders: Mapping[str, Callable[..., keras.Model]]) -> list[Network]:
    """The row of every network, in the order of the zoo."""
    return [builder.network for builder in builders.values()]  # type: ignore[attr-defined]


def select(
    networks: list[Network],
    *,
    family: str | None = None,
    text: str = "",
    max_params: int | None = None,
    max_madds: int | None = None,
    order: Order | None = None,
) -> list[Network]:
    """The networks that are asked for.

    Args:
        networks: rows of the zoo.
        family: name of a family; case, spaces, "-" and "_" do not matter.
        text: part of the name; likewise.
        max_params: most parameters.
        max_madds: most multiply-adds of one image.
        order: from small to large, "top1" from the best to the worst and those without
            a printed accuracy last; None keeps the order.

    Raises:
        KerasnetsError: no network is of that family.
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
    """All that the row of a network tells, for ``json.dumps``.

    What a family adds to the row, to build the network by, is left out; of a network
    in another library the names of library and builder are told.
    """
    told = {f.name: getattr(network, f.name) for f in dataclasses.fields(Network)}
    for part in ("published", "preprocessing"):
        told[part] = dataclasses.asdict(told[part])
    for library in ("keras", "torch"):
        twin = told[library]
        told[library] = twin and {"library": twin.library, "builder": twin.builder}
    return told


def compare(figures: ModelCost, network: Network) -> list[str]:
    """What a model at its default arguments costs, against its row and its paper.

    Args:
        figures: the cost of the model as it was built.
        network: its row.

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
        line += "as the paper's table"
    else:
        line += f"differs by {count - exact:+,} from the paper's table ({exact:,})"
    if printed is not None:
        line += f"; {count / printed - 1:+.1%} against the {printed:,.0f} printed"
    return line


def accuracy_text(network: Network) -> str:
    """The accuracy that is printed, its protocol and where: "" where there is none."""
    published = network.published
    if published.top1 is None:
        return ""
    top5 = "" if published.top5 is None else f", top-5 {published.top5:g} %"
    return f"{published.top1:g} %{top5}; {provenance(network)}"


def provenance(network: Network) -> str:
    """The protocol of the printed accuracy and where it is printed."""
    published = network.published
    told = [part for part in (published.protocol, published.source) if part]
    return ": ".join(told)
