"""Tables for the terminal: a run's figures, the zoo, layers, files, latencies."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from kerasnets.analysis.costs import ModelCost
from kerasnets.analysis.receptive_field import ReceptiveField
from kerasnets.analysis.zoo import provenance
from kerasnets.applications.builder import Network
from kerasnets.pretrained import ImageNetFile
from kerasnets.reports.accuracy import accuracy_text
from kerasnets.units import format_bytes, format_count

# what 80 columns leave for a family beside the longest name
_FAMILY_LETTERS = 16


def figures_table(models: Mapping[str, Mapping[str, float]], images: int) -> Table:
    """A row for each model of a run: cost, accuracy, size, latency.

    Args:
        models: The figures of each, by its name.
        images: On how many the accuracy was measured.
    """
    table = _plain_table()
    table.padding = 0  # else it is wider than 80 columns
    table.add_column("model")
    for column in ("params", "madds", "accuracy", "zeros", "bytes", "gzip", "latency"):
        table.add_column(column, justify="right")
    for name, figures in models.items():
        table.add_row(name, *figures_row(figures, images))
    return table


def figures_row(figures: Mapping[str, float], images: int) -> list[str]:
    """The figures of one model as text, in the order of ``figures_table``.

    Args:
        figures: Those of the model.
        images: On how many the accuracy was measured.
    """
    return [
        f"{figures['params']:,}",
        format_count(int(figures["madds"])),
        accuracy_text(figures["accuracy"], images),
        f"{figures['sparsity']:.0%}",
        format_bytes(int(figures["bytes"])),
        format_bytes(int(figures["gzip_bytes"])),
        f"{figures['latency_ms']:.3f} ms",
    ]


def evaluation_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each classifier and protocol.

    Args:
        rows: ``jobs.evaluate.Row.as_json`` of each.
    """
    table = _plain_table()
    table.add_column("model", overflow="fold")
    table.add_column("protocol")
    for column in ("top-1", "top-5", "calibration error"):
        table.add_column(column, justify="right")
    for row in rows:
        shares = (
            accuracy_text(row[top]["accuracy"], row["images"]) if row[top] else ""
            for top in ("top1", "top5")
        )
        table.add_row(
            row["name"],
            row["protocol"],
            *shares,
            f"{row['calibration_error']:.3f}",
        )
    return table


def error_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The errors in Markdown, in the form of Simonyan and Zisserman 2014, Table 3.

    Args:
        rows: As for ``evaluation_table``.
    """
    lines = [
        "| network | side of training images, S | of test images, Q | evaluation | "
        "top-1 error, % | top-5 error, % |",
        "|---|--:|--:|---|--:|--:|",
    ]
    for row in rows:
        errors = (
            f"{100 * (1 - row[top]['accuracy']):.1f}" if row[top] else ""
            for top in ("top1", "top5")
        )
        scales = ", ".join(map(str, row["scales"])) or "squeezed"
        cells = (row["name"], str(row["resize"]), scales, row["protocol"], *errors)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def change_table(before: Mapping[str, float], after: Mapping[str, float]) -> Table:
    """A row for a model before, and one after it was changed.

    Args:
        before: params, madds and, where they are known, accuracy with images (on how
            many that was measured) and zeros (share of the kernel weights).
        after: the same of the result.
    """
    texts = {
        "params": lambda x: f"{x['params']:,}",
        "madds": lambda x: format_count(int(x["madds"])),
        "accuracy": lambda x: accuracy_text(x["accuracy"], int(x["images"])),
        "zeros": lambda x: f"{x['zeros']:.0%}",
    }
    known = [name for name in texts if name in after]
    table = Table()
    table.add_column("model")
    for column in known:
        table.add_column(column, justify="right")
    for name, figures in (("before", before), ("after", after)):
        table.add_row(name, *(texts[column](figures) for column in known))
    return table


def weights_table(files: Sequence[ImageNetFile]) -> Table:
    """A row for each file of pretrained weights."""
    table = _plain_table()
    for column in ("network", "arguments", "side", "weights"):
        table.add_column(column, overflow="fold")
    for file in files:
        given = ", ".join(f"{name}={value}" for name, value in file.arguments.items())
        table.add_row(file.network, given, str(file.side), str(file.path))
    return table


def ways_table(
    ways: Mapping[str, float],
    test: Mapping[str, float],
    images: Mapping[str, int],
    taken: str,
) -> Table:
    """A row for each way of transfer learning that was measured.

    Args:
        ways: Accuracy on the validation images of each, by its name.
        test: The same on the test images, of those that were asked.
        images: How many there are of both, as "validation" and "test".
        taken: Name of the one that is the result.
    """
    table = Table()
    table.add_column("way")
    for column in ("validation", "test"):
        table.add_column(column, justify="right")
    table.add_column("")
    for name, accuracy in ways.items():
        table.add_row(
            name,
            accuracy_text(accuracy, images["validation"]),
            accuracy_text(test[name], images["test"]) if name in test else "",
            "taken" if name == taken else "",
        )
    return table


def neighbours_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each neighbour of each image.

    Args:
        found: ``image`` and its ``nearest`` ones, each with ``label``, ``distance`` and
            ``id``.
    """
    table = _plain_table()
    table.add_column("image", overflow="fold")
    table.add_column("label")
    table.add_column("distance", justify="right")
    table.add_column("near it", overflow="fold")
    for one in found:
        name = one["image"]
        for near in one["nearest"]:
            table.add_row(name, near["label"], f"{near['distance']:#.4g}", near["id"])
            name = ""
    return table


def suspects_table(suspects: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each image whose label may be wrong.

    Args:
        suspects: ``id``, ``label``, ``other``, ``share`` and ``ratio`` of each.
    """
    table = _plain_table()
    table.add_column("label may be wrong", overflow="fold")
    table.add_column("label")
    table.add_column("near it")
    for column in ("share", "ratio"):
        table.add_column(column, justify="right")
    for one in suspects:
        table.add_row(
            one["id"],
            one["label"],
            one["other"],
            f"{one['share']:.0%}",
            f"{one['ratio']:.3f}",
        )
    return table


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


def comparison_table(report: Mapping[str, Any]) -> Table:
    """A row for each output of a verified file: how far it is from its model.

    Args:
        report: ``Verification.as_json()``.
    """
    table = _plain_table()
    table.add_column("output")
    for column in ("largest difference", "mean", "correlation", "agrees", "accuracy"):
        table.add_column(column, justify="right")
    for output in report["outputs"]:
        table.add_row(
            output["name"],
            f"{float(output['max_abs_difference']):.2g}",
            f"{float(output['mean_abs_difference']):.2g}",
            f"{float(output['correlation']):.5f}",
            _share_text(output["agreement"]),
            ""
            if output["accuracy"] is None
            else accuracy_text(output["accuracy"], report["examples"]),
        )
    return table


def file_table(report: Mapping[str, Any]) -> Table:
    """What a verified file is made of, a line each.

    Args:
        report: ``Verification.as_json()``.
    """
    table = _plain_table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    lines = {
        "size": format_bytes(report["size"]),
        "gzip": format_bytes(report["gzip_size"]),
    }
    if report["threads_difference"] is not None:
        apart = float(report["threads_difference"])
        lines["1 or more threads"] = f"{apart:.2g} apart ({report['threads']} threads)"
    made_of = report["inspection"]
    if made_of is not None:
        lines |= {
            "format": made_of["format"],
            "operators": _counts_text(made_of["operators"]),
            "XNNPACK partitions": str(made_of["partitions"]),
            "outside XNNPACK": _counts_text(made_of["outside"]) or "none",
            "live activations": f"{format_bytes(made_of['arena'])} at once",
        }
    for what, value in lines.items():
        table.add_row(what, value)
    return table


def noise_table(layers: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each layer of a quantised file: its signal-to-noise ratio.

    Args:
        layers: ``LayerSqnr`` as JSON, in the order of the rows.
    """
    table = Table()
    table.add_column("layer", overflow="fold")
    table.add_column("operator")
    table.add_column("signal to noise", justify="right")
    for layer in layers:
        ratio = float(layer["sqnr_db"])
        table.add_row(layer["layer"], layer["operator"], f"{ratio:.1f} dB")
    return table


def latency_table(latencies: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each file and number of threads: its latency on this machine.

    Args:
        latencies: ``Latency`` as JSON, in the order of the rows.
    """
    table = Table()
    table.add_column("file")
    for column in ("threads", "runs", "median", "95 % interval", "ratio"):
        table.add_column(column, justify="right")
    for row in latencies:
        ms, ratio = row["ms"], row["ratio"]
        table.add_row(
            row["name"],
            str(row["threads"]),
            str(row["runs"]),
            f"{ms['median']:.3f} ms",
            f"{ms['low']:.3f} to {ms['high']:.3f}",
            ""
            if ratio is None
            else f"{ratio['median']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})",
        )
    return table


def phone_latency_table(latencies: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each file and number of threads: its latency on a phone.

    Args:
        latencies: ``PhoneLatency`` as JSON, in the order of the rows.
    """
    table = Table()
    table.add_column("file")
    table.add_column("phone")
    for column in ("threads", "runs", "median", "5 to 95 %", "mean", "init", "memory"):
        table.add_column(column, justify="right")
    for row in latencies:
        spread = [row[name] for name in ("p5_ms", "p95_ms")]
        table.add_row(
            row["name"],
            row["device"],
            str(row["threads"]),
            "" if row["runs"] is None else str(row["runs"]),
            _ms_text(row["median_ms"]),
            "" if None in spread else f"{spread[0]:.3f} to {spread[1]:.3f}",
            _ms_text(row["mean_ms"]),
            _ms_text(row["init_ms"]),
            "" if row["memory_mb"] is None else f"{row['memory_mb']:.1f} MB",
        )
    return table


def _share_text(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _ms_text(ms: float | None) -> str:
    return "" if ms is None else f"{ms:.3f} ms"


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())
