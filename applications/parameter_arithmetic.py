"""Parameter arithmetic: what papers print about the cost of their ideas, recounted.

    python applications/parameter_arithmetic.py [--out FOLDER] [--publish FOLDER]

13 s of processor time (two cores of an AMD EPYC, no GPU), half of it the import of
TensorFlow; 0.8 GB of memory.

Published, and recounted here from layers and networks as Keras builds them:

- Simonyan and Zisserman 2014, section 2.3: three 3x3 convolutions of C channels have
  27 C^2 weights, one 7x7 has 49 C^2, 81 % more. Table 2: A and A-LRN 133, B 133, C 134,
  D 138, E 144 million parameters.
- Szegedy et al. 2015, section 3.2: 3x1 and 1x3 are 33 % cheaper than 3x3, two 2x2 11 %.
- Howard et al. 2017: one layer full, separable, narrower, smaller (Table 3); where the
  cost of MobileNet is (Table 2); MobileNets and what they are compared with (Tables 4
  to 9). The accuracies there are repeated, not measured again.
- Figures that lectures give, not the papers. CS231n (Stanford 2017, lecture 9): an
  inception module of 854 million operations, 358 with 1x1 convolutions before its 3x3
  and 5x5 and after its pool. The 5x5 of GoogLeNet's module 3a: 153,600 weights and
  120.4 million multiply-adds on 192 maps, 15,872 and 12.4 after a reduction to 16;
  7.12 % if separable, which is 1/N + 1/D^2 for its 32 filters of 5x5 (Howard et al.,
  section 3.1). The bottleneck 256-64-64-256 of He et al. 2015, Figure 5: 70 thousand
  weights, a 3x3 convolution of 256 maps 590.

How it is counted: a multiply and an add together are 1. Parameters are those of
convolutions and dense layers with their biases, without batch normalisation: so counted
MobileNet has 4.21 million and 0.50 MobileNet 1.32, as printed; Keras's own count has
4.25 and 1.34. The shares of Table 2 fit weights without biases. A computed figure
agrees if it is within half a unit of the last digit printed; zeros count as digits.

Written to FOLDER (saved_models/parameter-arithmetic): claims.csv and claims.png; with
``--publish docs/literature`` the page.
"""

import argparse
import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import cast

import keras
from keras import layers
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from kerasnets import applications
from kerasnets.analysis import LayerCost, ModelCost, cost, shapes_only
from kerasnets.applications import googlenet
from kerasnets.files import write_bytes, write_text
from kerasnets.studies import VERDICTS, counted_results, publish_results
from kerasnets.terminal import show

OUT = Path("saved_models/parameter-arithmetic")
MILLION = 10**6
MADDS, PARAMS = "M madds", "M params"
AGREES, DIFFERS = "#1f77b4", "#d95f02"


@dataclass(frozen=True)
class Claim:
    """A figure that is printed, and the same figure computed.

    Attributes:
        what: what is counted.
        source: where the figure is printed.
        published: the figure as printed, digit by digit.
        computed: the same from the layers that were built.
        unit: of both.
        note: why they differ, where that is known, or what was counted.
        top1: the accuracy in percent printed beside the figure, "" where there is none.
    """

    what: str
    source: str
    published: str
    computed: Fraction
    unit: str
    note: str = ""
    top1: str = ""

    @property
    def decimals(self) -> int:
        """Digits printed after the point."""
        return len(self.published.partition(".")[2])

    @property
    def difference(self) -> Fraction:
        """Computed minus published, in the unit."""
        return self.computed - Fraction(self.published)

    def percent(self, number: Fraction) -> float:
        """A number in percent of the published figure."""
        return float(100 * number / Fraction(self.published))

    @property
    def rounding(self) -> Fraction:
        """Half a unit of the last digit printed."""
        return Fraction(1, 2 * 10**self.decimals)

    @property
    def agrees(self) -> bool:
        """Whether rounding may explain the difference; both sides of a tie are well."""
        return abs(self.difference) <= self.rounding


@dataclass(frozen=True)
class Printed:
    """A network in Tables 4 to 9 of Howard et al. 2017, as printed there."""

    network: str
    tables: str
    madds: str
    params: str
    top1: str
    build: Callable[[], keras.Model]


def _mobilenet(alpha: float = 1.0, side: int = 224) -> Callable[[], keras.Model]:
    """The builder of "``alpha`` MobileNet-``side``"."""
    return partial(applications.MobileNet, alpha=alpha, rho=side / 224)


HOWARD = (
    Printed("Conv MobileNet", "4", "4866", "29.3", "71.7", applications.ConvMobileNet),
    Printed("MobileNet", "4, 6, 7, 8", "569", "4.2", "70.6", _mobilenet()),
    Printed("0.75 MobileNet", "5, 6", "325", "2.6", "68.4", _mobilenet(0.75)),
    Printed(
        "Shallow MobileNet", "5", "307", "2.9", "65.3", applications.ShallowMobileNet
    ),
    Printed("0.5 MobileNet", "6", "149", "1.3", "63.7", _mobilenet(0.5)),
    Printed("0.25 MobileNet", "6", "41", "0.5", "50.6", _mobilenet(0.25)),
    Printed("MobileNet-192", "7", "418", "4.2", "69.1", _mobilenet(side=192)),
    Printed("MobileNet-160", "7", "290", "4.2", "67.2", _mobilenet(side=160)),
    Printed("MobileNet-128", "7", "186", "4.2", "64.4", _mobilenet(side=128)),
    Printed("GoogLeNet", "8", "1550", "6.8", "69.8", applications.GoogLeNet),
    Printed("VGG16", "8", "15300", "138", "71.5", applications.VGG16),
    Printed("0.50 MobileNet-160", "9", "76", "1.32", "60.2", _mobilenet(0.5, 160)),
    Printed("SqueezeNet", "9", "1700", "1.25", "57.5", applications.SqueezeNet1_0),
    Printed("AlexNet", "9", "720", "60", "57.2", applications.AlexNet),
)


def _convolutions_alone(net: ModelCost) -> str:
    madds = sum(row.madds for row in net.layers if row.kind != "Dense")
    return f"its convolutions alone have {madds / MILLION:,.1f}"


def _counted_apart(net: ModelCost) -> str:
    return f"a multiply and an add as two would be {2 * net.madds / MILLION:,.1f}"


CUT_OFF = "cut off, not rounded"
# why figures of HOWARD differ; those that count again are functions
NOTES: dict[tuple[str, str], str | Callable[[ModelCost], str]] = {
    ("Conv MobileNet", MADDS): _convolutions_alone,
    ("MobileNet-160", MADDS): CUT_OFF,
    ("GoogLeNet", MADDS): "cause unknown: its own Table 1 adds up to 1502",
    ("GoogLeNet", PARAMS): "the sum of its own Table 1, which its widths contradict",
    ("VGG16", MADDS): _convolutions_alone,
    ("0.50 MobileNet-160", MADDS): CUT_OFF,
    ("SqueezeNet", MADDS): _counted_apart,
    ("AlexNet", MADDS): "rounded to tens",
    ("AlexNet", PARAMS): CUT_OFF,
}


def measured(build: Callable[[], keras.Model]) -> ModelCost:
    """The cost of a network that is built with shapes, but without values."""
    return cost(shapes_only(build))


def stack(channels: int, *chain: layers.Layer, side: int = 28) -> ModelCost:
    """The cost of layers in a row on a map of ``side`` x ``side`` x ``channels``."""
    shape = (side, side, channels)
    return measured(lambda: keras.Sequential([keras.Input(shape), *chain]))


def conv(filters: int, kernel_size: int | tuple[int, int]) -> layers.Layer:
    """A convolution that keeps the sides, without biases."""
    return layers.Conv2D(filters, kernel_size, padding="same", use_bias=False)


def separable(filters: int, kernel_size: int) -> layers.Layer:
    """A depthwise convolution and a 1x1 convolution, likewise."""
    return layers.SeparableConv2D(
        filters, kernel_size, padding="same", use_bias=False, name="separable"
    )


def weights(row: LayerCost) -> int:
    """Weights of a layer without biases: the multiply-adds of one position."""
    # the sides are known: without them nothing would have been counted
    return row.madds // math.prod(row.output_shape[:-1])  # type: ignore[arg-type]


def params(net: ModelCost) -> int:
    """Parameters of convolutions and dense layers, without batch normalisation."""
    return sum(row.params for row in net.layers if row.madds)


def stacked_3x3(channels: int = 256) -> list[Claim]:
    """Three 3x3 convolutions see 7x7 pixels with fewer weights than one 7x7."""
    source = "Simonyan 2014, section 2.3"
    three = stack(channels, *(conv(channels, 3) for _ in range(3))).params
    one = stack(channels, conv(channels, 7)).params
    square = channels**2
    more = Fraction(100 * (one - three), three)
    return [
        Claim("three 3x3 of C channels", source, "27", Fraction(three, square), "C^2"),
        Claim("one 7x7 of C channels", source, "49", Fraction(one, square), "C^2"),
        Claim("7x7 has more than three 3x3", source, "81", more, "%"),
    ]


def inception_module() -> list[Claim]:
    """A module with all branches on 256 maps, and with 1x1 bottlenecks of 64 maps."""
    source = "CS231n 2017, lecture 9"
    naive = measured(lambda: _module(_naive_branches))
    reduced = measured(lambda: _module(_reduced_branches))
    three = next(row.madds for row in reduced.layers if row.name == "module_3x3_conv")
    twice = f"the 3x3 counted twice would be {(reduced.madds + three) / MILLION:.1f}"
    return [
        Claim("naive inception module", source, "854", _millions(naive.madds), MADDS),
        Claim(
            "the same with 1x1 bottlenecks",
            source,
            "358",
            _millions(reduced.madds),
            MADDS,
            twice,
        ),
    ]


def _module(branches: Callable) -> keras.Model:
    """Branches on the map of CS231n's example."""
    image = keras.Input((28, 28, 256))
    return keras.Model(image, branches(image))


def _naive_branches(x):
    """1x1 | 3x3 | 5x5 | 3x3 max pooling: joined."""
    maps = [conv(filters, side)(x) for filters, side in ((128, 1), (192, 3), (96, 5))]
    pool = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    return layers.Concatenate()([*maps, pool])


def _reduced_branches(x):
    """The zoo's own module, with the widths of the example."""
    row = cast(googlenet.Variant, applications.GoogLeNet.network)
    widths = googlenet.Widths(128, 64, 192, 64, 96, 64)
    return googlenet.inception_module(x, widths, row, name="module")


def inception_3a() -> list[Claim]:
    """The 5x5 convolution of module 3a, on all maps and after its reduction."""
    source = "lectures on Szegedy 2014"
    direct = stack(192, conv(32, 5))
    names = ("inception3a_5x5_reduce_conv", "inception3a_5x5_conv")
    rows = [row for row in measured(applications.GoogLeNet).layers if row.name in names]
    reduced = sum(map(weights, rows))
    madds = sum(row.madds for row in rows)
    return [
        Claim(
            "5x5 of 3a, direct", source, "153600", Fraction(direct.params), "weights"
        ),
        Claim(
            "5x5 of 3a, reduced to 16", source, "15872", Fraction(reduced), "weights"
        ),
        Claim("5x5 of 3a, direct", source, "120.4", _millions(direct.madds), MADDS),
        Claim("5x5 of 3a, reduced to 16", source, "12.4", _millions(madds), MADDS),
    ]


def bottleneck() -> list[Claim]:
    """The residual block 256-64-64-256 and one 3x3 convolution of 256 maps."""
    source = "lectures on He 2015"
    block = stack(256, conv(64, 1), conv(64, 3), conv(256, 1)).params
    full = stack(256, conv(256, 3)).params
    unit = "k weights"
    return [
        Claim("bottleneck 256-64-64-256", source, "70", Fraction(block, 1000), unit),
        Claim("3x3 of 256 maps", source, "590", Fraction(full, 1000), unit),
    ]


def factorised_3x3(channels: int = 64) -> list[Claim]:
    """What two smaller convolutions save of a 3x3."""
    source = "Szegedy 2015, section 3.2"
    full = stack(channels, conv(channels, 3)).madds

    def saved(*kernels: int | tuple[int, int]) -> Fraction:
        small = stack(channels, *(conv(channels, kernel) for kernel in kernels)).madds
        return 100 * (1 - Fraction(small, full))

    return [
        Claim("3x1 and 1x3 save of 3x3", source, "33", saved((3, 1), (1, 3)), "%"),
        Claim("two 2x2 save of 3x3", source, "11", saved(2, 2), "%"),
    ]


def separable_share() -> list[Claim]:
    """The 5x5 of module 3a once more, depthwise separable: 1/32 + 1/25."""
    share = Fraction(
        100 * stack(192, separable(32, 5)).madds, stack(192, conv(32, 5)).madds
    )
    what, source = "5x5 of 3a, separable", "lectures on Howard 2017"
    return [Claim(what, source, "7.12", share, "% madds", "a tie: 7.125")]


def separable_layer() -> list[Claim]:
    """A layer inside MobileNet: full, separable, narrower, on a smaller map."""
    steps = (
        ("3x3 of 512 maps", stack(512, conv(512, 3), side=14), "462", "2.36"),
        ("the same, separable", stack(512, separable(512, 3), side=14), "52.3", "0.27"),
        ("and alpha 0.75", stack(384, separable(384, 3), side=14), "29.6", "0.15"),
        ("and rho 0.714", stack(384, separable(384, 3), side=10), "15.1", "0.15"),
    )
    source = "Howard 2017, Table 3"
    claims = []
    for what, net, madds, parameters in steps:
        claims += [
            Claim(what, source, madds, _millions(net.madds), MADDS),
            Claim(what, source, parameters, _millions(net.params), PARAMS),
        ]
    return claims


def vgg_configurations() -> list[Claim]:
    """All columns of VGG's table; the printed figures are those of the zoo's rows."""
    columns = {
        "A": applications.VGG11,
        "A-LRN": applications.VGG11LRN,
        "B": applications.VGG13,
        "C": applications.VGG16C,
        "D": applications.VGG16,
        "E": applications.VGG19,
    }
    return [
        Claim(
            f"VGG {column}",
            "Simonyan 2014, Table 2",
            f"{build.network.published.params / MILLION:g}",
            _millions(params(measured(build))),
            PARAMS,
        )
        for column, build in columns.items()
    ]


# the row of Table 2 that is wrong
MISPRINT = "first 3x3"


def mobilenet_layers() -> list[Claim]:
    """Where the multiply-adds and weights of MobileNet are."""
    printed = {
        "1x1": ("94.86", "74.59"),
        "depthwise 3x3": ("3.06", "1.06"),
        MISPRINT: ("1.19", "0.02"),
        "dense": ("0.18", "24.33"),
    }
    rows = [row for row in measured(applications.MobileNet).layers if row.madds]
    total = float(sum(Fraction(madds) for madds, _ in printed.values()))
    claims = []
    for kind, (madds, params_printed) in printed.items():
        own = [row for row in rows if _kind(row) == kind]
        madds_share = _percent(own, rows, lambda row: row.madds)
        weight_share = _percent(own, rows, weights)
        note = f"the shares printed add up to {total:.2f}" if kind == MISPRINT else ""
        what, source = f"MobileNet, {kind}", "Howard 2017, Table 2"
        claims += [
            Claim(what, source, madds, madds_share, "% madds", note),
            Claim(what, source, params_printed, weight_share, "% weights"),
        ]
    return claims


def _kind(row: LayerCost) -> str:
    """The row of Table 2 to which a layer belongs."""
    if row.kind == "Dense":
        return "dense"
    if row.kind == "DepthwiseConv2D":
        return "depthwise 3x3"
    return "1x1" if row.kernel == "1x1" else MISPRINT


def _percent(
    part: Sequence[LayerCost],
    whole: Sequence[LayerCost],
    count: Callable[[LayerCost], int],
) -> Fraction:
    return Fraction(100 * sum(map(count, part)), sum(map(count, whole)))


def howard_tables() -> list[Claim]:
    """MobileNets and the networks they are compared with."""
    claims = []
    for row in HOWARD:
        net = measured(row.build)
        plural = "s" if "," in row.tables else ""
        source = f"Howard 2017, Table{plural} {row.tables}"
        for printed, number, unit in (
            (row.madds, net.madds, MADDS),
            (row.params, params(net), PARAMS),
        ):
            note = NOTES.get((row.network, unit), "")
            note = note(net) if callable(note) else note
            claims.append(
                Claim(
                    row.network,
                    source,
                    printed,
                    _millions(number),
                    unit,
                    note,
                    row.top1,
                )
            )
    return claims


def _millions(number: int) -> Fraction:
    return Fraction(number, MILLION)


SECTIONS: dict[str, Callable[[], list[Claim]]] = {
    "stacked 3x3": stacked_3x3,
    "inception module": inception_module,
    "5x5 of module 3a": inception_3a,
    "bottleneck": bottleneck,
    "3x3 in two": factorised_3x3,
    "separable share": separable_share,
    "separable layer": separable_layer,
    "VGG": vgg_configurations,
    "layers of MobileNet": mobilenet_layers,
    "MobileNet and others": howard_tables,
}


def claims_table(claims: Sequence[Claim]) -> Table:
    """A row a claim: published beside computed."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("claim", no_wrap=True)
    table.add_column("printed in", no_wrap=True)
    for column in ("published", "computed", "difference"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("agrees", no_wrap=True)
    table.add_column("top-1 printed", justify="right", no_wrap=True)
    table.add_column("note")
    for claim in claims:
        table.add_row(
            claim.what,
            claim.source,
            claim.published,
            _digits(claim.computed, claim),
            _digits(claim.difference, claim, sign="+"),
            claim.unit,
            "yes" if claim.agrees else "no",
            claim.top1,
            claim.note,
        )
    return table


def _digits(number: Fraction, claim: Claim, sign: str = "") -> str:
    """A number with two digits more than are printed, or whole where it is."""
    whole = claim.computed.denominator == 1 and not claim.decimals
    if not number:
        return "0"
    return f"{float(number):{sign}.{0 if whole else claim.decimals + 2}f}"


HOLDS, IN_DIRECTION, _, DOES_NOT_HOLD = VERDICTS
ABOUT = f"""What papers and lectures print about the cost of their ideas, counted again
from layers and networks as Keras builds them; how, stands at the head of the program.
**{HOLDS}**: each figure rounds to the digits printed. **{IN_DIRECTION}**: none is
further from them than a tenth. **{DOES_NOT_HOLD}**: one is."""


def results(sections: dict[str, list[Claim]]) -> dict:
    """The figures, and a verdict on those of each section, for the page."""
    rows = [
        {
            "figure": claim.what,
            "printed in": claim.source,
            "published": claim.published,
            "computed": _digits(claim.computed, claim),
            "unit": claim.unit,
            "agrees": "yes" if claim.agrees else "no",
            "top-1 printed, %": claim.top1,
            "note": claim.note,
        }
        for section in sections.values()
        for claim in section
    ]
    return counted_results(
        name="parameter_arithmetic",
        title="Parameter arithmetic: what papers print about cost, recounted",
        about=ABOUT,
        claims=[
            _judged(SECTIONS[name].__doc__ or name, section)
            for name, section in sections.items()
        ],
        figures=rows,
    )


def _judged(text: str, claims: Sequence[Claim]) -> dict[str, str]:
    """The verdict on a section."""
    furthest = max(claims, key=lambda claim: abs(claim.percent(claim.difference)))
    percent = furthest.percent(furthest.difference)
    agreeing = sum(claim.agrees for claim in claims)
    why = f"{agreeing} of {len(claims)} figures agree"
    if agreeing == len(claims):
        verdict = HOLDS
    else:
        verdict = IN_DIRECTION if abs(percent) <= 10 else DOES_NOT_HOLD
        why += f"; furthest is {furthest.what}, {furthest.unit}: {percent:+.2g} %"
    sources = {claim.source: None for claim in claims}
    source = claims[0].source
    if len(sources) > 1:
        source = f"{source.partition(',')[0]}, several tables"
    return {"text": text, "source": source, "verdict": verdict, "why": why}


COLUMNS = (
    "claim",
    "source",
    "unit",
    "published",
    "computed",
    "difference",
    "difference_percent",
    "agrees",
    "published_top1_percent",
    "note",
)


def claims_csv(claims: Sequence[Claim]) -> str:
    """The claims as a file for a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for claim in claims:
        writer.writerow(
            [
                claim.what,
                claim.source,
                claim.unit,
                claim.published,
                float(claim.computed),
                float(claim.difference),
                round(claim.percent(claim.difference), 4),
                "yes" if claim.agrees else "no",
                claim.top1,
                claim.note,
            ]
        )
    return text.getvalue()


def claims_picture(sections: dict[str, list[Claim]]) -> bytes:
    """A point a claim: how far the computed figure is from the one printed, as PNG."""
    claims = [claim for section in sections.values() for claim in section]
    figure = Figure((9, 0.21 * len(claims) + 1.6), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="#444444", linewidth=0.8, zorder=1)
    _name_sections(axes, sections)
    _place_claims(axes, claims)
    # linear near 0, where rounding is; logarithmic to the misprints
    axes.set_xscale("symlog", linthresh=1)
    ticks = (-100, -10, -1, 0, 1, 10, 100)
    axes.set_xticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
    names = [f"{claim.what}: {claim.published} {claim.unit}" for claim in claims]
    axes.set_yticks(range(len(claims)), names, size=7.5)
    axes.set(xlim=(-100, 100), ylim=(len(claims) - 0.5, -0.5))
    axes.set_xlabel("computed minus published, in % of the published figure")
    axes.set_ylabel("claim: the figure published")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _name_sections(axes: Axes, sections: dict[str, list[Claim]]) -> None:
    """Every other section shaded, its name on the right."""
    top = -0.5
    for number, (name, section) in enumerate(sections.items()):
        bottom = top + len(section)
        if number % 2:
            axes.axhspan(top, bottom, color="#f1f3f5", zorder=0)
        axes.text(
            1.02,
            (top + bottom) / 2,
            name,
            transform=axes.get_yaxis_transform(),
            va="center",
            size=8,
            color="#555555",
        )
        top = bottom


def _place_claims(axes: Axes, claims: Sequence[Claim]) -> None:
    """The range that rounds to the printed digits, and in or beside it the point."""
    ranges = [claim.percent(claim.rounding) for claim in claims]
    axes.barh(
        range(len(claims)),
        [2 * half for half in ranges],
        left=[-half for half in ranges],
        height=0.6,
        color="#cfe2f3",
        label="rounds to the digits printed",
    )
    points = [(claim.percent(claim.difference), i) for i, claim in enumerate(claims)]
    for agrees, colour, marker in ((True, AGREES, "o"), (False, DIFFERS, "D")):
        chosen = [points[i] for i, claim in enumerate(claims) if claim.agrees is agrees]
        axes.scatter(
            *zip(*chosen, strict=True),
            c=colour,
            marker=marker,
            s=26,
            label="agrees" if agrees else "differs",
        )
    for claim, (percent, place) in zip(claims, points, strict=True):
        if not claim.agrees:
            # inside the picture also where the point is near its edge
            left = percent > 10
            axes.annotate(
                f"{percent:+.2g} %",
                (percent, place),
                (-7 if left else 7, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                size=7.5,
                color=DIFFERS,
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, print the table, write the CSV file and the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT}")
    parser.add_argument(
        "--publish", type=Path, metavar="FOLDER", help="write the page: docs/literature"
    )
    given = parser.parse_args(arguments)
    out = given.out
    out.mkdir(parents=True, exist_ok=True)

    sections = {name: count() for name, count in SECTIONS.items()}
    claims = [claim for section in sections.values() for claim in section]
    show(claims_table(claims))
    agreeing = sum(claim.agrees for claim in claims)
    show(f"{agreeing} of {len(claims)} figures agree with the digits printed")
    write_text(out / "claims.csv", claims_csv(claims))
    write_bytes(out / "claims.png", claims_picture(sections))
    show(f"{out}: claims.csv, claims.png")
    if given.publish:
        publish_results(results(sections), given.publish)


if __name__ == "__main__":
    main()
