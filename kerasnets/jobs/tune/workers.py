"""A search by several processes: the chief's side of the job, and a worker's.

A worker finds settings, data and what was done before in the folder of the run:
``python -m kerasnets.jobs.tune.workers FOLDER HOST:PORT NAME`` is one.
"""

import contextlib
import json
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kerasnets.children import end_with_parent, environment
from kerasnets.errors import KerasnetsError, KerasnetsWarning
from kerasnets.files import write_text
from kerasnets.jobs.tune.settings import Settings
from kerasnets.jobs.tune.space import candidates_of
from kerasnets.progress import silent
from kerasnets.runs import Job as AnyJob
from kerasnets.tuning import Trial
from kerasnets.tuning.chief import Address, parse_address, serve, wait_for_chief, work

Job = AnyJob[Settings]
# what a worker is told, within the folder of the run
_JOB = "search/job.json"
# as often a worker of this machine may end before a trial is done
_MOST_DEATHS = 5


@dataclass(frozen=True)
class Crew:
    """Who does the trials of a search.

    Attributes:
        address: Where the chief listens; None for a free port of this machine.
        workers: How many are started on this machine, and again where they end.
        silence: Seconds after which a silent worker's trial is another's.
    """

    address: Address | None = None
    workers: int = 0
    silence: float = 60.0


def lead(job: Job, crew: Crew, **asked: Any) -> list[Trial]:
    """Have workers do the trials of a search; those that are left, the best first.

    Args:
        job: Of the run.
        crew: Who they are.
        **asked: What ``tuning.search`` is asked for.

    Raises:
        KerasnetsError: Nothing can listen at the address, or the workers of this
            machine end again and again.
    """
    address = crew.address or _free_address()
    record = {
        "settings": job.settings.as_json(),
        "key": job.key,
        "results": job.results,
    }
    (job.folder / _JOB).parent.mkdir(exist_ok=True)
    write_text(job.folder / _JOB, json.dumps(record))
    with _local_workers(job.folder, address, crew.workers) as watch:
        return serve(
            candidates_of(job.results),
            job.folder / "search",
            address,
            silence=crew.silence,
            watch=watch,
            say=lambda text: warnings.warn(text, KerasnetsWarning, stacklevel=2),
            **asked,
        )


def follow_chief(
    folder: Path,
    address: Address,
    name: str,
    *,
    wait: float = 600.0,
    say: Callable[[str], None] = lambda _: None,
) -> int:
    """Do trials of the chief that listens somewhere, until all are done.

    Args:
        folder: Of the run, which the chief and all workers see.
        address: Of the chief.
        name: Of this worker, which no other one has.
        wait: Seconds for the chief to be there.
        say: Told each trial in words.

    Returns:
        How many trials it did.

    Raises:
        KerasnetsError: There is no chief, or the folder is not that of its run.
    """
    from kerasnets.jobs.tune.stages import try_out

    wait_for_chief(address, wait)
    try:
        told = json.loads((folder / _JOB).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise KerasnetsError(
            f"{folder / _JOB} of the chief at {address} is not there: give its folder, "
            "which all processes must see, --out FOLDER"
        ) from error
    settings = Settings.from_json(told["settings"])
    job = Job(folder, settings, told["key"], told["results"], silent)
    return work(
        candidates_of(job.results),
        lambda candidate: try_out(job, candidate),
        folder / "search",
        address,
        name,
        objective=settings.objective,
        settings={"key": job.key},
        say=say,
    )


def _free_address() -> Address:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", found.getsockname()[1])


@contextlib.contextmanager
def _local_workers(
    folder: Path, address: Address, count: int
) -> Iterator[Callable[[], None]]:
    """Workers of this machine; what is given looks after them."""
    workers = [_Worker(folder, address, f"worker{i}") for i in range(count)]

    def look_after() -> None:
        for each in workers:
            each.look_after()

    try:
        for each in workers:
            each.start()
        yield look_after
        for each in workers:
            each.end(patience=20.0)
    finally:
        for each in workers:
            each.end(patience=0.0)


class _Worker:
    """A worker of this machine, which is started again where it ends."""

    def __init__(self, folder: Path, address: Address, name: str):
        self._results = folder / "search"
        self._log = self._results / "workers" / f"{name}.log"
        self._command = [
            *(sys.executable, "-m", "kerasnets.jobs.tune.workers"),
            *(str(folder), str(address), name),
        ]
        self._name = name
        self._process: subprocess.Popen | None = None
        self._output: IO[Any] | None = None
        self._deaths, self._done = 0, -1

    def start(self) -> None:
        """Start it, under the name that it always has."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._output = self._log.open("wb")
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            env=environment(),
        )

    def look_after(self) -> None:
        """Start it again where it has ended before all is done.

        Raises:
            KerasnetsError: It ends again and again, and no trial gets done.
        """
        assert self._process is not None
        code = self._process.poll()
        if not code:
            return
        done = len(list(self._results.glob("*.json")))
        self._deaths = self._deaths + 1 if done == self._done else 1
        self._done = done
        self.end(patience=0.0)
        if self._deaths >= _MOST_DEATHS:
            raise KerasnetsError(
                f"{self._name} ended {self._deaths} times and no trial got done: "
                f"{self._last_line()}"
            )
        warnings.warn(
            f"{self._name} ended with status {code}, it is started again: "
            f"{self._last_line()}",
            KerasnetsWarning,
            stacklevel=2,
        )
        self.start()

    def _last_line(self) -> str:
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def end(self, *, patience: float) -> None:
        """Wait for its end, and make it end after so many seconds."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=patience or 0.001)
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._output is not None:
            self._output.close()


def main(arguments: list[str]) -> None:
    """Be a worker: FOLDER HOST:PORT NAME."""
    folder, address, name = arguments
    end_with_parent()
    follow_chief(Path(folder), parse_address(address), name, say=print)


if __name__ == "__main__":
    main(sys.argv[1:])
