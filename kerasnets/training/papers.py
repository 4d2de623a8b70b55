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

# what a row has besides fields of ``Recipe``, and what stands for none of it
_ABOUT: dict[str, Any] = {
    "source": "",
    "departs": "",
    "crop": {},
    "normalise": "",
    "network": {},
    "initialise": (),
}
# how images are made alike, see ``normalising``
NORMALISED = ("", "channels", "pixels", "contrast", "whitened")


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
        normalise: How images are made alike, by what the training images are: one of
            ``NORMALISED``.
        network: Arguments of the network's builder.
        initialise: Layers that the network takes from one that was trained before,
            where there is one: see ``initialise``.
    """

    name: str
    source: str
    departs: str
    recipe: Recipe
    crop: Mapping[str, Any]
    normalise: str
    network: Mapping[str, Any]
    initialise: Sequence[str]

    def __post_init__(self):
        if self.normalise not in NORMALISED:
            raise KerasnetsError(_unknown("normalise", self.normalise, NORMALISED[1:]))

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
        changes: Fields of ``Recipe``, ``augment.`` and one of ``Augment``, ``mix.`` and
            one of ``Mix``, "none" of either as a whole, ``network.`` and an argument of
            the network's builder, "normalise" or "initialise", with their values as
            they are typed: "0.05", "true", "0.5,0.75".

    Raises:
        KerasnetsError: There is no such recipe or field, or the value is none for it.
    """
    if name not in _rows():
        raise KerasnetsError(_unknown("recipe", name, paper_recipes()))
    row = {"warmup": 0.0, "decay": "l2", **_rows()[name]}
    about = {key: row.pop(key, none) for key, none in _ABOUT.items()}
    about["network"] = dict(about["network"])
    of_recipe = {}
    for key, text in (changes or {}).items():
        of, _, field = key.rpartition(".")
        if key == "normalise":
            about[key] = text
        elif key == "initialise":
            about[key] = tuple(part for part in text.split(",") if part)
        elif of == "network":
            about["network"] |= {field: _value(text)}
        else:
            of_recipe[key] = text
    recipe = changed_recipe(Recipe.from_json(row), of_recipe)
    return PaperRecipe(name, recipe=recipe, **about)


def changed_recipe(recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
    """Return a recipe with other values.

    Args:
        recipe: It stays as it is.
        changes: Fields of ``Recipe``, ``augment.`` and one of ``Augment``, ``mix.`` and
            one of ``Mix``, with their values as they are typed; "none" of ``augment``
            or ``mix`` as a whole.

    Raises:
        KerasnetsError: There is no such field, or the value is none for it.
    """
    from kerasnets.data import Augment, Mix

    kinds = {"augment": Augment, "mix": Mix}
    values: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for key, text in changes.items():
        of, _, field = key.rpartition(".")
        if of in kinds:
            parts.setdefault(of, {})[field] = _typed(kinds[of], field, text)
        elif key in kinds:
            if text != "none":
                raise KerasnetsError(
                    f"{key} {text!r}: none is accepted, or {key}.FIELD, one value each"
                )
            values[key] = None
        else:
            values[key] = _typed(Recipe, key, text)
    for of, fields in parts.items():
        before = values.get(of, getattr(recipe, of)) or kinds[of]()
        values[of] = dataclasses.replace(before, **fields)
    return dataclasses.replace(recipe, **values)


def _value(text: str) -> Any:
    """A number, true, false or a name; None for nothing."""
    if not text:
        return None
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _typed(kind: type, field: str, text: str) -> Any:
    """The value that a text stands for, by the type of a field."""
    types = typing.get_type_hints(kind, localns={"Augment": object, "Mix": object})
    whole = ("augment", "mix", "colours")
    known = [each.name for each in dataclasses.fields(kind) if each.name not in whole]
    if kind is Recipe:
        known += ["augment.*", "mix.*", "network.*", "normalise", "initialise"]
    if field not in known or field not in types:
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
