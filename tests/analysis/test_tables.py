"""The figures appear in the tables, in units that a person reads."""

import io

import keras
import pytest
from rich.console import Console

from kerasnets import applications
from kerasnets.analysis.tables import figures_table, layer_table, zoo_table

INT8 = {
    "params": 224_010,
    "madds": 1_234_567,
    "accuracy": 0.98765,
    "sparsity": 0.596,
    "bytes": 291_406,
    "gzip_bytes": 101_234,
    "latency_ms": 0.1234,
}


@pytest.fixture
def rows():
    """The cells of a table, row by row, as they are printed."""

    def render(table):
        text = io.StringIO()
        Console(file=text, width=250).print(table)
        lines = text.getvalue().replace("┃", "│").splitlines()
        return [
            [cell.strip() for cell in line.strip("│").split("│")]
            for line in lines
            if "│" in line
        ]

    return render


def test_figures_of_a_run(rows):
    header, int8, _ = rows(figures_table({"int8": INT8, "teacher": INT8}))
    assert dict(zip(header, int8, strict=True)) == {
        "model": "int8",
        "params": "224,010",
        "madds": "1.235M",
        "accuracy": "98.77%",
        "zeros": "60%",
        "bytes": "291.4 kB",
        "gzip": "101.2 kB",
        "latency": "0.123 ms",
    }


def test_zoo_has_a_row_for_each_network(rows):
    header, *networks = rows(zoo_table(applications.BUILDERS))
    assert header == ["name", "builder", "year", "params", "madds", "source"]
    assert [network[0] for network in networks] == list(applications.BUILDERS)
    mobilenet = next(network for network in networks if network[0] == "mobilenet")
    assert mobilenet[1:5] == ["MobileNet", "2017", "4,253,864", "568.7M"]
    assert "Howard" in mobilenet[5]


def test_layers_and_their_sums(rows):
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    model = keras.Model(image, keras.layers.Dense(10, name="dense")(x))
    assert rows(layer_table(model)) == [
        ["layer", "kind", "output", "params", "madds"],
        ["image", "InputLayer", "8x8x3", "", ""],
        ["conv", "Conv2D", "6x6x4", "112", "3,888"],
        ["relu", "ReLU", "6x6x4", "", ""],
        ["flatten", "Flatten", "144", "", ""],
        ["dense", "Dense", "10", "1,450", "1,440"],
        ["total", "", "", "1,562", "5,328"],
    ]
