"""Stages done one after another, each only where its last outcome no longer holds."""

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kerasnets.progress import Progress, silent
from kerasnets.runs.record import Run, open_run
from kerasnets.training import Checkpoint, Devices

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")
Display = Callable[[str, bool], contextlib.AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Job(Generic[Settings]):
    """What a stage is given.

    Attributes:
        folder: Folder of the run.
        settings: All settings of the run.
        key: Digest that differs where the stage's settings or anything before it do.
        results: What the earlier stages returned, by name.
        progress: Told how far the stage is.
        devices: Where trainings run; functions that train are marked
            ``in_all_processes``.
    """

    folder: Path
    settings: Settings
    key: str
    results: dict[str, dict]
    progress: Progress
    devices: Devices = Devices()  # noqa: RUF009  (frozen)

    def checkpoint(self, name: str) -> Checkpoint:
        """Where the training of that name keeps its state."""
        (self.folder / "work").mkdir(exist_ok=True)
        return Checkpoint(
            self.folder / "work" / f"{name}.npz", {"training": name, "key": self.key}
        )


@dataclass(frozen=True)
class Stage(Generic[Settings]):
    """One stage of a run.

    Attributes:
        name: Name in ``run.json``.
        work: The function that does it; returns what it measured, as JSON. What it
            returns under "models" is repeated at the head of ``run.json``.
        uses: Names of the settings that its outcome depends on.
        files: Paths of what it leaves, relative to the folder.
        may_leave: Paths of what it leaves in some cases.
        scratch: Names of folders in which it works.
        share: How long it takes beside the other stages, as far as that is known: the
            time left for the whole is told by it.
    """

    name: str
    work: Callable[[Job[Settings]], dict[str, Any]]
    uses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    may_leave: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    share: float = 1.0

    @property
    def leaves(self) -> tuple[str, ...]:
        """Paths of all that it makes in the folder of the run."""
        return (*self.files, *self.may_leave, *self.scratch)


def run_stages(
    folder: Path,
    stages: Sequence[Stage[Settings]],
    settings: Settings,
    *,
    identity: dict[str, Any],
    fingerprint: str,
    fresh: bool = False,
    display: Display | None = None,
    deliver: Callable[[], None] | None = None,
    devices: Devices | None = None,
) -> dict[str, dict]:
    """Do the stages in a folder, or what is left of them.

    Run again after it was stopped or killed, it goes on where it was. A stage is done
    again, with all after it, where one of the settings that it or a stage before it
    uses, the data or a file that it left has changed.

    Args:
        folder: Folder of the run, made if it is missing.
        stages: In the order in which they are done.
        settings: A dataclass; the stages name its fields.
        identity: Settings without which nothing of an earlier run can be used.
        fingerprint: Digest of the data.
        fresh: Delete what an earlier run left in the folder.
        display: Entered for each stage as ``display(name, done_before)``; gives what
            the stage tells its progress to.
        deliver: Takes what the stages left to where it belongs, after the last of them;
            then the run is deleted, and so is one that failed in its first stage.
            Without it the run stays.
        devices: Where trainings run; of several processes the first calls this, and the
            others ``follow`` it.

    Returns:
        What each stage returned, by its name.

    Raises:
        KerasnetsError: The folder cannot be used.
    """
    devices = devices or Devices()
    owned = sorted({path.split("/")[0] for stage in stages for path in stage.leaves})
    with open_run(folder, identity, owned=owned, fresh=fresh) as run:
        try:
            results = _do_what_is_left(
                run, stages, settings, fingerprint, display or show_nothing, devices
            )
        except Exception:
            if deliver is not None and not run.stages:
                run.delete(owned)
            raise
        if deliver is not None:
            deliver()
            run.delete(owned)
    devices.tell("")
    return results


def _do_what_is_left(
    run: Run,
    stages: Sequence[Stage[Settings]],
    settings: Settings,
    fingerprint: str,
    show: Display,
    devices: Devices,
) -> dict[str, dict]:
    """Do each stage that does not hold; what each of them returned, by its name."""
    values, key = asdict(settings), fingerprint
    results: dict[str, dict] = {}
    done = True
    run.models = {}
    for stage in stages:
        used = {name: values[name] for name in stage.uses}
        key = hashlib.sha256(json.dumps([key, used]).encode()).hexdigest()
        record = {**used, "key": key}
        leaves = {"files": stage.files, "may_leave": stage.may_leave}
        done = done and run.holds(stage.name, record, **leaves)
        with show(stage.name, done) as progress:
            if not done:
                job = Job(run.folder, settings, key, results, progress, devices)
                work = functools.partial(stage.work, job)
                run.do(stage.name, work, settings=record, **leaves)
        results[stage.name] = run.results(stage.name)
        run.models |= results[stage.name].get("models", {})
    run.save()
    return results


def show_nothing(name: str, done: bool) -> contextlib.AbstractContextManager[Progress]:
    """Display nothing: the default of ``run_stages``."""
    del name, done
    return contextlib.nullcontext(silent)
