"""Trainings beside each other: what they were told, and what they came to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes
from kerasnets.runs import HISTORY, read_history, read_run

# of what a stage records: what says no more than the rest, or is only told of it
_LEFT_OUT = {"key", "paper", "source", "departs", "changes"}


@dataclass(frozen=True)
class Compared:
    """A training as far as it is; None is what is not known of it yet.

    Attributes:
        name: Its folder, as it was given.
        network: Name in the zoo.
        recipe: Name of the paper's.
        differs: Settings that are not the same in all, by the names of ``--set``.
        finished: Whether all of its stages are done.
        epochs: That were trained.
        params: Parameters of the network.
        madds: Multiply-adds of the network for an image.
        validation_accuracy: Of the best epoch.
        test: What ``best.keras`` came to on the test images: "accuracy", "interval"
            (95 %, Wilson's) and "images".
        seconds: That its epochs took.
        history: Figures of each epoch.
    """

    name: str
    network: str
    recipe: str
    differs: Mapping[str, Any]
    finished: bool
    epochs: int
    params: int | None
    madds: int | None
    validation_accuracy: float | None
    test: Mapping[str, Any] | None
    seconds: float
    history: Sequence[Mapping[str, float]]

    def as_json(self) -> dict[str, Any]:
        """Return all figures as JSON has them."""
        return asdict(self)


def run(folders: Sequence[Path], *, out: Path | None = None) -> list[Compared]:
    """Compare trainings of ``kerasnets train``, finished or not.

    Args:
        folders: Of two or more runs.
        out: Picture of the learning curves to write, .svg or .png.

    Raises:
        KerasnetsError: There are fewer, one is no such run, or no such picture can be
            written.
    """
    if len({folder.resolve() for folder in folders}) < 2 or len(set(folders)) < len(
        folders
    ):
        given = ", ".join(map(str, folders)) or "none"
        raise KerasnetsError(
            f"two or more different runs can be compared; {given} was given"
        )
    if out is not None and out.suffix.lower() not in (".svg", ".png"):
        raise KerasnetsError(f"{out}: a name that ends in .svg or .png is accepted")
    records = [_recorded(folder) for folder in folders]
    told = [_settings(record) for record in records]
    found = [
        _compared(folder, record, differs)
        for folder, record, differs in zip(
            folders, records, differences(told), strict=True
        )
    ]
    if out is not None:
        from kerasnets.reports.comparison import draw_comparison

        curves = {each.name: each.history for each in found if each.history}
        if not curves:
            raise KerasnetsError(f"{out}: no epoch of any run is finished yet")
        write_bytes(out, draw_comparison(curves, form=out.suffix.lower()[1:]))
    return found


def _recorded(folder: Path) -> dict[str, Any]:
    """Identity and stages of a run of ``kerasnets train``."""
    record = read_run(folder)
    identity = record.identity
    if not {"network", "recipe", "data", "seed"} <= identity.keys():
        raise KerasnetsError(f"{folder} is no run of kerasnets train")
    return {
        "identity": identity,
        "stages": {stage["name"]: stage for stage in record.stages},
    }


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """What was told, by names as ``--set`` has them: "epochs", "augment.flip"."""
    told = dict(record["identity"])
    for stage in record["stages"].values():
        told |= stage["settings"]
    told |= told.pop("recipe") if isinstance(told["recipe"], Mapping) else {}
    told["recipe"] = record["identity"]["recipe"]
    return {name: x for name, x in told.items() if name not in _LEFT_OUT}


def differences(told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What of the settings of each run is not the same in all of them.

    Network and recipe are left out, which are told of each run anyway. A setting that
    is not known of a run yet is not compared with that.

    Args:
        told: Settings of each run, some of them mappings of more.
    """
    flat = [dict(_flat(each)) for each in told]
    names = {name: None for each in flat for name in each}
    differing = []
    for name in names:
        known = [
            each.get(name)
            for each, whole in zip(flat, told, strict=True)
            if name.split(".")[0] in whole
        ]
        # a change that is left out is no other than one of size 0
        if len({repr(x or None) for x in known}) > 1:
            differing.append(name)
    own = [name for name in differing if name not in ("network", "recipe")]
    return [{name: each[name] for name in own if name in each} for each in flat]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _compared(
    folder: Path, record: Mapping[str, Any], differs: Mapping[str, Any]
) -> Compared:
    stages, identity = record["stages"], record["identity"]
    trained = stages.get("train", {}).get("results", {})
    judged = stages.get("evaluate", {}).get("results")
    path = folder / HISTORY
    history = read_history(path) if path.is_file() else []
    accuracies = [row["validation_accuracy"] for row in history]
    best = judged["test"]["best.keras"] if judged else None
    return Compared(
        name=str(folder),
        network=identity["network"],
        recipe=identity["recipe"],
        differs=differs,
        finished=judged is not None,
        epochs=len(history),
        params=trained.get("params"),
        madds=trained.get("madds"),
        validation_accuracy=max(accuracies, default=None),
        test=best and {**best["top1"], "images": best["images"]},
        seconds=round(sum(row["seconds"] for row in history), 2),
        history=history,
    )
