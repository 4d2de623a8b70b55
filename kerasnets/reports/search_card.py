"""What a search came to, in Markdown and as tables."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from kerasnets.reports.accuracy import accuracy_text
from kerasnets.reports.card import data_section
from kerasnets.units import format_bytes, format_count

if TYPE_CHECKING:
    from kerasnets.tuning import Trial

_COLUMNS = (
    *("size", "params", "madds", "int8_bytes", "latency"),
    *("val_accuracy", "val_loss", "seconds", "failure"),
)
# of the card
_SHOWN = 10


def trials_csv(trials: Sequence["Trial"]) -> str:
    """Return a row for each trial: its values, costs, and what it came to."""
    axes = list(trials[0].candidate.values) if trials else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*axes, *_COLUMNS))
    for trial in trials:
        cost = trial.candidate.cost
        of_cost = (cost.size, cost.params, cost.madds, cost.int8_bytes, cost.latency)
        found = (trial.val_accuracy, trial.val_loss, trial.seconds, trial.failure)
        writer.writerow((*trial.candidate.values.values(), *of_cost, *found))
    return text.getvalue()


def trials_table(trials: Sequence["Trial"], images: int) -> Table:
    """Return a row for each trial, the best first.

    Args:
        trials: As ``tuning.search`` gives them.
        images: How many validation images there are.
    """
    table = Table()
    table.add_column("trial")
    for column in ("side", "params", "madds", "int8 file", "validation", "seconds"):
        table.add_column(column, justify="right")
    for trial in trials:
        table.add_row(*_cells(trial, images))
    return table


def space_table(networks: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row for each network of a space, with its cost, and whether it fits.

    Args:
        networks: "label", "cost" as ``tuning.Cost`` has it, and "fits".
    """
    table = Table()
    table.add_column("network")
    for column in ("side", "params", "madds", "int8 file"):
        table.add_column(column, justify="right")
    table.add_column("")
    for each in networks:
        table.add_row(
            each["label"],
            *_cost_texts(each["cost"]),
            "" if each["fits"] else "over the budget",
        )
    return table


def search_card(
    *,
    name: str,
    settings: Mapping[str, Any],
    trials: Sequence["Trial"],
    front: Sequence["Trial"],
    results: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return what a person must know before using what a search chose.

    Args:
        name: Title of the card.
        settings: Of the search, as in ``run.json``.
        trials: All, the best first.
        front: Those that none is better than, the cheapest first.
        results: What each stage returned, by its name.
    """
    sections = (
        _head(name, settings, trials, results),
        _best(trials[0], results),
        _front(front, results),
        _trials(trials, results),
        data_section(settings, results["data"]),
        _training(settings),
    )
    return "\n\n".join(sections) + "\n"


def _head(
    name: str, settings: Mapping, trials: Sequence["Trial"], results: Mapping
) -> str:
    space = results["space"]
    networks, struck = len(space["networks"]), len(space["struck_out"])
    ways = 1
    for values in space["training"].values():
        ways *= len(values)
    each = f", {ways} ways of training each" if ways > 1 else ""
    over = f" {struck} others are over the budget." if struck > 1 else ""
    over = " 1 other is over the budget." if struck == 1 else over
    limits = {
        "multiply-adds": settings["budget"]["max_madds"],
        "bytes": settings["budget"]["max_bytes"],
        "parameters": settings["budget"]["max_params"],
        "ms": settings["budget"]["max_latency"],
    }
    given = [f"{limit:,} {unit}" for unit, limit in limits.items() if limit is not None]
    budget = f" within {' and '.join(given)}" if given else ""
    return f"""# {name}

A search by `kerasnets tune` over {_networks(settings)}{budget}: {networks} networks
were there to choose from{each}.{over}
{_tried(len(trials), settings["oracle"])}"""


def _networks(settings: Mapping) -> str:
    names = settings["axes"].get("network", [settings["network"]])
    return " or ".join(names)


def _tried(count: int, oracle: str) -> str:
    if oracle == "shared":
        return (
            f"{count} were tried: the first of all\nby what they came to in one "
            "training of a network that holds them all (`ranking.csv`)."
        )
    return f"{count} were tried ({oracle} of Keras Tuner)."


def _best(best: "Trial", results: Mapping) -> str:
    test = results["report"]["test"]
    return f"""## The best

**{best.candidate.label}** at {best.candidate.cost.size} pixels,
{best.candidate.cost.madds:,} multiply-adds, {best.candidate.cost.params:,} parameters:
{accuracy_text(best.val_accuracy, results["data"]["images"]["validation"])} of the
validation images, by which it was chosen, and
{accuracy_text(test["accuracy"], int(test["images"]))} of the test images. `best.keras`
is the network behind its trial, from images to logits."""


def _front(front: Sequence["Trial"], results: Mapping) -> str:
    rows = "\n".join(
        f"| {x.candidate.label} | {x.candidate.cost.madds:,} | {x.val_accuracy:.1%} |"
        for x in front
    )
    report, volume = results["report"], ""
    if len({each["cost"]["madds"] for each in results["space"]["networks"]}) > 1:
        volume = f"""

Its hypervolume is {report["hypervolume"]:.4f}: the mean, over all budgets up to
{report["most_madds"]:,} multiply-adds, of the accuracy that a budget buys here."""
    return f"""## Accuracy against cost

![Trials, and the front that none is above](front.svg)

| on the front | multiply-adds | validation |
|---|--:|--:|
{rows}{volume}"""


def _trials(trials: Sequence["Trial"], results: Mapping) -> str:
    images = results["data"]["images"]["validation"]
    rows = [f"| {' | '.join(_cells(x, images))} |" for x in trials[:_SHOWN]]
    lines = "\n".join(rows)
    more = len(trials) - _SHOWN
    rest = f"\n\n{more} more stand in `trials.csv`." if more > 0 else ""
    return f"""## Trials

| trial | side | params | madds | int8 file | validation | seconds |
|---|--:|--:|--:|--:|--:|--:|
{lines}{rest}"""


def _training(settings: Mapping) -> str:
    recipe = settings["recipe"]
    teacher = settings["teacher"].get("path")
    taught = f", taught by `{teacher}`" if teacher else ""
    start = "random weights"
    if settings["start"] == "grown":
        start = "the widest\nof lower alpha that was tried before it, or random weights"
    if settings["start"] == "imagenet":
        start = "ImageNet weights,\nbehind a linear classifier on its codes"
    return f"""## Training

Each trial: {recipe["epochs"]} epochs of {_networks(settings)} from {start},
{recipe["optimizer"]} at {recipe["learning_rate"]:g} ({recipe["schedule"]}), batches of
{recipe["batch_size"]}{taught}, but for what its values say. A short training ranks
networks; the one that is chosen wants a long one."""


def _cells(trial: "Trial", images: int) -> tuple[str, ...]:
    """A trial in words: its values, its cost, what it came to, and how long it took."""
    return (
        trial.candidate.label or "the network itself",
        *_cost_texts(asdict(trial.candidate.cost)),
        trial.failure or accuracy_text(trial.val_accuracy, images),
        f"{trial.seconds:.1f}",
    )


def _cost_texts(cost: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(cost["size"]),
        format_count(cost["params"]),
        format_count(cost["madds"]),
        format_bytes(cost["int8_bytes"]),
    )
