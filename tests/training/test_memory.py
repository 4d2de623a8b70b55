"""What a training leaves behind in the process: nothing."""

import gc

import numpy as np
from support.tiny_files import network

from kerasnets.data import Split, batches
from kerasnets.training import Recipe, release_memory, train


def graphs() -> list[str]:
    """Names of TensorFlow's graphs of functions that are still held."""
    gc.collect()
    found = [each for each in gc.get_objects() if type(each).__name__ == "FuncGraph"]
    return sorted(each.name for each in found)


def test_no_graph_of_a_training_stays():
    """TensorFlow registers the sum over replicas, and with it all of a step's graph."""
    images = np.zeros((8, 8, 8, 3), "uint8")
    split = Split(images, np.arange(8) % 3, tuple("abcdefgh"))
    feed = batches(split, size=8, batch_size=4, seed=0)
    release_memory()
    before = graphs()
    train(network(), feed, Recipe(1, 0.01, batch_size=4))
    release_memory()
    assert graphs() == before
