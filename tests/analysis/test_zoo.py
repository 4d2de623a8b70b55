"""Which rows are chosen, in which order, and what is said about them."""

import dataclasses
import json

import pytest

from kerasnets import applications
from kerasnets.analysis import zoo
from kerasnets.analysis.costs import ModelCost
from kerasnets.applications.builder import Network, Published
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT
from kerasnets.pretrained import Twin

OAK = Network(
    name="Oak-7", family="Broad Leaf", year=2014, params=90, madds=500, source="B 2014"
)
ELM = Network(
    name="Elm9",
    family="Broad Leaf",
    year=2012,
    params=40,
    madds=900,
    source="A 2012, Table 1",
    published=Published(params=50, madds=450, top1=61.5, source="A 2012, Table 3"),
    keras=Twin(library="keras", builder="Elm", layer=str, preprocessing=UNIT),
)
FIR = Network(
    name="fir",
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
    assert set(told) == {field.name for field in dataclasses.fields(Network)}
    assert told["published"]["top1"] == 61.5
    assert told["keras"] == {"library": "keras", "builder": "Elm"}
    assert told["torch"] is None


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
            ["parameters    90: as the paper's table", "multiply-adds 500: as the "],
        ),
        (
            ELM,
            [
                "parameters    90: differs by +50 from the paper's table (40); +80.0% "
                "against the 50 printed",
                "multiply-adds 500: differs by -400 from the paper's table (900); "
                "+11.1% against the 450 printed",
                "top-1         61.5 %; A 2012, Table 3",
            ],
        ),
        (
            FIR,
            [
                "parameters    90: differs by +30",
                "multiply-adds 500: differs by +400",
                "top-1         70 %, top-5 90.25 %; single crop: C 2016",
            ],
        ),
    ],
)
def test_comparison_with_the_row_and_the_paper(network, lines):
    figures = ModelCost("tree", 90, 80, 500, 1000, ())
    for told, expected in zip(zoo.compare(figures, network), lines, strict=True):
        assert told.startswith(expected)
