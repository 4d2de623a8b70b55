"""The arrows of docs/architecture.md: who may import what."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import kerasnets

PACKAGE = Path(kerasnets.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# everything that a room does: not the command line, nor what shows its work
ROOMS = (
    "analysis",
    "applications",
    "channels",
    "compression",
    "data",
    "evaluation",
    "export",
    "pretrained",
    "reports",
    "training",
    "transfer",
    "tuning",
)
# what a network costs and sees
COSTS = [
    f"analysis.{name}"
    for name in (
        "costs",
        "receptive_field",
        "phone",
        "phone_rules",
        "phone_sites",
    )
]
# files beside the rooms that all may use
CORE = (
    *("layers.py", "blocks.py", "losses.py", "errors.py", "graph.py", "traits.py"),
    *("pixels.py", "probabilities.py", "grey.py"),
)


def name_of(path):
    return str(path.relative_to(PACKAGE))


# these run on every Keras backend
PORTABLE = [
    path
    for path in FILES
    if path.relative_to(PACKAGE).parts[0] in ("applications", "channels", "pretrained")
    or name_of(path) in CORE
    or ".".join((path.parent.name, path.stem)) in COSTS
]
SHARED = (
    *("layers", "blocks", "errors", "graph", "traits", "pixels", "probabilities"),
    *("grey", "untrusted", "pretrained", "applications", "channels"),
)
# the families that a paper itself builds on
BUILDS_ON = {
    "dsn": {"nin"},
    "fitnet": {"maxout"},
    "resnet_cifar": {"resnet"},
    "resnet_cifar_v2": {"resnet_v2"},
    "wide_resnet": {"resnet", "resnet_v2", "resnet_cifar_v2"},
    "resnext": {"resnet"},
    "inception_v4": {"inception_v3"},
    "inception_resnet": {"inception_v3", "inception_v4"},
    "mobilenet_v3": {"mobilenet_v2"},
}


@functools.cache
def nodes(path):
    """The syntax tree of a file, flat."""
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


def imports(path):
    """Full names of all that a file imports, at its head or inside a function."""
    module = ".".join(["kerasnets", *path.relative_to(PACKAGE).with_suffix("").parts])
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(*libraries):
    """The rooms (or files beside them) that import one of the libraries."""
    return {
        path.relative_to(PACKAGE).parts[0]
        for path in FILES
        if any(name.split(".")[0] in libraries for name in imports(path))
    }


def test_arrows_are_looked_at():
    assert len(FILES) > 40
    assert {name_of(path) for path in PORTABLE} >= {
        "layers.py",
        "blocks.py",
        "losses.py",
        "analysis/costs.py",
        "applications/mobilenet.py",
    }
    assert "tensorflow" in {
        name.split(".")[0] for path in FILES for name in imports(path)
    }


@pytest.mark.parametrize("path", PORTABLE, ids=name_of)
def test_networks_need_nothing_but_keras_and_numpy(path):
    for name in imports(path):
        library, *rest = name.split(".")
        if library == "kerasnets":
            assert rest[0] in SHARED or ".".join(rest[:2]) in COSTS, name
        else:
            own = {"h5py"} if path.parent.name == "pretrained" else set()
            allowed = {"keras", "numpy"} | own | sys.stdlib_module_names
            assert library in allowed, name


def test_what_the_zoo_stands_on_does_not_know_it():
    below = [
        PACKAGE / f"{name}.py"
        for name in (
            *("layers", "blocks", "losses", "graph", "traits"),
            *("pixels", "probabilities"),
        )
    ]
    below += (PACKAGE / "pretrained").rglob("*.py")
    for path in below:
        assert not any("applications" in name.split(".")[:2] for name in imports(path))


@pytest.mark.parametrize(
    ("library", "room"),
    [
        ("tensorflow_datasets", "data"),
        ("tf_keras", "compression"),
        ("tensorflow_model_optimization", "compression"),
        ("ai_edge_litert", "export"),
        ("ai_edge_quantizer", "export"),
        ("onnxruntime", "export"),
        ("keras_tuner", "tuning"),
        ("matplotlib", "reports"),
    ],
)
def test_library_has_one_door(library, room):
    assert importers(library) == {room}


def uses_converter(path):
    """Whether a file reads ``tf.lite`` or imports ``tensorflow.lite``."""
    reads = any(
        isinstance(node, ast.Attribute)
        and node.attr == "lite"
        and isinstance(node.value, ast.Name)
        and node.value.id in ("tf", "tensorflow")
        for node in nodes(path)
    )
    return reads or any(name.startswith("tensorflow.lite") for name in imports(path))


def test_converter_has_one_door():
    homes = {p.relative_to(PACKAGE).parts[0] for p in FILES if uses_converter(p)}
    assert homes == {"export"}


@pytest.mark.parametrize("room", ROOMS)
def test_room_does_not_know_who_uses_it(room):
    for path in (PACKAGE / room).rglob("*.py"):
        for name in imports(path):
            for above in ("cli", "jobs", "runs", "studies", "terminal"):
                assert not f"{name}.".startswith(f"kerasnets.{above}."), path


@pytest.mark.parametrize("room", ["cli", "jobs", "runs"])
def test_commands_do_not_know_the_studies(room):
    for path in (PACKAGE / room).rglob("*.py"):
        for name in imports(path):
            assert not f"{name}.".startswith("kerasnets.studies."), path


def test_all_rooms_are_known():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == {*ROOMS, "cli", "jobs", "runs", "studies"}
    assert folders - {"cli"} <= set(kerasnets._ROOMS)


def test_family_imports_no_other_family_than_its_paper():
    tools = {"__init__", "builder", "figures", "registry", "residual", "signature"}
    tools |= {"auxiliary", "dense_evaluation", "encoder"}
    families = {path.stem for path in (PACKAGE / "applications").glob("*.py")} - tools
    assert {"lenet", "mobilenet", "resnet_cifar"} <= families
    for family in families:
        others = families - {family} - BUILDS_ON.get(family, set())
        for name in imports(PACKAGE / "applications" / f"{family}.py"):
            assert not others & set(name.split(".")[1:]), f"{family} imports {name}"


def modules_after(code):
    """Names of the top modules that a new process has loaded after ``code``."""
    code += "\nimport sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["kerasnets", "kerasnets.data", "kerasnets.export"])
def test_import_costs_no_tensorflow(module):
    loaded = modules_after(f"import {module}")
    assert not loaded & {"tensorflow", "keras", "tensorflow_datasets", "tf_keras"}


def test_classifier_costs_no_tensorflow():
    loaded = modules_after("from kerasnets.export import Classifier")
    assert "ai_edge_litert" in loaded
    assert not loaded & {"tensorflow", "keras"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["phone", "--help"]])
def test_help_costs_no_keras(arguments):
    loaded = modules_after(
        "import sys\n"
        f"sys.argv = ['kerasnets', *{arguments}]\n"
        "from kerasnets.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    assert "typer" in loaded
    assert not loaded & {"keras", "tensorflow", "keras_tuner"}


def test_rooms_are_reached_from_the_package():
    loaded = modules_after("import kerasnets; kerasnets.data.open_source")
    assert "tensorflow" not in loaded
    with pytest.raises(AttributeError, match="no attribute 'kitchen'"):
        _ = kerasnets.kitchen
