"""Search files: the one that comes along, and what a bad one is told."""

from pathlib import Path

import pytest

import kerasnets.tuning
from kerasnets.errors import KerasnetsError
from kerasnets.tuning import SearchPlan, read_plan

SHIPPED = Path(__file__).parents[2] / "tuning" / "mobilenet_digits.toml"
GOOD = {
    "alpha": "[0.25, 0.5]",
    "rho": "[1.0]",
    "oracle": '"grid"',
    "trials": "4",
    "epochs": "2",
}


def write(path, **changes):
    entries = {**GOOD, **changes}
    lines = [f"{name} = {value}" for name, value in entries.items() if value]
    path.write_text("\n".join(lines))
    return path


def test_shipped_search_reads():
    plan = read_plan(SHIPPED)
    assert plan.oracle == "bayesian"
    assert 0.25 in plan.axes["alpha"]
    assert 1.0 in plan.axes["rho"]
    assert plan.trials < len(plan.axes["alpha"]) * len(plan.axes["rho"])


def test_installed_search_is_the_shipped_one():
    installed = Path(kerasnets.tuning.__file__).with_name(SHIPPED.name)
    assert installed.read_bytes() == SHIPPED.read_bytes()


def test_values_are_sorted_numbers_without_repeats(tmp_path):
    path = write(tmp_path / "search.toml", alpha="[1, 0.25, 1.0]")
    axes = {"alpha": (0.25, 1.0), "rho": (1.0,)}
    assert read_plan(path) == SearchPlan(axes, "grid", 4, 2)


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ("[3, 1, 3]", (1, 3)),
        ("[0, 0.5]", (0.0, 0.5)),
        ('["same", "symmetric", "same"]', ("same", "symmetric")),
        ("[true, false]", (True, False)),
    ],
)
def test_any_axis_is_read_in_the_type_of_its_values(tmp_path, values, read):
    axis = read_plan(write(tmp_path / "search.toml", depth=values)).axes["depth"]
    assert axis == read
    assert [type(value) for value in axis] == [type(value) for value in read]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": "0.25"}, "alpha 0.25 is not a list of finite numbers"),
        ({"alpha": "[]"}, r"alpha \[\] is not a list of finite numbers"),
        ({"alpha": '[0.5, "0.25"]'}, r"alpha \[0.5, '0.25'\] is not"),
        ({"rho": "[1.0, true]"}, r"rho \[1.0, True\] is not"),
        ({"rho": "[nan]"}, r"rho \[nan\] is not"),
        ({"rho": "[inf]"}, r"rho \[inf\] is not"),
        ({"rho": "[[1.0]]"}, r"rho \[\[1.0\]\] is not"),
        ({"oracle": '"hyperband"'}, "'hyperband' is none of bayesian, random, grid"),
        ({"oracle": "[1]"}, r"oracle \[1\] is none of bayesian, random, grid"),
        ({"trials": "0"}, "trials 0 is not a whole number above 0"),
        ({"trials": "4.0"}, "trials 4.0 is not a whole number above 0"),
        ({"epochs": "true"}, "epochs True is not a whole number above 0"),
        ({"epochs": '"2"'}, "epochs '2' is not a whole number above 0"),
        ({"epochs": ""}, r"has \['alpha', 'oracle', 'rho', 'trials'\], it lacks epoch"),
        ({"gamma": "1"}, "gamma 1 is not a list"),
        ({"alpha": "[0.25"}, "is no TOML"),
    ],
)
def test_bad_file_is_told_in_one_line(tmp_path, changes, message):
    path = write(tmp_path / "search.toml", **changes)
    with pytest.raises(KerasnetsError, match=message) as caught:
        read_plan(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_that_is_none_is_no_toml(tmp_path):
    path = tmp_path / "search.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KerasnetsError, match="is no TOML"):
        read_plan(path)


def test_missing_file_is_named(tmp_path):
    path = tmp_path / "none.toml"
    with pytest.raises(KerasnetsError, match=f"{path}: No such file"):
        read_plan(path)


def test_folder_is_no_search_file(tmp_path):
    with pytest.raises(KerasnetsError, match=f"{tmp_path}: Is a directory"):
        read_plan(tmp_path)
