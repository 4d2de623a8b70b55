"""The papers' recipes by their names: rows of ``papers.toml``."""

import dataclasses
import difflib
import functools
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from kerasnets.errors import KerasnetsError
from kerasnets.training.recipe import Recipe

if TYPE_CHECKING:
    from kerasnets.data import Crop

_ABOUT = ("source", "departs", "crop")


@dataclass(frozen=True)
class PaperRecipe:
    """How a paper trained.

    Attributes:
        name: Of the row.
        source: The paper and its section.
        departs: What is otherwise here; "" for nothing.
        recipe: Optimizer, rates, epochs and the like.
        crop: The part of an image that the network sees, as the row says it; {} for the
            whole, squeezed.
    """

    name: str
    source: str
    departs: str
    recipe: Recipe
    crop: Mapping[str, Any]

    def make_crop(self) -> "Crop | None":
        """Return what draws the part of an image; None for the whole."""
        from kerasnets.data import AreaCrop, RandomCrop

        if not self.crop:
            return None
        if self.crop["kind"] == "area":
            return AreaCrop()
        if self.crop["kind"] == "random":
            return RandomCrop(self.crop["share"])
        least, largest = self.crop["shares"]
        return RandomCrop(least, largest=largest)


@functools.cache
def _rows() -> dict[str, dict[str, Any]]:
    text = resources.files("kerasnets.training").joinpath("papers.toml")
    return tomllib.loads(text.read_text("utf-8"))


def paper_recipes() -> tuple[str, ...]:
    """Return the names of all rows."""
    return tuple(_rows())


def paper_recipe(name: str, changes: Mapping[str, str] | None = None) -> PaperRecipe:
    """Return a recipe by its name.

    Args:
        name: One of ``paper_recipes()``.
        changes: Fields of ``Recipe``, or ``augment.`` and one of ``Augment``, with
            their values as they are typed: "0.05", "true", "0.5,0.75".

    Raises:
        KerasnetsError: There is no such recipe or field, or the value is none for it.
    """
    from kerasnets.data import Augment

    if name not in _rows():
        raise KerasnetsError(_unknown("recipe", name, paper_recipes()))
    row = dict(_rows()[name])
    about = {key: row.pop(key, {} if key == "crop" else "") for key in _ABOUT}
    row = {"warmup": 0.0, "decay": "l2", **row}
    augment = dict(row.pop("augment", {}))
    for key, text in (changes or {}).items():
        of_augment = key.startswith("augment.")
        kind, values = (Augment, augment) if of_augment else (Recipe, row)
        field = key.removeprefix("augment.")
        values[field] = _typed(kind, field, text)
    if augment:
        row["augment"] = Augment(**augment)
    if "milestones" in row:
        row["milestones"] = tuple(row["milestones"])
    return PaperRecipe(name, recipe=Recipe(**row), **about)


def _typed(kind: type, field: str, text: str) -> Any:
    """The value that a text stands for, by the type of a field."""
    types = typing.get_type_hints(kind, localns={"Augment": object})
    known = [each.name for each in dataclasses.fields(kind) if each.name != "augment"]
    if field not in known:
        what = f"key of {kind.__name__.lower()}"
        raise KerasnetsError(_unknown(what, field, known))
    wanted = types[field]
    try:
        if wanted is bool:
            return {"true": True, "false": False}[text.lower()]
        if wanted in (int, float, str):
            return wanted(text)
        return tuple(float(part) for part in text.split(",") if part)
    except (KeyError, ValueError) as error:
        accepted = {bool: "true or false", int: "a whole number", float: "a number"}
        raise KerasnetsError(
            f"{field} {text!r}: {accepted.get(wanted, 'numbers with commas between')} "
            "is accepted"
        ) from error


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return (
        f"there is no {what} {name!r}, the nearest is {nearest!r}; {', '.join(known)} "
        "are accepted"
    )
