"""What a stage of the main job is, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasnets.phone.settings import Settings
from kerasnets.progress import Progress
from kerasnets.training import Checkpoint


@dataclass(frozen=True)
class Job:
    """What a stage is given.

    Attributes:
        folder: folder of the run.
        settings: all settings of the run.
        key: another one where the stage's settings or anything before it differ.
        results: what the earlier stages returned, by name.
        progress: told how far the stage is.
    """

    folder: Path
    settings: Settings
    key: str
    results: dict[str, dict]
    progress: Progress

    def checkpoint(self, name: str) -> Checkpoint:
        """Where the training of that name keeps its state."""
        (self.folder / "work").mkdir(exist_ok=True)
        return Checkpoint(
            self.folder / "work" / f"{name}.npz", {"training": name, "key": self.key}
        )


@dataclass(frozen=True)
class Stage:
    """One stage of the job.

    Attributes:
        name: its name in ``run.json``.
        work: the function that does it; returns what it measured.
        uses: names of the settings that its outcome depends on.
        files: what it leaves, relative to the folder.
        scratch: folders in which it works.
    """

    name: str
    work: Callable[[Job], dict]
    uses: tuple[str, ...]
    files: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()

    @property
    def leaves(self) -> tuple[str, ...]:
        """All that it makes in the folder of the run."""
        return (*self.files, *self.scratch)
