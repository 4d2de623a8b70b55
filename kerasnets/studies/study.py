"""A claim of a paper as a program: which networks are trained, and what is claimed."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress

# figures of a training, errors in percent: what they are called on a page
FIGURES = {
    "training_error": "training error, %",
    "test_error": "test error, %",
    "unseen_error": "error on unseen classes, %",
    "epochs": "epochs until as good",
}
SIZES = ("smoke", "cpu", "paper")


# from the folder of a run, the images, the seed, the changes of the row and the size,
# and where it tells how far it is, to figures of ``FIGURES``
Ask = Callable[[Path, str, int, Mapping[str, str], Progress], Mapping[str, float]]


@dataclass(frozen=True)
class Row:
    """A network, and how it is trained.

    Attributes:
        name: Of the row; claims name it so.
        network: Name in the zoo.
        recipe: Name of a paper's recipe.
        changes: Of that recipe, as ``--set`` has them.
        published: What the paper prints, digit by digit, by names of ``FIGURES``.
        source: Where it does.
        train_images: From how many training images it learns, the classes taking turns;
            None for all.
        grown_from: Name of a row before it, a narrower network of the same kind; it
            begins as that one of the same seed ended.
        taught_by: Name of a row before it whose network of the same seed teaches it;
            none where it learns from labels alone.
        teaching: How, as ``jobs.teaching.Teaching`` has it; hints and matches as
            ``transfer.Match.of`` reads them. With a tree it has no other teacher.
        of: Name of a row before it of whose network more is asked than its training
            told: this row has no training by a recipe.
        ask: What: finds figures, as ``adjusted_biases`` does.
    """

    name: str
    network: str
    recipe: str
    changes: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    train_images: int | None = None
    grown_from: str = ""
    taught_by: str = ""
    teaching: Mapping[str, Any] = field(default_factory=dict)
    of: str = ""
    ask: Ask | None = None


@dataclass(frozen=True)
class Picture:
    """Something to look at that networks of a study give when all are trained.

    Attributes:
        name: Of its file.
        caption: What is seen.
        size: In inches.
        draw: Fills an empty figure of matplotlib, from the folder of each row's run
            with the first seed, by the row's name, and the images.
    """

    name: str
    caption: str
    size: tuple[float, float]
    draw: Callable[[Any, Mapping[str, Path], str], None]


@dataclass(frozen=True)
class Claim:
    """That a figure falls from each network to the next.

    Attributes:
        text: The claim in words.
        source: Paper and section.
        figure: One of ``FIGURES``.
        falls: Names of two or more rows, the highest figure first.
    """

    text: str
    source: str
    figure: str
    falls: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        about: What that is beside the paper, in words.
        seeds: How often each row is trained.
        changes: Of the recipe of each row.
        side: Of the images in pixels; None for the network's own.
        networks: Names of networks, and of those that are trained in their place.
    """

    about: str
    seeds: int
    changes: Mapping[str, str] = field(default_factory=dict)
    side: int | None = None
    networks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """Claims of papers, and the trainings that test them.

    Attributes:
        name: Of its file in ``applications/`` and its page in ``docs/literature/``.
        title: Of the page.
        about: What was published and what is done here, in Markdown.
        data: Its images, as ``kerasnets.data.open_source`` names them, with a path
            within the folder that KERASNETS_DATA names.
        rows: The networks.
        claims: What is said of them.
        sizes: By their names, ``SIZES``.
        pictures: What else is to be seen.
        as_good_as: Name of a row; "epochs" is of each training the first epoch that is
            right as often on the validation images as this row is in its last, of the
            same seed, and one more than it has where there is none.

    Raises:
        KerasnetsError: A claim or row names a row or figure that there is not, a size
            is missing, or one trains no seed.
    """

    name: str
    title: str
    about: str
    data: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    sizes: Mapping[str, Size]
    pictures: tuple[Picture, ...] = ()
    as_good_as: str = ""

    def __post_init__(self):
        names = [row.name for row in self.rows]
        if tuple(self.sizes) != SIZES or min(x.seeds for x in self.sizes.values()) < 1:
            raise KerasnetsError(
                f"{self.name} has the sizes {', '.join(self.sizes)}; "
                f"{', '.join(SIZES)} are accepted, of one seed or more each"
            )
        if len({*names}) < len(names):
            raise KerasnetsError(f"{self.name} has two rows of one name: {names}")
        for number, row in enumerate(self.rows):
            before = [each.name for each in self.rows[:number] if not each.of]
            others = (row.grown_from, row.taught_by, row.of)
            if bool(row.of) != bool(row.ask):
                raise KerasnetsError(
                    f"{self.name} has a row {row.name!r} with one of of and ask: both "
                    "are accepted, or none"
                )
            for other in filter(None, others):
                if other not in before:
                    raise KerasnetsError(
                        f"{self.name} has a row {row.name!r} that needs {other!r}; "
                        f"{', '.join(before) or 'none'} are trained before it"
                    )
        if self.as_good_as and self.as_good_as not in names:
            raise KerasnetsError(
                f"{self.name} has no row {self.as_good_as!r} to be as good as; "
                f"{', '.join(names)} are accepted"
            )
        for claim in self.claims:
            if not {*claim.falls} <= {*names} or len(claim.falls) < 2:
                raise KerasnetsError(
                    f"{self.name} claims something of {', '.join(claim.falls)}; two or "
                    f"more of {', '.join(names)} are accepted"
                )
            if claim.figure not in FIGURES:
                raise KerasnetsError(
                    f"{self.name} claims something of a {claim.figure!r}; "
                    f"{', '.join(FIGURES)} are accepted"
                )

    def told(
        self, size: str, seeds: int | None = None
    ) -> list[tuple[Row, int, dict[str, str]]]:
        """Return all trainings of a size: row, seed, and changes of its recipe.

        Each seed goes through all rows before the next, so that what is done of a study
        can be compared.
        """
        chosen = self.sizes[size]
        rows = [
            dataclasses.replace(
                row, network=chosen.networks.get(row.network, row.network)
            )
            for row in self.rows
        ]
        return [
            (row, seed, {**row.changes, **chosen.changes})
            for seed in range(seeds or chosen.seeds)
            for row in rows
        ]

    @property
    def program(self) -> str:
        """Path of the file in the repository."""
        return f"applications/{self.name}.py"


def as_json(value: Any) -> Any:
    """A row, claim, or anything of such, as it comes back from a file of JSON."""

    def plain(value: Any) -> Any:
        return value.__name__ if callable(value) else dataclasses.asdict(value)

    return json.loads(json.dumps(value, default=plain))
