import math

import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export.verification.sqnr import LayerSqnr, Sqnr, layer_sqnr, sqnr_of

from . import handmade

# four pixels of 1 to 4
IMAGE = np.arange(1, 5, dtype=np.float32).reshape(1, 2, 2, 1)
# Times 0.3: 0.3 0.6 0.9 1.2, of energy 2.7. In steps of 0.25: 0.25 0.5 1 1.25, whose
# errors 0.05 0.1 0.1 0.05 have the energy 0.025.
BY_HAND = 10 * math.log10(2.7 / 0.025)


@pytest.mark.parametrize(
    ("signal", "noisy", "decibels"),
    [
        ([3, 4], [3, 4.5], 20),  # 25 / 0.25
        ([3, 4], [0, 0], 0),
        ([1, 2], [1, 2], math.inf),
        ([0, 0], [0, 1], -math.inf),
        ([0, math.nan], [0, 1], math.nan),
    ],
)
def test_the_ratio_by_hand(signal, noisy, decibels):
    found = sqnr_of(np.array(signal), np.array(noisy))
    assert found == pytest.approx(decibels, nan_ok=True)


def test_a_convolution_by_hand():
    found = layer_sqnr(handmade.int8_file(), handmade.float_file(), [IMAGE])
    (layer,) = found.layers
    assert (layer.layer, layer.tensor, layer.operator) == ("conv", "conv", "CONV_2D")
    assert layer.sqnr_db == pytest.approx(BY_HAND, abs=1e-3)
    assert (found.examples, found.aligned, found.note) == (1, True, "")


def test_energies_are_summed_over_the_examples():
    # all pixels 10: 3 each, which is a step; no noise, but a signal of 36
    images = np.concatenate([IMAGE, np.full_like(IMAGE, 10)])
    calls = []
    found = layer_sqnr(
        handmade.int8_file(),
        handmade.float_file(),
        [images],
        names={"conv": "stem/conv"},
        progress=lambda done, total, note="": calls.append((done, total)),
    )
    (layer,) = found.layers
    assert layer.layer == "stem/conv"
    assert layer.sqnr_db == pytest.approx(10 * math.log10(38.7 / 0.025), abs=1e-3)
    assert calls == [(1, 2), (2, 2)]


def test_files_that_do_not_align_say_so():
    found = layer_sqnr(handmade.int8_file(relu=True), handmade.float_file(), [IMAGE])
    assert not found.aligned
    assert "the operators of the two files differ (2 and 1 outputs)" in found.note
    assert found.layers[0].sqnr_db == pytest.approx(BY_HAND, abs=1e-3)


def test_files_of_nothing_in_common_are_refused():
    relu = handmade.write_file(
        [handmade.Tensor("x", (1, 2)), handmade.Tensor("y", (1, 2))],
        [handmade.Operator("RELU", ("x",), ("y",))],
        ("x",),
        ("y",),
    )
    with pytest.raises(KerasnetsError, match=r"no operator .* has a counterpart"):
        layer_sqnr(handmade.int8_file(), relu, [IMAGE])


def test_the_worst_come_first():
    ratios = {"a": 30.0, "b": math.nan, "c": math.inf, "d": -3.0}
    layers = tuple(LayerSqnr(name, name, "ADD", r) for name, r in ratios.items())
    worst = Sqnr(layers, 1, True, "").worst(3)
    assert [layer.layer for layer in worst] == ["b", "d", "a"]
