"""Pretrained networks, ranked by linear classifiers on their codes."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy.stats import binomtest

from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.jobs.phone import ranking
from kerasnets.jobs.phone.ranking import Ranked, Ranking, latency_of, within
from kerasnets.pixels import UNIT, carry
from kerasnets.pretrained import imagenet_files
from kerasnets.tuning import Candidate, Cost, pretrained_candidates


def candidate(alpha, side, madds, size):
    values = {"network": "MobileNet", "alpha": alpha, "at": side}
    return Candidate(values, Cost(side, 1_000, madds, size))


SPACE = [
    candidate(0.25, 96, 7_000_000, 290_000),
    candidate(0.25, 128, 13_000_000, 290_000),
    candidate(0.25, 160, 20_000_000, 290_000),
    candidate(0.5, 96, 27_000_000, 960_000),
    candidate(0.5, 128, 48_000_000, 960_000),
]


def test_each_network_is_ranked_at_the_largest_side_that_fits():
    chosen = within(SPACE, max_madds=30_000_000, max_bytes=1_000_000)
    assert [c.label for c in chosen] == [
        "MobileNet alpha 0.25 at 160",
        "MobileNet alpha 0.5 at 96",
    ]
    chosen = within(SPACE, max_madds=15_000_000, max_bytes=1_000_000)
    assert [c.cost.size for c in chosen] == [128]
    # the file is too large
    chosen = within(SPACE, max_madds=10**9, max_bytes=300_000)
    assert [c.label for c in chosen] == ["MobileNet alpha 0.25 at 160"]


def test_budget_that_nothing_meets_names_the_smallest_that_something_does():
    with pytest.raises(KerasnetsError) as caught:
        within(SPACE, max_madds=2_000_000, max_bytes=350_000)
    assert str(caught.value) == (
        "no pretrained network fits 2,000,000 multiply-adds and 350,000 bytes: "
        "MobileNet alpha 0.25 at 96 needs --max-madds 7000000 and --max-size 290000; "
        "--start scratch could make one that does"
    )


def test_costs_are_those_of_the_network_for_the_classes_of_the_data():
    files = [f for f in imagenet_files("MobileNet") if f.arguments == {"alpha": 0.25}]
    found = pretrained_candidates(files[:1], classes=5)
    assert [c.cost.size for c in found] == [96, 128, 160, 192, 224]
    # keras.applications.MobileNet(alpha=0.25) has 475,544, of which 1,000 classes take
    # 257 each
    assert {c.cost.params for c in found} == {475_544 - 257_000 + 5 * 257}


def test_share_has_wilsons_interval():
    told = Ranked(SPACE[0], 0.8, 50, None).as_json()
    low, high = binomtest(40, 50).proportion_ci(method="wilson")
    assert told["interval"] == pytest.approx([low, high])
    assert told["label"] == "MobileNet alpha 0.25 at 96"


def split(images):
    """Red, green and blue squares in some noise."""
    draw = np.random.default_rng(images)
    labels = np.arange(images) % 3
    pixels = draw.integers(0, 180, (images, 8, 8, 3))
    pixels[np.arange(images), :, :, labels] += 60
    return Split(pixels.astype("uint8"), labels, tuple(map(str, range(images))))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A ranking over one network, which is drawn, and how often that was built."""
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"some")
    file = SimpleNamespace(network="MobileNet", arguments={"alpha": 0.25}, path=weights)
    built = []

    def build(file, side):
        built.append(side)
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(16, 3, activation="relu")(carry(image, UNIT))
        return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))

    monkeypatch.setattr(ranking.tuning, "build_body", build)

    def make(train=60, validation=120, fingerprint="one"):
        data = SimpleNamespace(
            train=split(train),
            validation=split(validation),
            class_names=("r", "g", "b"),
        )
        return Ranking(data, [file], tmp_path / "kept", fingerprint=fingerprint, seed=0)

    return make, built, weights


def test_codes_are_computed_once_for_the_same_images_and_weights(made):
    make, built, weights = made
    first = make().rank(SPACE[0])
    again = make().rank(SPACE[0])
    assert len(built) == 1
    assert first.accuracy == again.accuracy > 0.8
    assert first.images == 120
    make(fingerprint="two").rank(SPACE[0])
    weights.write_bytes(b"others")
    make(fingerprint="two").rank(SPACE[0])
    assert len(built) == 3


def test_five_hundred_images_are_enough_to_ask_which_network_is_better(made):
    make, _, _ = made
    found = make(train=900, validation=700)
    ranked = found.rank(SPACE[0], some=True)
    assert ranked.images == 500
    train, validation = found.some
    assert sorted(np.bincount(train.labels)) == [166, 167, 167]
    # as they come, so that shares are those of all
    assert len(set(validation.ids)) == 500
    logits = found.answers(ranked)
    assert (logits.argmax(axis=1) == validation.labels).mean() == ranked.accuracy
    assert found.rank(SPACE[0]).images == 700
    few = make(train=90, fingerprint="few")
    assert few.some[0] is few.data.train
    assert few.rank(SPACE[0], some=True).accuracy == few.rank(SPACE[0]).accuracy


def test_damaged_codes_are_computed_anew(made, tmp_path):
    make, built, _ = made
    make().rank(SPACE[0])
    (kept,) = (tmp_path / "kept").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    assert make().rank(SPACE[0]).accuracy > 0.8
    assert len(built) == 2


def test_few_validation_images_teach_too_and_folds_judge(made):
    make, _, _ = made
    few = make(validation=30)
    assert few.by_cross_validation
    assert few.rank(SPACE[0]).images == 60 + 30
    assert not make().by_cross_validation


def test_ranked_network_answers_as_its_classifier(made):
    make, _, _ = made
    found = make()
    ranked = found.rank(SPACE[0])
    model = found.network(ranked)
    pixels = split(9).images.astype("float32") / 127.5 - 1
    codes = found.body(ranked.candidate).predict(pixels, verbose=0)
    np.testing.assert_allclose(
        model.predict(pixels, verbose=0), ranked.classifier(codes), atol=1e-5
    )


@pytest.mark.parametrize(("median", "told"), [(2.5, 2.5), (None, 3.0)])
def test_latency_is_that_of_the_phone_where_asked_for(
    made, tmp_path, monkeypatch, median, told
):
    make, _, _ = made
    asked = {}

    def bench(paths):
        asked.update(paths)
        return (SimpleNamespace(median_ms=median, mean_ms=3.0),)

    monkeypatch.setattr(ranking.export, "bench_on_phone", bench)
    monkeypatch.setattr(
        ranking.export, "measure_latency", lambda paths: dict.fromkeys(paths, 9.0)
    )
    monkeypatch.setattr(ranking.export, "convert", lambda *_, **__: b"file")
    monkeypatch.setattr(
        ranking.export,
        "calibration_images",
        lambda *_, **__: SimpleNamespace(images=None),
    )
    made_ranking = make()
    assert latency_of(made_ranking, SPACE[0], tmp_path, on_phone=True) == told
    (path,) = asked.values()
    assert path.read_bytes() == b"file"
    assert latency_of(made_ranking, SPACE[0], tmp_path, on_phone=False) == 9
