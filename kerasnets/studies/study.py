"""A claim of a paper as a program: which networks are trained, and what is claimed."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from kerasnets.errors import KerasnetsError

# figures of a training, in percent: what they are called on a page
FIGURES = {"training_error": "training error", "test_error": "test error"}
SIZES = ("smoke", "cpu", "paper")


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
    """

    name: str
    network: str
    recipe: str
    changes: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)
    source: str = ""


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

    Raises:
        KerasnetsError: A claim names a row or figure that there is not, a size is
            missing, or one trains no seed.
    """

    name: str
    title: str
    about: str
    data: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    sizes: Mapping[str, Size]

    def __post_init__(self):
        names = [row.name for row in self.rows]
        if tuple(self.sizes) != SIZES or min(x.seeds for x in self.sizes.values()) < 1:
            raise KerasnetsError(
                f"{self.name} has the sizes {', '.join(self.sizes)}; "
                f"{', '.join(SIZES)} are accepted, of one seed or more each"
            )
        if len({*names}) < len(names):
            raise KerasnetsError(f"{self.name} has two rows of one name: {names}")
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

    def told(self, size: str) -> list[tuple[Row, int, dict[str, str]]]:
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
            for seed in range(chosen.seeds)
            for row in rows
        ]

    @property
    def program(self) -> str:
        """Path of the file in the repository."""
        return f"applications/{self.name}.py"


def as_json(value: object) -> dict:
    """A row or claim as JSON has it."""
    return {
        name: list(x) if isinstance(x, tuple) else x
        for name, x in dataclasses.asdict(value).items()  # type: ignore[call-overload]  (any dataclass)
    }
