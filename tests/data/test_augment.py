"""What is drawn for a picture, and what becomes of its pixels."""

import json
from dataclasses import asdict, fields

import numpy as np
import pytest
import scipy.ndimage

from kerasnets.data import Augment, Split
from kerasnets.data.augment import affine, main_colours, rubber_sheet
from kerasnets.data.warping import changed, sampled
from kerasnets.errors import KerasnetsError

SQUARE = np.arange(9).reshape(3, 3) * 10


def moved(rows, border="mirror", **numbers):
    """One square of one channel, moved as is said instead of at random."""
    image = np.array(rows, "float32")[None, :, :, None]
    matrix = affine(len(rows), **numbers).astype("float32")
    return np.asarray(changed(image, {"affine": matrix}, border))[0, :, :, 0]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, SQUARE),
        ({"across": 1}, [[10, 20, 20], [40, 50, 50], [70, 80, 80]]),
        ({"across": -0.5}, [[0, 5, 15], [30, 35, 45], [60, 65, 75]]),
        ({"down": 1}, [[30, 40, 50], [60, 70, 80], [60, 70, 80]]),
        ({"mirror": True}, SQUARE[:, ::-1]),
        ({"angle": np.pi / 2}, np.rot90(SQUARE)),
        ({"angle": np.pi / 2, "mirror": True}, np.rot90(SQUARE)[:, ::-1]),
        # half the field of view, around the middle: 40 +- 5 across, +- 15 down
        ({"zoom": -0.5}, [[20, 25, 30], [35, 40, 45], [50, 55, 60]]),
        # the rows lie half a pixel apart for each row below the middle
        ({"shear": 0.5}, [[0, 5, 15], [30, 40, 50], [65, 75, 80]]),
        # half as wide, twice as high: 40 +- 5 across, +- 60 down
        ({"squeeze": -0.5}, [[5, 10, 15], [35, 40, 45], [65, 70, 75]]),
    ],
)
def test_moves_by_hand(numbers, expected):
    np.testing.assert_allclose(moved(SQUARE, **numbers), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("border", "mode"), [("repeat", "nearest"), ("mirror", "reflect"), ("black", None)]
)
def test_samples_are_those_of_scipy(border, mode):
    draw = np.random.default_rng(0)
    image = draw.uniform(0, 255, (6, 6)).astype("float32")
    y, x = draw.uniform(-3, 8, (2, 6, 6)).astype("float32")
    how = {"mode": "grid-constant", "cval": 0.0} if mode is None else {"mode": mode}
    expected = scipy.ndimage.map_coordinates(image, (y, x), order=1, **how)
    found = sampled(image[None, :, :, None], x[None], y[None], border)
    np.testing.assert_allclose(np.asarray(found)[0, :, :, 0], expected, atol=1e-3)


@pytest.mark.parametrize("border", ["repeat", "mirror", "black"])
def test_without_shifts_the_rubber_sheet_moves_as_the_affine_map(border):
    images = np.random.default_rng(0).uniform(0, 255, (2, 7, 7, 3)).astype("float32")
    matrix = affine(7, angle=[0.3, -0.2], zoom=0.1, across=1.5, mirror=[True, False])
    drawn = {"affine": matrix.astype("float32")}
    still = {**drawn, "shifts": np.zeros((2, 7, 7, 2), "float32")}
    ours, kernel = (changed(images, numbers, border) for numbers in (still, drawn))
    inner = np.s_[:, 2:5, 2:5]  # TensorFlow's kernel ends sooner at a black border
    part = inner if border == "black" else np.s_[:]
    np.testing.assert_allclose(
        np.asarray(ours)[part], np.asarray(kernel)[part], atol=0.05
    )


def test_rubber_sheet_is_smoothed_noise():
    sheet = rubber_sheet(np.random.default_rng(0), 1, 29, 4.0)
    rough = np.random.default_rng(0).random((1, 2, 29, 29), "float32") * 2 - 1
    for i in range(2):
        expected = scipy.ndimage.gaussian_filter(
            rough[0, i], 4.0, mode="constant", truncate=9.0
        )
        # scipy's weights add up to exactly 1, which the Gaussian's samples do nearly
        np.testing.assert_allclose(sheet[0, :, :, i], expected, atol=1e-4)
    # uniform noise of deviation 1 / sqrt(3) behind two Gaussians of 4 pixels
    many = rubber_sheet(np.random.default_rng(1), 400, 29, 4.0)[:, 14, 14]
    assert many.std() == pytest.approx(3**-0.5 / (2 * np.pi**0.5 * 4), rel=0.06)


def varied(images, augment, step=0):
    drawn = augment.draw(np.random.default_rng(step), len(images), images.shape[1])
    return np.asarray(augment(images.astype("float32"), drawn))


def test_brightness_shifts_each_image_by_up_to_its_share():
    grey = np.full((500, 2, 2, 3), 100.0)
    shift = varied(grey, Augment(brightness=0.1))[:, 0, 0, 0] - 100
    # uniform on +-25.5
    assert np.abs(shift).max() <= 25.51
    assert shift.min() < -24
    assert shift.max() > 24
    assert abs(shift.mean()) < 3
    white = varied(grey + 150, Augment(brightness=0.1))
    assert white.max() == 255


def test_contrast_stretches_around_the_mean():
    image = np.array([[90.0, 110.0], [90.0, 110.0]])[None, :, :, None]
    found = varied(np.repeat(image, 500, 0), Augment(contrast=0.5))[:, 0, :, 0]
    np.testing.assert_allclose(found.mean(axis=1), 100, rtol=1e-5)
    distance = found[:, 1] - 100
    # 10 times 1 +- 0.5
    assert 5 <= distance.min() < 5.3
    assert 14.7 < distance.max() <= 15


def test_half_of_the_images_are_mirrored():
    image = np.tile(np.array([[0.0, 255.0]] * 2)[None, :, :, None], (400, 1, 1, 1))
    found = varied(image, Augment(flip=True))[:, 0, 0, 0]
    assert set(found) == {0.0, 255.0}
    # 200, standard deviation 10
    assert 160 < (found == 255).sum() < 240


def test_images_of_a_batch_and_steps_differ():
    everything = Augment(translate=0.1, rotate=20, zoom=0.2, flip=True, contrast=0.2)
    image = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).repeat(4, 0)
    first, second = (varied(image, everything, step) for step in (0, 1))
    both = np.concatenate([first, second]).reshape(8, -1)
    assert len(np.unique(both, axis=0)) == 8


def of_colours(count=300):
    """Images that vary by 40 levels along one colour, and by 10 along another."""
    draw = np.random.default_rng(0)
    first, second = np.array([2, 2, 1]) / 3, np.array([1, -2, 2]) / 3
    pixels = 128 + draw.normal(0, 40, (count, 6, 6, 1)) * first
    pixels = pixels + draw.normal(0, 10, (count, 6, 6, 1)) * second
    images = np.clip(pixels.round(), 0, 255).astype("uint8")
    return Split(images, np.zeros(count, int), tuple(map(str, range(count))))


def test_main_colours_are_directions_times_variances():
    colours = np.array(main_colours(of_colours()))
    sizes = np.linalg.norm(colours, axis=1)
    # variances in units of 0 to 1, and nothing but rounding in the third
    np.testing.assert_allclose(sizes[:2], [(40 / 255) ** 2, (10 / 255) ** 2], rtol=0.1)
    assert sizes[2] < 1e-4
    direction = np.abs(colours[0] / sizes[0])
    np.testing.assert_allclose(direction, np.array([2, 2, 1]) / 3, atol=0.02)


def test_colour_shifts_all_pixels_of_an_image_alike():
    split = of_colours()
    augment = Augment(colour=2.0).fitted(split)
    grey = np.full((2_000, 2, 2, 3), 128.0)
    shift = varied(grey, augment) - 128
    assert np.abs(shift - shift[:, :1, :1]).max() == 0
    of_pixels = shift[:, 0, 0]
    # 2 standard deviations of eigenvalues (40 / 255)^2 and (10 / 255)^2, in levels
    along = of_pixels @ np.array([2, 2, 1]) / 3
    assert along.std() == pytest.approx(2 * (40 / 255) ** 2 * 255, rel=0.12)
    with pytest.raises(KerasnetsError, match="main colours of the images are not"):
        varied(grey, Augment(colour=0.1))
    assert Augment.from_json(json.loads(json.dumps(asdict(augment)))) == augment
    assert Augment(flip=True).fitted(split) == Augment(flip=True)


def test_elastic_moves_pixels_by_as_much_as_it_says():
    """Of a ramp the change of a pixel is how far it has moved, in steps of the ramp."""
    ramp = np.tile(np.arange(29.0)[None, None, :, None] * 4, (200, 29, 1, 3))
    moves = (varied(ramp, Augment(elastic=34.0))[:, 14, 14, 0] - 56) / 4
    # 34 times the deviation of the sheet, as in the paper
    assert moves.std() == pytest.approx(34 * 3**-0.5 / (2 * np.pi**0.5 * 4), rel=0.15)


OUT_OF_RANGE = {"smoothness": (0.0, 101)}


@pytest.mark.parametrize(
    "name", [f.name for f in fields(Augment) if f.name not in ("flip", "colours")]
)
def test_augmentation_out_of_range_is_named(name):
    for value in (*OUT_OF_RANGE.get(name, (-0.1, 1_001)), float("nan")):
        with pytest.raises(KerasnetsError, match=f"augmentation {name} is '?{value}"):
            Augment(**{name: value})


def test_padding_moves_by_whole_pixels_each_as_likely():
    images = np.zeros((2_500, 9, 9, 3), "float32")
    images[:, 4, 4] = 255.0
    found = varied(images, Augment(pad=2, border="black"), 1)
    # nothing is between two pixels
    assert set(np.unique(found)) == {0.0, 255.0}
    rows, columns = np.nonzero(found[..., 0])[1:]
    counts = np.bincount((rows - 2) * 5 + columns - 2, minlength=25)
    assert len(rows) == 2_500
    # 100 each, five standard deviations of 9.8
    assert counts.min() > 50
    assert counts.max() < 150


def test_padded_and_mirrored_images_lose_their_border_only():
    images = np.random.default_rng(0).uniform(1, 255, (50, 6, 6, 3)).astype("float32")
    found = varied(images, Augment(pad=1, flip=True, border="black"), 3)
    for image, other in zip(images, found, strict=True):
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        cuts = [padded[i : i + 6, j : j + 6] for i in range(3) for j in range(3)]
        cuts += [cut[:, ::-1] for cut in cuts]
        assert min(np.abs(cut - other).max() for cut in cuts) < 1e-3
