"""What the networks cost and what papers print of them: the table figures.csv.

A row is a network with its default arguments, or with those of the column "arguments".
Parameters count batch-norm statistics; multiply-adds are those of the convolutions and
dense layers for one image, without auxiliary classifiers.
"""

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from typing import Any

LIBRARIES = ("keras", "torchvision", "timm")


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is printed about a network, where it is printed.

    Attributes:
        params: Parameters, as a number (138e6 for "138M"); None where not printed.
        madds: Multiply-adds of one image; None where not printed.
        top1: Accuracy in percent; None where not printed.
        top5: Share of images with the label among the best five, in percent.
        protocol: The data and how it was shown: "ImageNet, single crop".
        source: Where the accuracy is printed.
    """

    params: float | None = None
    madds: float | None = None
    top1: float | None = None
    top5: float | None = None
    protocol: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A row of the table.

    Attributes:
        network: Name of the builder, as in ``ResNet20``.
        arguments: What the builder is given.
        params: Parameters, batch-norm statistics included.
        trainable: Parameters without batch-norm statistics.
        madds: Multiply-adds of one image.
        published: What papers print.
        elsewhere: The network's name in other libraries: one of ``LIBRARIES`` to name.
    """

    network: str
    arguments: Mapping[str, Any]
    params: int
    trainable: int
    madds: int
    published: Published
    elsewhere: Mapping[str, str]


def of(network: str) -> Figures:
    """Return the figures of a network with its default arguments.

    Raises:
        KeyError: The table has no such row.
    """
    return _defaults()[network]


@functools.cache
def table() -> tuple[Figures, ...]:
    """Return all rows, in the order of the zoo; the file is read once."""
    file = resources.files("kerasnets.applications") / "figures.csv"
    rows = csv.DictReader(file.read_text("utf-8").splitlines())
    return tuple(_figures(row) for row in rows)


@functools.cache
def _defaults() -> dict[str, Figures]:
    return {row.network: row for row in table() if not row.arguments}


def _figures(row: dict[str, str]) -> Figures:
    def number(column: str) -> float | None:
        return float(row[column]) if row[column] else None

    return Figures(
        network=row["network"],
        arguments=dict(_arguments(row["arguments"])),
        params=int(row["params"]),
        trainable=int(row["trainable"]),
        madds=int(row["madds"]),
        published=Published(
            params=number("printed_params"),
            madds=number("printed_madds"),
            top1=number("top1"),
            top5=number("top5"),
            protocol=row["protocol"],
            source=row["printed_in"],
        ),
        elsewhere={library: row[library] for library in LIBRARIES if row[library]},
    )


def _arguments(text: str) -> Iterator[tuple[str, Any]]:
    """Yield names and values: 10, 0.5, 192/224, 572x572x3, True or a word."""
    for pair in text.split():
        name, value = pair.split("=")
        if value == "True":
            yield name, True
        elif not value[0].isdigit():
            yield name, value
        elif "x" in value:
            yield name, tuple(map(int, value.split("x")))
        else:
            yield name, int(value) if value.isdigit() else float(Fraction(value))
