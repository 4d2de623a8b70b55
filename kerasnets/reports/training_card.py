"""The model card of a network that was trained by a paper's recipe, in Markdown."""

from collections.abc import Mapping
from typing import Any

from kerasnets.reports.accuracy import accuracy_text
from kerasnets.reports.card import LIMITS, data_section

_FILES = {
    "model.keras": "behind the last epoch",
    "best.keras": "behind the best epoch on the validation images",
    "adjusted.keras": "behind the last epoch, biases adjusted to all classes",
}


def training_card(
    *, name: str, settings: Mapping, results: Mapping[str, Mapping], test: Mapping
) -> str:
    """What a person must know before using the networks of a run.

    Args:
        name: Title of the card.
        settings: The settings of the run, as in ``run.json``.
        results: What the stages before this one returned, by name.
        test: What the files came to on the test images, by name.
    """
    sections = (
        _head(name, settings, results["train"]),
        _figures(results, test),
        data_section(settings, results["data"]),
        _recipe(settings),
        LIMITS,
    )
    return "\n\n".join(sections) + "\n"


def _head(name: str, settings: Mapping, trained: Mapping) -> str:
    alpha = "" if settings["alpha"] is None else f" at alpha {settings['alpha']:g}"
    return f"""# {name}

{settings["network"]}{alpha}, {trained["params"]:,} parameters and
{trained["madds"]:,} multiply-adds for an image, trained from
{_start(settings, trained)} by `kerasnets {_command(settings)}` on
`{settings["data"]}`{_teachers(settings)}. The files go from images to logits.{
        _matched(settings, trained)
    }"""


def _command(settings: Mapping) -> str:
    return "distill" if settings["teachers"] else "train"


def _teachers(settings: Mapping) -> str:
    """Who taught it."""
    if settings["tree"]:
        return " and a tree of its classes"
    paths = ", ".join(f"`{each['path']}`" for each in settings["teachers"])
    if not paths:
        return ""
    side = settings["ten_crop"]
    several = len(settings["teachers"]) > 1 or side is not None
    by_mean = f", the {settings['mean']} mean of their answers" if several else ""
    if side is not None:
        by_mean += f" to ten parts of images of {side} x {side} pixels"
    return f" and the soft targets of {paths}{by_mean}"


def _matched(settings: Mapping, trained: Mapping) -> str:
    """What it saw, and what it learned of layers of its teacher."""
    lines = ""
    if settings["unlabelled"]:
        lines += (
            f" It learned from {trained['images']:,} images of "
            f"`{settings['unlabelled']['path']}`, of which nobody said what they show; "
            "its accuracy on them is how often it agrees with its teacher."
        )
    elif settings["train_images"] is not None:
        lines += f" It learned from {trained['images']:,} of the training images."
    if settings["only"]:
        lines += f" It saw images of {', '.join(settings['only'])} alone."
    if settings["without"]:
        lines += f" It saw no image of {', '.join(settings['without'])}."
    if settings["hints"]:
        epochs = settings["hint_epochs"] or settings["recipe"]["epochs"]
        for match in settings["hints"]:
            lines += (
                f" First, for {epochs} epochs, `{match['student']}` learned from "
                f"{_matched_layer(match)} of the teacher."
            )
    for match in settings["matches"]:
        lines += (
            f" Beside its answers `{match['student']}` learned "
            f"{_matched_layer(match)}, with weight {match['weight']:g}."
        )
    return lines


def _matched_layer(match: Mapping) -> str:
    of = "the attention of " if match["kind"] == "attention" else ""
    return f"{of}`{match['teacher']}`"


def _start(settings: Mapping, trained: Mapping) -> str:
    if settings["grow_from"]:
        return f"what the narrower `{settings['grow_from']['path']}` knew"
    taken = trained["taken"]
    if not taken:
        return "random weights"
    return (
        f"the weights of {', '.join(taken)} in "
        f"`{settings['initialise_from']['path']}`, the others random,"
    )


def _figures(results: Mapping, test: Mapping) -> str:
    best = results["train"]["best_epoch"]
    shares = {
        name: accuracy_text(found["top1"]["accuracy"], found["images"])
        for name, found in test.items()
    }
    lines = "\n".join(
        f"| `{name}` | {_FILES[name]} | {share} |" for name, share in shares.items()
    )
    views = next(iter(test.values()))["protocol"]
    return f"""## Figures

On {results["data"]["images"]["test"]:,} test images, in brackets the 95 % interval; of
each {"the middle" if views == "centre" else "the whole"} is seen, once.

| file | | accuracy |
|---|---|--:|
{lines}

The best epoch on the validation images was {best}. Each stands in `history.csv`:

![Loss and error over the epochs](curves.svg)"""


def _recipe(settings: Mapping) -> str:
    recipe = settings["recipe"]
    lines = "\n".join(
        f"| {key} | {_shown(value)} |"
        for key, value in {**recipe, **_besides(settings)}.items()
        if value not in (None, {}, "", [], ())
        and _applies(key, recipe, taught=bool(settings["teachers"] or settings["tree"]))
    )
    other = ""
    if settings["departs"]:
        other += f" Otherwise than there, {settings['departs']}."
    if settings["changes"]:
        changed = ", ".join(f"{key} {x}" for key, x in settings["changes"].items())
        other += f" Changed for this run: {changed}."
    return f"""## Recipe

`{settings["paper"]}`: {settings["source"]}.{other} Seed {settings["seed"]},
{settings["precision"]}.

| | |
|---|---|
{lines}"""


def _besides(settings: Mapping) -> dict[str, Any]:
    """What a recipe says besides its own fields."""
    names = {"crop": "crop", "normalise": "images made alike", "build": "network"}
    return {shown: settings[name] for name, shown in names.items()}


def _applies(key: str, recipe: Mapping, *, taught: bool) -> bool:
    """Tell whether a field has an effect beside the others."""
    optimizer, schedule = recipe["optimizer"], recipe["schedule"]
    return {
        "milestones": schedule == "step",
        "gamma": schedule in ("step", "exponential", "plateau"),
        "patience": schedule == "plateau",
        "power": schedule == "polynomial",
        "momentum": optimizer in ("sgd", "rmsprop"),
        "nesterov": optimizer == "sgd",
        "discount": optimizer in ("rmsprop", "adadelta"),
        "epsilon": optimizer != "sgd",
        "temperature": taught and recipe["soft_loss"] == "divergence",
        "soft_weight": taught,
        "soft_weight_end": taught and recipe["soft_weight_end"] >= 0,
        "soft_loss": taught,
    }.get(key, True)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(x)}" for key, x in value.items() if x)
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
