import keras
import numpy as np
import pytest

from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.export.calibration import (
    RangeGap,
    calibration_images,
    range_gap,
    range_warnings,
)
from kerasnets.pixels import UNIT, carry

from .conftest import build_small, make_images

# of class 0 the images 1, 3, 5, 7, of class 1 the others but the last, of class 2 that
LABELS = np.array([1, 0, 1, 0, 1, 0, 1, 0, 2])


def test_images_come_in_the_networks_size_with_a_report():
    images = np.arange(9, dtype="uint8")[:, None, None, None].repeat(8, 1)
    images = images.repeat(8, 2).repeat(3, 3)
    split = Split(images, LABELS, tuple("abcdefghi"))
    chosen = calibration_images(split, size=4, count=3, seed=7)
    assert chosen.images.shape == (3, 4, 4, 3)
    assert chosen.images.dtype == np.uint8
    drawn = chosen.images[:, 0, 0, 0].tolist()
    assert chosen.labels.tolist() == LABELS[drawn].tolist()
    assert sorted(chosen.labels) == [0, 1, 2]
    assert chosen.report() == {
        "images": 3,
        "classes": 3,
        "method": "training images drawn with seed 7, the classes taking turns",
        "ids": ["abcdefghi"[index] for index in drawn],
    }


def test_all_of_many_classes_have_a_chance():
    """130 classes of two images, 100 to draw: not the first 100 classes."""
    images = np.zeros((260, 2, 2, 3), "uint8")
    split = Split(images, np.repeat(np.arange(130), 2), tuple(map(str, range(260))))
    first, second, again = (
        calibration_images(split, size=2, count=100, seed=seed) for seed in (0, 1, 0)
    )
    assert first.ids == again.ids != second.ids
    for chosen in (first, second):
        assert len({*chosen.labels}) == 100
        assert np.count_nonzero(chosen.labels >= 100) > 10


def doubler():
    """Pixels scaled to [-1, 1], twice that, ReLU, their average over the image."""
    inputs = keras.Input((2, 2, 1))
    double = keras.layers.Conv2D(1, 1, use_bias=False, name="double")
    x = keras.layers.ReLU(name="relu")(double(carry(inputs, UNIT.fitted(None, 1))))
    model = keras.Model(inputs, keras.layers.GlobalMaxPooling2D(name="pool")(x))
    double.set_weights([np.full((1, 1, 1, 1), 2.0)])
    return model


def test_gaps_are_counted_by_hand():
    # two images of 0 and 127.5; then one that goes 0, 8, 15 and 100 % further
    seen = np.array([0, 127.5, 0, 127.5]).reshape(1, 2, 2, 1).repeat(2, axis=0)
    other = np.array([0, 137.7, 146.625, 255]).reshape(1, 2, 2, 1)
    pixels, relu, pool = range_gap(doubler(), seen, other)
    assert pixels.name == "pixels, grey"
    assert (pixels.outside, pixels.far_outside) == (0.75, 0.5)
    assert (pixels.calibrated, pixels.seen) == ((0, 127.5), (0, 255))
    # 0, 0.16, 0.3 and 2 where calibration had nothing but 0: a range of no width
    assert (relu.name, relu.outside, relu.far_outside) == ("relu", 0.75, 0.75)
    assert relu.calibrated == (0, 0)
    assert relu.seen == (0, 2)
    assert (pool.name, pool.outside) == ("pool", 1)


def test_the_worst_of_the_tensors_beyond_one_percent_are_named():
    gaps = [
        RangeGap(f"layer {share}", 0.5, share, (0.0, 1.0), (-2.0, 3.5))
        for share in (0.009, 0.02, 0.5, 0.011, 0.1)
    ]
    (warning,) = range_warnings(gaps)
    assert "ranges of 4 of 5 tensors" in warning
    assert (
        "layer 0.5 (50.0% of its values; 0 to 1 calibrated, -2 to 3.5 seen)" in warning
    )
    assert warning.index("0.5 (") < warning.index("0.1 (") < warning.index("0.02 (")
    assert "0.011" not in warning
    assert range_warnings(gaps[:1]) == []


def test_batches_weigh_by_their_images():
    seen = np.array([0, 255]).reshape(2, 1, 1, 1) * np.ones((1, 2, 2, 1))
    other = np.full((9, 2, 2, 1), 100.0)  # eight in the first batch, one in the second
    other[8] = 300
    assert range_gap(doubler(), seen, other)[0].outside == pytest.approx(1 / 9)


def test_only_tensors_of_the_file_are_looked_at():
    images = make_images(4, 16)
    names = [gap.name for gap in range_gap(build_small(prefix="x"), images, images)]
    assert names == [
        *("pixels, red", "pixels, green", "pixels, blue"),
        *("x_stem_relu", "x_depthwise_relu", "x_pointwise_relu", "x_add"),
        *("x_pool", "x_head"),
    ]


def test_images_like_those_of_calibration_give_no_warning_and_others_one():
    model, images = build_small(), make_images(60, 16)
    alike = range_gap(model, images[:40], images[40:])
    assert range_warnings(alike) == []
    dark = range_gap(model, images[:40] // 4, images[40:])
    (warning,) = range_warnings(dark)
    assert warning.startswith("the test images leave the calibrated ranges of ")
    assert "pixels, " in warning


@pytest.mark.parametrize("shape", [(0, 16, 16, 3), (2, 8, 8, 3)])
def test_images_that_do_not_fit_are_named(shape):
    images = make_images(2, 16)
    with pytest.raises(KerasnetsError, match=r"the test images.*\(n, 16, 16, 3\)"):
        range_gap(build_small(), images, np.zeros(shape, "uint8"))


def test_a_sequential_model_that_scales_its_pixels():
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), layers.Rescaling(1 / 255), layers.Flatten()]
    )
    images = np.array([[0, 51], [102, 255]]).reshape(1, 2, 2, 1)
    pixels, scaled = range_gap(model, images, images // 2)
    assert pixels.calibrated == (0, 255)
    assert scaled.calibrated == pytest.approx((0, 1))
    assert scaled.seen == pytest.approx((0, 127 / 255))


def test_ranges_are_those_of_the_pixels_that_are_said():
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.ReLU()])
    images = np.full((1, 2, 2, 1), 255)
    with pytest.raises(KerasnetsError, match="pixels="):
        range_gap(model, images, images)
    grey = UNIT.fitted(None, 1)
    assert range_gap(model, images, images, pixels=grey)[1].seen == (1, 1)
