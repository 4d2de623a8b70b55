"""The figures appear in the tables, in units that a person reads."""

import io

import keras
import pytest
from rich import box
from rich.console import Console
from support.rows import row

from kerasnets.analysis import cost
from kerasnets.applications.figures import Published
from kerasnets.reports.tables import (
    change_table,
    comparison_table,
    figures_table,
    file_table,
    latency_table,
    layer_table,
    neighbours_table,
    noise_table,
    phone_latency_table,
    sources,
    suspects_table,
    zoo_table,
)

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
        table.box = box.HEAVY_HEAD  # lines between the cells
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
    header, int8, _ = rows(figures_table({"int8": INT8, "teacher": INT8}, 324))
    assert dict(zip(header, int8, strict=True)) == {
        "model": "int8",
        "params": "224,010",
        "madds": "1.235M",
        "accuracy": "98.77% (96.9-99.5)",
        "zeros": "60%",
        "bytes": "291.4 kB",
        "gzip": "101.2 kB",
        "latency": "0.123 ms",
    }


def test_figures_of_a_run_fit_a_terminal():
    text = io.StringIO()
    large = INT8 | {"params": 1_234_567, "bytes": 49_383_000, "accuracy": 1.0}
    table = figures_table({"distilled": large}, 324)
    Console(file=text, width=80).print(table)
    header, _, one = text.getvalue().splitlines()
    assert "latency" in header
    assert "100.00% (98.8-100)" in one


def test_a_model_before_and_after(rows):
    figures = {"params": 1_234, "madds": 5_678, "accuracy": 0.9, "images": 10}
    before = figures | {"zeros": 0.0}
    after = figures | {"accuracy": 0.8, "zeros": 0.5}
    assert rows(change_table(before, after)) == [
        ["model", "params", "madds", "accuracy", "zeros"],
        ["before", "1,234", "5.678k", "90.00% (59.6-98.2)", "0%"],
        ["after", "1,234", "5.678k", "80.00% (49.0-94.3)", "50%"],
    ]


ROWS = [
    row(
        name,
        family="Long-Family-Name",
        year=2017,
        params=143_667_240,
        madds=19_632_062_464,
        source=source,
        published=Published(top1=top1, protocol="ImageNet", source="B 2017, Table 8"),
    )
    for name, source, top1 in (
        ("InceptionResNetV2Drawn", "A 2017, Table 1", 79.55),
        ("Other", "B 2017, Table 8", None),
        ("ResNet1202", "A 2017, Table 1", 80),
    )
]


def test_networks_have_numbers_for_their_sources(rows):
    header, *networks = rows(zoo_table(ROWS))
    assert header == ["family", "name", "year", "params", "madds", "top-1", "from"]
    cost = ["2017", "143,667,240", "19.63G"]
    assert [network[1:] for network in networks] == [
        ["InceptionResNetV2Drawn", *cost, "79.55", "1, 2"],
        ["Other", *cost, "", "3"],
        ["ResNet1202", *cost, "80", "1, 2"],
    ]
    assert sources(ROWS).splitlines() == [
        "1: A 2017, Table 1",
        "2: ImageNet: B 2017, Table 8",
        "3: B 2017, Table 8",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_names_and_figures_are_whole_on_a_narrow_terminal(width):
    text = io.StringIO()
    Console(file=text, width=width).print(zoo_table(ROWS), soft_wrap=True)
    assert max(map(len, text.getvalue().splitlines())) <= width
    for whole in (
        "Long-Family-",
        "InceptionResNetV2Drawn",
        "143,667,240",
        "19.63G",
        "79.55",
        "2017",
        "1, 2",
    ):
        assert whole in text.getvalue()
    assert "\u2026" not in text.getvalue()


def test_layers_and_their_sums(rows):
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, (3, 1), name="conv")(image)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    model = keras.Model(image, keras.layers.Dense(10, name="dense")(x))
    assert rows(layer_table(cost(model))) == [
        ["layer", "output", "kernel", "params", "madds", "bytes", "sees"],
        ["image", "8x8x3", "", "", "", "768 B", "1"],
        ["conv", "6x8x4", "3x1", "40", "1,728", "768 B", "3x1"],
        ["relu", "6x8x4", "", "", "", "768 B", "3x1"],
        ["flatten", "192", "", "", "", "768 B", "all"],
        ["dense", "10", "", "1,930", "1,920", "40 B", "all"],
        ["total", "", "", "1,970", "3,648", "3.112 kB", ""],
    ]


REPORT = {
    "examples": 200,
    "size": 4_912,
    "gzip_size": 2_198,
    "threads": 2,
    "threads_difference": 0.0,
    "inspection": {
        "format": "int8",
        "operators": {"CONV_2D": 2, "SOFTMAX": 1},
        "partitions": 1,
        "outside": {"SOFTMAX": 1},
        "arena": 2_304,
    },
    "outputs": [
        {
            "name": "probabilities",
            "max_abs_difference": 0.03134,
            "mean_abs_difference": 0.0032806,
            "correlation": 0.999147,
            "agreement": 0.945,
            "accuracy": None,
        },
        {
            "name": "genus",
            "max_abs_difference": 0.5,
            "mean_abs_difference": 0.25,
            "correlation": 0.5,
            "agreement": 0.5,
            "accuracy": 0.945,
        },
        {
            "name": "embedding",
            "max_abs_difference": "nan",
            "mean_abs_difference": "nan",
            "correlation": "nan",
            "agreement": None,
            "accuracy": None,
        },
    ],
}


def test_a_file_beside_its_model(rows):
    header, *outputs = rows(comparison_table(REPORT))
    assert header == [
        "output",
        "largest difference",
        "mean",
        "correlation",
        "agrees",
        "accuracy",
    ]
    assert outputs == [
        ["probabilities", "0.031", "0.0033", "0.99915", "94.50%", ""],
        ["genus", "0.5", "0.25", "0.50000", "50.00%", "94.50% (90.4-96.9)"],
        ["embedding", "nan", "nan", "nan", "", ""],
    ]


def test_neighbours_of_two_images(rows):
    near = {"label": "rose", "distance": 12.0, "id": "rose/1.jpg"}
    far = {"label": "tulip", "distance": 0.01234, "id": "tulip/2.jpg"}
    found = [{"image": "a.jpg", "nearest": [near, far]}]
    found.append({"image": "b.jpg", "nearest": [far]})
    assert rows(neighbours_table(found)) == [
        ["image", "label", "distance", "near it"],
        ["a.jpg", "rose", "12.00", "rose/1.jpg"],
        ["", "tulip", "0.01234", "tulip/2.jpg"],
        ["b.jpg", "tulip", "0.01234", "tulip/2.jpg"],
    ]


def test_labels_that_may_be_wrong(rows):
    one = {"id": "rose/1.jpg", "label": "rose", "other": "tulip"}
    assert rows(suspects_table([one | {"share": 0.9, "ratio": 0.84449}])) == [
        ["label may be wrong", "label", "near it", "share", "ratio"],
        ["rose/1.jpg", "rose", "tulip", "90%", "0.844"],
    ]


def test_what_a_file_is_made_of(rows):
    assert rows(file_table(REPORT)) == [
        ["size", "4.912 kB"],
        ["gzip", "2.198 kB"],
        ["1 or more threads", "0 apart (2 threads)"],
        ["format", "int8"],
        ["operators", "2 CONV_2D, 1 SOFTMAX"],
        ["XNNPACK partitions", "1"],
        ["outside XNNPACK", "1 SOFTMAX"],
        ["live activations", "2.304 kB at once"],
    ]
    elsewhere = {"threads_difference": None, "inspection": None}
    assert rows(file_table(REPORT | elsewhere)) == [
        ["size", "4.912 kB"],
        ["gzip", "2.198 kB"],
    ]


def test_noise_of_layers(rows):
    layers = [
        {"layer": "stem/conv", "operator": "CONV_2D", "sqnr_db": 28.78},
        {"layer": "pool", "operator": "MEAN", "sqnr_db": "inf"},
    ]
    assert rows(noise_table(layers))[1:] == [
        ["stem/conv", "CONV_2D", "28.8 dB"],
        ["pool", "MEAN", "inf dB"],
    ]


def test_latencies(rows):
    interval = {"median": 1.5, "low": 1.25, "high": 2.0}
    first = {"name": "a", "threads": 1, "runs": 9, "ms": interval, "ratio": None}
    second = first | {"name": "b", "ratio": interval}
    assert rows(latency_table([first, second]))[1:] == [
        ["a", "1", "9", "1.500 ms", "1.250 to 2.000", ""],
        ["b", "1", "9", "1.500 ms", "1.250 to 2.000", "1.500 (1.250 to 2.000)"],
    ]


def test_latencies_on_a_phone(rows):
    times = dict.fromkeys(("median_ms", "p5_ms", "p95_ms", "memory_mb"))
    row = {"name": "a", "device": "P1", "threads": 4, "runs": 50, **times}
    row |= {"mean_ms": 3.25, "init_ms": 12.0}
    full = row | {"median_ms": 3.0, "p5_ms": 2.5, "p95_ms": 4.0, "memory_mb": 55.46}
    start = ["a", "P1", "4", "50"]
    assert rows(phone_latency_table([row, full]))[1:] == [
        [*start, "", "", "3.250 ms", "12.000 ms", ""],
        [*start, "3.000 ms", "2.500 to 4.000", "3.250 ms", "12.000 ms", "55.5 MB"],
    ]
