"""Inception-v3 against Table 1 of the paper and hand-made averages."""

import keras
import numpy as np
import pytest

from kerasnets.applications import inception_v3
from kerasnets.applications.inception_v3 import InceptionV3
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import pixels_of

# Szegedy et al. 2015, Table 1: what goes into the modules and comes out of them
SHAPES = {
    "stem_3_max": (73, 73, 64),
    "stem_5_max": (35, 35, 192),
    "mixed5b_concat": (35, 35, 256),
    "mixed5d_concat": (35, 35, 288),
    "mixed6a_concat": (17, 17, 768),
    "mixed6e_concat": (17, 17, 768),
    "mixed7a_concat": (8, 8, 1280),
    "mixed7c_concat": (8, 8, 2048),
}


def test_maps_are_those_of_table_1():
    model = InceptionV3()
    shapes = {name: model.get_layer(name).output.shape[1:] for name in SHAPES}
    assert shapes == SHAPES


@pytest.mark.parametrize(
    ("form", "corner", "edge"),
    [("paper", 1, 1), ("keras", 1, 1), ("torch", 4 / 9, 2 / 3)],
)
def test_average_of_ones_at_the_border(form, corner, edge):
    image = keras.Input((3, 3, 1))
    steps = (inception_v3.AVERAGE,)
    maps = inception_v3.chain(image, steps, form=inception_v3.FORMS[form], name="x")
    averages = keras.Model(image, maps[0])(np.ones((1, 3, 3, 1)))
    expected = [[corner, edge, corner], [edge, 1, edge], [corner, edge, corner]]
    np.testing.assert_allclose(np.asarray(averages)[0, ..., 0], expected, rtol=1e-6)


@pytest.mark.parametrize("form", inception_v3.FORMS)
def test_auxiliary_classifier_stands_on_the_last_map_of_17_pixels(form):
    model = InceptionV3(auxiliary=True, form=form, classes=7)
    assert model.output_shape == [(None, 7), (None, 7)]
    head = model.get_layer("auxiliary1_average")
    assert head.input is model.get_layer("mixed6e_concat").output
    shapes = [
        model.get_layer(f"auxiliary1_{name}").output.shape[1:]
        for name in ("average", "conv0_relu", "conv1_relu", "logits", "predictions")
    ]
    assert shapes == [(5, 5, 768), (5, 5, 128), (1, 1, 768), (7,), (7,)]
    gamma = "gamma" in [w.name for w in model.get_layer("auxiliary1_conv0_bn").weights]
    assert gamma == (form == "torch")


def test_without_top_there_is_no_auxiliary_classifier():
    model = InceptionV3(auxiliary=True, include_top=False)
    assert not any("auxiliary" in layer.name for layer in model.layers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"form": "caffe"},
            "form 'caffe' is unknown: 'paper', 'keras', 'torch' or None",
        ),
        (
            {"auxiliary": True, "input_shape": (298, 299, 3)},
            "16x17: give images of 299",
        ),
        ({"input_shape": (74, 75, 3)}, "a side needs 75"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        InceptionV3(**arguments)


@pytest.mark.parametrize("form", inception_v3.FORMS)
def test_images_are_resized_to_342_pixels_first(form):
    told = pixels_of(InceptionV3((None, None, 3), form=form))
    assert (told.size, told.resize, told.mean, told.std) == (
        299,
        342,
        (127.5,) * 3,
        (127.5,) * 3,
    )
