"""Networks, images and a file for the tests of the commands."""

from pathlib import Path

import keras
import pytest
from support.tiny_files import network, save_colours

from kerasnets.jobs import export as export_job


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Networks, and images of three colours."""
    folder = tmp_path_factory.mktemp("jobs")
    save_colours(folder / "colours.npz")
    for name, net in {
        "net": network(),
        "bare": network(norm=False),
        "grey": network((8, 8, 1)),
        "wide": network((8, 12, 3)),
        "open": network((None, None, 3)),
        "four": network((8, 8, 4)),
        "five": network(classes=5),
        "softmax": network(softmax=True),
    }.items():
        net.save(folder / f"{name}.keras")
    net = network()
    pooled = keras.layers.Dense(3, name="auxiliary_logits")(net.layers[-2].output)
    two = keras.Model(net.input, [net.output, pooled])
    two.save(folder / "two_outputs.keras")
    return folder


@pytest.fixture(scope="module")
def data(folder) -> str:
    return f"npz:{folder / 'colours.npz'}"


@pytest.fixture(scope="module")
def float_file(folder, data) -> Path:
    path = folder / "float.tflite"
    export_job.run(folder / "net.keras", path, data=data)
    return path
