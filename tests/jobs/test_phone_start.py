"""Whether the phone job starts from ImageNet weights, and what it says of that."""

import warnings

import pytest
from PIL import Image

from kerasnets.errors import KerasnetsError, KerasnetsWarning
from kerasnets.jobs import phone
from kerasnets.jobs.phone.start import choose_start
from kerasnets.pretrained import OFFLINE, ImageNetFile
from kerasnets.tuning import Budget, files_to_fetch, pretrained_files

QUARTER = "mobilenet_2_5_128_tf.h5"
SMALL = Budget(15_000_000, 350_000)


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty folder of Keras."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras" / "models"


@pytest.fixture
def photos(tmp_path):
    """A folder of nine pictures of each of two classes."""
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(9):
            picture = Image.new("RGB", (8, 8), (i, 0, 200 * (name == "dog")))
            picture.save(tmp_path / "photos" / name / f"{i}.png")
    return f"folder:{tmp_path / 'photos'}"


def start(start="auto", **changes):
    usual = {"photographs": True, "resolution": None, "student": None}
    usual["budget"] = SMALL
    return choose_start(start, **{**usual, **changes})


def test_photographs_start_from_what_is_cached(home):
    for name in (QUARTER, "mobilenet_2_5_224_tf.h5", "mobilenet_5_0_160_tf.h5"):
        (home / name).write_bytes(b"weights")
    chosen = start()
    # of a width the largest side: its weights serve all sides
    names = ["mobilenet_2_5_224_tf.h5", "mobilenet_5_0_160_tf.h5"]
    assert [file.path.name for file in chosen.files] == names
    assert chosen.reason == f"from ImageNet weights: {', '.join(names)}"


# MobileNet 0.25 at 128 pixels fits 15M, of the networks that may teach MobileNet 0.75
# has the most multiply-adds
WANTED = [QUARTER, "mobilenet_7_5_224_tf.h5"]


@pytest.mark.parametrize("asked", ["auto", "imagenet"])
def test_what_is_not_cached_is_named_and_then_fetched(home, monkeypatch, asked):
    told = []

    def fetch(file):
        assert told  # before the first of them
        file.path.write_bytes(b"weights")

    monkeypatch.setattr(ImageNetFile, "fetch", fetch)
    monkeypatch.delenv(OFFLINE)
    with warnings.catch_warnings():
        monkeypatch.setattr(
            warnings, "warn", lambda text, kind, stacklevel: told.append((text, kind))
        )
        chosen = start(asked)
    assert told == [
        (
            f"ImageNet weights {', '.join(WANTED)} belong in {home}: fetching them",
            KerasnetsWarning,
        )
    ]
    assert [file.path.name for file in chosen.files] == WANTED
    # what is here is not fetched again
    start(asked)
    assert len(told) == 1


@pytest.mark.parametrize("kept", [0, 1])
def test_what_cannot_be_fetched_is_told(home, monkeypatch, kept):
    def fetch(file):
        if file.path.name not in WANTED[:kept]:
            raise KerasnetsError("no route to host")
        file.path.write_bytes(b"weights")

    monkeypatch.setattr(ImageNetFile, "fetch", fetch)
    monkeypatch.delenv(OFFLINE)
    with pytest.warns(KerasnetsWarning, match="fetching them"):
        chosen = start()
    assert [file.path.name for file in chosen.files] == WANTED[:kept]
    if not kept:
        assert chosen.reason == (
            "from random weights: no ImageNet weights are here: "
            f"{', '.join(WANTED)} belong in {home}; no route to host"
        )
        with (
            pytest.warns(KerasnetsWarning),
            pytest.raises(KerasnetsError, match="--start imagenet: no ImageNet weigh"),
        ):
            start("imagenet")


def test_nothing_is_fetched_offline_or_for_a_budget_that_nothing_meets(home):
    assert start().reason.endswith(
        f"{', '.join(WANTED)} belong in {home}, and KERASNETS_OFFLINE is set"
    )
    chosen = start(budget=Budget(1_000_000, 350_000))
    assert chosen.reason == (
        "from random weights: no network with ImageNet weights fits 1,000,000 "
        "multiply-adds and 350,000 bytes"
    )


def test_few_files_are_worth_fetching(home):
    """Multiply-adds of MobileNets at 128 to 224 pixels: their papers' tables."""
    budget = Budget(60_000_000, 1_000_000)
    files = files_to_fetch(["MobileNet"], budget, teacher_madds=600_000_000)
    assert [file.path.name for file in files] == [
        "mobilenet_5_0_128_tf.h5",  # 49M; 0.25 at 224 pixels has 41M
        "mobilenet_2_5_224_tf.h5",
        "mobilenet_1_0_224_tf.h5",  # 569M
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"photographs": False}, "the images are no files of photographs"),
        ({"resolution": 32}, "images of 32 pixels are smaller than 64"),
        ({"scratch_only": ["--teacher"]}, "--teacher belong to a run from scratch"),
        ({"student": "lenet5"}, "keras.applications has no weights of lenet5"),
    ],
)
def test_auto_says_why_it_starts_from_scratch(home, changes, why):
    (home / QUARTER).write_bytes(b"weights")
    chosen = start(**changes)
    assert chosen.files == ()
    assert why in chosen.reason


def test_imagenet_that_cannot_be_is_an_error(home):
    with pytest.raises(KerasnetsError, match=r"--start imagenet: .*OFFLINE is set"):
        start("imagenet")
    (home / QUARTER).write_bytes(b"weights")
    with pytest.raises(KerasnetsError, match="--trials belong to a run from scratch"):
        start("imagenet", scratch_only=["--trials"])
    assert start("imagenet", photographs=False).files


def test_scratch_is_taken_as_asked(home):
    (home / QUARTER).write_bytes(b"weights")
    assert start("scratch").files == ()
    with pytest.raises(KerasnetsError, match="start 'other' is unknown: auto, "):
        start("other")


def test_settings_know_the_weights_by_their_digest(home, photos):
    (home / QUARTER).write_bytes(b"weights")
    choice = phone.choose(data=photos, seed=3, max_latency=5)
    settings = choice.settings
    assert isinstance(settings, phone.PretrainedSettings)
    assert phone.stages_of(settings)[1].name == "rank"
    # SHA-256 of "weights", by sha256sum
    digest = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    assert settings.weights == ((QUARTER, digest),)
    assert settings.networks == ("MobileNet",)
    assert (settings.max_madds, settings.max_bytes) == (15_000_000, 350_000)
    assert settings.resolution == 224
    assert settings.default_folder().name == "photos-imagenet-seed3"
    recipes = (settings.student_recipe, settings.teacher_recipe)
    assert [recipe.augment.flip for recipe in recipes] == [True, True]
    still = phone.choose(data=photos, mirror=False).settings
    assert still.student_recipe.augment.flip is False
    assert still.pruning.recipe.augment.flip is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_latency": 5.0}, "--max-latency goes with a start from ImageNet"),
        ({"max_latency": 0.0}, "max_latency 0.0 ms: above 0"),
        ({"on_phone": True}, "--on-phone goes with --max-latency"),
        ({"max_loss": -1.0}, "max_loss -1.0: 0 to 100 points"),
        ({"max_madds": 0}, "max_madds 0 is not a whole number"),
    ],
)
def test_numbers_out_of_range_are_told(home, photos, arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        phone.choose(data=photos, **arguments)


def test_weights_that_changed_under_a_run_are_refused(home, photos, tmp_path):
    (home / QUARTER).write_bytes(b"weights")
    settings = phone.choose(data=photos).settings
    (home / QUARTER).write_bytes(b"others")
    with pytest.raises(KerasnetsError, match=f"{QUARTER} is another file than"):
        phone.run_with(settings, tmp_path / "run")
    (home / QUARTER).unlink()
    with pytest.raises(KerasnetsError, match="that this run began with are not here"):
        phone.run_with(settings, tmp_path / "run")


def test_only_the_largest_side_of_a_width_is_listed(home):
    for name in (QUARTER, "mobilenet_2_5_160_tf.h5"):
        (home / name).write_bytes(b"weights")
    (file,) = pretrained_files()
    assert (file.side, file.arguments) == (160, {"alpha": 0.25})
