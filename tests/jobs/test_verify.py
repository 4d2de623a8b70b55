"""Verifying a file: what is compared, what is refused."""

import functools

import pytest
from support.tiny_files import network

from kerasnets.errors import KerasnetsError
from kerasnets.jobs import (
    verify as verify_job,
)


def test_file_of_another_network_is_out_of_bounds(folder, data, float_file):
    other = folder / "other.keras"
    net = network()
    head = net.get_layer("logits")
    head.kernel.assign(-head.kernel)
    net.save(other)
    found = verify_job.run(float_file, model_path=other, data=data).report
    assert not found.holds
    assert any("the best class agrees on" in line for line in found.failures)


def test_bounds_replace_the_usual_ones(folder, data, float_file):
    verify = functools.partial(
        verify_job.run, float_file, model_path=folder / "net.keras", data=data
    )
    found = verify(images=7).report
    assert (found.examples, found.failures) == (7, ())
    assert len({*found.ids}) == 7
    found = verify(images=7, bounds={"accuracy": 1.01}).report
    assert len(found.failures) == 1
    assert "accuracy" in found.failures[0]
    # measured though the file is of float32
    found = verify(images=7, bounds={"sqnr_db": 20}).report
    assert found.sqnr is not None


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("net", {"images": 0}, "images 0 is not a whole number of 1 or more"),
        ("net", {"images": -5}, "images -5 is not"),
        ("net", {"threads": 0}, "threads 0 is not"),
        ("five", {}, "outputs of shape (3,)"),
        ("missing", {}, "missing.keras cannot be read"),
    ],
)
def test_verify_refuses(folder, data, float_file, model, given, message):
    with pytest.raises(KerasnetsError) as error:
        verify_job.run(
            float_file, model_path=folder / f"{model}.keras", data=data, **given
        )
    assert message in str(error.value)
