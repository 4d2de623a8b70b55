import gzip
from types import SimpleNamespace

import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export import convert, file_sizes, measure_latency
from kerasnets.export.benchmark import local
from kerasnets.export.benchmark.local import bench, median_interval

from . import handmade
from .conftest import build_small


@pytest.fixture
def lasting(monkeypatch):
    """Seconds of a run by path, to fill in: a clock that only runs while files do."""
    now, seconds, opened = [0.0], {}, local.open_interpreter

    def open_interpreter(path, threads, **options):
        interpreter = opened(path, threads, **options)
        invoke = interpreter.invoke

        def timed():
            invoke()
            now[0] += seconds[path]

        monkeypatch.setattr(interpreter, "invoke", timed)
        return interpreter

    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr(local, "open_interpreter", open_interpreter)
    monkeypatch.setattr(local, "time", clock)
    return seconds


def test_medians_are_those_of_the_clock(float_file, int8_file, lasting):
    lasting |= {float_file: 0.25, int8_file: 0.125}
    medians = measure_latency({"float": float_file, "int8": int8_file}, runs=20)
    assert list(medians) == ["float", "int8"]
    assert medians == pytest.approx({"float": 250, "int8": 125})


def test_the_time_budget_ends_the_measurement(float_file, int8_file, lasting):
    lasting |= {float_file: 0.25, int8_file: 0.125}
    pair = {"float": float_file, "int8": int8_file}
    found = bench(pair, runs=10**9, warmup=2, seconds=3)
    # nine turns of 0.375 s are the first to be longer than three seconds
    assert [each.runs for each in found] == [7, 7]


def test_without_time_there_is_one_turn_each(float_file):
    assert measure_latency({"float": float_file}, seconds=0)["float"] > 0


def test_no_runs_are_refused(float_file):
    with pytest.raises(KerasnetsError, match="runs is 0"):
        measure_latency({"float": float_file}, runs=0)


@pytest.mark.parametrize(
    ("count", "rank"),
    # tables of the sign test: 95 % and the least above it
    [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (50, 18), (100, 40)],
)
def test_the_interval_of_a_median_is_that_of_the_tables(count, rank):
    values = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    found = median_interval(values)
    assert (found.low, found.high) == (rank, count + 1 - rank)
    assert found.median == (count + 1) / 2


def test_nineteen_of_twenty_intervals_hold_the_median():
    random = np.random.default_rng(0)
    intervals = [median_interval(random.exponential(size=30)) for _ in range(1000)]
    held = sum(each.low <= np.log(2) <= each.high for each in intervals)
    # 30 values: ranks 10 and 21 have 95.7 %; the sample's own deviation is 0.6 %
    assert 0.935 < held / 1000 < 0.98


@pytest.fixture
def pair(tmp_path, float_file):
    """A convolution of four pixels, and a network."""
    small = tmp_path / "small.tflite"
    small.write_bytes(handmade.float_file())
    return {"small": small, "big": float_file}


def test_files_are_paired_with_a_reference(pair, lasting):
    lasting |= {pair["small"]: 0.002, pair["big"]: 0.024}
    calls = []
    found = bench(
        pair,
        reference="small",
        threads=(1, 2),
        runs=20,
        progress=lambda done, total, note="": calls.append((done, total)),
    )
    assert [(each.name, each.threads) for each in found] == [
        ("small", 1),
        ("big", 1),
        ("small", 2),
        ("big", 2),
    ]
    assert calls == [(0, 2), (1, 2), (2, 2)]
    for small, big in (found[:2], found[2:]):
        assert small.runs == big.runs == 20
        assert small.ratio is None
        for interval, expected in ((small.ms, 2), (big.ms, 24), (big.ratio, 12)):
            assert interval is not None
            ends = interval.low, interval.median, interval.high
            assert ends == pytest.approx((expected,) * 3)
    assert all(each.ratio is None for each in bench(pair, runs=1, seconds=0))


def test_what_cannot_be_measured_is_refused(pair, tmp_path):
    with pytest.raises(
        KerasnetsError, match="'other' is none of the files: small, big"
    ):
        bench(pair, reference="other")
    for threads in ((), (1, 0)):
        with pytest.raises(KerasnetsError, match="each must be 1 or more"):
            bench(pair, threads=threads)
    with pytest.raises(KerasnetsError, match="warmup is -1"):
        bench(pair, warmup=-1)
    with pytest.raises(KerasnetsError, match="No such file"):
        bench({"none": tmp_path / "none.tflite"})
    empty = tmp_path / "empty.tflite"
    empty.touch()
    with pytest.raises(KerasnetsError, match="not a LiteRT file"):
        bench({"empty": empty})


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
