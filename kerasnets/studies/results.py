"""What a study came to, as its JSON file keeps it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasnets.errors import KerasnetsError
from kerasnets.studies.study import FIGURES, Study, as_json
from kerasnets.studies.verdict import judge

NOT_RUN = "not run at this size yet"
Results = dict[str, Any]


def trained_results(
    study: Study,
    size: str,
    runs: Sequence[Mapping[str, Any]] = (),
    *,
    made_with: Mapping[str, Any] | None = None,
) -> Results:
    """Put together what trainings came to, and judge the claims by it.

    Args:
        study: The study.
        size: At which it was run, or is to be.
        runs: Of each training "row", "seed", "seconds", "params", "madds", "images" (by
            part) and those of the ``FIGURES`` that it has; none where it was not run.
        made_with: Versions of libraries, and cores.
    """
    figures = {
        name: {
            row.name: {
                run["seed"]: run[name]
                for run in runs
                if run["row"] == row.name and name in run
            }
            for row in study.rows
        }
        for name in FIGURES
    }
    claims = []
    for claim in study.claims:
        found = {"verdict": NOT_RUN, "why": ""}
        if runs:
            full = size == "paper"
            unit = "epochs" if claim.figure == "epochs" else "points"
            verdict = judge(figures[claim.figure], claim.falls, full=full, unit=unit)
            found = {"verdict": verdict.verdict, "why": verdict.why}
        claims.append({**as_json(claim), **found})
    return {
        "name": study.name,
        "title": study.title,
        "about": study.about,
        "program": study.program,
        "data": study.data,
        "size": size,
        "size_about": study.sizes[size].about,
        "made_with": dict(made_with or {}),
        "claims": claims,
        "rows": [as_json(row) for row in study.rows],
        "as_good_as": study.as_good_as,
        "pictures": [
            {"name": picture.name, "caption": picture.caption}
            for picture in study.pictures
        ],
        "runs": [dict(run) for run in runs],
    }


def counted_results(
    *,
    name: str,
    title: str,
    about: str,
    claims: Sequence[Mapping[str, str]],
    figures: Sequence[Mapping[str, Any]],
) -> Results:
    """Put together what was counted without a training.

    Args:
        name: Of its file in ``applications/``.
        title: Of its page.
        about: What was published and what is done, in Markdown; the rule of its
            verdicts, too.
        claims: Of each "text", "source", "verdict" and "why".
        figures: Rows of the table of all figures: the same keys each, the columns.
    """
    return {
        "name": name,
        "title": title,
        "about": about,
        "program": f"applications/{name}.py",
        "claims": [dict(claim) for claim in claims],
        "figures": [dict(row) for row in figures],
    }


def refreshed(study: Study, kept: Results | None) -> Results:
    """Judge the runs that are kept by what the study says today.

    Args:
        study: The study.
        kept: Its results; None where there are none.
    """
    if kept is None:
        return trained_results(study, "cpu")
    known = {row.name for row in study.rows}
    runs = [run for run in kept["runs"] if run["row"] in known]
    return trained_results(study, kept["size"], runs, made_with=kept["made_with"])


def read_results(path: Path) -> Results:
    """Read a file of ``results_text``.

    Raises:
        KerasnetsError: It is none.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        _ = found["name"], found["claims"], found.get("runs", found.get("figures"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KerasnetsError(f"{path} holds no results of a study ({error})") from error
    return found


def results_text(results: Results) -> str:
    """The JSON file of some results."""
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"
