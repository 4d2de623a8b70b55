"""Which rows are chosen, in which order, and what is said about them."""

import json

import pytest
from support.rows import row

from kerasnets import applications
from kerasnets.analysis import zoo
from kerasnets.analysis.costs import ModelCost
from kerasnets.applications.figures import Published
from kerasnets.errors import KerasnetsError

OAK = row(
    "Oak-7", family="Broad Leaf", year=2014, params=90, madds=500, source="B 2014"
)
ELM = row(
    "Elm9",
    family="Broad Leaf",
    year=2012,
    params=40,
    madds=900,
    source="A 2012, Table 1",
    published=Published(params=50, madds=450, top1=61.5, source="A 2012, Table 3"),
    elsewhere={"keras": "Elm"},
)
FIR = row(
    "fir",
    family="Needle",
    year=2016,
    params=60,
    madds=100,
    source="C 2016",
    published=Published(top1=70, top5=90.25, protocol="single crop", source="C 2016"),
)
ROWS = [OAK, ELM, FIR]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["Oak-7", "Elm9", "fir"]),
        ({"family": "broad-leaf"}, ["Oak-7", "Elm9"]),
        ({"text": "oak7"}, ["Oak-7"]),
        ({"text": "M9"}, ["Elm9"]),
        ({"max_params": 60}, ["Elm9", "fir"]),
        ({"max_madds": 500}, ["Oak-7", "fir"]),
        ({"max_params": 60, "max_madds": 500, "family": "needle"}, ["fir"]),
        ({"max_params": 1}, []),
        ({"order": "name"}, ["Elm9", "fir", "Oak-7"]),
        ({"order": "year"}, ["Elm9", "Oak-7", "fir"]),
        ({"order": "params"}, ["Elm9", "fir", "Oak-7"]),
        ({"order": "madds"}, ["fir", "Oak-7", "Elm9"]),
        ({"order": "top1"}, ["fir", "Elm9", "Oak-7"]),
    ],
)
def test_selection(asked, names):
    assert [network.name for network in zoo.select(ROWS, **asked)] == names


def test_unknown_family_names_those_there_are():
    with pytest.raises(KerasnetsError, match=r"'palm' is unknown: Broad Leaf, Needle$"):
        zoo.select(ROWS, family="palm")


def test_row_as_json():
    told = json.loads(json.dumps(zoo.as_json(ELM)))
    assert set(told) == {
        *("name", "family", "year", "source", "input_shape", "minimum", "classes"),
        *("output", "preprocessing", "params", "trainable", "madds", "published"),
        "elsewhere",
    }
    assert (told["name"], told["params"]) == ("Elm9", 40)
    assert told["published"]["top1"] == 61.5
    assert told["elsewhere"] == {"keras": "Elm"}


def test_every_row_of_the_zoo_can_be_told():
    told = [zoo.as_json(row) for row in zoo.rows(applications.BUILDERS)]
    assert [row["name"].lower() for row in json.loads(json.dumps(told))] == list(
        applications.BUILDERS
    )


@pytest.mark.parametrize(
    ("network", "lines"),
    [
        (
            OAK,
            ["parameters    90: as expected", "multiply-adds 500: as expected"],
        ),
        (
            ELM,
            [
                "parameters    90: 40 were expected (+50); the paper prints 50 "
                "(+80.0%)",
                "multiply-adds 500: 900 were expected (-400); the paper prints 450 "
                "(+11.1%)",
                "top-1         61.5 %; A 2012, Table 3",
            ],
        ),
        (
            FIR,
            [
                "parameters    90: 60 were expected (+30)",
                "multiply-adds 500: 100 were expected (+400)",
                "top-1         70 %, top-5 90.25 %; single crop: C 2016",
            ],
        ),
    ],
)
def test_comparison_with_the_row_and_the_paper(network, lines):
    figures = ModelCost("tree", 90, 80, 500, 1000, ())
    for told, expected in zip(zoo.compare(figures, network), lines, strict=True):
        assert told.startswith(expected)
