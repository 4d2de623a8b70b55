"""Whether the phone job starts from ImageNet weights, and what it says of that."""

import pytest
from PIL import Image

from kerasnets.errors import KerasnetsError
from kerasnets.jobs import phone
from kerasnets.jobs.phone.start import choose_start
from kerasnets.tuning import pretrained_files

QUARTER = "mobilenet_2_5_128_tf.h5"


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
    return choose_start(start, **{**usual, **changes})


def test_photographs_start_from_what_is_cached(home):
    for name in (QUARTER, "mobilenet_2_5_224_tf.h5", "mobilenet_5_0_160_tf.h5"):
        (home / name).write_bytes(b"weights")
    chosen = start()
    # of a width the largest side: its weights serve all sides
    names = ["mobilenet_2_5_224_tf.h5", "mobilenet_5_0_160_tf.h5"]
    assert [file.path.name for file in chosen.files] == names
    assert chosen.reason == f"from ImageNet weights: {', '.join(names)}"


def test_where_nothing_is_cached_it_says_which_file_belongs_where(home):
    chosen = start()
    assert chosen.files == ()
    assert f"{QUARTER} belongs in {home}, where" in chosen.reason
    assert "keras.applications.MobileNet((128, 128, 3), alpha=0.25)" in chosen.reason


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"photographs": False}, "the images are no folder of photographs"),
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
    with pytest.raises(KerasnetsError, match=f"--start imagenet: .*{QUARTER}"):
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
    assert phone.stages_of(settings)[1].name == "search"
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
