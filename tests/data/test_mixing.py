"""Batches mixed by Keras's layers: a function of seed and step, like all others."""

import numpy as np
import pytest

from kerasnets.data import Mix, Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT

LABELS = np.eye(4, dtype="float32")[np.arange(16) % 4]


def mixed(mix, seed=0, images=None):
    if images is None:
        images = np.random.default_rng(5).uniform(0, 255, (16, 12, 12, 3))
    return mix(images.astype("float32"), LABELS, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "mix",
    [
        Mix(rand_augment=0.5),
        Mix(erase=0.3),
        Mix(mixup=0.4),
        Mix(cutmix=1.0),
        Mix(rand_augment=0.2, operations=1, erase=0.1, mixup=0.2, cutmix=1.0),
    ],
)
def test_what_is_drawn_depends_on_the_generator_alone(mix):
    first, again, other = mixed(mix), mixed(mix), mixed(mix, seed=1)
    for ours, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_allclose(first[1].sum(axis=1), 1, atol=1e-6)
    assert first[0].dtype == first[1].dtype == np.float32


def test_shares_of_labels_are_those_of_pixels():
    """Images of one level each: what is mixed tells how much of which there is."""
    levels = np.arange(16.0)[:, None, None, None] % 4 * 80
    images = np.broadcast_to(levels, (16, 12, 12, 3))
    for mix in (Mix(mixup=1.0), Mix(cutmix=1.0)):
        found, labels = mixed(mix, images=images)
        mean = labels @ (np.arange(4) * 80.0)
        # a cut part has whole pixels, its share of the label has not
        atol = 0.01 if mix.mixup else 240 * 2 / 12
        np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), mean, atol=atol)
        assert ((labels > 0).sum(axis=1) == 2).any()


def test_erased_parts_are_as_large_as_is_said():
    images = np.full((16, 12, 12, 3), 100.0)
    found, labels = mixed(Mix(erase=0.25), images=images)
    np.testing.assert_array_equal(labels, LABELS)
    shares = (found != 100).any(axis=-1).mean(axis=(1, 2))
    assert 0 < shares.max() <= 0.25 + 2 / 12
    assert shares.min() < shares.max()


@pytest.mark.parametrize(
    ("mix", "shared"), [(Mix(mixup=0.4), True), (Mix(erase=0.2), False)]
)
def test_batches_are_mixed(mix, shared):
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype("uint8")
    split = Split(images, np.arange(12) % 3, tuple(map(str, range(12))))
    stream = batches(
        split, size=8, batch_size=4, seed=0, preprocessing=UNIT, mix=mix, classes=3
    )
    found = [(x.numpy(), y.numpy()) for x, y in stream.dataset(0, 6)]
    again = [(x.numpy(), y.numpy()) for x, y in stream.dataset(4, 6)]
    for (x, y), (other_x, other_y) in zip(found[4:], again, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)
    assert all(x.shape == (4, 8, 8, 3) for x, _ in found)
    assert {y.shape for _, y in found} == ({(4, 3)} if shared else {(4,)})


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "0 classes"),
        ({"classes": 3, "targets": {"soft": np.zeros((12, 3))}}, "soft"),
    ],
)
def test_what_cannot_be_mixed_is_told(how, message):
    split = Split(np.zeros((12, 8, 8, 3), "uint8"), np.arange(12) % 3, tuple("a" * 12))
    with pytest.raises(KerasnetsError, match=message):
        batches(split, size=8, batch_size=4, seed=0, mix=Mix(mixup=0.2), **how)


@pytest.mark.parametrize(
    "name", ["rand_augment", "operations", "erase", "mixup", "cutmix"]
)
def test_values_out_of_range_are_named(name):
    with pytest.raises(KerasnetsError, match=f"mix {name} is -1"):
        Mix(**{name: -1})
