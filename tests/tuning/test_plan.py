"""Search files: the one that comes along, and what a bad one is told."""

from pathlib import Path

import pytest

import kerasnets.tuning
from kerasnets.errors import KerasnetsError
from kerasnets.tuning import Budget, SearchPlan, read_plan

SHIPPED = Path(__file__).parents[2] / "tuning" / "mobilenet_digits.toml"
GOOD = {
    "alpha": "[0.25, 0.5]",
    "rho": "[1.0]",
    "oracle": '"grid"',
    "trials": "4",
    "epochs": "2",
}

READY_MADE = Path(__file__).parents[2] / "tuning"


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
        ({"oracle": '"hyperbend"'}, "'hyperbend' is none of bayesian, random, grid"),
        ({"oracle": "[1]"}, r"oracle \[1\] is none of bayesian, random, grid"),
        ({"trials": "0"}, "trials 0 is not a whole number above 0"),
        ({"trials": "4.0"}, "trials 4.0 is not a whole number above 0"),
        ({"epochs": "true"}, "epochs True is not a whole number above 0"),
        ({"epochs": '"2"'}, "epochs '2' is not a whole number above 0"),
        (
            {"epochs": ""},
            r"it has \['alpha', 'oracle', 'rho', 'trials'\], it lacks epoch",
        ),
        ({"gamma": "1"}, "gamma 1 is not a list"),
        ({"alpha": "[0.25"}, "is no TOML"),
        ({"alpha": "{ from = 1, to = 2 }"}, "is no range: { from, to, steps }"),
        ({"alpha": "{ from = 2, to = 1, steps = 3 }"}, "from a number to a larger one"),
        ({"alpha": "{ from = 1, to = 2, steps = 1 }"}, "in 2 or more steps"),
        (
            {"alpha": '{ from = 1, to = 2, steps = 2, scale = "lg" }'},
            "alpha scale 'lg' is none of linear, log",
        ),
        (
            {"alpha": '{ from = 0, to = 2, steps = 2, scale = "log" }'},
            "alpha from 0 on a log scale: above 0",
        ),
        ({"objective": '"best"'}, "objective 'best' is none of accuracy, front, loss"),
        ({"network": "3"}, "network 3 is not a name"),
        ({"network": "[]"}, r"network \[\] is not a name"),
        ({"network": '["lenet5", 5]'}, r"network \['lenet5', 5\] is not a name"),
        ({"start": '"timm"'}, "start 'timm' is none of scratch, imagenet, gr"),
        ({"resolution": "0"}, "resolution 0 is not a whole number above 0"),
        ({"budget": "3"}, "budget 3 is not a table"),
        ({"budget": '{ madds = "2M" }'}, "no budget 'madds', the nearest is 'max_ma"),
        ({"budget": "{ max_size = 350000 }"}, "max_size 350000 is not bytes with the"),
        ({"budget": '{ max_size = "350000" }'}, "max_size '350000' is not bytes with"),
        ({"budget": '{ max_latency = "5" }'}, "max_latency '5' is not a time with its"),
        ({"budget": '{ max_madds = "0" }'}, "max_madds '0' is not a count, as"),
        ({"budget": "{ max_params = 0 }"}, "max_params 0 is not a count, as"),
        ({"recipe": '"vgg"'}, "recipe 'vgg' is not a table"),
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


def test_all_of_a_search_is_read(tmp_path):
    path = tmp_path / "search.toml"
    path.write_text("""
network = "simpnet"
data = "npz:images.npz"
resolution = 32
objective = "front"
oracle = "random"
trials = 20
epochs = 3
augment.zoom = [0.2, 0.1]
learning_rate = { from = 0.01, to = 1, steps = 3, scale = "log" }
rho = { from = 0.5, to = 1.0, steps = 3 }
[budget]
max_madds = "1.5M"
max_params = 200_000
max_size = "350kB"
max_latency = "2.5ms"
[recipe]
paper = "resnet-cifar"
nesterov = true
milestones = [0.5, 0.75]
augment.flip = false
""")
    assert read_plan(path) == SearchPlan(
        axes={
            "augment.zoom": (0.1, 0.2),
            "learning_rate": (0.01, 0.1, 1.0),
            "rho": (0.5, 0.75, 1.0),
        },
        oracle="random",
        trials=20,
        epochs=3,
        network="simpnet",
        data="npz:images.npz",
        resolution=32,
        objective="front",
        budget=Budget(1_500_000, 350_000, 200_000, 2.5),
        recipe="resnet-cifar",
        changes={
            "nesterov": "true",
            "milestones": "0.5,0.75",
            "augment.flip": "false",
        },
    )


def test_several_networks_are_an_axis(tmp_path):
    file = tmp_path / "search.toml"
    file.write_text(
        'network = ["lenet5", "lenet1"]\nstart = "imagenet"\nrho = [1.0]\n'
        'oracle = "grid"\ntrials = 1\nepochs = 1\n'
    )
    plan = read_plan(file)
    assert (plan.network, plan.start) == ("lenet5", "imagenet")
    assert plan.axes == {"network": ("lenet5", "lenet1"), "rho": (1.0,)}


@pytest.mark.parametrize("name", sorted(x.name for x in READY_MADE.glob("*.toml")))
def test_ready_made_search_is_one(name):
    plan = read_plan(READY_MADE / name)
    assert plan.axes
    assert plan.data is not None
