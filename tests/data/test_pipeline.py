import hashlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasnets.data import (
    Augment,
    Feed,
    Split,
    View,
    batches,
    images_at_once,
    load_prepared,
    open_source,
    prepare,
)
from kerasnets.data.pipeline import AUGMENT, SHUFFLE, generator_of
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT

EVERYTHING = Augment(
    translate=0.1,
    pad=1,
    rotate=20.0,
    zoom=0.2,
    squeeze=0.1,
    shear=0.2,
    elastic=3.0,
    flip=True,
    brightness=0.1,
    contrast=0.2,
    colour=0.1,
    colours=((0.1, 0.1, 0.1), (0.02, 0.0, -0.02), (0.0, 0.01, -0.005)),
)


def noise(count, side=8):
    """Random images; each has its index as its label."""
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), "uint8")
    return Split(images, np.arange(count), tuple(map(str, range(count))))


def taken(dataset):
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def epochs_of(stream, first, last):
    """The batches of whole epochs."""
    steps = stream.steps_per_epoch
    return stream.dataset(first * steps, last * steps)


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
    for images, labels in taken(epochs_of(stream, 0, 2)):
        expected = split.images[labels].astype("float32") / np.float32(127.5) - 1
        np.testing.assert_array_equal(images, expected)
        assert images.dtype == np.float32
        assert labels.dtype == np.int64


@dataclass(frozen=True)
class Negative:
    """It keeps what it was given to draw from."""

    seen: list

    def draw(self, generator, count, side):
        assert side == 8
        return {"shift": generator.uniform(size=(count, 1, 1, 1)).astype("float32")}

    def __call__(self, images, drawn):
        tf.numpy_function(lambda x: self.seen.append(x.tolist()), [drawn["shift"]], [])
        return 255.0 - images


def test_a_view_of_ones_own():
    """It gets pixels of 0 to 255 and what it drew for the step, other each step."""
    split, view = noise(16), Negative([])
    assert isinstance(view, View)
    assert isinstance(EVERYTHING, View)
    stream = batches(
        split, size=8, batch_size=4, seed=0, preprocessing=UNIT, augment=view
    )
    for images, labels in taken(epochs_of(stream, 0, 1)):
        expected = 1 - split.images[labels].astype("float32") / np.float32(127.5)
        np.testing.assert_allclose(images, expected, atol=1e-6)
    view.seen.clear()
    taken(epochs_of(stream, 0, 1))
    assert len(np.unique(np.array(view.seen))) == 16


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
    for images, targets in epochs_of(stream, 0, 1):
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
        for images, targets in epochs_of(stream, first, last):
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


def test_fixed_views_want_changes():
    with pytest.raises(KerasnetsError, match="2 fixed views without augmentation"):
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
        ).dataset(0, 2)
        for augment in (None, Augment())
    ]
    assert_same(taken(stream[0]), taken(stream[1]))


@pytest.mark.parametrize("first_epoch", [1, 3])
def test_resumed_stream_is_the_unbroken_one(first_epoch):
    stream = batches(
        noise(22), size=6, batch_size=4, seed=7, preprocessing=UNIT, augment=EVERYTHING
    )
    unbroken = taken(epochs_of(stream, 0, 4))
    assert stream.steps_per_epoch == 5
    assert len(unbroken) == 20
    assert_same(unbroken[first_epoch * 5 :], taken(epochs_of(stream, first_epoch, 4)))


def test_an_epoch_sees_no_image_twice_and_every_epoch_has_its_order():
    stream = batches(noise(103), size=8, batch_size=10, seed=0, preprocessing=UNIT)
    epochs = [
        np.concatenate([labels for _, labels in taken(epochs_of(stream, i, i + 1))])
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
    labels = [labels.tolist() for _, labels in taken(epochs_of(stream, 0, 1))]
    assert labels == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert stream.steps_per_epoch == 3


def test_fewer_images_than_a_batch_make_one_step():
    stream = batches(noise(3), size=8, batch_size=64, seed=0, preprocessing=UNIT)
    assert stream.steps_per_epoch == 1
    (_, labels), (_, again) = taken(epochs_of(stream, 0, 2))
    assert sorted(labels) == sorted(again) == [0, 1, 2]


def test_shapes_are_known_so_that_keras_traces_once():
    stream = batches(
        noise(9), size=5, batch_size=4, seed=0, preprocessing=UNIT, augment=EVERYTHING
    )
    images, labels = epochs_of(stream, 0, 3).element_spec
    assert images == tf.TensorSpec((4, 5, 5, 3), tf.float32)
    assert labels == tf.TensorSpec((4,), tf.int64)
    assert epochs_of(stream, 1, 3).cardinality() == 4
    evaluated = batches(
        noise(9), size=5, batch_size=4, seed=0, preprocessing=UNIT, shuffle=False
    )
    assert evaluated.dataset(0, 1).element_spec[0].shape.as_list() == [None, 5, 5, 3]


def test_resize_is_that_of_pillow():
    split = noise(2, side=16)
    stream = batches(
        split, size=8, batch_size=2, seed=0, preprocessing=UNIT, shuffle=False
    )
    ((images, _),) = taken(epochs_of(stream, 0, 1))
    for image, pixels in zip(images, split.images, strict=True):
        theirs = Image.fromarray(pixels).resize((8, 8), Image.Resampling.BILINEAR)
        # Pillow rounds
        np.testing.assert_allclose((image + 1) * 127.5, np.asarray(theirs), atol=1.01)


def test_no_two_uses_share_numbers():
    drawn = {
        tuple(generator_of(use, seed, index).integers(2**62, size=2).tolist())
        for use in (SHUFFLE, AUGMENT)
        for seed in range(4)
        for index in range(25)
    }
    assert len(drawn) == 200


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
        "import json; a = Augment.from_json(json.loads(sys.argv[2])); "
        "from kerasnets.pixels import UNIT; "
        "s = batches(train, size=6, batch_size=4, seed=3, augment=a, "
        "preprocessing=UNIT); s = s.dataset(s.steps_per_epoch, 3 * s.steps_per_epoch); "
        "print(hashlib.sha256(b''.join(x.numpy().tobytes() for x, _ in s)).hexdigest())"
    )
    theirs = subprocess.run(
        [sys.executable, "-c", code, tmp_path, json.dumps(asdict(EVERYTHING))],
        capture_output=True,
        text=True,
        check=True,
    )
    for train in (data.train, load_prepared(tmp_path).train):
        stream = batches(
            train, size=6, batch_size=4, seed=3, preprocessing=UNIT, augment=EVERYTHING
        )
        ours = b"".join(
            images.tobytes() for images, _ in taken(epochs_of(stream, 1, 3))
        )
        assert theirs.stdout.strip() == hashlib.sha256(ours).hexdigest()


def test_larger_images_are_answered_fewer_at_once():
    sides = {side: images_at_once(side) for side in (28, 64, 128, 224, None, 4_000)}
    assert sides == {28: 256, 64: 256, 128: 64, 224: 20, None: 20, 4_000: 1}
