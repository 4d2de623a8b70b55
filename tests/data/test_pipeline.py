import hashlib
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasnets.data import (
    Augment,
    Feed,
    Split,
    batches,
    images_at_once,
    load_prepared,
    open_source,
    prepare,
)
from kerasnets.data.pipeline import _AUGMENT, _SHUFFLE, _seed_of, _warped
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT

EVERYTHING = Augment(0.1, 20.0, 0.2, True, 0.1, 0.2)


def noise(count, side=8):
    """Random images; each has its index as its label."""
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), "uint8")
    return Split(images, np.arange(count), tuple(map(str, range(count))))


def taken(dataset):
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def assert_same(first, second):
    assert len(first) == len(second)
    for (images, labels), (others, their_labels) in zip(first, second, strict=True):
        np.testing.assert_array_equal(images, others)
        np.testing.assert_array_equal(labels, their_labels)


@pytest.mark.parametrize("shuffle", [True, False])
def test_without_augmentation_pixels_are_only_normalised(shuffle):
    split = noise(16)
    stream = batches(
        split, size=8, batch_size=5, seed=0, preprocessing=UNIT, shuffle=shuffle
    )
    for images, labels in taken(stream.dataset(0, 2)):
        expected = split.images[labels].astype("float32") / np.float32(127.5) - 1
        np.testing.assert_array_equal(images, expected)
        assert images.dtype == np.float32
        assert labels.dtype == np.int64


def test_any_function_is_a_view():
    """It gets pixels of 0 to 255 and the seed of the step, another one each step."""
    seeds = []

    def negative(pixels, seed):
        tf.numpy_function(lambda s: seeds.append(s.tolist()), [seed], [])
        return 255.0 - pixels

    split = noise(16)
    stream = batches(
        split, size=8, batch_size=4, seed=0, preprocessing=UNIT, augment=negative
    )
    for images, labels in taken(stream.dataset(0, 1)):
        expected = 1 - split.images[labels].astype("float32") / np.float32(127.5)
        np.testing.assert_allclose(images, expected, atol=1e-6)
    assert len(set(map(tuple, seeds))) == 4


def test_labels_of_pixels_and_other_targets_go_with_their_images():
    pixels = noise(10).images
    masks = pixels[..., 0].astype("int64")
    soft = np.arange(20, dtype="float32").reshape(10, 2)
    stream = batches(
        Split(pixels, masks, tuple(map(str, range(10)))),
        size=8,
        batch_size=5,
        seed=0,
        targets={"soft": soft},
        preprocessing=UNIT,
    )
    seen = []
    for images, targets in stream.dataset(0, 1):
        red = np.round((images.numpy()[..., 0] + 1) * 127.5)
        np.testing.assert_array_equal(targets["labels"], red)
        assert targets["labels"].shape == (5, 8, 8)
        assert targets["labels"].dtype == tf.int64
        for row, image in zip(targets["soft"].numpy(), red, strict=True):
            np.testing.assert_array_equal(masks[int(row[0]) // 2], image)
            seen.append(int(row[0]) // 2)
    assert sorted(seen) == list(range(10))
    assert isinstance(stream, Feed)


def test_fixed_views_come_again_by_turns_whatever_the_batch():
    split, moves = noise(12), Augment(translate=0.3, rotate=20, flip=True, contrast=0.5)
    answers = np.arange(24, dtype="float32").reshape(2, 12, 1)

    def by_image(first, last, **how):
        stream = batches(
            split, size=8, seed=3, augment=moves, views=2, preprocessing=UNIT, **how
        )
        found = {}
        for images, targets in stream.dataset(first, last):
            labels = targets["labels"] if isinstance(targets, dict) else targets
            for label, image in zip(labels.numpy(), images.numpy(), strict=True):
                found[int(label)] = image
            if isinstance(targets, dict):
                view = first % 2
                expected = answers[view, labels.numpy()]
                np.testing.assert_array_equal(targets["soft"], expected)
        return found

    epochs = [
        by_image(n, n + 1, batch_size=4, targets={"soft": answers}) for n in range(4)
    ]
    in_order = by_image(1, 2, batch_size=5, shuffle=False)
    for i in range(12):
        np.testing.assert_array_equal(epochs[0][i], epochs[2][i])
        np.testing.assert_array_equal(epochs[1][i], epochs[3][i])
        np.testing.assert_array_equal(epochs[1][i], in_order[i])
        assert np.abs(epochs[0][i] - epochs[1][i]).max() > 0.1


def test_only_an_augment_makes_fixed_views():
    with pytest.raises(KerasnetsError, match="2 fixed views with the augmentation"):
        batches(noise(4), size=8, batch_size=2, seed=0, views=2)


@pytest.mark.parametrize("change", [{"size": 4}, {"augment": Augment(flip=True)}])
def test_labels_of_pixels_stay_on_their_pixels(change):
    pixels = noise(10).images
    split = Split(pixels, pixels[..., 0].astype("int64"), tuple(map(str, range(10))))
    with pytest.raises(KerasnetsError, match="no augmentation"):
        batches(
            split,
            **{"size": 8, "batch_size": 5, "seed": 0, "preprocessing": UNIT, **change},
        )


def test_all_zero_augmentation_changes_nothing():
    stream = [
        batches(
            noise(8), size=8, batch_size=4, seed=0, preprocessing=UNIT, augment=augment
        ).dataset(0, 1)
        for augment in (None, Augment())
    ]
    assert_same(taken(stream[0]), taken(stream[1]))


@pytest.mark.parametrize("first_epoch", [1, 3])
def test_resumed_stream_is_the_unbroken_one(first_epoch):
    stream = batches(
        noise(22), size=6, batch_size=4, seed=7, preprocessing=UNIT, augment=EVERYTHING
    )
    unbroken = taken(stream.dataset(0, 4))
    assert stream.steps_per_epoch == 5
    assert len(unbroken) == 20
    assert_same(unbroken[first_epoch * 5 :], taken(stream.dataset(first_epoch, 4)))


def test_an_epoch_sees_no_image_twice_and_every_epoch_has_its_order():
    stream = batches(noise(103), size=8, batch_size=10, seed=0, preprocessing=UNIT)
    epochs = [
        np.concatenate([labels for _, labels in taken(stream.dataset(i, i + 1))])
        for i in range(3)
    ]
    for labels in epochs:
        assert len(labels) == len(set(labels)) == 100
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[1], epochs[2])
    # the three images that an epoch leaves out are others each time
    assert len(set(epochs[0]) | set(epochs[1])) > 100
    other = batches(
        noise(103), size=8, batch_size=10, seed=1, preprocessing=UNIT
    ).dataset(0, 1)
    assert not np.array_equal(epochs[0][:10], taken(other)[0][1])


def test_evaluation_sees_all_in_order_once():
    stream = batches(
        noise(11), size=8, batch_size=4, seed=0, preprocessing=UNIT, shuffle=False
    )
    labels = [labels.tolist() for _, labels in taken(stream.dataset(0, 1))]
    assert labels == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert stream.steps_per_epoch == 3


def test_fewer_images_than_a_batch_make_one_step():
    stream = batches(noise(3), size=8, batch_size=64, seed=0, preprocessing=UNIT)
    assert stream.steps_per_epoch == 1
    (_, labels), (_, again) = taken(stream.dataset(0, 2))
    assert sorted(labels) == sorted(again) == [0, 1, 2]


def test_shapes_are_known_so_that_keras_traces_once():
    stream = batches(
        noise(9), size=5, batch_size=4, seed=0, preprocessing=UNIT, augment=EVERYTHING
    )
    images, labels = stream.dataset(0, 3).element_spec
    assert images == tf.TensorSpec((4, 5, 5, 3), tf.float32)
    assert labels == tf.TensorSpec((4,), tf.int64)
    assert stream.dataset(1, 3).cardinality() == 4
    evaluated = batches(
        noise(9), size=5, batch_size=4, seed=0, preprocessing=UNIT, shuffle=False
    )
    assert evaluated.dataset(0, 1).element_spec[0].shape.as_list() == [None, 5, 5, 3]


def test_resize_is_that_of_pillow():
    split = noise(2, side=16)
    stream = batches(
        split, size=8, batch_size=2, seed=0, preprocessing=UNIT, shuffle=False
    )
    ((images, _),) = taken(stream.dataset(0, 1))
    for image, pixels in zip(images, split.images, strict=True):
        theirs = Image.fromarray(pixels).resize((8, 8), Image.Resampling.BILINEAR)
        # Pillow rounds
        np.testing.assert_allclose((image + 1) * 127.5, np.asarray(theirs), atol=1.01)


def warped(rows, augment, **drawn):
    """One image of one channel, changed by what was drawn instead of at random."""
    names = ("rotate", "zoom", "across", "down", "mirror")
    image = tf.constant(rows, tf.float32)[None, :, :, None]

    def draw(index, limit):
        del limit
        return tf.constant([drawn.get(names[index], 0.0)], tf.float32)

    return _warped(image, augment, draw).numpy()[0, :, :, 0]


SQUARE = np.arange(9).reshape(3, 3) * 10


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ({}, SQUARE),
        ({"across": 1}, [[10, 20, 20], [40, 50, 50], [70, 80, 80]]),
        ({"across": -0.5}, [[0, 5, 15], [30, 35, 45], [60, 65, 75]]),
        ({"down": 1}, [[30, 40, 50], [60, 70, 80], [60, 70, 80]]),
        ({"mirror": -1}, SQUARE[:, ::-1]),
        ({"mirror": 1}, SQUARE),
        ({"rotate": np.pi / 2}, np.rot90(SQUARE)),
        ({"rotate": np.pi / 2, "mirror": -1}, np.rot90(SQUARE)[:, ::-1]),
        # half the field of view, around the middle: 40 +- 5 across, +- 15 down
        ({"zoom": -0.5}, [[20, 25, 30], [35, 40, 45], [50, 55, 60]]),
    ],
)
def test_warp_by_hand(drawn, expected):
    augment = Augment(flip="mirror" in drawn)
    np.testing.assert_allclose(warped(SQUARE, augment, **drawn), expected, atol=1e-4)


def changed(images, augment, step=0):
    seed = _seed_of(_AUGMENT, 0, step)
    return augment(tf.constant(images, tf.float32), seed).numpy()


def test_brightness_shifts_each_image_by_up_to_its_share():
    grey = np.full((500, 2, 2, 3), 100.0)
    shift = changed(grey, Augment(brightness=0.1))[:, 0, 0, 0] - 100
    # uniform on +-25.5
    assert np.abs(shift).max() <= 25.5
    assert shift.min() < -24
    assert shift.max() > 24
    assert abs(shift.mean()) < 3
    white = changed(grey + 150, Augment(brightness=0.1))
    assert white.max() == 255


def test_contrast_stretches_around_the_mean():
    image = np.array([[90.0, 110.0], [90.0, 110.0]])[None, :, :, None]
    found = changed(np.repeat(image, 500, 0), Augment(contrast=0.5))[:, 0, :, 0]
    np.testing.assert_allclose(found.mean(axis=1), 100, rtol=1e-5)
    distance = found[:, 1] - 100
    # 10 times 1 +- 0.5
    assert 5 <= distance.min() < 5.3
    assert 14.7 < distance.max() <= 15


def test_half_of_the_images_are_mirrored():
    image = np.tile(np.array([[0.0, 255.0]] * 2)[None, :, :, None], (400, 1, 1, 1))
    found = changed(image, Augment(flip=True))[:, 0, 0, 0]
    assert set(found) == {0.0, 255.0}
    # 200, standard deviation 10
    assert 160 < (found == 255).sum() < 240


def test_images_of_a_batch_and_steps_differ():
    image = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).repeat(4, 0)
    first, second = (changed(image, EVERYTHING, step) for step in (0, 1))
    everything = np.concatenate([first, second]).reshape(8, -1)
    assert len(np.unique(everything, axis=0)) == 8


def test_no_two_uses_share_a_seed():
    seeds = {
        tuple(_seed_of(use, seed, index).numpy().tolist())
        for use in (_SHUFFLE, _AUGMENT)
        for seed in range(4)
        for index in range(25)
    }
    assert len(seeds) == 200


@pytest.mark.parametrize("name", [f.name for f in fields(Augment) if f.name != "flip"])
def test_augmentation_out_of_range_is_named(name):
    for value in (-0.1, 181, float("nan")):
        with pytest.raises(KerasnetsError, match=f"augmentation {name} is {value}"):
            Augment(**{name: value})


def test_another_process_gets_the_same_batches(tmp_path, save_images):
    for i, name in enumerate("ab"):
        save_images(tmp_path / "set" / name, 10, first=10 * i)
    data = prepare(
        open_source(f"folder:{tmp_path}/set"), tmp_path, resolution=8, seed=0
    )
    code = (
        "import sys, hashlib; from pathlib import Path; "
        "from kerasnets.data import Augment, batches, load_prepared; "
        "train = load_prepared(Path(sys.argv[1])).train; "
        "a = Augment(0.1, 20.0, 0.2, True, 0.1, 0.2); "
        "from kerasnets.pixels import UNIT; "
        "s = batches(train, size=6, batch_size=4, seed=3, augment=a, "
        "preprocessing=UNIT).dataset(1, 3); "
        "print(hashlib.sha256(b''.join(x.numpy().tobytes() for x, _ in s)).hexdigest())"
    )
    theirs = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    for train in (data.train, load_prepared(tmp_path).train):
        stream = batches(
            train, size=6, batch_size=4, seed=3, preprocessing=UNIT, augment=EVERYTHING
        )
        ours = b"".join(images.tobytes() for images, _ in taken(stream.dataset(1, 3)))
        assert theirs.stdout.strip() == hashlib.sha256(ours).hexdigest()


def test_larger_images_are_answered_fewer_at_once():
    sides = {side: images_at_once(side) for side in (28, 64, 128, 224, None, 4_000)}
    assert sides == {28: 256, 64: 256, 128: 64, 224: 20, None: 20, 4_000: 1}


def test_padding_moves_by_whole_pixels_each_as_likely():
    images = np.zeros((2_500, 9, 9, 3), "float32")
    images[:, 4, 4] = 255.0
    moved = np.asarray(Augment(pad=2, border="black")(images, (1, 2)))
    # nothing is between two pixels
    assert set(np.unique(moved)) == {0.0, 255.0}
    rows, columns = np.nonzero(moved[..., 0])[1:]
    counts = np.bincount((rows - 2) * 5 + columns - 2, minlength=25)
    assert len(rows) == 2_500
    # 100 each, five standard deviations of 9.8
    assert counts.min() > 50
    assert counts.max() < 150


def test_padded_and_mirrored_images_lose_their_border_only():
    images = np.random.default_rng(0).uniform(1, 255, (50, 6, 6, 3)).astype("float32")
    moved = np.asarray(Augment(pad=1, flip=True, border="black")(images, (3, 4)))
    for image, other in zip(images, moved, strict=True):
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        cuts = [padded[i : i + 6, j : j + 6] for i in range(3) for j in range(3)]
        cuts += [cut[:, ::-1] for cut in cuts]
        assert min(np.abs(cut - other).max() for cut in cuts) < 1e-3
