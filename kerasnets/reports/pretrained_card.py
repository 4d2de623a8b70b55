"""The model card of a run that started from ImageNet weights, in Markdown."""

from collections.abc import Mapping, Sequence

from kerasnets.reports.accuracy import accuracy_text
from kerasnets.reports.card import (
    LIMITS,
    confidence_section,
    data_section,
    figures_section,
    notes_section,
    use_section,
)
from kerasnets.units import format_bytes, format_count

# picture of what was ranked, beside the card
RANKING = "ranking.svg"
_ROLES = {
    "linear": "ImageNet weights, a linear classifier on their codes, float32",
    "student": "the same network tuned on labels, float32",
    "distilled": "the same network tuned on a teacher's answers, float32",
    "pruned": "the {before} network, small weights set to zero, float32",
    "int8": "the {taken} network in 8 bits: **the file for the phone**",
}


def pretrained_card(
    *, name: str, settings: Mapping, results: Mapping[str, Mapping]
) -> str:
    """What a person must know before using the file of a run.

    Args:
        name: Title of the card.
        settings: The settings of the run, as in ``run.json``.
        results: What each stage returned, by its name.
    """
    taken = {
        "before": results["distil"]["taken"],
        "taken": results["quantise"]["taken"],
    }
    roles = {key: role.format(**taken) for key, role in _ROLES.items()}
    sections = (
        _head(name, settings, results),
        figures_section(results, roles),
        *confidence_section(results["verify"]["models"]["int8"]),
        *notes_section(results),
        use_section(results),
        data_section(settings, results["data"]),
        _choice(settings, results),
        _decisions(settings, results),
        LIMITS,
    )
    return "\n\n".join(sections) + "\n"


def _head(name: str, settings: Mapping, results: Mapping) -> str:
    best = results["search"]["best"]
    size = best["cost"]["size"]
    return f"""# {name}

`int8.tflite` classifies images of {size}x{size} pixels into
{len(results["data"]["classes"])} classes: {", ".join(results["data"]["classes"])}.
It is a network with ImageNet weights ({best["label"]}, {best["cost"]["madds"]:,}
multiply-adds), tuned and quantised by `kerasnets phone` on `{settings["data"]}`."""


def _choice(settings: Mapping, results: Mapping) -> str:
    search, rank = results["search"], results["rank"]
    how = "in cross-validation of the training and validation images"
    if not rank["by_cross_validation"]:
        how = "on the validation images"
    latency = ""
    if settings["max_latency"] is not None:
        where = " on the phone" if settings["on_phone"] else ""
        latency = f", {settings['max_latency']:g} ms{where}"
    return f"""## Choice

Within {settings["max_madds"]:,} multiply-adds, {settings["max_bytes"]:,} bytes{latency}
each network whose weights were here was taken at the largest side that fits, and ranked
by a linear classifier on its codes, {how}
(in brackets the 95 % interval):

{_ranking(rank["rows"])}{_tuned_shortly(search["tuned"], results["data"])}

![accuracy against cost]({RANKING})

{_larger(settings, results)}"""


def _ranking(rows: Sequence[Mapping]) -> str:
    lines = "\n".join(
        f"| {row['label']} | {format_count(row['cost']['madds'])} |"
        f" {format_bytes(row['cost']['int8_bytes'])} |"
        f" {accuracy_text(row['accuracy'], row['images'])} |"
        for row in rows
    )
    return f"""| network | multiply-adds | int8 file | accuracy |
|---|--:|--:|--:|
{lines}"""


def _tuned_shortly(tuned: Mapping[str, float], data: Mapping) -> str:
    """What decided between networks that ranked alike, where any did."""
    if not tuned:
        return ""
    images = data["images"]["validation"]
    each = "; ".join(f"{k}, {accuracy_text(v, images)}" for k, v in tuned.items())
    return (
        "\n\nChance alone may have put the first before the next, so each was tuned for"
        f" a\nfew epochs, which decided: {each}."
    )


def _larger(settings: Mapping, results: Mapping) -> str:
    """What the next larger budget would bring."""
    best = results["rank"]["rows"][0]
    beyond = [
        row
        for row in results["teacher"]["rows"]
        if row["cost"]["madds"] > settings["max_madds"]
        or row["cost"]["int8_bytes"] > settings["max_bytes"]
    ]
    better = [row for row in beyond if row["accuracy"] > best["accuracy"]]
    if not better:
        return "No network that was ranked beyond this budget is more accurate."
    row = min(better, key=lambda each: each["cost"]["madds"])
    return (
        "The next larger budget in which a network ranks higher: `--max-madds"
        f" {row['cost']['madds']} --max-size {row['cost']['int8_bytes']}` for\n"
        f"{row['label']}, {accuracy_text(row['accuracy'], row['images'])}."
    )


def _decisions(settings: Mapping, results: Mapping) -> str:
    """What each stage came to on the validation images, and what was taken."""
    images = results["data"]["images"]["validation"]
    distil, teacher = results["distil"], results["teacher"]
    heat = f"temperature {settings['distil_recipe']['temperature']:g}"
    ways = {
        "linear": "linear classifier",
        "student": "tuned on labels, {} epochs",
        "distilled": f"tuned on the teacher's answers, {{}} epochs, {heat}",
    }
    tried = {
        text.format(distil["epochs"].get(name)): distil[name]["validation"]["accuracy"]
        for name, text in ways.items()
        if name in distil
    }
    for row in results["prune"]["tried"]:
        tried[f"pruned, {row['sparsity']:.0%} zeros"] = row["accuracy"]
    for way, row in results["quantise"]["tried"].items():
        tried[f"int8 of: {way}"] = row["accuracy"]
    lines = "\n".join(
        f"| {what} | {accuracy_text(share, images)} |" for what, share in tried.items()
    )
    calibration = results["quantise"]["calibration"]
    taught = ""
    if teacher["members"]:
        right = accuracy_text(teacher["validation"]["accuracy"], images)
        taught = (
            f" The teacher,\n{' + '.join(teacher['members'])}, is right on {right}."
        )
    return f"""## Decisions

All by the {images:,} validation images; pruning and quantisation together may cost
{settings["max_loss"]:g} points of them.{taught}

| what | accuracy |
|---|--:|
{lines}

Taken: {distil["taken"]}, then {results["quantise"]["taken"]}. Ranges of the int8 file
from {calibration["images"]} training images. Seed {settings["seed"]}; `run.json` has
the rest."""
