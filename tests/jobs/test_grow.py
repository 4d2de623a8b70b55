"""Growing a saved model: a file in, a larger one out."""

import sys

import keras
import numpy as np
import pytest
from support.displays import Told, names
from support.tiny_files import network

from kerasnets import cli
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import grow
from kerasnets.saving import load_model


def growth(**changes):
    """What is asked for; without changes a wider and a deeper network."""
    asked = {"widths": {}, "deeper": (), "network": None, "alpha": None, "noise": 0.0}
    usual = {"widths": {"first": 24}, "deeper": ("second_relu",)}
    return grow.Growth(**{**asked, **(changes or usual)})


def answers(path, count=4):
    model = load_model(path)
    images = np.random.default_rng(0).uniform(0, 255, (count, *model.input_shape[1:]))
    return np.asarray(model(images.astype("float32"), training=False))


def test_without_images_the_file_answers_as_before(folder, tmp_path):
    out = tmp_path / "out.keras"
    result = grow.run(folder / "net.keras", out, growth())
    model = load_model(out)
    assert model.get_layer("first").filters == 24
    assert model.get_layer("second_relu_deeper").filters == 16
    np.testing.assert_allclose(answers(out), answers(folder / "net.keras"), atol=1e-4)
    # 8 x 8 positions of 9 places: 3 to 16 to 16 channels; now 3 to 24 to 16 to 16
    assert result.before["madds"] == 64 * 9 * (3 * 16 + 16 * 16) + 16 * 3
    assert result.after["madds"] == 64 * 9 * (3 * 24 + 24 * 16 + 16 * 16) + 16 * 3
    assert "accuracy" not in result.after
    assert names(tmp_path) == ["out.keras"]


@pytest.fixture(scope="module")
def grown(folder, data, tmp_path_factory):
    """Grown and trained on in one go: its folder, and what it came to."""
    out = tmp_path_factory.mktemp("grown") / "out.keras"
    return out, train_on(folder, data, out)


def train_on(folder, data, out, display=None):
    """For two epochs."""
    changes = {"epochs": "2", "batch_size": "16"}
    how = {"data": data, "changes": changes, "display": display}
    return grow.run(folder / "net.keras", out, growth(), **how)


def test_it_trains_on(grown, folder):
    out, result = grown
    assert names(out.parent) == ["out.keras"]
    assert (
        set(result.before)
        == set(result.after)
        == {*("params", "madds", "accuracy", "images")}
    )
    assert result.after["accuracy"] >= 0.9  # the three colours are told apart
    assert np.abs(answers(out) - answers(folder / "net.keras")).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("stop", [("data",), ("grow",), ("train",)])
def test_interrupted_run_goes_on_and_ends_alike(grown, folder, data, tmp_path, stop):
    out = tmp_path / "out.keras"
    with pytest.raises(KeyboardInterrupt):
        train_on(folder, data, out, Told(stop))
    assert names(tmp_path) == ["out.run"]
    train_on(folder, data, out)
    assert names(tmp_path) == ["out.keras"]
    whole = load_model(grown[0]).get_weights()
    for ours, theirs in zip(load_model(out).get_weights(), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_network_of_the_zoo_gets_another_width(tmp_path):
    from kerasnets import applications

    given, out = tmp_path / "narrow.keras", tmp_path / "wide.keras"
    keras.utils.set_random_seed(0)
    applications.build(
        "mobilenet",
        alpha=0.125,
        input_shape=(32, 32, 3),
        classes=7,
        classifier_activation=None,
    ).save(given)
    grow.run(given, out, growth(network="mobilenet", alpha=0.25))
    assert load_model(out).get_layer("stem_conv").filters == 8
    np.testing.assert_allclose(answers(out), answers(given), atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"widths": {}}, "nothing to grow: give --widen LAYER=WIDTH, --deepen LAYER"),
        ({"network": "mobilenet"}, "--network and --alpha belong together"),
        ({"alpha": 0.5, "deeper": ("x",)}, "--network and --alpha belong together"),
    ],
)
def test_what_is_asked_for_is_checked(changes, text):
    with pytest.raises(KerasnetsError, match=text):
        growth(**changes)


@pytest.mark.parametrize(
    ("model", "changes", "how", "text"),
    [
        ("net", {"widths": {"frist": 24}}, {}, "has no layer 'frist' for that"),
        ("softmax", {"widths": {"first": 24}}, {}, "gives probabilities; logits"),
        ("net", {"network": "lenet5", "alpha": 2.0}, {}, "alpha"),
        ("five", {"widths": {"first": 24}}, {"data"}, "tells 5 classes, the images"),
        ("net", {"widths": {"first": 24}}, {"set"}, "--set .* needs --data"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    folder, data, tmp_path, model, changes, how, text
):
    given = {"data": data} if how == {"data"} else {}
    given |= {"changes": {"epochs": "2"}} if how == {"set"} else {}
    with pytest.raises(KerasnetsError, match=text):
        grow.run(
            folder / f"{model}.keras",
            tmp_path / "out.keras",
            growth(**changes),
            **given,
        )
    assert "out.keras" not in names(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--widen", "first=24"], 0, "24"),
        (["--widen", "first"], 2, "--widen 'first': KEY=VALUE is accepted"),
        (["--widen", "first=wide"], 2, "a whole number of channels is accepted"),
        (["--widen", "first=8"], 1, "'first' has 16 channels: more are accepted"),
        ([], 1, "nothing to grow"),
    ],
)
def test_what_a_person_types(monkeypatch, capfd, tmp_path, arguments, status, message):
    network().save(tmp_path / "net.keras")
    out = tmp_path / "out.keras"
    line = ["kerasnets", "grow", str(tmp_path / "net.keras"), str(out), *arguments]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed, errors = capfd.readouterr()
    assert int(stopped.value.code or 0) == status, errors
    if status:
        assert message in " ".join(errors.split())
    else:
        rows = [x.split("│")[1:-1] for x in printed.splitlines() if "│" in x]
        assert [row[0].strip() for row in rows] == ["before", "after"]
        assert printed.splitlines()[-1] == str(out)
        assert load_model(out).get_layer("first").filters == 24
