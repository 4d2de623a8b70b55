"""Decoded images in memory maps."""

import sys

import numpy as np
import psutil

from kerasnets.data.decoded import Split, load_decoded


def test_memory_of_what_was_read_is_given_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (1_000, 100, 100, 3), "uint8")
    np.save(tmp_path / "train_images.npy", pixels)
    np.save(tmp_path / "train_labels.npy", np.zeros(1_000, int))
    split = load_decoded(tmp_path, "train", tuple(map(str, range(1_000))))
    total = pixels.sum()
    assert split.images.sum() == total
    process = psutil.Process()
    before = process.memory_info().rss
    split.let_go()
    if sys.platform == "linux":
        # 30 MB were read
        assert before - process.memory_info().rss > 25_000_000
    assert split.images.sum() == total


def test_picked_images_keep_label_and_name():
    pixels = np.arange(3 * 12, dtype="uint8").reshape(3, 2, 2, 3)
    split = Split(pixels, np.array([5, 6, 7]), ("a", "b", "c"))
    some = split.picked(np.array([2, 0]))
    assert some.images[:, 0, 0, 0].tolist() == [24, 0]
    assert some.labels.tolist() == [7, 5]
    assert some.ids == ("c", "a")


def test_images_in_memory_stay():
    split = Split(np.ones((2, 4, 4, 3), "uint8"), np.zeros(2, int), ("a", "b"))
    split.let_go()
    assert split.images.sum() == 96
