"""Neighbours and doubtful labels of a set, from files to a picture sheet."""

import json

import numpy as np
import pytest
from PIL import Image
from support.tiny_files import network

from kerasnets.errors import KerasnetsError
from kerasnets.jobs import neighbours

COLOURS = {"blue": (20, 20, 200), "green": (20, 200, 20), "red": (200, 20, 20)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Thirty pictures of three colours in a folder each, one of them in a wrong one."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for i in range(10):
            shown = COLOURS["blue"] if (name, i) == ("red", 4) else colour
            pixels = np.clip(random.normal(shown, 9, (8, 8, 3)), 0, 255)
            Image.fromarray(pixels.astype("uint8")).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def asked(tmp_path):
    path = tmp_path / "asked.png"
    Image.new("RGB", (20, 30), COLOURS["green"]).save(path)
    return path


def test_neighbours_and_suspects_of_a_folder(folder, photos, asked, tmp_path):
    out = tmp_path / "sheet.png"
    told = []
    found = neighbours.run(
        str(folder / "net.keras"),
        [asked, photos / "red" / "0.png"],
        data=f"folder:{photos}",
        out=out,
        k=3,
        doubted=5,
        progress=lambda done, total, note="": told.append(note),
    )
    assert found.class_names == ("blue", "green", "red")
    assert found.neighbours is not None
    assert found.neighbours.labels[0].tolist() == [1, 1, 1]
    assert [one.id for one in found.suspects] == ["red/4.png"]
    assert found.suspects_in_all == 1
    (one,) = json.loads(json.dumps(found.as_json()))["suspects"]
    assert (one["label"], one["other"]) == ("red", "blue")
    assert {name.split("/")[0] for name in one["neighbours"]} == {"blue"}
    first, second = found.as_json()["neighbours"]
    assert first["image"] == str(asked)
    assert second["nearest"][0]["label"] == "red"
    assert {"images", "codes"} <= set(told)
    with Image.open(out) as sheet:
        assert sheet.format == "PNG"


def test_other_parts_and_layers(folder, photos, asked):
    found = neighbours.run(
        str(folder / "net.keras"),
        [asked],
        data=f"folder:{photos}",
        k=3,
        split="validation",
        layer="first_relu",
    )
    assert found.neighbours is not None
    assert sorted(found.neighbours.labels[0].tolist()) == [0, 1, 2]
    assert len(found.split_ids) == 3
    assert found.suspects == ()


def test_the_same_call_finds_the_same(folder, photos, asked, tmp_path):
    def call(out):
        result = neighbours.run(
            str(folder / "net.keras"),
            [asked],
            data=f"folder:{photos}",
            doubted=1,
            out=out,
        )
        return result.as_json(), out.read_bytes()

    assert call(tmp_path / "a.png") == call(tmp_path / "b.png")


def test_a_label_of_a_folder_is_known(photos, asked, tmp_path, monkeypatch):
    names = ("blue", "green", "red")
    monkeypatch.chdir(photos / "red")
    assert neighbours._label_of(asked, names) is None
    assert neighbours._label_of(photos / "green" / "1.png", names) == 1
    assert neighbours._label_of(photos.__class__("1.png"), names) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "nothing is asked: name an image, or give --suspects N"),
        ({"k": 0}, "k 0 is not a whole number of 1 or more"),
        ({"k": 31}, "31 neighbours in folder:.*, which has 30 images: --k up to 30"),
        ({"k": 25}, "25 neighbours in train of folder:.*, which has 21 images"),
        ({"doubted": -1}, "suspects -1 is not"),
        ({"split": "val"}, "split 'val': train, validation, test are accepted"),
        ({"seed": -1}, "seed -1 is not"),
        ({"out": "sheet.jpg"}, "'sheet.jpg' does not end in .png"),
        ({"out": "no/sheet.png"}, "there is no folder 'no'"),
        ({"out": "a.png", "doubted": 300}, "301 rows of pictures: 300 fit on a sheet"),
        ({"layer": "frist"}, "no layer 'frist'; near it are first"),
        ({"alpha": 0.5}, "has its width and its weights: leave alpha 0.5"),
        ({"weights": "imagenet"}, "weights: leave weights imagenet out"),
        ({"network": "grey"}, r"shape \(8, 8, 1\); square RGB images"),
        ({"network": "wide"}, r"shape \(8, 12, 3\); square RGB images"),
        ({"network": "no"}, "no.keras cannot be read"),
        ({"images": ["text.jpg"]}, "text.jpg: "),
        ({"images": ["no.jpg"]}, "no.jpg: no such file"),
    ],
)
def test_what_cannot_be_asked_is_told_first(
    folder, photos, asked, tmp_path, monkeypatch, change, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.jpg").write_text("no picture")
    if "25" not in message:  # whose split is known once the images are decoded
        monkeypatch.setattr(neighbours, "prepared_images", None)
    monkeypatch.setattr(neighbours, "features", None)
    given = {"images": [asked], "data": f"folder:{photos}", "network": "net", **change}
    given["network"] = str(folder / f"{given['network']}.keras")
    given["images"] = [tmp_path / image for image in given["images"]]
    if "out" in given:
        given["out"] = type(tmp_path)(given["out"])
    with pytest.raises(KerasnetsError, match=message):
        neighbours.run(given.pop("network"), given.pop("images"), **given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["asked.png", "text.jpg"]


@pytest.mark.parametrize(
    ("network_name", "options", "message"),
    [
        ("mobilnet", {}, "network 'mobilnet' is unknown: did you mean"),
        ("resnet50", {"alpha": 0.5}, "network 'resnet50' has no alpha"),
        ("mobilenet", {"weights": "no.h5"}, "no.h5"),
    ],
)
def test_networks_of_the_zoo_that_cannot_be_had(
    photos, asked, network_name, options, message
):
    with pytest.raises(KerasnetsError, match=message):
        neighbours.run(network_name, [asked], data=f"folder:{photos}", **options)


def test_a_small_class_can_win_its_images():
    # else ten of the large one would outvote the four others of the small one
    assert neighbours._jury(np.repeat([0, 1], [5, 90])) == 4
    assert neighbours._jury(np.repeat([0, 2], [50, 90])) == 10
    assert neighbours._jury(np.array([0, 1, 1])) == 1


def test_two_images_have_no_doubtful_label():
    with pytest.raises(KerasnetsError, match="has 2 images: 3 or more are needed"):
        neighbours._check_room(1, 1, 2, "test of x")


def test_an_open_network_takes_the_size_that_is_given(photos, asked, tmp_path):
    network((None, None, 3)).save(tmp_path / "open.keras")
    found = neighbours.run(
        str(tmp_path / "open.keras"), [asked], data=f"folder:{photos}", k=2, size=12
    )
    assert found.neighbours is not None
    assert found.neighbours.labels[0].tolist() == [1, 1]
