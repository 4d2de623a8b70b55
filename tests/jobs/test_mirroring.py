"""Whether mirrored images of a class look like another class."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kerasnets.data import Split
from kerasnets.jobs.mirroring import look_at_mirroring


def split(images, labels):
    labels = np.asarray(labels, "int64")
    return Split(images, labels, tuple(map(str, range(len(labels)))))


def arrows(count, classes=("left", "right"), side=48):
    """Filled arrows of any place, size and colour on a noisy ground."""
    random = np.random.default_rng(0)
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    images, labels = [], []
    for i in range(count):
        label = i % len(classes)
        x, y = random.uniform(0.4, 0.6, 2) * side
        length = random.uniform(0.25, 0.4) * side
        along = across - x if classes[label] == "right" else x - across
        beside = np.abs(down - y)
        if classes[label] == "up":
            along, beside = y - down, np.abs(across - x)
        shaft = (np.abs(along) < length) & (beside < 0.2 * length)
        head = (along > 0) & (along + beside < length)
        ground, ink = random.uniform(0, 120, 3), random.uniform(140, 255, 3)
        image = np.where((shaft | head)[..., None], ink, ground)
        image += random.normal(0, 10, image.shape)
        images.append(image.clip(0, 255).astype("uint8"))
        labels.append(label)
    return split(np.stack(images), labels)


@pytest.mark.parametrize("seed", [0, 1])
def test_arrows_to_the_left_and_right_are_found(seed):
    found = look_at_mirroring(arrows(200), seed=seed)
    assert found.confuses
    assert found.mirrored < 0.3 < 0.7 < found.accuracy


def test_pair_of_arrows_among_other_classes_is_found():
    """Of 17 classes two are mirror images: the whole set loses less than a fifth."""
    random = np.random.default_rng(1)
    pair = arrows(100)
    others = [
        np.full((50, 48, 48, 3), 16 * k) + random.normal(0, 2, (50, 48, 48, 3))
        for k in range(1, 16)
    ]
    images = np.concatenate([pair.images, *others]).clip(0, 255).astype("uint8")
    labels = np.concatenate([pair.labels, np.repeat(np.arange(2, 17), 50)])
    found = look_at_mirroring(split(images, labels), seed=0)
    assert found.confuses
    assert found.mirrored > found.accuracy - 0.2


def test_arrows_that_point_up_may_be_mirrored():
    """Up and a mirrored up are alike; the other class has no arrow."""
    up = arrows(100, classes=("up",))
    blank = np.random.default_rng(2).integers(0, 256, up.images.shape, "uint8")
    both = split(np.concatenate([up.images, blank]), np.repeat([0, 1], 100))
    assert not look_at_mirroring(both, seed=0).confuses


def test_digits_are_not_mirrored():
    digits = load_digits()
    images = np.repeat(np.kron(digits.images, np.ones((4, 4)))[..., None] * 15, 3, -1)
    found = look_at_mirroring(split(images.astype("uint8"), digits.target), seed=0)
    assert found.confuses


def test_chance_alone_confuses_nothing_and_repeats():
    random = np.random.default_rng(3)
    noise = split(random.integers(0, 256, (60, 40, 40, 3), "uint8"), np.arange(60) % 3)
    found = look_at_mirroring(noise, seed=0)
    assert not found.confuses
    assert found == look_at_mirroring(noise, seed=0)
