"""Pages are a function of results, and those of the repository are up to date."""

import csv
import re
from pathlib import Path

import pytest
from scipy import stats
from support.studies import load, make_study

from kerasnets.errors import KerasnetsError
from kerasnets.studies import (
    Claim,
    Row,
    Study,
    adjusted_biases,
    overview,
    page,
    publish,
    read_results,
    refreshed,
    results_text,
    trained_results,
)

ROOT = Path(__file__).parents[2]
LITERATURE = ROOT / "docs" / "literature"


PROGRAMS = [
    path
    for path in sorted((ROOT / "applications").glob("*.py"))
    if "STUDY" in path.read_text()
]


def runs(errors):
    """Trainings of each row with such test errors."""
    return [
        {
            "row": row,
            "seed": seed,
            "training_error": error / 2,
            "test_error": error,
            "seconds": 10.0 + seed,
            "params": 3_246,
            "madds": 136_320,
            "images": {"train": 900, "validation": 100, "test": 200},
        }
        for row, of_row in errors.items()
        for seed, error in enumerate(of_row)
    ]


SMALL, LARGE = [9.0, 10.0, 11.5], [5.0, 6.5, 7.0]


@pytest.fixture
def results(study):
    measured = runs({"small": SMALL, "large": LARGE})
    return trained_results(study, "cpu", measured, made_with={"cores": 2})


def test_page_states_the_figures(results):
    text = page(results)
    rows = {
        cells[0]: cells
        for line in text.splitlines()
        if line.startswith("|")
        and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 9
    }
    assert {"small", "large"} < rows.keys()
    for name, errors in (("small", SMALL), ("large", LARGE)):
        low, high = stats.t.interval(
            0.95, 2, loc=sum(errors) / 3, scale=stats.sem(errors)
        )
        told = f"{sum(errors) / 3:.2f} ({low:.2f} to {high:.2f})"
        assert rows[name][6] == told
    assert rows["small"][7] == "1.7 (Table 1)"
    assert rows["large"][1] == "`resnet-cifar`, weight_decay 0.001"
    assert rows["small"][8] == "11"
    assert "| Larger is better. | Table 1 | holds | small minus large: +4.00" in text
    assert "3 seeds" in text
    assert "on 2 cores" in text


def test_page_of_what_was_not_run_states_no_figure(study):
    text = page(refreshed(study, None))
    assert "Not run at this size yet." in text
    assert "not run at this size yet" in overview([refreshed(study, None)])
    assert "points" not in text
    assert "1.7" not in text


def test_kept_runs_are_judged_by_what_the_study_says_today(study, results, tmp_path):
    (tmp_path / "made_up.json").write_text(results_text(results))
    turned = make_study(
        claims=(Claim("Smaller is better.", "", "training_error", ("large", "small")),)
    )
    publish(turned, tmp_path, None, None)
    kept = read_results(tmp_path / "made_up.json")
    assert kept["runs"] == results["runs"]
    assert kept["claims"][0]["verdict"] == "not seen at this size"
    assert "Smaller is better." in (tmp_path / "README.md").read_text()
    assert (tmp_path / "made_up.md").read_text() == page(kept)


def test_other_files_are_refused(tmp_path):
    for text in ("{", "[]", '{"name": 1}'):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(KerasnetsError, match="holds no results of a study"):
            read_results(tmp_path / "x.json")


def test_smoke_is_not_published(study, tmp_path):
    results = trained_results(study, "smoke", runs({"small": [9.0]}))
    with pytest.raises(KerasnetsError, match="no result to publish"):
        publish(study, tmp_path, results, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"claims": (Claim("", "", "test_error", ("small", "big")),)},
            "small, big; two",
        ),
        (
            {"claims": (Claim("", "", "test_error", ("small",)),)},
            "two or more of small",
        ),
        ({"claims": (Claim("", "", "error", ("small", "large")),)}, "training_error"),
        ({"sizes": {}}, "smoke, cpu, paper are accepted"),
        ({"seeds": 0}, "one seed or more"),
        ({"rows": make_study().rows[:1] * 2, "claims": ()}, "two rows of one name"),
        (
            {
                "rows": (
                    Row("small", "lenet1", "lenet5", taught_by="large"),
                    Row("large", "lenet5", "lenet5"),
                )
            },
            "'small' that needs 'large'; none are trained before it",
        ),
        (
            {
                "rows": (
                    Row("small", "lenet1", "lenet5"),
                    Row("again", "", "", of="small", ask=adjusted_biases),
                    Row("large", "lenet5", "lenet5", taught_by="again"),
                )
            },
            "'large' that needs 'again'; small are trained before it",
        ),
        (
            {
                "rows": (
                    Row("small", "lenet1", "lenet5"),
                    Row("large", "lenet5", "lenet5", of="small"),
                )
            },
            "'large' with one of of and ask",
        ),
        ({"as_good_as": "middle"}, "no row 'middle' to be as good as; small, large"),
    ],
)
def test_studies_that_say_nonsense_are_refused(given, message):
    with pytest.raises(KerasnetsError, match=message):
        make_study(**given)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_published_results_are_those_of_the_program(path):
    study = load(path).STUDY
    assert isinstance(study, Study)
    assert study.name == path.stem
    kept = read_results(LITERATURE / f"{study.name}.json")
    # verdicts follow from the figures, texts are today's
    assert refreshed(study, kept) == kept
    # half of the claim is who said so
    assert all(re.search(r"\d{4}", claim.source) for claim in study.claims)


def test_every_study_is_published():
    names = {path.stem for path in PROGRAMS} | {"parameter_arithmetic"}
    assert {path.stem for path in LITERATURE.glob("*.json")} == names
    assert PROGRAMS


@pytest.mark.parametrize(
    "path", sorted(LITERATURE.glob("*.json")), ids=lambda path: path.stem
)
def test_published_page_states_its_results(path):
    results = read_results(path)
    assert path.with_suffix(".md").read_text("utf-8") == page(results)
    if results.get("runs"):
        assert path.with_suffix(".svg").is_file()
        for picture in results["pictures"]:
            assert (LITERATURE / f"{path.stem}_{picture['name']}.svg").is_file()
        with path.with_suffix(".csv").open(newline="") as file:
            trained = {(row["row"], row["seed"]) for row in csv.DictReader(file)}
        asked = {row["name"] for row in results["rows"] if row["of"]}
        assert trained == {
            (run["row"], f"{run['seed']}")
            for run in results["runs"]
            if run["row"] not in asked
        }


def test_table_has_every_claim():
    studies = [read_results(path) for path in LITERATURE.glob("*.json")]
    assert (LITERATURE / "README.md").read_text("utf-8") == overview(studies)
