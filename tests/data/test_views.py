import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasnets.data import (
    AreaCrop,
    CentreCrop,
    CornerCrop,
    Feed,
    RandomCrop,
    Split,
    Window,
    batches,
    crop_batches,
    open_source,
    prepare,
    read_image,
    whole_image,
)
from kerasnets.data.views import window_at
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, Preprocessing

CAFFE = Preprocessing((10.0, 20.0, 30.0), (2.0, 2.0, 2.0), "BGR", 14, 0.7)


def at(crop, height, width, step=0, index=0, seed=0):
    return window_at(crop, height, width, seed=seed, step=step, index=index)


@pytest.mark.parametrize(
    ("crop", "window"),
    [
        (whole_image, (0, 0, 375, 500)),
        # 0.875 of 375 is 328.1; 47 and 172 are left
        (CentreCrop(0.875), (24, 86, 328, 328)),
        (CornerCrop(0.875, "top left"), (0, 0, 328, 328)),
        (CornerCrop(0.875, "top right"), (0, 172, 328, 328)),
        (CornerCrop(0.875, "bottom left"), (47, 0, 328, 328)),
        (CornerCrop(0.875, "bottom right"), (47, 172, 328, 328)),
        (CentreCrop(1), (0, 62, 375, 375)),
        # nothing of such an aspect fits: the middle
        (AreaCrop((1, 1), (3, 4), mirror=False), (0, 62, 375, 375)),
    ],
)
def test_windows_by_hand(crop, window):
    assert at(crop, 375, 500) == Window(*window)
    turned = (window[1], window[0], window[3], window[2])
    if isinstance(crop, CornerCrop) and crop.corner == "top right":
        turned = (0, 47, 328, 328)
    elif isinstance(crop, CornerCrop) and crop.corner == "bottom left":
        turned = (172, 0, 328, 328)
    assert at(crop, 500, 375) == Window(*turned)


def test_a_crop_of_the_smallest_image_is_a_pixel():
    for crop in (CentreCrop(0.1), RandomCrop(0.1), AreaCrop((0.01, 0.02))):
        assert at(crop, 1, 3)[2:4] == (1, 1)


def test_random_crop_is_anywhere_and_half_are_mirrored():
    windows = [at(RandomCrop(0.75), 8, 10, index=i) for i in range(3000)]
    assert {window[2:4] for window in windows} == {(6, 6)}
    places = np.array([[top * 5 + left for top, left, *_ in windows]])
    # 3 tops and 5 lefts, 200 each: 14 is a standard deviation
    counts = np.bincount(places[0], minlength=15)
    assert abs(counts - 200).max() < 60
    assert abs(np.mean([window.is_mirrored for window in windows]) - 0.5) < 0.05
    assert not any(
        at(RandomCrop(0.75, mirror=False), 8, 10, index=i).is_mirrored
        for i in range(50)
    )


def test_area_crop_keeps_to_area_and_aspect():
    windows = np.array(
        [at(AreaCrop((0.2, 0.5)), 300, 400, index=i)[:4] for i in range(500)]
    )
    top, left, height, width = windows.T
    assert min(top.min(), left.min()) >= 0
    assert (top + height).max() <= 300
    assert (left + width).max() <= 400
    area, aspect = height * width / 120_000, width / height
    # of rounded sides
    assert 0.195 < area.min() < 0.21
    assert 0.48 < area.max() < 0.505
    assert 0.74 < aspect.min() < 0.78
    assert 1.28 < aspect.max() < 1.35
    # uniform in area and, but for what does not fit, in the logarithm of the aspect
    assert abs(area.mean() - 0.35) < 0.02
    assert abs(np.log(aspect).mean()) < 0.03


def test_what_is_drawn_depends_on_seed_step_and_image_alone():
    crop = AreaCrop()
    first = at(crop, 300, 400, seed=1, step=2, index=3)
    assert first == at(crop, 300, 400, seed=1, step=2, index=3)
    others = {
        at(crop, 300, 400, seed=0, step=2, index=3),
        at(crop, 300, 400, seed=1, step=3, index=3),
        at(crop, 300, 400, seed=1, step=2, index=2),
    }
    assert len(others | {first}) == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: CentreCrop(0),
        lambda: RandomCrop(1.1),
        lambda: CornerCrop(0.5, "left"),
        lambda: AreaCrop((0.5, 0.1)),
        lambda: AreaCrop(aspect=(0, 1)),
    ],
)
def test_impossible_crops_are_refused(make):
    with pytest.raises(KerasnetsError, match="accepted"):
        make()


@pytest.fixture
def encoded(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(8):
            # ramps of three directions
            rows, columns = np.mgrid[
                : random.integers(20, 60), : random.integers(20, 60)
            ]
            ramps = np.stack([rows * 4, columns * 4, rows * 2 + columns * 2], axis=2)
            image = Image.fromarray(ramps.astype("uint8"))
            image.save(tmp_path / f"set/{name}/{i}.png")
    source = open_source(f"folder:{tmp_path}/set")
    return prepare(source, tmp_path / "run", seed=0, store="encoded").train


def taken(feed, first, last):
    """The batches of whole epochs."""
    steps = feed.steps_per_epoch
    found = feed.dataset(first * steps, last * steps)
    return [(x.numpy(), y.numpy()) for x, y in found]


def test_protocol_is_that_of_the_preprocessing(encoded):
    feed = crop_batches(
        encoded, preprocessing=CAFFE, batch_size=4, seed=0, shuffle=False
    )
    assert isinstance(feed, Feed)
    assert feed.steps_per_epoch == 3
    found = taken(feed, 0, 1)
    assert [len(y) for _, y in found] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), encoded.labels)
    images = np.concatenate([x for x, _ in found])
    for i, image in enumerate(images):
        # the shorter side becomes 20, of which 14 are kept
        height, width = encoded.sizes[i].tolist()
        side = round(0.7 * min(height, width))
        top, left = round((height - side) / 2), round((width - side) / 2)
        cut = encoded.read(i)[top : top + side, left : left + side]
        expected = read_image(cut, 14)[:, :, ::-1]
        # at its ends the crop sees what is beside it, the cut does not
        np.testing.assert_allclose(image, (expected - [10.0, 20, 30]) / 2, atol=1.6)


@pytest.mark.parametrize("crop", [RandomCrop(0.8), AreaCrop()])
def test_resumed_feed_is_the_unbroken_one(encoded, crop):
    feed = crop_batches(
        encoded, preprocessing=UNIT, batch_size=4, seed=3, crop=crop, size=6
    )
    assert feed.steps_per_epoch == 2
    unbroken = taken(feed, 0, 3)
    for (x, y), (again, labels) in zip(unbroken[2:], taken(feed, 1, 3), strict=True):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, labels)
    assert unbroken[0][0].shape == (4, 6, 6, 3)
    assert not np.array_equal(unbroken[0][0], unbroken[2][0])


def test_order_is_that_of_batches_and_shapes_are_known(encoded):
    count = 10
    images = np.zeros((count, 8, 8, 3), "uint8")
    split = Split(images, np.arange(count), tuple("abcdefghij"))
    feed = crop_batches(
        split, preprocessing=UNIT, batch_size=4, seed=5, crop=CentreCrop(0.5), size=4
    )
    plain = batches(split, size=8, batch_size=4, seed=5)
    for (_, y), (_, theirs) in zip(taken(feed, 0, 3), plain.dataset(0, 6), strict=True):
        assert y.tolist() == theirs.numpy().tolist()
    assert feed.dataset(0, 1).element_spec == (
        tf.TensorSpec((4, 4, 4, 3), tf.float32),
        tf.TensorSpec((4,), tf.int64),
    )


def test_labels_of_pixels_are_refused():
    split = Split(np.zeros((2, 4, 4, 3), "uint8"), np.zeros((2, 4, 4), int), ("0", "1"))
    with pytest.raises(KerasnetsError, match=r"\(2, 4, 4\) with parts of images"):
        crop_batches(split, preprocessing=UNIT, batch_size=1, seed=0)


def test_scale_is_drawn_evenly():
    """VGG's training: 224 of an image whose shorter side is 256 to 512."""
    crop, draws = RandomCrop(224 / 512, largest=224 / 256), np.random.default_rng(0)
    sides = np.array([crop(1024, 1500, draws).height for _ in range(2_000)])
    scales = 224 / (sides / 1024)
    assert scales.min() >= 255.9
    assert scales.max() <= 512.6
    # uniform: a mean of 384, a deviation of 256 / sqrt(12)
    assert abs(scales.mean() - 384) < 6
    assert abs(scales.std() - 73.9) < 3
    with pytest.raises(KerasnetsError, match=r"from 0\.9 to 0\.5: the least first"):
        RandomCrop(0.9, largest=0.5)
