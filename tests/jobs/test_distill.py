"""Students that are trained by the recipe of a paper and by teachers."""

import json
import sys

import keras
import numpy as np
import pytest
from keras import layers
from support.displays import Told

from kerasnets import cli
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import train as job
from kerasnets.pixels import Preprocessing, carry
from kerasnets.runs import read_history
from kerasnets.saving import load_model

SHORT = {"epochs": "9", "batch_size": "8", "learning_rate": "0.02"}


# mean grey of ``save_colours``: some 50, and 120 times the share of a channel in it
GREYS = (86.0, 120.0, 64.0)


def knowing(order=(0, 1, 2), *, sharp=0.005, softmax=False, channels=1):
    """A network that tells the colours by how bright they are, in some order."""
    image = keras.Input((8, 8, channels))
    given = Preprocessing((0.0,) * channels, (1.0,) * channels)
    x = layers.GlobalAveragePooling2D()(carry(image, given))
    head = layers.Dense(len(order), "softmax" if softmax else None)
    model = keras.Model(image, head(x), name="knowing")
    # -(x - c)^2 but for x^2, both counted from the middle: the nearest is the largest
    middle = np.mean(GREYS)
    centres = np.array([GREYS[each] - middle for each in order])
    kernel = np.tile(2 * centres / channels, (channels, 1))
    bias = -np.square(centres) - 2 * centres * middle
    head.set_weights([sharp * kernel, sharp * bias])
    return model


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    for name, model in {
        "good": knowing(),
        "blunt": knowing(sharp=0.001),
        "moved": knowing((1, 2, 0)),
        "two": knowing((0, 1)),
        "softmax": knowing(softmax=True),
        "colour": knowing(channels=3),
    }.items():
        model.save(folder / f"{name}.keras")
    return folder


@pytest.fixture
def distill(data, teachers, tmp_path):
    """Distil into LeNet-5, which sees 32 pixels, where teachers see 8."""

    def run(*names, **given):
        how = {"data": data, "recipe": "lenet5", "changes": SHORT} | given
        paths = [teachers / f"{name}.keras" for name in names]
        return job.run("lenet5", tmp_path / "run", teachers=paths, **how)

    return run


def test_student_of_a_smaller_image_learns(distill, teachers):
    result = distill("good")
    assert result.teacher == 1.0
    assert load_model(result.folder / "model.keras").input_shape == (None, 32, 32, 1)
    card = " ".join((result.folder / "README.md").read_text().split())
    assert f"by `kerasnets distill` on `{given_data(result)}`" in card
    assert f"and the soft targets of `{teachers / 'good.keras'}`." in card
    assert "| temperature | 4 |" in card
    assert "| soft_weight | 0.5 |" in card
    told = Told()
    distill("good", display=told)
    assert told.stages == []


def trained(result):
    stages = json.loads((result.folder / "run.json").read_text())["stages"]
    return next(each["results"] for each in stages if each["name"] == "train")


def losses_of(result):
    return [row["loss"] for row in read_history(result.folder / "history.csv")]


def test_teacher_is_asked_once_where_the_images_stay_as_they_are(distill):
    still = {**SHORT, "augment": "none"}
    beforehand = distill("good", changes=still)
    losses = losses_of(beforehand)
    assert trained(beforehand)["views"] == 1
    (kept,) = (beforehand.folder / "soft_targets").rglob("*.npy")
    asked = kept.stat().st_mtime_ns
    live = distill("good", views=0, changes=still)
    assert trained(live)["views"] == 0
    # the same but for what float16 rounds, which grows from step to step
    assert losses_of(live)[:2] == pytest.approx(losses[:2], rel=0.01)
    # another recipe finds the answers there
    distill("good", changes={**still, "temperature": "2"})
    assert kept.stat().st_mtime_ns == asked


@pytest.mark.parametrize(
    ("recipe", "given", "text"),
    [
        ("lenet5", {"teachers": []}, "there is no teacher to ask of them"),
        ("lenet5", {"store": "encoded"}, "they are of images that are kept decoded"),
        ("vgg", {}, "vgg cuts new parts out of images in each epoch"),
        (
            "lenet5",
            {"changes": {**SHORT, "mix.mixup": "0.2"}},
            "lenet5 mixes images with new ones in each epoch",
        ),
    ],
)
def test_views_that_nobody_can_be_asked_of_beforehand_are_refused(
    data, teachers, tmp_path, recipe, given, text
):
    how = {"teachers": [teachers / "good.keras"], "changes": SHORT} | given
    with pytest.raises(KerasnetsError, match=f"no fixed views are possible: {text}"):
        job.run("lenet5", tmp_path / "run", data=data, recipe=recipe, views=2, **how)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_changed_images_are_seen_by_turns_and_a_stopped_run_ends_alike(distill):
    changes = {**SHORT, "augment.translate": "0.1"}
    result = distill("good", views=3, changes=changes)
    assert trained(result)["views"] == 3
    assert len(list((result.folder / "soft_targets").rglob("*.npy"))) == 3
    assert result.test["model.keras"]["top1"]["accuracy"] > 0.6
    # without views new ones are made, which no file can answer for
    live = distill("good", changes=changes)
    assert trained(live)["views"] == 0


def given_data(result):
    stages = json.loads((result.folder / "run.json").read_text())["stages"]
    return stages[0]["settings"]["data"]


@pytest.mark.slow
def test_several_teach_by_their_mean_and_a_stopped_run_ends_alike(distill):
    result = distill("good", "blunt", mean="geometric")
    card = " ".join((result.folder / "README.md").read_text().split())
    assert "blunt.keras`, the geometric mean of their answers." in card
    whole = load_model(result.folder / "model.keras").get_weights()
    with pytest.raises(KeyboardInterrupt):
        distill("good", "blunt", mean="geometric", fresh=True, display=Told(("data",)))
    distill("good", "blunt", mean="geometric")
    again = load_model(result.folder / "model.keras").get_weights()
    for ours, theirs in zip(again, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # another mean is another training
    told = Told()
    distill("good", "blunt", mean="arithmetic", display=told)
    assert told.stages == ["train", "evaluate"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("moved", "its classes are others, or come in another order"),
        ("two", "knows 2 classes, the student 3"),
        ("softmax", "the teacher 'knowing' gives probabilities; logits"),
        ("missing", "missing.keras is not there"),
        ("colour", "3 channels, the student of 1"),
    ],
)
def test_teachers_that_do_not_fit_are_refused(distill, name, text):
    with pytest.raises(KerasnetsError, match=text):
        distill(name)


def test_what_a_person_types(monkeypatch, capfd, data, teachers, tmp_path):
    line = ["kerasnets", "distill", "lenet5", "--data", data, "--recipe", "lenet5"]
    line += ["--teacher", str(teachers / "good.keras"), "--out", str(tmp_path / "run")]
    for key, value in {**SHORT, "soft_loss": "logits", "soft_weight": "0.1"}.items():
        line += ["--set", f"{key}={value}"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capfd.readouterr()
    assert int(stopped.value.code or 0) == 0, err
    assert "the teacher: 100.0% of the validation images" in err
    assert out.splitlines()[-1] == str(tmp_path / "run")
    card = (tmp_path / "run" / "README.md").read_text()
    assert "| soft_loss | logits |" in card
    assert "| temperature" not in card  # it has no effect
