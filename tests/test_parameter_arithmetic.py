"""applications/parameter_arithmetic.py against figures of the papers."""

import contextlib
import csv
import importlib.util
import io
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import keras
import pytest
from PIL import Image

from kerasnets.studies import read_results

FILE = Path(__file__).parent.parent / "applications" / "parameter_arithmetic.py"


def load():
    spec = importlib.util.spec_from_file_location("parameter_arithmetic", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


study = load()


class Run(NamedTuple):
    out: Path
    printed: str
    rows: list[dict[str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The whole study, once."""
    out = tmp_path_factory.mktemp("study") / "new" / "folder"
    printed = io.StringIO()
    pages = str(out.parent / "literature")
    with contextlib.redirect_stdout(printed):
        study.main(["--out", str(out), "--publish", pages])
    with (out / "claims.csv").open(newline="") as file:
        return Run(out, printed.getvalue(), list(csv.DictReader(file)))


def computed(claims):
    return [claim.computed for claim in claims]


def test_stacked_3x3():
    three, one, more = computed(study.stacked_3x3(channels=8))
    assert (three, one) == (27, 49)
    assert more == Fraction(2200, 27)


def test_inception_module():
    naive, reduced = study.inception_module()
    # 784 positions of 256 maps: 128 + 9 * 192 + 25 * 96
    assert naive.computed == Fraction(784 * 256 * 4256, 10**6)
    # 64 + 128 + 64 + 64 filters of 1x1, then 3x3 and 5x5 on 64 maps
    assert reduced.computed == Fraction(
        784 * (256 * 320 + 64 * (9 * 192 + 25 * 96)), 10**6
    )
    assert naive.agrees
    assert not reduced.agrees
    assert reduced.note.endswith(" 358.1")


def test_inception_3a():
    assert computed(study.inception_3a()) == [
        153_600,
        15_872,
        Fraction("120.4224"),
        Fraction("12.443648"),
    ]


def test_bottleneck():
    assert computed(study.bottleneck()) == [Fraction("69.632"), Fraction("589.824")]


def test_factorised_3x3():
    assert computed(study.factorised_3x3(channels=4)) == [
        Fraction(100, 3),
        Fraction(100, 9),
    ]


def test_separable_share():
    (claim,) = study.separable_share()
    assert claim.computed == 100 * (Fraction(1, 32) + Fraction(1, 25))
    assert claim.agrees


def test_separable_layer():
    shown = [round(float(number), 2) for number in computed(study.separable_layer())]
    assert shown == [462.42, 2.36, 52.28, 0.27, 29.58, 0.15, 15.09, 0.15]


def test_vgg_configurations():
    claims = study.vgg_configurations()
    assert [claim.published for claim in claims] == [
        *["133"] * 3,
        "134",
        "138",
        "144",
    ]
    assert all(claim.agrees for claim in claims)


def test_mobilenet_layers():
    claims = study.mobilenet_layers()
    for unit in ("% madds", "% weights"):
        assert sum(claim.computed for claim in claims if claim.unit == unit) == 100
    (wrong,) = [claim for claim in claims if not claim.agrees]
    assert wrong.published == "1.19"
    # 112 x 112 positions, 27 weights for each of 32 filters
    assert wrong.computed == Fraction(100 * 112 * 112 * 27 * 32, 568_740_352)
    assert "99.29" in wrong.note


def test_every_difference_is_told(run):
    differing = [row for row in run.rows if row["agrees"] == "no"]
    assert {row["published"] for row in differing} == {
        *("358", "1.19", "4866", "290", "1550", "6.8"),
        *("15300", "76", "1700", "720", "60"),
    }
    assert all(row["note"] for row in differing)
    assert {(row["claim"], row["unit"]) for row in differing} >= set(study.NOTES)


def test_zoo_states_the_same_figures():
    for row in study.HOWARD:
        network = getattr(row.build, "network", None)
        if network and network.family == "MobileNet":
            assert float(row.madds) * 1e6 == network.published.madds
            assert float(row.params) * 1e6 == pytest.approx(network.published.params)
            assert float(row.top1) == network.published.top1


@pytest.mark.parametrize(
    ("published", "computed", "agrees"),
    [
        ("569", "568.74", True),
        ("290", "290.675", False),
        ("7.12", "7.125", True),
        ("7.12", "7.1251", False),
        ("15300", "15346.6", False),
        ("4.2", "4.253864", False),
    ],
)
def test_agreement_is_half_a_unit_of_the_last_digit(published, computed, agrees):
    claim = study.Claim("", "", published, Fraction(computed), "")
    assert claim.agrees is agrees


def test_counting_needs_no_values():
    def giant():
        # 4 TB of weights
        return keras.Sequential([keras.Input((10**6,)), keras.layers.Dense(10**6)])

    assert study.measured(giant).params == 10**12 + 10**6
    # a scope that gives values to all variables that wait for them
    with keras.StatelessScope():
        pass


def test_study_prints_and_writes(run):
    assert "53 of 64 figures agree" in run.printed
    assert "its convolutions alone have 15,346.6" in run.printed
    assert len(run.rows) == 64
    conv_mobilenet = next(row for row in run.rows if row["published"] == "4866")
    assert float(conv_mobilenet["computed"]) == 4867.293184
    assert conv_mobilenet["published_top1_percent"] == "71.7"
    with Image.open(run.out / "claims.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 900
    written = sorted(path.name for path in run.out.iterdir())
    assert written == ["claims.csv", "claims.png"]


def test_published_page_states_what_is_counted(run):
    pages, published = (
        run.out.parent / "literature",
        FILE.parents[1] / "docs/literature",
    )
    for name in ("parameter_arithmetic.json", "parameter_arithmetic.md"):
        assert (pages / name).read_bytes() == (published / name).read_bytes()
    kept = read_results(published / "parameter_arithmetic.json")
    assert [row["agrees"] for row in kept["figures"]] == [
        row["agrees"] for row in run.rows
    ]


@pytest.mark.parametrize(
    ("computed", "verdict"),
    [
        (("10", "10.4"), "holds"),
        (("10", "10.9"), "holds in direction"),
        (("9", "10"), "holds in direction"),
        (("10", "11.1"), "does not hold"),
    ],
)
def test_verdict_is_by_the_furthest_figure(computed, verdict):
    claims = [study.Claim("x", "y", "10", Fraction(x), "") for x in computed]
    assert study._judged("", claims)["verdict"] == verdict


def test_default_folder_is_where_runs_land():
    assert study.OUT.parts[0] == "saved_models"
