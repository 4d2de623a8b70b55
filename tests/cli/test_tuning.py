"""``kerasnets tune``: what a person types and reads."""

import json

import pytest
from support.tiny_files import save_colours

from kerasnets.jobs import tune
from kerasnets.tuning import SearchPlan

SEARCH = """
network = "lenet5"
data = "npz:colours.npz"
resolution = 40
rho = [0.8, 1.0]
learning_rate = [0.01, 0.05]
oracle = "grid"
trials = 1
epochs = 1
[recipe]
batch_size = 16
"""


@pytest.fixture
def folder(tmp_path):
    """Images and a search file, in the folder in which commands run."""
    save_colours(tmp_path / "colours.npz")
    (tmp_path / "search.toml").write_text(SEARCH)
    return tmp_path


def test_show_tells_the_space_and_runs_nothing(folder, run):
    code, out, _ = run("tune", "search.toml", "--show", "--max-madds", "700k")
    assert code == 0
    rows = [line.split("│")[1:-1] for line in out.splitlines() if "│" in line]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert [(row[0], row[1], row[-1]) for row in cells] == [
        ("rho 0.8", "32", ""),
        ("rho 1", "40", "over the budget"),
    ]
    assert "learning_rate: 0.01, 0.05" in out
    assert "2 points within 700,000 multiply-adds, of which up to 1 are tried" in out
    assert sorted(path.name for path in folder.iterdir()) == [
        *("colours.npz", "search.toml")
    ]


def test_space_as_json(folder, run):
    code, out, _ = run("tune", "search.toml", "--show", "--json")
    assert code == 0
    found = json.loads(out)
    assert [each["cost"]["size"] for each in found["networks"]] == [32, 40]
    assert (found["points"], found["training"]) == (4, {"learning_rate": [0.01, 0.05]})


def test_trials_are_printed(folder, run):
    code, out, _ = run("tune", "search.toml", "--out", "found")
    assert code == 0
    assert "rho 0.8 learning_rate 0.01" in out
    assert out.splitlines()[-2:] == ["found/best.keras", "found/README.md"]
    code, out, _ = run("tune", "search.toml", "--out", "found", "--json")
    found = json.loads(out)
    assert found["best"] == found["trials"][0]
    assert found["test"]["images"] == 24


@pytest.mark.parametrize(
    ("changed", "given", "said"),
    [
        ("oracl = 3", (), "oracl 3 is not a list"),
        ("lerning_rate = [0.1]", (), "'lerning_rate', the nearest is 'learning_rate'"),
        ("", ("--max-size", "0"), "'0' is not a size like 350kB"),
        ("", ("--max-madds", "1"), "no lenet5 of the search fits 1 multiply-adds"),
        ("", ("--data", "npz:none.npz"), "none.npz"),
        ("", ("--trials", "0"), "trials 0 is not a whole number"),
        ("", ("--devices", "99"), "99 devices: this machine has"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(folder, complaint, changed, given, said):
    (folder / "search.toml").write_text(f"{changed}\n{SEARCH}")
    assert said in complaint("tune", "search.toml", *given)


def test_folder_of_another_search_is_refused(folder, run, complaint):
    settings = folder / "other" / "run.json"
    run("tune", "search.toml", "--out", "other", "--show")
    settings.parent.mkdir()
    settings.write_text(json.dumps({"identity": {"network": "vgg11"}}))
    assert "other" in complaint("tune", "search.toml", "--out", "other")
    assert json.loads(settings.read_text()) == {"identity": {"network": "vgg11"}}


def test_search_goes_to_a_folder_of_its_own(folder):
    plan = SearchPlan({}, "grid", 1, 1, network="lenet5")
    settings = tune.choose_settings(plan, data=f"npz:{folder / 'colours.npz'}", seed=3)
    path = tune.default_folder(settings)
    assert str(path) == "saved_models/colours-lenet5-search-seed3"
