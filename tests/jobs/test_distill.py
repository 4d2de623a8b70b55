"""Students that are trained by the recipe of a paper and by teachers."""

import contextlib
import json
import shutil
import sys
from dataclasses import fields

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from support.displays import Told
from support.tiny_files import save_colours

from kerasnets import cli
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import train as job
from kerasnets.jobs.teaching import Teaching
from kerasnets.pixels import Preprocessing, carry
from kerasnets.runs import read_history
from kerasnets.saving import load_model
from kerasnets.transfer import Match

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
        of_teaching = [each.name for each in fields(Teaching)]
        taught = {name: how.pop(name) for name in of_teaching if name in how}
        teaching = Teaching([teachers / f"{name}.keras" for name in names], **taught)
        return job.run("lenet5", tmp_path / "run", teaching=teaching, **how)

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
    ("given", "text"),
    [
        ({"store": "encoded"}, "they are of images that are kept decoded"),
        ({"recipe": "vgg"}, "vgg cuts new parts out of images in each epoch"),
        (
            {"changes": {**SHORT, "mix.mixup": "0.2"}},
            "lenet5 mixes images with new ones in each epoch",
        ),
        (
            {"matches": [Match("dense", "f6")]},
            "what matches want of a teacher is asked for in each step",
        ),
    ],
)
def test_views_that_nobody_can_be_asked_of_beforehand_are_refused(
    distill, tmp_path, given, text
):
    with pytest.raises(KerasnetsError, match=f"no fixed views are possible: {text}"):
        distill("good", views=2, **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("names", "given", "text"),
    [
        ((), {}, "or a tree of its classes: none was given"),
        (("good",), {"hint_epochs": 2}, "2 epochs of hints without a hint"),
        (("good",), {"ten_crop": 0}, "ten_crop 0"),
        (("good",), {"ten_crop": 8}, "parts of 8 x 8 pixels of images of 8 x 8"),
        (
            ("good", "blunt"),
            {"matches": [Match("maps", "maps")]},
            "layers of one teacher that sees whole images can be matched",
        ),
        (
            ("good",),
            {"hints": [Match("conv9", "c1")]},
            "the teacher 'knowing' has no layer 'conv9'; its layers are",
        ),
        (("good",), {"only": ["1", "3"]}, "no class 3; 0, 1, 2 are"),
        (("good",), {"only": ["1"], "without": ["1"]}, "the student is to see no"),
    ],
)
def test_students_that_cannot_be_taught_so_are_told(distill, names, given, text):
    with pytest.raises(KerasnetsError, match=text):
        distill(*names, **given)


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
def test_a_class_that_the_student_never_saw_is_known_behind_adjusted_biases(distill):
    """Hinton et al. 2015, section 3: on soft targets alone, but for one class."""
    changes = {**SHORT, "soft_weight": "1", "epochs": "15", "augment": "none"}
    result = distill("blunt", without=["1"], changes=changes)
    right = {name: found["classes"][1]["right"] for name, found in result.test.items()}
    assert right["adjusted.keras"] > right["model.keras"]
    card = " ".join((result.folder / "README.md").read_text().split())
    assert "It saw no image of 1." in card
    assert "| `adjusted.keras` | behind the last epoch, biases adjusted" in card
    told = result.test["adjusted.keras"]["top1"]["accuracy"]
    assert told > result.test["model.keras"]["top1"]["accuracy"]
    # of all classes there is nothing to adjust, and what an earlier run left goes
    again = distill("blunt", changes=changes)
    assert set(again.test) == {"model.keras", "best.keras"}
    assert not (again.folder / "adjusted.keras").exists()


@pytest.fixture
def unlabelled(tmp_path):
    """40 such images, in folders that say nothing, and a note."""
    save_colours(tmp_path / "others.npz")
    colours = np.load(tmp_path / "others.npz")["x_train"][:40]
    for i, pixels in enumerate(colours):
        path = tmp_path / "found" / f"day{i % 4}" / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "found" / "note.txt").write_text("by the window")
    return tmp_path / "found"


def test_images_without_labels_are_named_by_the_teacher(distill, unlabelled):
    changes = {**SHORT, "soft_weight": "1", "epochs": "25", "augment": "none"}
    result = distill("good", unlabelled=unlabelled, changes=changes)
    named = np.load(result.folder / "soft_targets" / "unlabelled.npy")
    # in the order of their paths: 0, 4, ... 36, 1, ...; the classes take turns
    order = np.array([i for day in range(4) for i in range(day, 40, 4)])
    np.testing.assert_array_equal(named, order % 3)
    assert trained(result)["images"] == 40
    assert result.left_out == {".txt file": 1}
    assert result.test["model.keras"]["top1"]["accuracy"] > 0.6
    card = " ".join((result.folder / "README.md").read_text().split())
    assert "It learned from 40 images of `" in card
    assert "of which nobody said what they show" in card
    # one image fewer is another training, another note is none
    (unlabelled / "note.txt").write_text("by the other window")
    told = Told()
    distill("good", unlabelled=unlabelled, changes=changes, display=told)
    assert told.stages == []
    (unlabelled / "day0" / "00.png").unlink()
    distill("good", unlabelled=unlabelled, changes=changes, display=told)
    assert told.stages == ["data", "train", "evaluate"]


@pytest.mark.parametrize(
    ("given", "changes", "text"),
    [
        ({}, {"soft_weight": "0.9"}, "soft_weight 0.9 leaves a part to labels"),
        (
            {"only": ["1"]},
            {"soft_weight": "1"},
            "images without labels are of no class",
        ),
        ({"store": "encoded"}, {"soft_weight": "1"}, "are kept decoded, as squares"),
        (
            {},
            {"soft_weight": "1", "batch_size": "64"},
            "a batch of 64 of 40 training images",
        ),
    ],
)
def test_images_without_labels_want_soft_targets_alone(
    distill, unlabelled, given, changes, text
):
    with pytest.raises(KerasnetsError, match=text):
        distill("good", unlabelled=unlabelled, changes={**SHORT, **changes}, **given)


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
        ("colour", "3 channels, the student of 1: as many are"),
    ],
)
def test_teachers_that_do_not_fit_are_refused(distill, name, text):
    with pytest.raises(KerasnetsError, match=text):
        distill(name)


def test_what_a_person_types(monkeypatch, capfd, data, teachers, tmp_path):
    line = ["kerasnets", "distill", "lenet5", "--data", data, "--recipe", "lenet5"]
    line += ["--teacher", str(teachers / "good.keras"), "--out", str(tmp_path / "run")]
    line += ["--ten-crop", "16", "--mean", "geometric"]
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


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            ["--match", "c1"],
            "'c1' matches no layers: [attention:]TEACHER_LAYER=STUDENT",
        ),
        (["--hint", "=c1"], "'=c1' matches no layers: [attention:]TEACHER_LAYER="),
        (["--match", "maap:c1=c1"], "a match of 'maap': maps and attention"),
    ],
)
def test_matches_that_are_none_are_told(monkeypatch, capfd, tmp_path, given, text):
    line = ["kerasnets", "distill", "lenet5", "--data", "digits", "--recipe", "lenet5"]
    line += ["--teacher", "t.keras", "--out", str(tmp_path / "run"), *given]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert int(stopped.value.code or 0) != 0
    assert text in " ".join(capfd.readouterr().err.replace("│", " ").split())


@pytest.mark.slow
def test_layers_are_matched_and_a_run_that_was_stopped_at_hints_ends_alike(
    distill, data, teachers, tmp_path
):
    path = tmp_path / "teacher" / "best.keras"
    taught = Teaching([teachers / "good.keras"])
    how = {"data": data, "recipe": "lenet5", "changes": {**SHORT, "epochs": "20"}}
    job.run("lenet5", path.parent, teaching=taught, **how)
    # by another network of the zoo's names
    shutil.copy(path, teachers / "layers.keras")
    how = {"hints": [Match("s2", "s2")], "hint_epochs": 3}
    how |= {"matches": [Match("s4", "s4", "attention", 10.0)]}
    result = distill("layers", **how)
    whole = load_model(result.folder / "model.keras").get_weights()
    assert trained(result)["views"] == 0
    card = " ".join((result.folder / "README.md").read_text().split())
    assert "First, for 3 epochs, `s2` learned from `s2` of the teacher." in card
    assert (
        "Beside its answers `s4` learned the attention of `s4`, with weight 10." in card
    )

    class Stopped(Told):
        def __call__(self, name, done):
            told = super().__call__(name, done)
            if name != "train":
                return told
            return contextlib.nullcontext(stop_at_step_7)

    def stop_at_step_7(done, total, note=""):
        if done >= 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill("layers", fresh=True, display=Stopped(), **how)
    distill("layers", **how)
    again = load_model(result.folder / "model.keras").get_weights()
    for ours, theirs in zip(again, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
