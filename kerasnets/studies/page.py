"""A study's page, and the table of all studies, in Markdown: a function of results."""

import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kerasnets.evaluation import mean_interval
from kerasnets.studies.results import NOT_RUN, Results
from kerasnets.studies.study import FIGURES
from kerasnets.studies.verdict import RULE
from kerasnets.units import format_count

_HEAD = """# The papers' claims, tested

Each study is a program in [applications/](../../applications/README.md); its page has
the figures behind the verdicts, its JSON file those of each seed. This table and the
pages are written by the programs (`--publish docs/literature`).
"""

_OF_RULE = """Pages of what is counted without a training state their own rule; of
trained networks it is this one."""


def page(results: Results) -> str:
    """Write the page of a study."""
    body = _counted(results) if "figures" in results else _trained(results)
    return f"# {results['title']}\n\n{_filled(results['about'])}\n\n{body}"


def overview(studies: Iterable[Results]) -> str:
    """Write the table of all studies, by their names."""
    rows = [
        (
            f"[{each['name']}]({each['name']}.md)",
            claim["text"],
            claim["source"],
            each.get("size", ""),
            claim["verdict"],
            claim["why"],
        )
        for each in sorted(studies, key=lambda each: each["name"])
        for claim in each["claims"]
    ]
    columns = ("study", "claim", "source", "size", "verdict", "why")
    return f"{_HEAD}\n{_table(columns, rows)}\n\n{_OF_RULE}\n\n{RULE}\n"


def _trained(results: Results) -> str:
    claims = [
        (claim["text"], claim["source"], claim["verdict"], claim["why"])
        for claim in results["claims"]
    ]
    size, runs = results["size"], results["runs"]
    parts = [
        "    python {} --size {} --data {} --out RUNS".format(
            *(results[name] for name in ("program", "size", "data"))
        ),
        _table(("claim", "source", "verdict", "why"), claims),
        RULE,
        f"## Size `{size}`\n\n{_filled(results['size_about'])}",
        _figures(results) if runs else f"{NOT_RUN.capitalize()}.",
    ]
    if runs:
        name = results["name"]
        pictures = [
            f"![{x['caption']}]({name}_{x['name']}.svg)\n\n{_filled(x['caption'])}"
            for x in results["pictures"]
        ]
        parts += [
            f"![Error on training and validation images over the epochs]({name}.svg)",
            _filled(
                f"Means of the seeds; [{name}.csv]({name}.csv) has each epoch of each, "
                f"[{name}.json]({name}.json) the figures of each."
            ),
            *pictures,
        ]
    return "\n\n".join(parts) + "\n"


def _figures(results: Results) -> str:
    """A row for each network: what is published and what was measured."""
    runs = results["runs"]
    images, cores = runs[0]["images"], results["made_with"]["cores"]
    seeds = len({run["seed"] for run in runs})
    figures = [name for name in FIGURES if any(name in run for run in runs)]
    rows = []
    for row in results["rows"]:
        own = [run for run in runs if run["row"] == row["name"]]
        published = [
            f"{row['published'][name]} ({row['source']})"
            if name in row["published"]
            else ""
            for name in figures
        ]
        measured = [
            mean_text([run[name] for run in own if name in run]) for name in figures
        ]
        rows.append(
            (
                row["name"],
                _how(row),
                f"{own[0]['params']:,}" if own else "",
                format_count(own[0]["madds"]) if own else "",
                *(x for pair in zip(measured, published, strict=True) for x in pair),
                f"{statistics.fmean(run['seconds'] for run in own):.0f}" if own else "",
            )
        )
    columns = ["network", "recipe", "params", "madds"]
    for name in figures:
        columns += [FIGURES[name], "published"]
    many = "s" * (seeds > 1)
    about = f"""Trained on {images["train"]:,} images, {images["validation"]:,} kept for
validation, tested on {images["test"]:,}; {seeds} seed{many}, in brackets Student's
95 % interval of their mean. Training error is that of the last epoch while it was
trained, on images as the recipe changes them; test error is that of the weights behind
it. Seconds are those of a training's epochs, on {cores} cores."""
    if results["as_good_as"]:
        about += f""" Epochs are counted until a training is right as often on the
validation images as {results["as_good_as"]} is in the end; where it never is, they are
one more than it has."""
    return f"{_filled(about)}\n\n{_table([*columns, 'seconds'], rows)}"


def _how(row: Mapping[str, Any]) -> str:
    """How a network was trained: "`lenet5`, epochs 3, taught by teacher, views 1"."""
    if row["of"]:
        asked = [row["ask"].replace("_", " "), *_told(row["changes"])]
        return f"{row['of']}: {', '.join(asked)}"
    told = [f"`{row['recipe']}`", *_told(row["changes"])]
    if row["train_images"] is not None:
        told.append(f"{row['train_images']:,} of the images")
    if row["grown_from"]:
        told.append(f"grown from {row['grown_from']}")
    if row["taught_by"]:
        told.append(f"taught by {row['taught_by']}")
    return ", ".join([*told, *_told(row["teaching"])])


def _told(settings: Mapping[str, Any]) -> list[str]:
    return [f"{name} {_text(x)}" for name, x in settings.items()]


def _text(value: Any) -> str:
    """Classes in a row, those that are alike in brackets."""
    if not isinstance(value, list):
        return str(value)
    return " ".join(f"({_text(x)})" if isinstance(x, list) else str(x) for x in value)


def mean_text(values: Sequence[float]) -> str:
    """The mean and its interval: "8.75 (8.51 to 8.99)"."""
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.2f}"
    if len(values) < 2:
        return mean
    ends = mean_interval(values)
    return f"{mean} ({ends.low:.2f} to {ends.high:.2f})"


def _counted(results: Results) -> str:
    names = ("text", "source", "verdict", "why")
    claims = [tuple(claim[name] for name in names) for claim in results["claims"]]
    figures: Sequence[Mapping[str, Any]] = results["figures"]
    return (
        "\n\n".join(
            (
                f"    python {results['program']}",
                _table(("claim", "source", "verdict", "why"), claims),
                "## Figures",
                _table(list(figures[0]), [tuple(row.values()) for row in figures]),
            )
        )
        + "\n"
    )


def _filled(text: str) -> str:
    """The text in lines as the other pages have them."""
    return textwrap.fill(text, 88, break_long_words=False, break_on_hyphens=False)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
