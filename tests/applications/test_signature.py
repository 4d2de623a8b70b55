"""The arguments of all builders: names, order, errors, types, and what they change."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from support.tiny_zoo import TINY, graph, of_each_function

import kerasnets
from kerasnets import applications
from kerasnets.applications.signature import DEFAULTS
from kerasnets.errors import KerasnetsError

# own arguments stand in this order in all families
ORDER = [
    *("alpha", "rho", "depth_multiplier", "minimalistic", "width", "filters", "depth"),
    *("dense_units", "shortcut", "bypass", "padding", "upsampling"),
    *("input_dropout", "dropout", "saf", "stochastic_depth", "zero_init_residual"),
    *("auxiliary", "form"),
]
# values that are not the default; one of them changes a network of each function
OTHER = {
    "alpha": [0.5],
    "rho": [1.5],
    "depth_multiplier": [2],
    "minimalistic": [True],
    "width": [3],
    "filters": [3],
    "depth": [1],
    "dense_units": [3],
    "shortcut": ["A", "B", "C"],
    "bypass": ["simple", "complex"],
    "padding": ["same", "valid", "symmetric"],
    "upsampling": ["nearest", "bilinear"],
    "input_dropout": [0.1],
    "dropout": [0.1],
    "saf": [0.1],
    "stochastic_depth": [0.1],
    "zero_init_residual": [True],
    "auxiliary": [True],
    "form": ["keras", "torch"],
}
RATES = ("input_dropout", "dropout", "saf", "stochastic_depth")
# where the tiny network is too small for an argument to show
WHOLE = {
    ("googlenet", "auxiliary"): applications.GoogLeNet,
    ("inceptionv3", "auxiliary"): applications.InceptionV3,
    ("unet", "padding"): applications.UNet,
}


def own(builder) -> list[str]:
    """The names of a builder's own arguments."""
    return [
        name
        for name in inspect.signature(builder).parameters
        if name not in ("input_shape", *DEFAULTS)
    ]


CASES = [
    pytest.param(names, name, id=f"{names[0]}-{name}")
    for names in of_each_function().values()
    for name in own(TINY[names[0]].func)
]


@pytest.mark.parametrize("name", applications.BUILDERS)
def test_signature_has_every_argument_by_name_in_one_order(name):
    builder = applications.BUILDERS[name]
    first, *others = inspect.signature(builder).parameters.values()
    assert (first.name, first.kind) == ("input_shape", first.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in others]
    assert names == [*sorted(own(builder), key=ORDER.index), *DEFAULTS]
    for parameter in others:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.annotation is not parameter.empty
        assert f"    {parameter.name}: " in builder.__doc__
    defaults = {parameter.name: parameter.default for parameter in others}
    assert defaults["classes"] == builder.network.classes
    assert defaults["classifier_activation"] == "softmax"


@pytest.mark.parametrize(("names", "argument"), CASES)
def test_every_own_argument_changes_the_graph(names, argument):
    assert any(changes(names, argument))


def changes(names, argument):
    """Whether each value changes each of the networks that have it."""
    for name in names:
        build = WHOLE.get((name, argument), TINY[name])
        before = graph(build)
        for value in OTHER[argument]:
            try:
                after = graph(build, **{argument: value})
            except KerasnetsError:  # this network has no such form, padding, ...
                continue
            yield after != before


@pytest.mark.parametrize(
    ("names", "rate"), [case for case in CASES if case.values[1] in RATES]
)
def test_no_rate_is_one_or_more(names, rate):
    with pytest.raises(KerasnetsError, match=f"^{rate} 1.5 is not a rate"):
        TINY[names[0]](**{rate: 1.5})


def test_own_arguments_are_given_by_name():
    message = "^ResNet50 takes input_shape only .* as shortcut, stochastic_depth, "
    with pytest.raises(KerasnetsError, match=message):
        applications.ResNet50((64, 64, 3), "A")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clases", "ResNet50 has no argument 'clases': did you mean classes"),
        ("sides", "ResNet50 has no argument 'sides': input_shape, shortcut, "),
    ],
)
def test_unknown_arguments_are_named(name, message):
    with pytest.raises(KerasnetsError, match=message):
        applications.ResNet50(**{name: 1})


def test_weights_may_be_a_path(tmp_path):
    saved = applications.LeNet1()
    saved.save(tmp_path / "lenet.keras")
    loaded = applications.LeNet1(weights=tmp_path / "lenet.keras")
    for ours, theirs in zip(loaded.weights, saved.weights, strict=True):
        assert (keras.ops.convert_to_numpy(ours) == theirs).all()


USES = """\
from pathlib import Path

from kerasnets.applications import LeNet5, MobileNet, Plain18, ResNet20, ResNet50

ResNet50((224, 224, 3), shortcut="A", weights=Path("a.keras"), classes=10)
MobileNet(alpha=0.5, include_top=False, pooling="avg", name=None)
LeNet5(input_tensor=None)
reveal_type(ResNet50())
ResNet50(clases=10)  # no parameter named
ResNet50(weights=3)  # not assignable
MobileNet(alpha="wide")  # not assignable
ResNet20((32, 32, 3), "A")  # positional
Plain18(shortcut="A")  # no parameter named
"""


def test_pyright_knows_every_argument(tmp_path):
    pyright = Path(sys.executable).with_name("pyright")
    if not pyright.exists():
        pytest.skip("pyright is not installed")
    (tmp_path / "uses.py").write_text(USES)
    paths = {"extraPaths": [str(Path(kerasnets.__file__).parents[1])]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(paths))
    command = [pyright, "--outputjson", "--pythonpath", sys.executable]
    result = subprocess.run(
        [*command, "--project", tmp_path], capture_output=True, text=True
    )
    told = [
        (USES.splitlines()[line["range"]["start"]["line"]], line["message"].lower())
        for line in json.loads(result.stdout)["generalDiagnostics"]
    ]
    assert [use for use, _ in told] == USES.splitlines()[7:]
    for use, message in told:
        expected = 'is "model"' if "reveal" in use else use.partition("# ")[2]
        assert expected in message
