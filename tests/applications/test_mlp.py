"""The dense networks of Hinton et al. against the papers' words."""

import numpy as np

from kerasnets.applications import MLP800, MLP1200
from kerasnets.data import Split, batches
from kerasnets.pixels import pixels_of
from kerasnets.training import Recipe, seed_everything, train


def test_layers_are_those_of_the_paper():
    # 784 x 800 + 800, 800 x 800 + 800, 800 x 10 + 10
    assert [layer.count_params() for layer in MLP800().layers if layer.weights] == [
        *(628_000, 640_800, 8_010)
    ]
    rates = {layer.name: getattr(layer, "rate", 0) for layer in MLP1200().layers}
    assert {name: rate for name, rate in rates.items() if rate} == {
        "image_dropout": 0.2,
        "hidden1_dropout": 0.5,
        "hidden2_dropout": 0.5,
    }


def test_a_black_pixel_is_zero_as_a_dropped_one():
    for pixel, seen in ((0.0, 0), (255.0, 1)):
        given = pixels_of(MLP1200())(np.full((1, 28, 28, 1), pixel))
        np.testing.assert_array_equal(given, seen)


def test_weights_into_a_unit_stay_as_short_as_the_paper_says():
    """Hinton et al. 2012, appendix A.1: a squared length of 15 at most."""
    seed_everything(0)
    model = MLP1200(dense_units=20, classes=3, classifier_activation=None)
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28, 1), "uint8")
    split = Split(images, np.arange(30) % 3, tuple(map(str, range(30))))
    given = pixels_of(model)
    feed = batches(split, size=28, batch_size=10, seed=0, preprocessing=given)
    train(model, feed, Recipe(5, 3.0, 10, clip_norm=1.0))
    lengths = [
        np.square(model.get_layer(name).get_weights()[0]).sum(axis=0)
        for name in ("hidden1", "hidden2")
    ]
    assert np.max(lengths) < 15.001
    assert np.max(lengths) > 14.9  # or the limit was never met
