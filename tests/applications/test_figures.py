"""Every network of the zoo costs what the papers and other libraries say."""

import subprocess
import sys

import numpy as np
import pytest
from support.tiny_zoo import TINY

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params, shapes_only
from kerasnets.applications import figures, without_auxiliary

# networks of a thousand layers and more
DEEP = ("1001", "1202")


def rows():
    """The rows of figures.csv, which were taken from papers and other libraries."""
    for row in figures.table():
        said = [f"{name}={value}" for name, value in row.arguments.items()]
        slow = pytest.mark.slow if any(d in row.network for d in DEEP) else ()
        yield pytest.param(row, id="-".join([row.network, *said]), marks=slow)


def test_every_network_has_a_row_and_every_family_is_computed():
    names = {builder.network.name for builder in applications.BUILDERS.values()}
    assert {row.network for row in figures.table()} == names
    assert {row.network for row in figures.table() if not row.arguments} == names
    families = {b.network.family for b in applications.BUILDERS.values()}
    assert {applications.get(name).network.family for name in TINY} == families


@pytest.mark.parametrize("row", [*rows()])
def test_built_network_costs_what_the_table_says(row):
    model = shapes_only(lambda: applications.build(row.network, **row.arguments))
    assert count_params(model) == row.params
    trainable = sum(np.prod(v.shape) for v in model.trainable_variables)
    assert trainable == row.trainable
    assert count_madds(without_auxiliary(model)) == row.madds


@pytest.mark.parametrize("name", applications.BUILDERS)
def test_names_elsewhere_are_those_of_known_layers(name):
    network = applications.get(name).network
    elsewhere = {c.library: c.builder for c in (network.keras, network.torch) if c}
    assert elsewhere == network.figures.elsewhere


def test_table_is_read_once_and_only_when_asked():
    code = (
        "from kerasnets import applications\n"
        "from kerasnets.applications import figures\n"
        "applications.LeNet5(weights=None)\n"
        "assert figures.table.cache_info().currsize == 0\n"
        "assert applications.LeNet5.network.params == 61_706\n"
        "assert applications.LeNet4.network.params == 51_050\n"
        "assert figures.table.cache_info().misses == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
