"""Training by a paper's recipe: what a run leaves, that it goes on, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasnets.errors import KerasnetsError
from kerasnets.jobs import train as job
from kerasnets.jobs.teaching import Teaching
from kerasnets.saving import load_model

SHORT = {"epochs": "9", "batch_size": "8", "learning_rate": "0.05"}


@pytest.fixture
def train(data, tmp_path):
    """Train LeNet-5 on three colours in grey."""

    def run(**given):
        how = {"data": data, "recipe": "lenet5", "changes": SHORT, **given}
        return job.run(how.pop("network", "lenet5"), tmp_path / "run", **how)

    return run


def outcome(folder):
    """All bits of what a run leaves, but for the dates in Keras's files."""
    files = {name: (folder / name).read_bytes() for name in ("README.md", "curves.svg")}
    weights = {
        name: [w.tobytes() for w in load_model(folder / name).get_weights()]
        for name in ("model.keras", "best.keras")
    }
    return files | weights


def test_run_leaves_networks_figures_and_a_card(train):
    result = train()
    rows = job.read_history(result.folder / "history.csv")
    assert [row["epoch"] for row in rows] == list(range(1, 10))
    assert rows[-1]["accuracy"] > 0.8
    record = json.loads((result.folder / "run.json").read_text())
    stages = {stage["name"]: stage["results"] for stage in record["stages"]}
    best = max(rows, key=lambda row: row["validation_accuracy"])
    assert stages["train"]["best_epoch"] == best["epoch"]
    for name in ("model.keras", "best.keras"):
        model = load_model(result.folder / name)
        # as LeNet-5 is drawn: grey; it gives logits
        assert (model.input_shape, model.output_shape) == ((None, 32, 32, 1), (None, 3))
        assert result.test[name]["images"] == 24
    card = (result.folder / "README.md").read_text()
    assert "LeCun et al. 1998, sections III.A and III.B" in card
    assert "| schedule | cosine |" in card
    assert "Changed for this run: epochs 9, batch_size 8, learning_rate 0.05." in card
    # what has no effect is not told
    assert "| power" not in card
    assert f"{stages['train']['params']:,} parameters" in card
    assert not (result.folder / "work" / "train.npz").exists()


@pytest.mark.slow
def test_stopped_goes_on_and_ends_alike(train, tmp_path, monkeypatch):
    whole = train()
    expected = outcome(whole.folder)
    rows = job.read_history(whole.folder / "history.csv")
    add = job.EpochLog.add

    def stop(self, epoch, training):
        if epoch == 8:
            raise KeyboardInterrupt
        return add(self, epoch, training)

    # each epoch is kept, however short it is
    monkeypatch.setattr("kerasnets.training.checkpoint.time.monotonic", _clock())
    monkeypatch.setattr(job.EpochLog, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        train(fresh=True)
    assert len(job.read_history(whole.folder / "history.csv")) == 7
    told = []

    def count(self, epoch, training):
        told.append(epoch)
        return add(self, epoch, training)

    monkeypatch.setattr(job.EpochLog, "add", count)
    train()
    assert told == [8, 9]
    assert outcome(whole.folder) == expected
    again = job.read_history(whole.folder / "history.csv")
    assert [{**row, "seconds": 0} for row in again] == [
        {**row, "seconds": 0} for row in rows
    ]


def test_it_learns_from_so_many_of_the_images(train, monkeypatch):
    fed, batches = [], job.batches

    def feed(split, **given):
        fed.append(split)
        return batches(split, **given)

    monkeypatch.setattr(job, "batches", feed)
    result = train(train_images=24, changes={**SHORT, "epochs": "20"})
    # the classes take turns; all others judge as ever
    assert np.bincount(fed[0].labels).tolist() == [8, 8, 8]
    assert len(fed[1].labels) == 12
    assert (
        "learned from 24 of the training" in (result.folder / "README.md").read_text()
    )


def test_it_begins_as_a_narrower_network_that_was_trained(data, tmp_path):
    def run(name, units, grow_from=None, **changes):
        how = {**SHORT, "augment": "none", "network.dense_units": f"{units}"}
        how |= {"optimizer": "adam", "learning_rate": "0.003", "epochs": "30"}
        how |= changes
        folder = tmp_path / name
        how = {"data": data, "recipe": "lenet5", "changes": how, "grow_from": grow_from}
        job.run("mlp800", folder, **how)
        return job.read_history(folder / "history.csv")

    narrow = run("narrow", 32)
    # it hardly learns; copies differ by a little noise
    wide = run("wide", 80, tmp_path / "narrow", learning_rate="1e-6", epochs="1")
    assert wide[0]["validation_loss"] == pytest.approx(
        narrow[-1]["validation_loss"], rel=0.05
    )
    card = " ".join((tmp_path / "wide" / "README.md").read_text().split())
    assert f"trained from what the narrower `{tmp_path / 'narrow'}" in card
    with pytest.raises(KerasnetsError, match="'hidden1' has 32 channels: more are acc"):
        run("narrower", 4, tmp_path / "narrow")
    assert not (tmp_path / "narrower" / "data").exists()


def test_a_tree_of_classes_tells_which_are_alike(train, monkeypatch):
    fed, batches = [], job.batches

    def feed(split, **given):
        fed.append((split.labels, given.get("targets")))
        return batches(split, **given)

    monkeypatch.setattr(job, "batches", feed)
    changes = {**SHORT, "temperature": "1", "soft_weight": "1"}
    tree = (("0", "1"), "2")
    result = train(teaching=Teaching(tree=tree, tree_share=0.3), changes=changes)
    (labels, targets), (_, none) = fed
    assert none is None
    shares = np.exp(np.asarray(targets["soft"], "float64"))
    # 0.7 + 0.3 * 0.7 / 2 + 0.09 / 3, 0.105 + 0.03, and 0.03; 0.3 / 3, and 0.7 more
    rows = [[0.835, 0.135, 0.03], [0.135, 0.835, 0.03], [0.1, 0.1, 0.8]]
    np.testing.assert_allclose(shares, np.array(rows)[labels], rtol=1e-4)
    assert "and a tree of its classes" in (result.folder / "README.md").read_text()
    assert job.read_history(result.folder / "history.csv")[-1]["accuracy"] > 0.8


def test_folder_of_another_run_is_left_alone(train, monkeypatch):
    folder = train(changes={**SHORT, "epochs": "4"}).folder
    before = (folder / "model.keras").read_bytes()
    for other, said in (
        ({"network": "lenet4"}, "a run with network lenet5, not lenet4"),
        ({"recipe": "all-cnn"}, "a run with recipe lenet5, not all-cnn"),
        ({"seed": 1}, "a run with seed 0, not 1"),
    ):
        with pytest.raises(KerasnetsError, match=said):
            train(**other)
    assert (folder / "model.keras").read_bytes() == before


def _clock():
    times = iter(range(0, 10**6, 100))
    return lambda: float(next(times))


@pytest.mark.slow
def test_parts_of_images_are_cut_from_files(tmp_path):
    random = np.random.default_rng(0)
    for i in range(60):
        path = tmp_path / "set" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 60, (40, 50, 3)) + 190 * (i % 2)
        Image.fromarray(pixels.astype("uint8")).save(path)
    result = job.run(
        "simplenet310k",
        tmp_path / "run",
        data=f"folder:{tmp_path / 'set'}",
        recipe="densenet-imagenet",
        changes={"epochs": "6", "batch_size": "8", "learning_rate": "0.01"}
        | {"schedule": "constant", "milestones": ""},
    )
    assert (result.folder / "data" / "train_index.npy").is_file()
    assert not (result.folder / "data" / "train_images.npy").exists()
    assert result.test["model.keras"]["protocol"] == "centre"
    assert result.store == "encoded"


@pytest.mark.slow
def test_whole_images_may_stay_encoded(train):
    first = []
    for store in ("auto", "encoded"):
        result = train(store=store, fresh=True)
        assert result.store == ("encoded" if store == "encoded" else "decoded")
        assert result.test["model.keras"]["protocol"] == "whole"
        first.append(job.read_history(result.folder / "history.csv")[0]["loss"])
    # the same images in the same order
    np.testing.assert_allclose(*first, rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": "lenet55"}, "network 'lenet55' is unknown: did you mean lenet5"),
        ({"network": "unet"}, "classifies the pixels of an image"),
        ({"recipe": "resnet"}, "no recipe 'resnet', the nearest is"),
        ({"changes": {"epoch": "3"}}, "no key of recipe 'epoch'"),
        ({"alpha": 0.5}, "alpha"),
        ({"seed": -1}, "seed -1 is not a whole number of 0 or more"),
        ({"precision": "half"}, "precision 'half' is unknown"),
        ({"store": "packed"}, "store 'packed' is unknown: auto, decoded, encoded"),
        ({"recipe": "alexnet", "store": "decoded"}, "encoded or auto is accepted"),
        ({"changes": {"batch_size": "200"}}, "a batch of 200 of 84 training images"),
        (
            {"train_images": 4, "changes": {"batch_size": "8"}},
            "a batch of 8 of 4 training images",
        ),
        ({"train_images": 0}, "train_images 0 is not a whole number of 1 or more"),
        ({"data": "npz:missing.npz"}, "there is no such file"),
        ({"recipe": "stochastic-depth", "changes": {}}, "stochastic_depth"),
        ({"changes": {"network.width": "3"}}, "width"),
        ({"changes": {"normalise": "zca"}}, "no normalise 'zca', the nearest is"),
        (
            {"store": "encoded", "changes": {"normalise": "contrast"}},
            "'contrast', which needs images that are decoded",
        ),
        (
            {"initialise_from": Path("none.keras")},
            "none.keras is not there: the folder",
        ),
        ({"teaching": Teaching()}, "or a tree of its classes: none was given"),
        ({"teaching": Teaching(["a.keras"], tree="012")}, "both were given"),
        ({"teaching": Teaching(tree="012")}, "at a temperature of 4: it says how"),
        (
            {
                "teaching": Teaching(tree=("0", "1")),
                "changes": {**SHORT, "temperature": "1"},
            },
            "the tree has the classes 0, 1: each of 0, 1, 2",
        ),
        (
            {"teaching": Teaching(tree="012", views=2)},
            "has no layers and sees no image",
        ),
        (
            {"teaching": Teaching(tree="012"), "recipe": "alexnet"},
            "cannot teach so: alexnet cuts new parts",
        ),
        ({"grow_from": Path("none.keras")}, "none.keras is not there: the folder"),
        (
            {"grow_from": Path("a.keras"), "initialise_from": Path("a.keras")},
            "initialise_from or grow_from is accepted",
        ),
    ],
)
def test_what_cannot_be_trained_is_told_before(train, given, message, monkeypatch):
    monkeypatch.setattr(job, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(KerasnetsError, match=message):
        train(**given)
