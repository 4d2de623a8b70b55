import gzip
import time

import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export import convert, file_sizes, measure_latency

from .conftest import build_small


def test_a_bigger_network_takes_longer(float_file, save):
    inputs = keras.Input((96, 96, 3))
    x = keras.layers.Conv2D(32, 7, padding="same")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    big = save(convert(keras.Model(inputs, keras.layers.Dense(10)(x))))
    medians = measure_latency({"small": float_file, "big": big}, runs=20)
    assert list(medians) == ["small", "big"]
    # 43 million multiply-adds beside 30 thousand
    assert 0 < 10 * medians["small"] < medians["big"]


def test_the_time_budget_ends_the_measurement(float_file, int8_file):
    start = time.perf_counter()
    paths = {"float": float_file, "int8": int8_file}
    medians = measure_latency(paths, runs=10**9, seconds=0.3)
    assert 0.3 < time.perf_counter() - start < 3
    assert min(medians.values()) > 0


def test_without_time_there_is_one_turn_each(float_file):
    assert measure_latency({"float": float_file}, seconds=0)["float"] > 0


def test_no_runs_are_refused(float_file):
    with pytest.raises(KerasnetsError, match="runs is 0"):
        measure_latency({"float": float_file}, runs=0)


def test_sizes_are_those_of_the_file_and_its_download(float_file, save):
    plain, zipped = file_sizes(float_file)
    content = float_file.read_bytes()
    assert (plain, zipped) == (len(content), len(gzip.compress(content, mtime=0)))
    pruned = build_small()
    random = np.random.default_rng(0)
    for weight in pruned.weights:
        if weight.path.endswith("kernel"):
            weight.assign(weight.numpy() * (random.random(weight.shape) < 0.1))
    pruned_plain, pruned_zipped = file_sizes(save(convert(pruned)))
    assert pruned_plain == plain
    # nine in ten of 432 kernel weights of 4 bytes are zero; random floats hardly shrink
    assert zipped - pruned_zipped > 0.5 * 432 * 4
