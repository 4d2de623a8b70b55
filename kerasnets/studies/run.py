"""A study run: its trainings, those that are left of them, and what is written."""

import argparse
import contextlib
import csv
import dataclasses
import io
import json
import os
import re
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasnets import terminal
from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes, write_text
from kerasnets.progress import Progress
from kerasnets.runs import HISTORY, read_history, read_run
from kerasnets.studies.page import overview, page
from kerasnets.studies.results import (
    Results,
    read_results,
    refreshed,
    results_text,
    trained_results,
)
from kerasnets.studies.study import SIZES, Picture, Row, Study, as_json

if TYPE_CHECKING:
    from kerasnets.jobs.teaching import Teaching
    from kerasnets.runs import Display

# what is kept of the trainings that are done
_DONE = "runs.json"
_COLUMNS = ("row", "seed", "epoch", "training_error", "validation_error")


def main(study: Study, arguments: Sequence[str] | None = None) -> None:
    """Run a study from the command line; errors are one line."""
    # as the command line of the package has it, before TensorFlow is imported
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    given = _parser(study).parse_args(arguments)
    with terminal.quiet(True) as console:
        try:
            results = None
            if given.size:
                out = given.out or Path("saved_models") / f"{study.name}-{given.size}"
                total = len(study.told(given.size, given.seeds))
                names = {f"{number + 1}": 1.0 for number in range(total)}
                results = run_study(
                    study,
                    given.size,
                    data=given.data or default_data(study, given.size),
                    out=out,
                    seeds=given.seeds,
                    fresh=given.fresh,
                    display=terminal.StageDisplay(console, names),
                )
                terminal.say(console, str(out))
            elif not given.publish:
                raise KerasnetsError(
                    "--size or --publish is needed; sizes are " + ", ".join(SIZES)
                )
            if given.publish:
                publish(study, given.publish, results, out if results else None)
        except KerasnetsError as error:
            terminal.say(console, f"{study.name}: {error}")
            sys.exit(1)
        except KeyboardInterrupt:
            terminal.say(console, "interrupted; the same command goes on where it was")
            sys.exit(130)


def _parser(study: Study) -> argparse.ArgumentParser:
    sizes = "\n".join(f"  {name}: {size.about}" for name, size in study.sizes.items())
    parser = argparse.ArgumentParser(
        description=f"{study.title}.\n\nSizes:\n{sizes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", choices=SIZES)
    parser.add_argument(
        "--data",
        help=f"the images; default: {study.data} within the folder that KERASNETS_DATA "
        "names, digits for smoke",
    )
    parser.add_argument(
        "--out", type=Path, help="default: saved_models/NAME-SIZE; the same goes on"
    )
    parser.add_argument("--seeds", type=int, help="how many; default: the size's")
    parser.add_argument("--fresh", action="store_true", help="start over")
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="FOLDER",
        help="write page, JSON, CSV and SVG there: docs/literature; without --size "
        "from the results that it holds",
    )
    return parser


def default_data(study: Study, size: str) -> str:
    """The images where none were named.

    Raises:
        KerasnetsError: KERASNETS_DATA is not set.
    """
    if size == "smoke" or study.data == "digits":
        return "digits"
    folder, (kind, _, path) = (
        os.environ.get("KERASNETS_DATA"),
        study.data.partition(":"),
    )
    if not folder:
        raise KerasnetsError(
            f"where are the images? --data {study.data}, or KERASNETS_DATA with the "
            f"folder that holds {path}"
        )
    return f"{kind}:{Path(folder) / path}"


def run_study(
    study: Study,
    size: str,
    *,
    data: str,
    out: Path,
    seeds: int | None = None,
    fresh: bool = False,
    display: "Display | None" = None,
) -> Results:
    """Do all trainings of a size, or what is left of them; write what they came to.

    Killed and called again it goes on within the training that it was at. In ``out``
    lie a folder for each training (its images are deleted once it is done),
    ``results.json``, ``epochs.csv``, ``curves.svg``, ``page.md`` and the pictures.

    Args:
        study: The study.
        size: One of ``SIZES``.
        data: The images, as ``kerasnets.data.open_source`` names them.
        out: Folder, made where it is missing.
        seeds: How often each row is trained; None for as often as the size says.
        fresh: Do all trainings again.
        display: Entered for each training with its number and whether it is done; None
            shows nothing.

    Raises:
        KerasnetsError: The data cannot be used, seeds are none, or a training diverges.
    """
    from kerasnets.data import open_source
    from kerasnets.jobs.checks import check_whole
    from kerasnets.runs.engine import show_nothing

    check_whole("seeds", seeds)
    display = display or show_nothing
    fingerprint = open_source(data).fingerprint
    out.mkdir(parents=True, exist_ok=True)
    done = {} if fresh else _done(out)
    runs: list[dict[str, Any]] = []
    keys: dict[tuple[str, int], dict[str, Any]] = {}
    side = study.sizes[size].side
    for number, (row, seed, changes) in enumerate(study.told(size, seeds), start=1):
        name, base = _folder(row.name, seed), _folder(row.of, seed)
        key = _key(row, seed, changes, side, fingerprint, keys)
        keys[row.name, seed] = key
        kept = done.get(name)
        holds = kept is not None and kept["key"] == key
        holds = holds and (bool(row.of) or (out / name / HISTORY).is_file())
        with display(f"{number}", holds) as progress:
            if not holds:
                if row.of:
                    known = done[base]["found"]
                    found = _ask(row, out / base, known, data, seed, changes, progress)
                else:
                    found = _train(
                        row,
                        out / name,
                        progress,
                        teacher=out / _folder(row.taught_by, seed),
                        narrower=out / _folder(row.grown_from, seed),
                        data=data,
                        changes=changes,
                        size=side,
                        seed=seed,
                        fresh=fresh,
                    )
                done[name] = {"key": key, "found": found}
                write_text(out / _DONE, json.dumps(done, indent=1) + "\n")
                shutil.rmtree(out / name / "data", ignore_errors=True)
        runs.append({"row": row.name, "seed": seed, **done[name]["found"]})
    if study.as_good_as:
        _count_epochs(study, out, runs)
    results = trained_results(study, size, runs, made_with=_made_with())
    write_text(out / "results.json", results_text(results))
    write_text(out / "page.md", page(results))
    _write_curves(study, out, runs)
    first = {row.name: out / _folder(row.of or row.name, 0) for row in study.rows}
    for picture in study.pictures:
        write_bytes(out / f"{picture.name}.svg", _drawn(picture, first, data))
    return results


def _drawn(picture: Picture, folders: Mapping[str, Path], data: str) -> bytes:
    from kerasnets.reports.drawing import drawn

    return drawn(lambda figure: picture.draw(figure, folders, data), picture.size)


def _count_epochs(study: Study, out: Path, runs: Sequence[dict[str, Any]]) -> None:
    """Add to each run the first epoch that is as good as another row in the end."""
    trained = {row.name for row in study.rows if not row.of}
    for run in runs:
        if run["row"] not in trained:
            continue
        curves = [
            [
                epoch["validation_accuracy"]
                for epoch in read_history(out / _folder(row, run["seed"]) / HISTORY)
            ]
            for row in (run["row"], study.as_good_as)
        ]
        own, (*_, wanted) = curves
        good = [number for number, x in enumerate(own, start=1) if x >= wanted]
        run["epochs"] = min(good, default=len(own) + 1)


def _folder(row: str, seed: int) -> str:
    """Name of the folder of a training: "LeNet-5-affine-seed0"."""
    return "-".join((*re.findall(r"[\w-]+", row), f"seed{seed}"))


def _done(out: Path) -> dict[str, Any]:
    """Trainings that are done, by their folders' names."""
    path = out / _DONE
    try:
        found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        _ = [(each["key"], each["found"]) for each in found.values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KerasnetsError(f"{path} is damaged ({error}): --fresh starts over") from (
            error
        )
    return found


def _key(
    row: Row,
    seed: int,
    changes: Mapping[str, str],
    side: int | None,
    fingerprint: str,
    keys: Mapping[tuple[str, int], Mapping[str, Any]],
) -> dict[str, Any]:
    """All that a row depends on, as JSON has it.

    Args:
        row: The row.
        seed: Of its training.
        changes: Of its recipe.
        side: Of the images.
        fingerprint: Of the images.
        keys: Of the rows before it, by name and seed.
    """
    from kerasnets.training import paper_recipe

    if row.of:
        return as_json({"of": keys[row.of, seed], "ask": row.ask, "changes": changes})
    recipe = dataclasses.asdict(paper_recipe(row.recipe, changes))
    for words in ("source", "departs"):
        del recipe[words]
    key = {
        "network": row.network,
        "recipe": recipe,
        "seed": seed,
        "side": side,
        "images": fingerprint,
    }
    if row.train_images is not None:
        key["train_images"] = row.train_images
    if row.grown_from:
        key["grown_from"] = keys[row.grown_from, seed]
    if row.taught_by:
        key["teacher"] = keys[row.taught_by, seed]
    if row.taught_by or row.teaching:
        key["teaching"] = row.teaching
    return as_json(key)


def _ask(
    row: Row, folder: Path, known: Mapping[str, Any], *given: Any
) -> dict[str, Any]:
    """Find what is asked of a network that is trained."""
    assert row.ask is not None
    begin = time.monotonic()
    figures = row.ask(folder, *given)
    same = {name: known[name] for name in ("params", "madds", "images")}
    return {**figures, "seconds": round(time.monotonic() - begin, 1), **same}


def _train(
    row: Row,
    folder: Path,
    progress: Progress,
    *,
    teacher: Path,
    narrower: Path,
    **given: Any,
) -> dict[str, Any]:
    """Train a network once; what it came to, errors in percent."""
    from kerasnets.jobs import train

    teaching = _teaching(row, teacher) if row.taught_by or row.teaching else None
    trained = train.run(
        row.network,
        folder,
        recipe=row.recipe,
        grow_from=narrower if row.grown_from else None,
        train_images=row.train_images,
        precision="float32",
        display=lambda *_: contextlib.nullcontext(progress),
        teaching=teaching,
        **given,
    )
    if trained is None:
        raise KerasnetsError("a study is run by one process, without TF_CONFIG")
    stages = {stage["name"]: stage["results"] for stage in read_run(folder).stages}
    history = read_history(folder / HISTORY)
    return {
        "training_error": _percent(history[-1]["accuracy"]),
        **_test_errors(folder, train.LAST),
        "seconds": round(sum(epoch["seconds"] for epoch in history), 1),
        "params": stages["train"]["params"],
        "madds": stages["train"]["madds"],
        "images": stages["data"]["images"],
    }


def _teaching(row: Row, teacher: Path) -> "Teaching":
    from kerasnets.jobs.teaching import Teaching
    from kerasnets.transfer import Match

    matched = {
        name: tuple(Match.of(text) for text in row.teaching.get(name, ()))
        for name in ("hints", "matches")
    }
    teachers = (teacher,) if row.taught_by else ()
    return Teaching(teachers, **{**row.teaching, **matched})


def _test_errors(folder: Path, file: str) -> dict[str, float]:
    """Errors of a file of a run in percent, as its record has them.

    Args:
        folder: Of the run.
        file: In it.

    Returns:
        "test_error" on the test images, and, where some classes were not taught,
        "unseen_error" on those of these classes.
    """
    from kerasnets.jobs.teaching import Teaching, kept_classes

    stages = {stage["name"]: stage for stage in read_run(folder).stages}
    judged = stages["evaluate"]["results"]["test"][file]
    errors = {"test_error": _percent(judged["top1"]["accuracy"])}
    taught = {x: stages["train"]["settings"].get(x, ()) for x in ("only", "without")}
    if any(taught.values()):
        classes = judged["classes"]
        names = [each["name"] for each in classes]
        kept = kept_classes(Teaching((), **taught), names)
        unseen = [each for label, each in enumerate(classes) if label not in kept]
        right, images = (sum(x[name] for x in unseen) for name in ("right", "images"))
        errors["unseen_error"] = _percent(right / images)
    return errors


def adjusted_biases(folder: Path, *_: Any) -> dict[str, float]:
    """Ask a network that never saw some classes again, its biases adjusted to them."""
    from kerasnets.jobs.train import ADJUSTED

    return _test_errors(folder, ADJUSTED)


def _made_with() -> dict[str, Any]:
    """Versions and cores, which seconds depend on, and figures in their last digits."""
    names = ("kerasnets", "keras", "tensorflow")
    return {name: version(name) for name in names} | {"cores": os.cpu_count()}


def _percent(accuracy: float) -> float:
    """The error, of whose digits those that 10^6 images could tell."""
    return round(100 * (1 - accuracy), 4)


def _write_curves(study: Study, out: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write the errors of all epochs, and the picture of their means over the seeds."""
    from kerasnets.reports.comparison import draw_comparison

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    curves = {}
    for row in study.rows:
        if row.of:
            continue
        seeds = [run["seed"] for run in runs if run["row"] == row.name]
        histories = [
            read_history(out / _folder(row.name, seed) / HISTORY) for seed in seeds
        ]
        for seed, history in zip(seeds, histories, strict=True):
            for epoch in history:
                errors = (
                    _percent(epoch[x]) for x in ("accuracy", "validation_accuracy")
                )
                writer.writerow((row.name, seed, epoch["epoch"], *errors))
        curves[row.name] = [
            {name: statistics.fmean(epoch[name] for epoch in same) for name in same[0]}
            for same in zip(*histories, strict=False)
        ]
    write_text(out / "epochs.csv", text.getvalue())
    write_bytes(out / "curves.svg", draw_comparison(curves))


def publish(
    study: Study, folder: Path, results: Results | None, out: Path | None
) -> None:
    """Write a study's page into the folder of all, and their table.

    Args:
        study: The study.
        folder: ``docs/literature``.
        results: Of a run that is done; None for those that the folder holds, if any,
            judged again.
        out: Folder of that run.

    Raises:
        KerasnetsError: The run is a smoke run, which tells nothing.
    """
    kept = folder / f"{study.name}.json"
    if results is None:
        results = refreshed(study, read_results(kept) if kept.is_file() else None)
    elif results["size"] == "smoke":
        raise KerasnetsError("what a smoke run comes to is no result to publish")
    publish_results(results, folder)
    if out is not None:
        files = {"epochs.csv": ".csv", "curves.svg": ".svg"}
        files |= {f"{x.name}.svg": f"_{x.name}.svg" for x in study.pictures}
        for name, ending in files.items():
            write_bytes(folder / f"{study.name}{ending}", (out / name).read_bytes())


def publish_results(results: Results, folder: Path) -> None:
    """Write JSON and page of some results, and the table of all in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    name = results["name"]
    write_text(folder / f"{name}.json", results_text(results))
    write_text(folder / f"{name}.md", page(results))
    studies = [read_results(path) for path in sorted(folder.glob("*.json"))]
    write_text(folder / "README.md", overview(studies))
