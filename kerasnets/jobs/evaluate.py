"""Judge models and files by the images that they were not made from."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kerasnets import export
from kerasnets.data import EncodedSplit, PreparedData, open_source, prepare, spread
from kerasnets.data.store import PARTS
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import (
    Judged,
    JudgedModel,
    Judgement,
    Protocol,
    judge,
    protocol_of,
)
from kerasnets.files import write_text
from kerasnets.jobs.checks import check_whole
from kerasnets.jobs.networks import open_network
from kerasnets.pixels import Preprocessing
from kerasnets.progress import Progress, silent
from kerasnets.saving import import_plugins

# of a file, which does not say it: as of most networks of ImageNet
_CROP = 0.875
_WORST = 24


class JudgedFile:
    """A LiteRT image classifier of this package: a ``Judged``."""

    def __init__(self, path: Path, threads: int = 1):
        self._file = export.Classifier(path, threads)
        height, width = self._file.input_size
        if height != width:
            raise KerasnetsError(
                f"{path} takes images of {height} x {width} pixels; square ones are "
                "accepted"
            )
        self.name, self.size, self.resize = str(path), height, round(height / _CROP)
        self.labels = self._file.labels

    @property
    def classes(self) -> int:
        """How many it tells apart."""
        return len(self.labels)

    def answers(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, classes) for RGB images uint8 (n, h, w, 3)."""
        if images.shape[1:3] != (self.size, self.size):
            raise KerasnetsError(
                f"{self.name} takes images of {self.size} pixels alone: it cannot "
                "slide over larger ones"
            )
        return np.asarray(self._file.predict(images), "float64")


@dataclass(frozen=True)
class Row:
    """One classifier, or several together, by one protocol.

    Attributes:
        name: Of the classifier, or of all with " + " between them.
        protocol: Name of the protocol.
        resize: Shorter side of the images that it was trained on parts of: S.
        scales: At which it was asked: Q.
        judgement: What it answered.
    """

    name: str
    protocol: str
    resize: int
    scales: tuple[int, ...]
    judgement: Judgement

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "name": self.name,
            "protocol": self.protocol,
            "resize": self.resize,
            "scales": list(self.scales),
            **self.judgement.as_json(),
        }


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation came to.

    Attributes:
        rows: One for each classifier and protocol.
        ids: The images that were asked about.
        split: The part of the set that they are.
        kept_by: The run whose own parts of the set they are of; None where the set or
            the seed decided.
        left_out: How many files of each kind are not among the images of the data.
    """

    rows: tuple[Row, ...]
    ids: tuple[str, ...]
    split: str
    kept_by: Path | None
    left_out: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "split": self.split,
            "kept_by": None if self.kept_by is None else str(self.kept_by),
            "rows": [row.as_json() for row in self.rows],
        }


def run(
    models: Sequence[str],
    *,
    data: str,
    protocols: Sequence[str] = ("whole",),
    scales: Sequence[int] = (),
    ensemble: bool = False,
    split: Literal["train", "validation", "test"] = "test",
    images: int | None = None,
    out: Path | None = None,
    weights: str | None = None,
    alpha: float | None = None,
    size: int | None = None,
    pixels: Preprocessing | None = None,
    output: str | None = None,
    threads: int = 1,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluated:
    """Judge classifiers by protocols of the literature.

    Where a model lies in the folder of a run on the same data, the images are those
    that the run kept apart.

    Args:
        models: ``.keras`` or ``.tflite`` files, or names of the zoo.
        data: The set, as ``kerasnets.data.open_source`` names it.
        protocols: Names in ``evaluation.PROTOCOLS``.
        scales: As for ``evaluation.protocol_of``.
        ensemble: Average the probabilities of all models, and judge them together.
        split: The part of the set.
        images: How many, drawn with ``seed``, the classes taking turns; all by default.
        out: Folder for ``evaluation.json`` and pictures.
        weights: Of a network of the zoo: "imagenet" or a file.
        alpha: Width multiplier of a network of the zoo.
        size: Side in pixels of the images of a network of the zoo.
        pixels: What the Keras models want done to pixels, where they do not say so.
        output: "logits" or "probabilities", where a Keras model does not tell.
        threads: Of a LiteRT file.
        plugins: Modules to import first, which register layers of your own.
        skip_bad_images: Leave out images that cannot be decoded.
        seed: Of the splits, where the set has none of its own.
        progress: Told how many images are read, and judged.

    Raises:
        KerasnetsError: A model, the set or a protocol cannot be used, or a model has
            other classes than the set.
    """
    for name, value, least in (
        ("seed", seed, 0),
        ("images", images, 1),
        ("threads", threads, 1),
    ):
        check_whole(name, value, least)
    if split not in PARTS:
        raise KerasnetsError(f"split {split!r}: {', '.join(PARTS)} are accepted")
    import_plugins(plugins)
    source = open_source(data)
    judged: list[Judged] = []
    for model in models:
        if Path(model).suffix == ".tflite":
            judged.append(JudgedFile(Path(model), threads))
        else:
            network = open_network(model, weights=weights, alpha=alpha, size=size)
            judged.append(
                JudgedModel(network, pixels=pixels, output=output, name=model)
            )
    together = [judged] if ensemble else [[each] for each in judged]
    plans = [
        (
            group,
            protocol_of(
                name, size=group[0].size, resize=group[0].resize, scales=scales
            ),
        )
        for group in together
        for name in protocols
    ]
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(
            source,
            Path(folder),
            seed=seed,
            store="encoded",
            skip_bad_images=skip_bad_images,
            progress=progress,
        )
        for each in judged:
            _check_classes(each, prepared.class_names)
        kept_by, part = _part_of(models, data, prepared, split)
        part = part.picked(spread(part.labels, images or len(part.labels), seed))
        rows = []
        for group, protocol in plans:
            name = " + ".join(each.name for each in group)
            found = judge(group, part, protocol, progress=_named(progress, protocol))
            rows.append(
                Row(
                    name,
                    protocol.name,
                    group[0].resize,
                    protocol.scales,
                    Judgement(found, np.asarray(part.labels), prepared.class_names),
                )
            )
        result = Evaluated(tuple(rows), part.ids, split, kept_by, prepared.left_out)
        if out is not None:
            _write(result, part, out)
    return result


def _named(progress: Progress, protocol: Protocol) -> Progress:
    return lambda done, total, note="": progress(done, total, note or protocol.name)


def _check_classes(judged: Judged, class_names: Sequence[str]) -> None:
    """Raise where a classifier tells that it knows other classes than the data."""
    if judged.classes != len(class_names):
        raise KerasnetsError(
            f"{judged.name} tells {judged.classes} classes apart, the data have "
            f"{len(class_names)}"
        )
    labels = getattr(judged, "labels", class_names)
    other = [(a, b) for a, b in zip(labels, class_names, strict=True) if a != b]
    if other:
        raise KerasnetsError(
            f"{judged.name} calls a class {other[0][0]!r} that the data call "
            f"{other[0][1]!r}: its labels are {', '.join(labels)}"
        )


def _part_of(
    models: Sequence[str],
    data: str,
    prepared: PreparedData[EncodedSplit],
    split: str,
) -> tuple[Path | None, EncodedSplit]:
    """The images of a part of the set; of the run that a model lies in, if any."""
    for model in models:
        run = Path(model).parent
        try:
            record = json.loads((run / "data" / "splits.json").read_text("utf-8"))
            same, wanted = record["source"] == data, record["ids"][split]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if same:
            parts = [getattr(prepared, name) for name in PARTS]
            whole = EncodedSplit(
                np.concatenate([part.labels for part in parts]),
                tuple(name for part in parts for name in part.ids),
                np.concatenate([part.index for part in parts]),
                parts[0].root,
            )
            places = {name: i for i, name in enumerate(whole.ids)}
            gone = [name for name in wanted if name not in places]
            if gone:
                raise KerasnetsError(
                    f"{run} was made from other images: {gone[0]} and "
                    f"{len(gone) - 1} more of its {split} images are not in {data}"
                )
            return run, whole.picked(np.array([places[name] for name in wanted]))
    return None, getattr(prepared, split)


def _write(result: Evaluated, part: EncodedSplit, out: Path) -> None:
    """Write the figures, and pictures of what each classifier gets wrong."""
    from kerasnets.reports import judgement as pictures

    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "evaluation.json", json.dumps(result.as_json(), indent=2) + "\n")
    for number, row in enumerate(result.rows, start=1):
        title = f"{row.name}, {row.protocol}"
        pictures.draw_confusion(
            out / f"confusion-{number}.svg", row.judgement, title=title
        )
        pictures.draw_reliability(
            out / f"reliability-{number}.svg", row.judgement, title=title
        )
        pictures.draw_worst(
            out / f"worst-{number}.png",
            row.judgement,
            part.read,
            title=title,
            count=_WORST,
        )
