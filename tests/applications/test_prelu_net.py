"""PReLU-nets against Table 3 of the paper; the pyramid against windows cut by hand."""

import keras
import numpy as np
import pytest

from kerasnets.applications.prelu_net import (
    PReLUNetA,
    PReLUNetB,
    PReLUNetC,
)
from kerasnets.errors import KerasnetsError
from kerasnets.layers import SpatialPyramidPooling

SMALL = {"dense_units": 4, "classes": 3}


# convolutions of a stage and their filters, rectifiers (Table 3)
@pytest.mark.parametrize(
    ("build", "depth", "filters", "rectifiers"),
    [
        (PReLUNetA, 5, (256, 512, 512), 18),
        (PReLUNetB, 6, (256, 512, 512), 21),
        (PReLUNetC, 6, (384, 768, 896), 21),
    ],
)
def test_stages_are_those_of_table_3(build, depth, filters, rectifiers):
    model = build(**SMALL)
    shapes = [
        model.get_layer(f"stage{i}_conv{depth}_prelu").output.shape[1:]
        for i in (1, 2, 3)
    ]
    assert shapes == [
        (side, side, f) for side, f in zip((56, 28, 14), filters, strict=True)
    ]
    assert model.get_layer("stem").output.shape[1:] == (112, 112, 96)
    assert model.get_layer("spp").output.shape[1:] == (63 * filters[2],)
    layers = [x for x in model.layers if isinstance(x, keras.layers.PReLU)]
    assert len(layers) == rectifiers


def test_every_channel_has_its_own_slope():
    model = PReLUNetA((32, 32, 3), **SMALL)
    slopes = [model.get_layer(f"{x}_prelu").alpha for x in ("stem", "fc6")]
    assert [tuple(slope.shape) for slope in slopes] == [(1, 1, 96), (4,)]
    assert all(np.unique(slope).tolist() == [0.25] for slope in slopes)
    names = [layer.name for layer in model.layers]
    assert names[-9:] == [
        *("spp", "fc6", "fc6_prelu", "fc6_dropout"),
        *("fc7", "fc7_prelu", "fc7_dropout", "logits", "predictions"),
    ]


def test_weights_start_as_in_equation_15():
    model = PReLUNetA((32, 32, 3), **SMALL)
    for name, fan_in in {"stem": 147, "stage1_conv2": 2304, "fc6": 32256}.items():
        kernel = np.asarray(model.get_layer(name).kernel)
        expected = (2 / (1.0625 * fan_in)) ** 0.5
        assert kernel.std() == pytest.approx(expected, rel=0.02)


# sides that the bins divide, that they do not, and fewer pixels than bins
@pytest.mark.parametrize("sides", [(14, 14), (11, 17), (2, 5)])
def test_pyramid_takes_the_maxima_of_its_bins(sides):
    height, width = sides
    x = np.random.default_rng(0).normal(size=(2, *sides, 3)).astype("float32")
    expected = [
        x[
            :,
            i * height // n : -(-(i + 1) * height // n),
            j * width // n : -(-(j + 1) * width // n),
        ].max(axis=(1, 2))
        for n in (7, 3, 2, 1)
        for i in range(n)
        for j in range(n)
    ]
    found = SpatialPyramidPooling((7, 3, 2, 1))(x)
    np.testing.assert_array_equal(found, np.concatenate(expected, axis=1))


def test_sides_may_be_unknown_until_the_network_runs():
    assert PReLUNetA((None, None, 3), **SMALL).input_shape == (None, None, None, 3)
    image, pyramid = keras.Input((None, None, 3)), SpatialPyramidPooling((3, 1))
    model = keras.Model(image, pyramid(image))
    random = np.random.default_rng(0)
    # from the second size on, TensorFlow traces a graph without sides
    for sides in [(9, 8), (5, 4), (7, 12)]:
        x = random.normal(size=(2, *sides, 3)).astype("float32")
        np.testing.assert_array_equal(model.predict(x, verbose=0), pyramid(x))


def test_dense_units_and_dropout_change_the_graph():
    model = PReLUNetA((32, 32, 3), **SMALL, dropout=0.25)
    assert model.get_layer("fc6").units == model.get_layer("fc7").units == 4
    assert model.get_layer("fc7_dropout").rate == 0.25
    names = [layer.name for layer in PReLUNetA((32, 32, 3), **SMALL, dropout=0).layers]
    assert not any("dropout" in name for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": 1.5}, r"dropout 1.5 is not a rate"),
        ({"dense_units": -1}, "dense_units -1"),
        ({"input_shape": (24, 32, 3)}, "a side needs 32"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        PReLUNetA(**arguments)
