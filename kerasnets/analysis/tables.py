"""Tables for the terminal: a run's figures, the zoo, a network's layers."""

from collections.abc import Callable, Mapping

import keras
from rich.table import Table

from kerasnets.analysis.cost import count_madds, count_params, layer_costs
from kerasnets.units import format_bytes, format_count


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


def zoo_table(builders: Mapping[str, Callable[..., keras.Model]]) -> Table:
    """A row for each network of the zoo at its default arguments."""
    table = Table()
    for column in ("name", "builder", "year"):
        table.add_column(column)
    for column in ("params", "madds"):
        table.add_column(column, justify="right")
    table.add_column("source")
    for name, builder in builders.items():
        network = builder.network  # type: ignore[attr-defined]  (see builder.variant)
        table.add_row(
            name,
            network.name,
            str(network.year),
            f"{network.params:,}",
            format_count(network.madds),
            network.source,
        )
    return table


def layer_table(model: keras.Model) -> Table:
    """A row for each layer, and the sums."""
    table = Table(title=model.name, show_footer=True)
    table.add_column("layer", "total")
    table.add_column("kind")
    table.add_column("output")
    table.add_column("params", f"{count_params(model):,}", justify="right")
    table.add_column("madds", f"{count_madds(model):,}", justify="right")
    for cost in layer_costs(model):
        table.add_row(
            cost.name,
            cost.kind,
            "x".join(map(str, cost.output_shape)),
            f"{cost.params:,}" if cost.params else "",
            f"{cost.madds:,}" if cost.madds else "",
        )
    return table
