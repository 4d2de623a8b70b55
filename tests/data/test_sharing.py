"""Processes that train together: each reads its rows, and sees what one would see."""

from dataclasses import replace

import numpy as np
import pytest

from kerasnets.data import (
    Augment,
    Mix,
    RandomCrop,
    SharedFeed,
    Split,
    batches,
    crop_batches,
)
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT

AUGMENT = Augment(translate=0.2, rotate=10, flip=True, elastic=3.0, contrast=0.3)


@pytest.fixture(scope="module")
def split():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (26, 8, 8, 3)).astype("uint8")
    return Split(images, np.arange(26) % 5, tuple(map(str, range(26))))


def feeds(split):
    how = {"size": 8, "batch_size": 12, "seed": 3, "preprocessing": UNIT}
    soft = np.random.default_rng(1).normal(size=(2, 26, 5)).astype("float32")
    return {
        "plain": batches(split, **how),
        "changed": batches(split, augment=AUGMENT, **how),
        "fixed views": batches(
            split, augment=AUGMENT, views=2, targets={"soft": soft}, **how
        ),
        "mixed": batches(
            split,
            mix=Mix(mixup=0.4, cutmix=1.0, erase=0.3),
            classes=5,
            **how,
        ),
        "parts": crop_batches(
            split, crop=RandomCrop(0.5), augment=Augment(brightness=0.5), **how
        ),
        "mixed parts": crop_batches(split, mix=Mix(mixup=0.4), classes=5, **how),
    }


def steps(feed, first, last):
    """Arrays of each step, without their names."""
    for images, targets in feed.dataset(first, last):
        named = targets if isinstance(targets, dict) else {"labels": targets}
        yield [np.asarray(x) for x in (images, *named.values())]


@pytest.mark.parametrize(
    "kind", ["plain", "changed", "fixed views", "mixed", "parts", "mixed parts"]
)
def test_parts_joined_are_the_batch(split, kind):
    feed = feeds(split)[kind]
    assert isinstance(feed, SharedFeed)
    shares = [list(steps(feed.share(i, 3), 1, 5)) for i in range(3)]
    for whole, *parts in zip(steps(feed, 1, 5), *shares, strict=True):
        assert {len(part[0]) for part in parts} == {4}
        for expected, *pieces in zip(whole, *parts, strict=True):
            np.testing.assert_array_equal(np.concatenate(pieces), expected)


class Watched(np.ndarray):
    """Notes which rows are read."""

    def __getitem__(self, rows):
        if isinstance(rows, np.ndarray):
            self.read.extend(rows.tolist())
        return np.asarray(self)[rows]


def test_only_its_rows_are_read(split):
    images = split.images.view(Watched)
    images.read = []
    feed = feeds(replace(split, images=images))["changed"]
    feed._read(4)
    batch, images.read = images.read, []
    feed.share(1, 3)._read(4)
    assert images.read == batch[4:8]


def test_uneven_parts_are_refused(split):
    feed = batches(split, size=8, batch_size=12, seed=0)
    with pytest.raises(KerasnetsError, match="batches of 12 images for 5 processes"):
        feed.share(0, 5)
    last_is_smaller = batches(split, size=8, batch_size=12, seed=0, shuffle=False)
    with pytest.raises(KerasnetsError, match="unlike numbers of images for 2"):
        last_is_smaller.share(0, 2)
