"""A search as a job: what it chooses among, what it leaves, that it goes on."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import tiny_pretrained

from kerasnets import compression, tuning
from kerasnets.data import load_prepared
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate, predict_logits
from kerasnets.jobs import tune
from kerasnets.jobs.latency import read_latencies
from kerasnets.jobs.tune import stages
from kerasnets.jobs.tune.workers import Crew
from kerasnets.pretrained import ImageNetFile
from kerasnets.saving import load_model
from kerasnets.tuning import Budget, SearchPlan

PLAN = SearchPlan(
    axes={"rho": (0.8, 1.0), "learning_rate": (1e-5, 0.05)},
    oracle="grid",
    trials=4,
    epochs=4,
    network="lenet5",
    resolution=40,
    changes={"batch_size": "8"},
)


@pytest.fixture
def settings(data):
    """Of a network on three colours, at 32 and 40 pixels."""
    return tune.choose_settings(PLAN, data=data, precision="float32")


def of_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_search_leaves_its_best_network_and_tables(settings, tmp_path):
    result = tune.run(settings, tmp_path / "run")
    assert result is not None
    assert len(result.trials) == 4
    # it learns at one of the two rates
    assert result.best == result.trials[0]
    assert result.best.candidate.values["learning_rate"] == 0.05
    assert result.best.val_accuracy > 0.8
    assert result.trials[-1].candidate.values["learning_rate"] == 1e-5
    model = load_model(result.folder / "best.keras")
    parts = load_prepared(result.folder / "data")
    judged = evaluate(model, parts.test)
    assert result.test == {"accuracy": judged.accuracy, "images": 24}
    assert evaluate(model, parts.validation).accuracy == result.best.val_accuracy
    rows = of_csv(result.folder / "trials.csv")
    assert [float(row["val_accuracy"]) for row in rows] == [
        trial.val_accuracy for trial in result.trials
    ]
    front = of_csv(result.folder / "front.csv")
    assert [int(row["madds"]) for row in front] == [
        trial.candidate.cost.madds for trial in result.front
    ]
    assert (result.folder / "front.svg").read_text().startswith("<?xml")
    card = (result.folder / "README.md").read_text()
    assert f"**{result.best.candidate.label}**" in card
    assert "2 ways of training each" in card
    json.dumps(result.as_json(), allow_nan=False)
    logs = [path.name for path in (result.folder / "tensorboard").iterdir()]
    assert set(logs) == {trial.candidate.digest for trial in result.trials}
    # of the networks those on the front and the best stay
    kept = {path.stem for path in (result.folder / "search").glob("*.keras")}
    wanted = {trial.candidate.digest for trial in (result.best, *result.front)}
    assert kept == wanted


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.slow
def test_stopped_search_goes_on(settings, tmp_path, monkeypatch):
    whole = tune.run(settings, tmp_path / "whole")
    learn, done, until = stages._tried, [], 2

    def learning(job, values, size):
        if len(done) == until:
            raise Killed
        done.append(values)
        return learn(job, values, size)

    monkeypatch.setattr(stages, "_tried", learning)
    with pytest.raises(Killed):
        tune.run(settings, tmp_path / "stopped")
    until = 100
    again = tune.run(settings, tmp_path / "stopped")
    assert whole is not None
    assert again is not None
    assert len(done) == 4
    pairs = zip(whole.trials, again.trials, strict=True)
    assert all(replace(a, seconds=0.0) == replace(b, seconds=0.0) for a, b in pairs)
    weights = [load_model(x.folder / tune.BEST).get_weights() for x in (whole, again)]
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


def test_trial_that_fails_is_told_and_ends_nothing(settings, tmp_path, monkeypatch):
    learn = stages._tried

    def failing(job, values, size):
        if size == 40:
            raise MemoryError("no memory for it")
        return learn(job, values, size)

    monkeypatch.setattr(stages, "_tried", failing)
    result = tune.run(settings, tmp_path / "run")
    assert result is not None
    assert [bool(trial.failure) for trial in result.trials] == [False] * 2 + [True] * 2
    assert "| no memory for it |" in (result.folder / "README.md").read_text()
    assert of_csv(result.folder / "trials.csv")[-1]["failure"] == "no memory for it"


def test_search_of_which_all_fails_says_why(settings, tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError("no memory at all")

    monkeypatch.setattr(stages, "_tried", fail)
    with pytest.raises(KerasnetsError, match=r"each of the 4 trials failed, .*at all$"):
        tune.run(settings, tmp_path / "run")


def test_slow_networks_are_struck_out(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(
        stages, "measured_latency", lambda model, *_, **__: model.input_shape[1] / 10
    )
    limited = replace(settings, budget=Budget(max_latency=3.5), trials=1)
    result = tune.run(limited, tmp_path / "run")
    assert result is not None
    assert result.best.candidate.cost.latency == 3.2
    assert "1 other is over the budget" in (result.folder / "README.md").read_text()
    limited = replace(settings, budget=Budget(max_latency=1.0))
    said = r"fits 1.0 ms: the smallest, .* needs --max-latency 3.2$"
    with pytest.raises(KerasnetsError, match=said):
        tune.run(limited, tmp_path / "none")


def test_latency_of_a_table(settings, data, tmp_path):
    table = tmp_path / "ms.csv"
    table.write_text("network,ms\nrho 0.8,2.5\nrho 1,4\n")
    limited = tune.choose_settings(
        replace(PLAN, trials=1),
        data=data,
        budget=Budget(max_latency=3.0),
        latency_table=table,
    )
    result = tune.run(limited, tmp_path / "run")
    assert result is not None
    assert result.best.candidate.cost.latency == 2.5
    table.write_text("network,ms\nrho 1,4\n")
    short = replace(limited, latencies=read_latencies(table))
    said = "the table of latencies does not know 'rho 0.8'; it has rho 1"
    with pytest.raises(KerasnetsError, match=said):
        tune.run(short, tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network,ms\na,fast\n", "is no table of latencies"),
        ("label,ms\na,3\n", "is no table of latencies"),
        ("network,ms\na,0\n", "has 0.0 ms of 'a'; times above 0"),
        ("network,ms\na,nan\n", "has nan ms of 'a'"),
        ("network,ms\n", "has no network"),
    ],
)
def test_what_is_no_table_of_latencies_is_told(tmp_path, text, message):
    (tmp_path / "ms.csv").write_text(text)
    with pytest.raises(KerasnetsError, match=message):
        read_latencies(tmp_path / "ms.csv")


def test_space_is_known_before_anything_is_decoded(settings):
    every = tune.space_of(settings)
    small, large = every.networks
    assert (small.cost.size, large.cost.size) == (32, 40)
    limited = Budget(max_madds=small.cost.madds)
    space = tune.space_of(replace(settings, budget=limited))
    assert (space.networks, space.struck_out) == ((small,), (large,))
    assert space.training == {"learning_rate": (1e-5, 0.05)}
    assert len(space.candidates) == 2
    # three times the multiply-adds of 120 images in four epochs
    assert space.trial_madds == 3 * 4 * 120 * small.cost.madds


@pytest.mark.parametrize(
    ("plan", "given", "message"),
    [
        ({"network": None}, {}, "the search names no network"),
        ({"network": "unet"}, {}, "classifies the pixels"),
        ({"axes": {"rhoo": (1.0,)}}, {}, "an axis 'rhoo', the nearest is 'rho'"),
        ({"axes": {"temperature": (2.0,)}}, {}, "temperature without a teacher"),
        ({"changes": {"epoch": "3"}}, {}, "no key of recipe 'epoch'"),
        ({"recipe": "vgg"}, {}, "the recipe vgg cuts parts out of images"),
        ({"recipe": "vggg"}, {}, "no recipe 'vggg', the nearest is 'vgg'"),
        ({}, {"teacher": Path("none.keras")}, "none.keras is not there"),
        ({}, {"trials": 0}, "trials 0 is not a whole number"),
        ({}, {"on_phone": True}, "--on-phone goes with --max-latency"),
        ({}, {"latency_table": Path("a.csv")}, "--latency-table goes with --max-lat"),
        ({"axes": {"network": ("lenet5", "none")}}, {}, "network 'none' is unknown"),
        (
            {"axes": {"network": ("lenet5",), "alpha": (1,)}},
            {},
            "axis 'alpha', the nea",
        ),
        ({"axes": {"sparsity": (1.0,)}}, {}, "is not a list of shares from 0 to below"),
    ],
)
def test_what_is_no_search_is_told(data, plan, given, message):
    with pytest.raises(KerasnetsError, match=message):
        tune.choose_settings(replace(PLAN, **plan), data=data, **given)


def test_teacher_of_other_classes_is_refused(data, folder, tmp_path):
    plan = replace(PLAN, axes={"temperature": (2.0, 4.0)})
    settings = tune.choose_settings(plan, data=data, teacher=folder / "five.keras")
    said = "tells 5 classes apart, the images have 3"
    with pytest.raises(KerasnetsError, match=said):
        tune.run(settings, tmp_path / "run")


def test_trials_learn_from_a_teacher(data, folder, tmp_path):
    plan = replace(PLAN, axes={"soft_weight": (0.0, 1.0)}, trials=2, epochs=1)
    settings = tune.choose_settings(plan, data=data, teacher=folder / "net.keras")
    result = tune.run(settings, tmp_path / "run")
    assert result is not None
    losses = {t.candidate.values["soft_weight"]: t.val_loss for t in result.trials}
    assert losses[0.0] != losses[1.0]
    assert "taught by" in (result.folder / "README.md").read_text()


def test_a_network_begins_as_a_narrower_one_that_was_tried(data, tmp_path, monkeypatch):
    plan = replace(PLAN, network="mobilenet", start="grown", trials=2, epochs=1)
    plan = replace(plan, resolution=32, axes={"alpha": (0.125, 0.25)})
    settings = tune.choose_settings(plan, data=data, precision="float32")
    begun, train = [], stages.train

    def told(model, feed, recipe, **given):
        begun.append(predict_logits(model, load_prepared(tmp_path / "run/data").test))
        return train(model, feed, recipe, **given)

    monkeypatch.setattr(stages, "train", told)
    monkeypatch.setattr(stages, "_keep_networks", keep_all)
    result = tune.run(settings, tmp_path / "run")
    assert result is not None
    assert not any(trial.failure for trial in result.trials)
    by_alpha = {x.candidate.values["alpha"]: x.candidate for x in result.trials}
    test = load_prepared(result.folder / "data").test
    _, logits = begun
    narrower = result.folder / "search" / f"{by_alpha[0.125].digest}.keras"
    before = predict_logits(load_model(narrower), test)
    # but for a little noise in each layer, by which copies part
    assert np.abs(logits - before).mean() < 0.1 * np.abs(before).mean()
    card = " ".join((result.folder / "README.md").read_text().split())
    assert "from the widest of lower alpha that was tried before it" in card
    crew = Crew(workers=2)
    with pytest.raises(KerasnetsError, match="workers have them in no order"):
        tune.run(settings, tmp_path / "other", crew=crew)
    with pytest.raises(KerasnetsError, match="an axis alpha of two values or more"):
        tune.choose_settings(replace(plan, axes={"alpha": (0.25,)}), data=data)


def keep_all(job, trials, front):
    best = job.folder / "search" / f"{trials[0].candidate.digest}.keras"
    (job.folder / "best.keras").write_bytes(best.read_bytes())


SHARED = replace(
    PLAN,
    axes={"alpha": (0.125, 0.25), "rho": (0.8, 1.0)},
    oracle="shared",
    trials=1,
    epochs=2,
    network="mobilenet",
)


@pytest.mark.slow
def test_shared_training_ranks_what_is_then_tried(data, tmp_path):
    settings = tune.choose_settings(SHARED, data=data, precision="float32")
    result = tune.run(settings, tmp_path / "run")
    assert result is not None
    rows = of_csv(result.folder / "ranking.csv")
    assert len(rows) == 4
    right = [float(row["val_accuracy"]) for row in rows]
    assert right == sorted(right, reverse=True)
    (trial,) = result.trials
    assert {name: str(x) for name, x in trial.candidate.values.items()} == {
        name: rows[0][name] for name in ("alpha", "rho")
    }
    assert "by what they came to in one training" in (
        result.folder / "README.md"
    ).read_text().replace("\n", " ")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"axes": {"learning_rate": (0.1, 0.2)}}, "not ways of training them: learn"),
        ({"recipe": "resnet-cifar"}, "the recipe makes them alike by 'pixels'"),
    ],
)
def test_what_is_not_ranked_by_sharing_is_told(data, plan, message):
    with pytest.raises(KerasnetsError, match=message):
        tune.choose_settings(replace(SHARED, **plan), data=data)


def test_hyperband_trains_for_several_lengths(data, tmp_path):
    plan = replace(PLAN, oracle="hyperband", trials=20, epochs=3)
    settings = tune.choose_settings(plan, data=data, precision="float32")
    assert tune.space_of(settings).training["epochs"] == [1, 3]
    result = tune.run(settings, tmp_path / "run")
    assert result is not None
    epochs = [trial.candidate.values["epochs"] for trial in result.trials]
    # Keras Tuner's bracket of three at 1 epoch and one at 3, then what is left at 3
    assert sorted(epochs) == [1, 1, 1, 3, 3]


def test_several_networks_are_searched(data, tmp_path):
    axes = {"network": ("lenet5", "lenet1"), "rho": (0.8,)}
    plan = replace(PLAN, axes=axes, epochs=1)
    settings = tune.choose_settings(plan, data=data, precision="float32")
    sizes = {x.label: x.cost.params for x in tune.space_of(settings).networks}
    # LeCun et al. 1998 have one channel and ten classes: 60 thousand weights in LeNet-5
    assert list(sizes) == ["lenet1 rho 0.8", "lenet5 rho 0.8"]
    assert sizes["lenet1 rho 0.8"] < sizes["lenet5 rho 0.8"]
    result = tune.run(settings, tmp_path / "run")
    assert result is not None
    rows = of_csv(result.folder / "trials.csv")
    assert {row["network"] for row in rows} == {"lenet5", "lenet1"}
    names = {x.candidate.values["network"]: x for x in result.trials}
    assert len(names) == 2
    best = load_model(result.folder / "best.keras")
    assert best.name.startswith(result.best.candidate.values["network"])


@pytest.mark.slow
def test_networks_are_pruned_behind_their_training(data, tmp_path):
    axes = {"rho": (0.8,), "sparsity": (0.0, 0.5)}
    plan = replace(PLAN, axes=axes, trials=2, changes={"batch_size": "32"})
    settings = tune.choose_settings(plan, data=data, precision="float32")
    result = tune.run(settings, tmp_path / "run")
    assert result is not None
    assert not any(trial.failure for trial in result.trials)
    zeros = compression.sparsity(load_model(result.folder / "best.keras"))
    asked = result.best.candidate.values["sparsity"]
    assert zeros == pytest.approx(asked, abs=0.01)


def test_no_imagenet_weights_are_told(data, monkeypatch):
    monkeypatch.setattr(tuning, "pretrained_files", lambda networks: [])
    said = "no ImageNet weights of MobileNet or MobileNetV2 .* are here"
    with pytest.raises(KerasnetsError, match=said):
        tune.choose_settings(replace(PLAN, network=None, start="imagenet"), data=data)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Files that say they are of two widths of MobileNet; they are never opened."""
    files = []
    for alpha, side in ((0.25, 128), (0.5, 160)):
        path = tmp_path / f"{alpha}.h5"
        path.write_bytes(b"")
        how = {"arguments": {"alpha": alpha}, "side": side, "path": path, "md5": ""}
        files.append(ImageNetFile(network="MobileNet", **how))
    monkeypatch.setattr(tuning, "pretrained_files", lambda networks: files)
    monkeypatch.setattr(tuning, "recorded_files", lambda *_: files)


TUNED = replace(
    PLAN,
    axes={"at": (96, 128), "learning_rate": (0.003, 0.01)},
    network=None,
    start="imagenet",
    resolution=None,
)


def test_networks_with_imagenet_weights_are_offered(data, weights):
    settings = tune.choose_settings(
        TUNED, data=data, budget=Budget(max_madds=30 * 10**6)
    )
    assert settings.resolution == 224
    assert [name for name, _ in settings.weights] == ["0.25.h5", "0.5.h5"]
    space = tune.space_of(settings)
    # MobileNet 0.25 at 128: 13.6 million (Howard et al. 2017, table 7 has 14 million)
    assert [(x.label, round(x.cost.madds / 1e6)) for x in space.networks] == [
        ("MobileNet alpha 0.25 at 96", 7),
        ("MobileNet alpha 0.25 at 128", 13),
        ("MobileNet alpha 0.5 at 96", 27),
    ]
    assert [x.label for x in space.struck_out] == ["MobileNet alpha 0.5 at 128"]
    assert space.training == {"learning_rate": (0.003, 0.01)}
    again = tune.Settings.from_json(json.loads(json.dumps(settings.as_json())))
    assert again == settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"axes": {"at": (100,)}},
            r"has network \['MobileNet'\], at \[100\]; there are Mob",
        ),
        ({"axes": {"depth": (1,)}}, "has an axis 'depth'"),
        ({"axes": {"rho": (0.5,)}}, "an axis rho goes with start"),
        ({"oracle": "shared"}, "the oracle shared goes with start"),
        ({"recipe": "resnet-cifar"}, "the recipe resnet-cifar, which makes"),
    ],
)
def test_what_is_not_tuned_from_weights_is_told(data, weights, changes, message):
    with pytest.raises(KerasnetsError, match=message):
        tune.space_of(tune.choose_settings(replace(TUNED, **changes), data=data))


@pytest.mark.slow
def test_networks_are_tuned_from_imagenet_weights(tmp_path):
    folder = Path(os.environ.get("KERASNETS_DATA", "")) / "pretrained"
    if not (folder / "models" / tiny_pretrained.QUARTER).is_file():
        pytest.skip("KERASNETS_DATA does not name a folder with pretrained weights")
    tiny_pretrained.save_blobs(tmp_path / "blobs.npz")
    (tmp_path / "search.toml").write_text(
        'start = "imagenet"\nnetwork = "MobileNet"\nalpha = [0.25]\nat = [96, 128]\n'
        'resolution = 128\noracle = "grid"\ntrials = 2\nepochs = 1\n'
    )
    out = subprocess.run(
        [
            *(sys.executable, "-m", "kerasnets", "tune", tmp_path / "search.toml"),
            *("--data", f"npz:{tmp_path / 'blobs.npz'}", "--out", tmp_path / "run"),
            "--json",
        ],
        env={**os.environ, "KERAS_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = json.loads(out)
    assert [x["failure"] for x in found["trials"]] == ["", ""]
    # discs of three colours
    assert found["best"]["val_accuracy"] > 0.9
