"""Tables for the terminal: a run's figures, the zoo, a network's layers."""

import textwrap
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from kerasnets.analysis.costs import ModelCost
from kerasnets.analysis.receptive_field import ReceptiveField
from kerasnets.analysis.zoo import provenance
from kerasnets.applications.builder import Network
from kerasnets.units import format_bytes, format_count

# what 80 columns leave for a family beside the longest name
_FAMILY_LETTERS = 16


def figures_table(models: Mapping[str, Mapping[str, float]]) -> Table:
    """A row for each model of a run: cost, accuracy, size, latency."""
    table = Table()
    table.add_column("model")
    for column in ("params", "madds", "accuracy", "zeros", "bytes", "gzip", "latency"):
        table.add_column(column, justify="right")
    for name, figures in models.items():
        table.add_row(name, *figures_row(figures))
    return table


def figures_row(figures: Mapping[str, float]) -> list[str]:
    """The figures of one model as text, in the order of ``figures_table``."""
    return [
        f"{figures['params']:,}",
        format_count(int(figures["madds"])),
        f"{figures['accuracy']:.2%}",
        f"{figures['sparsity']:.0%}",
        format_bytes(int(figures["bytes"])),
        format_bytes(int(figures["gzip_bytes"])),
        f"{figures['latency_ms']:.3f} ms",
    ]


def zoo_table(networks: Sequence[Network]) -> Table:
    """A row for each network at its default arguments, numbers for where it is from.

    ``sources`` tells what the numbers stand for.
    """
    numbers = _numbers(networks)
    table = _plain_table()
    table.add_column("family", overflow="fold")
    table.add_column("name", no_wrap=True)
    for column in ("year", "params", "madds", "top-1", "from"):
        table.add_column(column, justify="right", no_wrap=True)
    for network in networks:
        top1 = network.published.top1
        told = {network.source, "" if top1 is None else provenance(network)}
        table.add_row(
            textwrap.fill(network.family, _FAMILY_LETTERS),
            network.name,
            str(network.year),
            f"{network.params:,}",
            format_count(network.madds),
            "" if top1 is None else f"{top1:.4g}",
            ", ".join(str(i) for text, i in numbers.items() if text in told),
        )
    return table


def sources(networks: Sequence[Network]) -> str:
    """What the numbers of ``zoo_table`` stand for: a line each."""
    return "\n".join(f"{i}: {text}" for text, i in _numbers(networks).items())


def _numbers(networks: Sequence[Network]) -> dict[str, int]:
    """Papers and protocols, counted in the order of the table."""
    texts = []
    for network in networks:
        texts.append(network.source)
        if network.published.top1 is not None:
            texts.append(provenance(network))
    return {
        text: i for i, text in enumerate(dict.fromkeys(filter(None, texts)), start=1)
    }


def layer_table(figures: ModelCost) -> Table:
    """A row for each layer, and the sums."""
    table = _plain_table(title=figures.name, show_footer=True)
    table.add_column("layer", "total", overflow="fold")
    table.add_column("output", no_wrap=True)
    table.add_column("kernel", no_wrap=True)
    for column, total in (
        ("params", f"{figures.params:,}"),
        ("madds", f"{figures.madds:,}"),
        ("bytes", format_bytes(figures.activation_bytes)),
        ("sees", ""),
    ):
        table.add_column(column, total, justify="right", no_wrap=True)
    for row in figures.layers:
        table.add_row(
            row.name,
            "x".join(map(str, row.output_shape)),
            row.kernel,
            f"{row.params:,}" if row.params else "",
            f"{row.madds:,}" if row.madds else "",
            format_bytes(row.activation_bytes),
            _field_text(row.receptive_field),
        )
    return table


def _plain_table(**options) -> Table:
    """A table without lines between its columns: there are many."""
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        **options,
    )


def _field_text(field: ReceptiveField) -> str:
    if field is None or isinstance(field, str):
        return field or ""
    return "x".join(map(str, field if len(set(field)) > 1 else field[:1]))
