"""A run: a folder, and ``run.json`` that tells what was done there.

Every stage leaves files; ``run.json`` records its settings, seed, results and the
hashes of the files. A stage whose record still holds is not done again.
"""

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import kerasnets
from kerasnets.errors import KerasnetsError
from kerasnets.files import sha256, write_text

RUN_FILE = "run.json"
_FORMAT = 1
_LOCK = ".lock"
_PARTIAL = f"{RUN_FILE}.partial"  # what a kill in a write leaves
_INSTEAD = "choose another output or start over with --fresh"


class Run:
    """The folder of one run; made by ``open_run``.

    Attributes:
        folder: Where its files are.
        stages: The records of the finished stages, in their order.
        models: The figures of each model, for ``run.json``.
    """

    def __init__(self, folder: Path, identity: dict):
        self.folder = folder
        self.identity = identity
        self.stages: list[dict] = []
        self.models: dict[str, dict] = {}

    def holds(
        self,
        name: str,
        settings: dict,
        files: Sequence[str],
        may_leave: Sequence[str] = (),
    ) -> bool:
        """Tell whether a stage is done with these settings, its files untouched."""
        record = self._record(name)
        return (
            record is not None
            and record["settings"] == _as_json(settings)
            and {*files} <= record["files"].keys() <= {*files, *may_leave}
            and all(
                (self.folder / file).is_file() and sha256(self.folder / file) == digest
                for file, digest in record["files"].items()
            )
        )

    def results(self, name: str) -> dict:
        """Give what a finished stage came to."""
        record = self._record(name)
        if record is None:
            raise KeyError(name)
        return record["results"]

    def do(
        self,
        name: str,
        work: Callable[[], dict],
        *,
        settings: dict,
        files: Sequence[str],
        may_leave: Sequence[str] = (),
    ) -> dict:
        """Do a stage, and forget those that were built on its last outcome.

        Args:
            name: Name of the stage.
            work: Does the stage; returns its results as JSON and leaves ``files``.
            settings: All that the results depend on besides the earlier stages.
            files: Paths of what it leaves, relative to the folder.
            may_leave: Paths of what it leaves in some cases; what an earlier call left
                is deleted first.

        Returns:
            What ``work`` returned.
        """
        for file in may_leave:
            (self.folder / file).unlink(missing_ok=True)
        names = [stage["name"] for stage in self.stages]
        if name in names:
            self.stages = self.stages[: names.index(name)]
            self.save()
        started = time.monotonic()
        results = _as_json(work())
        left = [*files, *(x for x in may_leave if (self.folder / x).is_file())]
        self.stages.append(
            {
                "name": name,
                "seconds": round(time.monotonic() - started, 2),
                "settings": _as_json(settings),
                "results": results,
                "files": {file: sha256(self.folder / file) for file in left},
            }
        )
        self.save()
        return results

    def save(self) -> None:
        """Write ``run.json``, atomically."""
        content = {
            "format": _FORMAT,
            "kerasnets": kerasnets.__version__,
            "identity": self.identity,
            "stages": self.stages,
            "models": self.models,
        }
        write_text(self.folder / RUN_FILE, json.dumps(content, indent=2) + "\n")

    def load(self) -> None:
        """Take over the records in ``run.json``.

        Raises:
            KerasnetsError: The file is damaged, or of another identity or format.
        """
        try:
            content = _content(self.folder / RUN_FILE)
        except KerasnetsError as error:
            raise KerasnetsError(f"{error}: {_INSTEAD}") from error
        self.stages, self.models = content["stages"], content["models"]
        identity = content["identity"]
        for key, value in self.identity.items():
            if identity.get(key) != value:
                raise KerasnetsError(
                    f"{self.folder} holds a run with {key} {identity.get(key)}, not "
                    f"{value}: {_INSTEAD}"
                )

    def delete(self, owned: Sequence[str]) -> None:
        """Delete the run, and the folder where nothing else is in it.

        ``run.json`` goes last: a folder without it would be somebody else's.

        Args:
            owned: Names of the files and folders that the run leaves.
        """
        _delete(self.folder, [*owned, _PARTIAL, RUN_FILE, _LOCK])
        if not self.folder.is_symlink() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _record(self, name: str) -> dict | None:
        return next((stage for stage in self.stages if stage["name"] == name), None)


def read_run(folder: Path) -> Run:
    """Give what is recorded of a run, in which another process may work.

    Raises:
        KerasnetsError: It is no folder of a run, or its ``run.json`` is damaged.
    """
    if not (folder / RUN_FILE).is_file():
        raise KerasnetsError(f"{folder} is no folder of a run: it has no {RUN_FILE}")
    content = _content(folder / RUN_FILE)
    run = Run(folder, content["identity"])
    run.stages, run.models = content["stages"], content["models"]
    return run


def _content(path: Path) -> dict:
    """What ``run.json`` holds, once it is known to be sound.

    Raises:
        KerasnetsError: It is not, or of another format.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        version = content["format"]
        if not isinstance(content["stages"], list):
            raise TypeError("stages are no list")
        for stage in content["stages"]:
            _ = stage["name"], stage["settings"], stage["results"]
            dict(stage["files"].items())
        for name in ("identity", "models"):
            dict(content[name].items())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KerasnetsError(f"{path} is damaged ({error})") from error
    if version != _FORMAT:
        raise KerasnetsError(
            f"{path} has format {version}, this kerasnets reads {_FORMAT}"
        )
    return content


@contextlib.contextmanager
def open_run(
    folder: Path, identity: dict, *, owned: Sequence[str], fresh: bool = False
) -> Iterator[Run]:
    """Open the run in ``folder``, which no other process can open meanwhile.

    Args:
        folder: Made if it is missing.
        identity: The settings without which nothing of an earlier run can be used
            (its data, its seed), as JSON.
        owned: Names of the files and folders that a run leaves; nothing else in the
            folder is ever touched.
        fresh: Delete what an earlier run left.

    Raises:
        KerasnetsError: The folder holds other things only, a run of another identity
            or a damaged ``run.json``, or another process works in it.
    """
    if folder.exists() and not folder.is_dir():
        raise KerasnetsError(f"{folder} is a file: choose another output")
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(folder, _as_json(identity))
    with _locked(folder):
        # a run killed at its very first write leaves these two
        begun = {_LOCK, _PARTIAL}
        present = {entry.name for entry in folder.iterdir()} - begun
        if present and RUN_FILE not in present:
            foreign = min(present - set(owned), default=min(present))
            raise KerasnetsError(
                f"{folder} is no run of kerasnets, it holds {foreign}: choose another "
                "output, or move it away"
            )
        if fresh:
            _delete(folder, [*owned, RUN_FILE])  # killed here, it is a run still
        if (folder / RUN_FILE).exists():
            run.load()
        else:
            run.save()
        yield run


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KerasnetsError(
                f"another kerasnets works in {folder}: wait for it, or choose another "
                "output"
            ) from None
        yield


def _delete(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _as_json(value: dict) -> dict:
    """The value as it comes back from JSON: tuples are lists."""
    return json.loads(json.dumps(value))
