"""Find the images of a set that are nearest to others, and labels that they doubt."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kerasnets.data import Split, check_source, open_source, read_image
from kerasnets.data.store import PARTS
from kerasnets.errors import KerasnetsError
from kerasnets.jobs.checks import check_parent, check_whole
from kerasnets.jobs.images import prepared_images, side_of, stating_pixels
from kerasnets.jobs.networks import open_network
from kerasnets.pixels import Preprocessing
from kerasnets.progress import Progress, silent
from kerasnets.reports import sheet
from kerasnets.saving import import_plugins
from kerasnets.transfer import body, features
from kerasnets.transfer.neighbours import Neighbours, Suspect, neighbours, suspects

# neighbours that are asked about a label, at most
_JURY = 10


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        images: The files that were asked about.
        neighbours: Their neighbours; None without files.
        suspects: The images of the split whose label may be wrong, the clearest first.
        suspects_in_all: How many there are; the others are not in ``suspects``.
        split_ids: The name of each image of the split.
        class_names: The classes, in the order of the labels.
        left_out: How many files of each kind are not among the images of the data.
    """

    images: tuple[Path, ...]
    neighbours: Neighbours | None
    suspects: tuple[Suspect, ...]
    suspects_in_all: int
    split_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    left_out: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it, with names in the place of numbers."""
        asked = zip(self.images, self._nearest(), strict=True)
        return {
            "neighbours": [
                {"image": str(image), "nearest": nearest} for image, nearest in asked
            ],
            "suspects": [self._suspect(one) for one in self.suspects],
            "suspects_in_all": self.suspects_in_all,
        }

    def _nearest(self) -> list[list[dict[str, Any]]]:
        near = self.neighbours
        if near is None:
            return []
        return [
            [
                {"id": name, "label": self.class_names[label], "distance": distance}
                for name, label, distance in zip(*row, strict=True)
            ]
            for row in zip(
                near.ids, near.labels.tolist(), near.distances.tolist(), strict=True
            )
        ]

    def _suspect(self, one: Suspect) -> dict[str, Any]:
        return asdict(one) | {
            "label": self.class_names[one.label],
            "other": self.class_names[one.other],
            "neighbours": [self.split_ids[i] for i in one.neighbours],
        }


def run(
    network: str,
    images: Sequence[Path],
    *,
    data: str,
    out: Path | None = None,
    k: int = 6,
    split: Literal["train", "validation", "test"] = "train",
    doubted: int = 0,
    layer: str | None = None,
    weights: str | None = None,
    alpha: float | None = None,
    size: int | None = None,
    pixels: Preprocessing | None = None,
    plugins: Sequence[str] = (),
    skip_bad_images: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Found:
    """Find neighbours of images, and images of doubtful labels, and draw them.

    Args:
        network: ``.keras`` file of a model, or the name of a network of the zoo.
        images: Files to ask about.
        data: The set, as ``kerasnets.data.open_source`` names it.
        out: Picture sheet to write, .png.
        k: How many neighbours of each image.
        split: The part of the set in which they are looked for.
        doubted: How many images of that part whose label may be wrong are named.
        layer: As in ``transfer.features``.
        weights: Of a network of the zoo: "imagenet" or a file.
        alpha: Width multiplier of a network of the zoo.
        size: Side in pixels of the images; by default the network's own.
        pixels: What a model wants done to pixels, where it does not say so itself.
        plugins: Modules to import first, which register layers of your own.
        skip_bad_images: Leave out images of the set that cannot be decoded.
        seed: Of the splits, where the set has none of its own.
        progress: Told how many images are decoded, and have their codes.

    Raises:
        KerasnetsError: The network, an image, the set, the layer or the file cannot be
            used, or the split has not ``k`` images.
    """
    _check(images, out, k, split, doubted, seed)
    import_plugins(plugins)
    model = stating_pixels(
        open_network(network, weights=weights, alpha=alpha, size=size), pixels
    )
    side = side_of(body(model, layer, size=size))
    asked = [read_image(image, side) for image in images]
    source = open_source(data)
    examples = check_source(source, seed=seed, skip_bad_images=skip_bad_images)
    _check_room(k, doubted, len(examples.ids), data)
    with prepared_images(source, side, seed, skip_bad_images, progress) as prepared:
        part = getattr(prepared, split)
        _check_room(k, doubted, len(part.labels), f"{split} of {data}")
        codes = features(model, part, layer=layer, size=size, progress=progress)
        near = None
        if asked:
            near = neighbours(
                *(model, np.stack(asked), part, k),
                layer=layer,
                size=size,
                codes=codes,
            )
        all_suspects = []
        if doubted:
            all_suspects = suspects(model, part, _jury(part.labels), codes=codes)
        found = Found(
            images=tuple(images),
            neighbours=near,
            suspects=tuple(all_suspects[:doubted]),
            suspects_in_all=len(all_suspects),
            split_ids=part.ids,
            class_names=prepared.class_names,
            left_out=prepared.left_out,
        )
        if out is not None:
            _draw(
                found,
                asked,
                part,
                out,
                f"{model.name}: nearest images, {split} of {data}",
                k,
            )
    return found


def _check(
    images: Sequence[Path],
    out: Path | None,
    k: int,
    split: str,
    doubted: int,
    seed: int,
) -> None:
    """Raise for what can be told before anything is opened."""
    for name, value, least in (
        ("k", k, 1),
        ("suspects", doubted, 0),
        ("seed", seed, 0),
    ):
        check_whole(name, value, least)
    if split not in PARTS:
        raise KerasnetsError(f"split {split!r}: {', '.join(PARTS)} are accepted")
    if not images and not doubted:
        raise KerasnetsError("nothing is asked: name an image, or give --suspects N")
    if out is not None:
        check_parent(sheet.sheet_path(out))
        if len(images) + doubted > sheet.MOST_ROWS:
            raise KerasnetsError(
                f"{len(images) + doubted} rows of pictures: {sheet.MOST_ROWS} fit on a "
                "sheet"
            )


def _check_room(k: int, doubted: int, count: int, where: str) -> None:
    """Raise unless so many images have neighbours enough."""
    if k > count:
        raise KerasnetsError(
            f"{k} neighbours in {where}, which has {count:,} images: --k up to "
            f"{count:,} is accepted"
        )
    if doubted and count < 3:
        raise KerasnetsError(
            f"{where} has {count} images: 3 or more are needed to doubt a label"
        )


def _jury(labels: np.ndarray) -> int:
    """How many neighbours are asked about a label: no class is too small to win."""
    _, counts = np.unique(labels, return_counts=True)
    return min(_JURY, max(1, int(counts.min()) - 1))


def _draw(
    found: Found,
    asked: Sequence[np.ndarray],
    part: Split,
    out: Path,
    title: str,
    k: int,
) -> None:
    """Write the sheet: the images that were asked about, then the suspects."""
    names = found.class_names

    def pictures(indices, distances, label: int | None) -> tuple[sheet.Picture, ...]:
        return tuple(
            sheet.Picture(
                part.read(i),
                names[part.labels[i]],
                f"{distance:#.3g}",
                label is not None and int(part.labels[i]) != label,
            )
            for i, distance in zip(indices, distances, strict=True)
        )

    rows = []
    if found.neighbours is not None:
        near = zip(found.neighbours.indices, found.neighbours.distances, strict=True)
        for path, pixels, row in zip(found.images, asked, near, strict=True):
            label = _label_of(path, names)
            title_of = path.name if label is None else names[label]
            note = "" if label is None else path.name
            left = sheet.Picture(pixels, title_of, note)
            rows.append(sheet.Row(left, pictures(*row, label)))
    for one in found.suspects:
        doubt = f"rather {names[one.other]}?"
        left = sheet.Picture(part.read(one.index), names[one.label], doubt)
        row = one.neighbours[:k], one.distances[:k]
        rows.append(sheet.Row(left, pictures(*row, one.label)))
    sheet.draw(
        rows,
        out,
        title=title,
        legend="label and distance below each picture; red: not the label at the left",
    )


def _label_of(path: Path, names: Sequence[str]) -> int | None:
    """The class in whose folder an image lies, if it does."""
    folder = path.absolute().parent.name
    return names.index(folder) if folder in names else None
