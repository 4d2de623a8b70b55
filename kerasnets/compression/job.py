"""A recipe and all that it is done with, as the child process is told it too."""

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from kerasnets.compression.settings import Settings, as_json, from_json
from kerasnets.files import sha256
from kerasnets.progress import Progress
from kerasnets.training import Checkpoint


@dataclass(frozen=True)
class Job:
    """What ``compress`` is asked for.

    Attributes:
        model_path: File of the network.
        out_path: File to write; checkpoints lie beside it.
        data: Folder of prepared images.
        steps: Settings of the steps, in their order.
        teacher_path: File of the teacher, if there is one.
        seed: Of everything random.
        plugins: Modules to import first.
        checkpoint_seconds: Least time between two writes of a checkpoint.
    """

    model_path: Path
    out_path: Path
    data: Path
    steps: tuple[Settings, ...]
    teacher_path: Path | None
    seed: int
    plugins: tuple[str, ...]
    checkpoint_seconds: float

    def as_json(self) -> dict[str, Any]:
        """Give the job as JSON holds it."""
        values = asdict(self) | {"steps": [as_json(step) for step in self.steps]}
        paths = {key: str(x) for key, x in values.items() if isinstance(x, Path)}
        return values | paths

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Give the job that ``as_json`` wrote."""
        values = dict(record)
        for name in ("model_path", "out_path", "data", "teacher_path"):
            if values[name] is not None:
                values[name] = Path(values[name])
        values["steps"] = tuple(map(from_json, values["steps"]))
        values["plugins"] = tuple(values["plugins"])
        return cls(**values)

    @property
    def removes_channels(self) -> bool:
        """Whether the first step needs no TF-MOT."""
        return self.steps[0].kind == "channels"

    @property
    def needs_tfmot(self) -> bool:
        """Whether the last step, and so the recipe, needs TF-MOT."""
        return self.steps[-1].kind != "channels"

    @property
    def narrowed_path(self) -> Path:
        """File of the network that lost channels, for the steps after that."""
        if self.needs_tfmot:
            return self.out_path.with_suffix(".step1.keras")
        return self.out_path

    def checkpoint(self, index: int) -> Checkpoint:
        """Give the place of a step's state.

        It belongs to all that this step and those before it depend on.
        """
        return Checkpoint(
            self.out_path.with_suffix(f".step{index + 1}.checkpoint.npz"),
            {
                "seed": self.seed,
                "plugins": self.plugins,
                "files": self._hashes,
                "steps": [as_json(step) for step in self.steps[: index + 1]],
            },
            self.checkpoint_seconds,
        )

    @functools.cached_property
    def _hashes(self) -> list[str]:
        files = (self.model_path, self.teacher_path, self.data / "splits.json")
        return [sha256(path) for path in files if path is not None]

    def progress_of(self, index: int, progress: Progress) -> Progress:
        """Give the progress of a step as a part of the whole recipe's, in epochs."""
        epochs = [step.recipe.epochs for step in self.steps]
        prefix = f"{self.steps[index].kind}: " if len(self.steps) > 1 else ""

        def report(done: int, total: int, note: str = "") -> None:
            # a step tells its epochs, or the batches in them
            here = epochs[index] * done // total
            progress(sum(epochs[:index]) + here, sum(epochs), prefix + note)

        return report

    def clean_up(self) -> None:
        """Remove what a killed call would have gone on with."""
        for index in range(len(self.steps)):
            self.checkpoint(index).remove()
        if self.narrowed_path != self.out_path:
            self.narrowed_path.unlink(missing_ok=True)
