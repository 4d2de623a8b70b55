"""The way to a phone, with a stand-in for adb: nothing here has seen hardware."""

import os
import stat

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export.benchmark.phone import bench_on_phone, has_adb, parse_benchmark

from . import handmade

# as benchmark_model prints it (tensorflow/lite/tools/benchmark/benchmark_model.cc)
LOG = """\
INFO: STARTING!
INFO: Loaded model /data/local/tmp/kerasnets_0.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: The input model file size (MB): 24.6229
INFO: Initialized session in 119.515ms.
INFO: Running benchmark for at least 5 iterations and at least 0.5 seconds but\
 terminate if exceeding 150 seconds.
INFO: count=9 first=87112 curr=51629 min=51629 max=87112 avg=58147.4 std=11478\
 p5=51629 median=51962 p95=87112

INFO: Running benchmark for at least 1000 iterations and at least 1 seconds but\
 terminate if exceeding 150 seconds.
INFO: count=1000 first=52162 curr=49785 min=49088 max=1.5e+06 avg=63743.2 std=60716\
 p5=49620 median=51891 p95=68628

INFO: Inference timings in us: Init: 119515, First inference: 87112, Warmup (avg):\
 58147.4, Inference (avg): 63743.2
INFO: Note: as the benchmark tool itself affects memory footprint, the following is\
 only APPROXIMATE to the actual memory footprint of the model at runtime. Take the\
 information at your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=55.4961\
 overall=55.7461
"""

# it notes what it is asked for; $state says what is plugged in and what fails
ADB = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> calls
. ./state
[ "$1" = -s ] && shift 2
case "$1 $2" in
    "devices ") printf '* daemon started successfully\\nList of devices attached\\n'
                printf "$devices\\n" ;;
    "push "*) [ -e "$2" ] || exit 1; echo "$2: 1 file pushed" ;;
    "shell ls") [ "$tool" = yes ] || { echo "ls: No such file"; exit 1; } ;;
    "shell /data/local/tmp/benchmark_model") sleep "$delay"; cat log; exit "$status" ;;
esac
"""


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """A folder on the PATH with a stand-in for adb; set its state by calling."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "adb"
    script.write_text(ADB)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def plug_in(devices="P1\\tdevice", tool="yes", delay=0, status=0, log=LOG):
        (folder / "state").write_text(
            f"devices='{devices}'\ntool={tool}\ndelay={delay}\nstatus={status}\n"
        )
        (folder / "log").write_text(log)
        return folder / "calls"

    return plug_in


@pytest.fixture
def files(tmp_path):
    found = {name: tmp_path / f"{name} file.tflite" for name in ("float", "int8")}
    found["float"].write_bytes(handmade.float_file())
    found["int8"].write_bytes(handmade.int8_file())
    return found


def test_the_figures_are_read():
    found = parse_benchmark(LOG, "float", "P1", 4)
    assert (found.name, found.device, found.threads) == ("float", "P1", 4)
    assert (found.init_ms, found.first_ms) == (119.515, 87.112)
    assert (found.warmup_ms, found.mean_ms) == pytest.approx((58.1474, 63.7432))
    assert found.runs == 1000
    assert (found.p5_ms, found.median_ms, found.p95_ms) == (49.620, 51.891, 68.628)
    assert found.memory_mb == 55.7461


def test_an_older_tool_says_less():
    line = next(line for line in LOG.splitlines() if "timings in us" in line)
    found = parse_benchmark(line, "float", "P1", 1)
    assert found.mean_ms == pytest.approx(63.7432)
    assert (found.runs, found.median_ms, found.memory_mb) == (None, None, None)
    same = f"count=50 curr=12(all same)\n{line}"
    found = parse_benchmark(same, "float", "P1", 1)
    assert (found.runs, found.median_ms) == (50, None)


def test_files_are_pushed_run_and_removed(phone, files):
    calls = phone()
    assert has_adb()
    calls_made = []
    found = bench_on_phone(
        files,
        threads=(1, 4),
        runs=7,
        warmup=2,
        progress=lambda done, total, note="": calls_made.append((done, total)),
    )
    assert [(each.name, each.threads) for each in found] == [
        ("float", 1),
        ("int8", 1),
        ("float", 4),
        ("int8", 4),
    ]
    assert {each.device for each in found} == {"P1"}
    assert calls_made == [(n, 4) for n in range(5)]
    folder = "/data/local/tmp"
    run = (
        f"-s P1 shell {folder}/benchmark_model --graph={folder}/kerasnets_{{}}.tflite"
        " --num_threads={} --num_runs=7 --warmup_runs=2 --use_xnnpack=true"
    )
    assert calls.read_text().splitlines() == [
        "devices",
        f"-s P1 shell ls {folder}/benchmark_model",
        f"-s P1 push {files['float']} {folder}/kerasnets_0.tflite",
        f"-s P1 push {files['int8']} {folder}/kerasnets_1.tflite",
        *(run.format(number, threads) for threads in (1, 4) for number in (0, 1)),
        f"-s P1 shell rm -f {folder}/kerasnets_0.tflite {folder}/kerasnets_1.tflite",
    ]


def test_the_tool_is_brought_along(phone, files, tmp_path):
    calls = phone(tool="no")
    with pytest.raises(KerasnetsError, match="has no /data/local/tmp/benchmark_model"):
        bench_on_phone(files)
    with pytest.raises(KerasnetsError, match="no program"):
        bench_on_phone(files, benchmark=tmp_path / "none")
    tool = tmp_path / "android_aarch64_benchmark_model"
    tool.touch()
    assert len(bench_on_phone(files, benchmark=tool)) == 2
    text = calls.read_text()
    assert f"push {tool} /data/local/tmp/benchmark_model" in text
    assert "shell chmod 755 /data/local/tmp/benchmark_model" in text


@pytest.mark.parametrize(
    ("devices", "serial", "reason"),
    [
        ("", None, "adb sees no phone: plug one in"),
        ("P1\\tunauthorized", None, "P1 is unauthorized: allow USB debugging"),
        ("P1\\tdevice\\nP2\\toffline", None, "several phones, .* P1 .*, P2 .offline"),
        ("P1\\tdevice", "P3", "sees no phone 'P3', but P1"),
        ("P1\\tdevice\\nP2\\toffline", "P2", "P2 is offline"),
    ],
)
def test_one_phone_is_chosen(phone, files, devices, serial, reason):
    phone(devices=devices)
    with pytest.raises(KerasnetsError, match=reason):
        bench_on_phone(files, serial=serial)


def test_of_several_the_named_one_runs(phone, files):
    calls = phone(devices="P1\\tdevice\\nP2\\tdevice")
    assert bench_on_phone(files, serial="P2")[0].device == "P2"
    assert "-s P1" not in calls.read_text()


def test_a_tool_that_fails_is_told_and_the_files_go(phone, files):
    calls = phone(status=1, log="ERROR: Failed to load\nBenchmarking failed.\n")
    with pytest.raises(KerasnetsError, match="with status 1: Benchmarking failed"):
        bench_on_phone(files)
    assert "shell rm -f" in calls.read_text()
    phone(log="INFO: STARTING!\n")
    with pytest.raises(KerasnetsError, match="no timings for float: INFO: STARTING!"):
        bench_on_phone(files)


def test_a_phone_that_hangs_is_given_up(phone, files):
    phone(delay=9)
    with pytest.raises(KerasnetsError, match="did not end within 1 s"):
        bench_on_phone(files, timeout=1)


def test_without_adb_or_with_bad_arguments(files, tmp_path, monkeypatch, phone):
    phone()
    with pytest.raises(KerasnetsError, match="0 runs after 5"):
        bench_on_phone(files, runs=0)
    with pytest.raises(KerasnetsError, match=r"with \[\] threads"):
        bench_on_phone(files, threads=())
    files["int8"].write_bytes(b"text")
    with pytest.raises(KerasnetsError, match="not a LiteRT file"):
        bench_on_phone(files)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_adb()
    with pytest.raises(KerasnetsError, match="adb is not on the PATH"):
        bench_on_phone({})
