"""How fast a LiteRT file answers on a phone, through adb.

The time is taken by LiteRT's own ``benchmark_model``, a program that is built for
Android or downloaded (LiteRT's documentation, "Benchmark tools"). Tested with a
stand-in for adb, not on hardware.
"""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import read_bytes
from kerasnets.progress import Progress, silent

# where any program may be put and run without root
_FOLDER = "/data/local/tmp"
BENCHMARK = f"{_FOLDER}/benchmark_model"
_NUMBER = r"([-+0-9.eE]+)"
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER},"
    rf" Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}"
)
_RUNS = re.compile(rf"count={_NUMBER} .*")
_PERCENTILES = re.compile(rf"p5={_NUMBER} median={_NUMBER} p95={_NUMBER}")
_MEMORY = re.compile(rf"\(MB\): init={_NUMBER} overall={_NUMBER}")


@dataclass(frozen=True)
class PhoneLatency:
    """How long a file takes for one run on a phone, as ``benchmark_model`` says.

    Attributes:
        name: Of the file.
        device: Serial number of the phone.
        threads: How many threads the file could use.
        runs: How many runs were timed; None where the tool does not say.
        init_ms: Milliseconds to load the file.
        first_ms: Milliseconds of the first run.
        warmup_ms: Mean of the untimed runs.
        mean_ms: Mean of the timed runs.
        median_ms: Their median; None where the tool does not say.
        p5_ms: What 5 % of them stay below, likewise.
        p95_ms: What 95 % of them stay below, likewise.
        memory_mb: Growth of the tool's memory from its start, approximate; likewise.
    """

    name: str
    device: str
    threads: int
    runs: int | None
    init_ms: float
    first_ms: float
    warmup_ms: float
    mean_ms: float
    median_ms: float | None
    p5_ms: float | None
    p95_ms: float | None
    memory_mb: float | None


def has_adb() -> bool:
    """Whether adb is on the PATH."""
    return shutil.which("adb") is not None


def bench_on_phone(
    paths: Mapping[str, Path],
    *,
    threads: Sequence[int] = (1,),
    runs: int = 50,
    warmup: int = 5,
    serial: str | None = None,
    benchmark: Path | None = None,
    timeout: float = 300.0,
    progress: Progress = silent,
) -> tuple[PhoneLatency, ...]:
    """Measure how long files take for one run on a phone. Untested on hardware.

    Args:
        paths: LiteRT files by name.
        threads: Numbers of threads, one after another.
        runs: Least number of timed runs; the tool goes on for a second at least.
        warmup: Least number of untimed runs before them.
        serial: Of the phone, as ``adb devices`` lists it. Default: the only one.
        benchmark: The tool for Android on this machine; it is copied to the phone.
            Default: the phone has it, as ``/data/local/tmp/benchmark_model``.
        timeout: Seconds after which a command of adb is given up.
        progress: Told how many runs of the tool are done.

    Returns:
        The figures, by number of threads, then in the order of ``paths``.

    Raises:
        KerasnetsError: There is no adb, not one phone that it may use, no tool on it,
            a file is no LiteRT file, or the tool fails or takes too long.
    """
    for value, least in ((runs, 1), (warmup, 0), (min(threads, default=0), 1)):
        if value < least:
            raise KerasnetsError(
                f"{runs} runs after {warmup} with {list(threads)} threads cannot be"
                " timed; 1 or more, 0 or more and 1 or more are accepted"
            )
    for path in paths.values():
        read_bytes(path)
    phone = _Phone(serial, timeout)
    phone.prepare(benchmark)
    found, done = [], 0
    try:
        for number, path in enumerate(paths.values()):
            phone.adb("push", str(path), _remote(number))
        for count in threads:
            for number, name in enumerate(paths):
                progress(done, len(threads) * len(paths), name)
                text = phone.adb(
                    "shell",
                    BENCHMARK,
                    f"--graph={_remote(number)}",
                    f"--num_threads={count}",
                    f"--num_runs={runs}",
                    f"--warmup_runs={warmup}",
                    "--use_xnnpack=true",
                )
                found.append(parse_benchmark(text, name, phone.serial, count))
                done += 1
    finally:
        phone.remove([_remote(number) for number in range(len(paths))])
    progress(done, done, "phone")
    return tuple(found)


def _remote(number: int) -> str:
    """Where a file lies on the phone: a name that needs no quoting."""
    return f"{_FOLDER}/kerasnets_{number}.tflite"


def parse_benchmark(text: str, name: str, device: str, threads: int) -> PhoneLatency:
    """Read what ``benchmark_model`` prints.

    Args:
        text: Its output and its log.
        name: Of the file.
        device: Serial number of the phone.
        threads: How many threads it was given.

    Raises:
        KerasnetsError: The timings are not there.
    """
    timings = _TIMINGS.search(text)
    if not timings:
        raise KerasnetsError(
            f"benchmark_model printed no timings for {name}: {_last_line(text)}"
        )
    init, first, warmup, mean = (float(number) / 1e3 for number in timings.groups())
    # one line for the untimed runs, then one for the timed
    counts = list(_RUNS.finditer(text, 0, timings.start()))
    percentiles = _PERCENTILES.search(counts[-1][0]) if counts else None
    p5, median, p95 = (
        (float(number) / 1e3 for number in percentiles.groups())
        if percentiles
        else (None, None, None)
    )
    memory = _MEMORY.search(text, timings.end())
    return PhoneLatency(
        name=name,
        device=device,
        threads=threads,
        runs=int(float(counts[-1][1])) if counts else None,
        init_ms=init,
        first_ms=first,
        warmup_ms=warmup,
        mean_ms=mean,
        median_ms=median,
        p5_ms=p5,
        p95_ms=p95,
        memory_mb=float(memory[2]) if memory else None,
    )


class _Phone:
    """One phone behind adb."""

    def __init__(self, serial: str | None, timeout: float):
        if not has_adb():
            raise KerasnetsError(
                "adb is not on the PATH: install Android's platform-tools"
            )
        self._timeout = timeout
        self.serial = ""
        self.serial = _choose(_devices(self.adb("devices")), serial)

    def adb(self, *arguments: str) -> str:
        """Run a command of adb and return what it printed."""
        device = ["-s", self.serial] if self.serial else []
        command = ["adb", *device, *arguments]
        said = f"adb {' '.join(arguments[:2])}"
        try:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise KerasnetsError(
                f"{said} did not end within {self._timeout:g} s"
            ) from error
        except OSError as error:
            raise KerasnetsError(f"adb cannot be run: {error}") from error
        text = result.stdout.decode(errors="replace")
        if result.returncode:
            raise KerasnetsError(
                f"{said} failed with status {result.returncode}: {_last_line(text)}"
            )
        return text

    def prepare(self, benchmark: Path | None) -> None:
        """Bring the tool to the phone, or see that it is there."""
        if benchmark is not None:
            if not benchmark.is_file():
                raise KerasnetsError(f"there is no program {benchmark}")
            self.adb("push", str(benchmark), BENCHMARK)
            self.adb("shell", "chmod", "755", BENCHMARK)
            return
        try:
            self.adb("shell", "ls", BENCHMARK)
        except KerasnetsError as error:
            raise KerasnetsError(
                f"the phone {self.serial} has no {BENCHMARK}; give the path of LiteRT's"
                f" benchmark_model for Android ({error})"
            ) from error

    def remove(self, files: Sequence[str]) -> None:
        """Delete files, and say nothing where the phone is gone."""
        # what went wrong before is the error to tell
        with contextlib.suppress(KerasnetsError):
            self.adb("shell", "rm", "-f", *files)


def _devices(listing: str) -> dict[str, str]:
    """Return the state of each device by serial number."""
    # above the table adb may tell that it starts its server
    table = listing.partition("List of devices attached")[2]
    rows = (line.split() for line in table.splitlines())
    return {row[0]: row[1] for row in rows if len(row) >= 2}


def _choose(devices: dict[str, str], serial: str | None) -> str:
    """Return the serial number of the phone to use."""
    listed = ", ".join(f"{name} ({state})" for name, state in devices.items())
    if not devices:
        raise KerasnetsError("adb sees no phone: plug one in and allow USB debugging")
    if serial is None and len(devices) > 1:
        raise KerasnetsError(f"adb sees several phones, name one of them: {listed}")
    chosen = serial or next(iter(devices))
    if chosen not in devices:
        raise KerasnetsError(f"adb sees no phone {chosen!r}, but {listed}")
    if devices[chosen] != "device":
        raise KerasnetsError(
            f"the phone {chosen} is {devices[chosen]}: allow USB debugging on it"
        )
    return chosen


def _last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"
