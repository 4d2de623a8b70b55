"""Exporting a saved model: files in, files out."""

from pathlib import Path

import pytest

from kerasnets import export
from kerasnets.errors import KerasnetsError
from kerasnets.jobs import export as export_job, verify as verify_job


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_export_names_the_classes_of_the_data(folder, data, float_file):
    assert export.read_labels(float_file) == ("0", "1", "2")
    result = export_job.run(
        folder / "net.keras", folder / "without.tflite", labels=["a", "b", "c"]
    )
    assert export.read_labels(result.path) == ("a", "b", "c")
    assert result.size == (folder / "without.tflite").stat().st_size
    assert result.calibration is None


@pytest.mark.parametrize("model", ["net", "grey", "wide"])
def test_int8_file_answers_like_its_model(folder, data, tmp_path, model):
    path = folder / f"{model}.keras"
    result = export_job.run(
        path, tmp_path / "out.tflite", format="int8", data=data, calibration=20
    )
    assert result.calibration is not None
    assert len({*result.calibration.pop("ids")}) == 20
    assert result.calibration == {
        "images": 20,
        "classes": 3,
        "method": "training images drawn with seed 0, the classes taking turns",
    }
    assert result.pixels.startswith("pixels 0 to 255, normalised inside: ")
    found = verify_job.run(
        result.path, model_path=path, data=data, bounds={"max_abs_difference": 0.05}
    ).report
    assert found.holds, found.failures
    assert found.examples == 24  # a fifth


@pytest.mark.parametrize(
    "options",
    [
        {"resize_from": (10, 14)},
        {"preprocessing": False, "softmax": False},
        {"io": "float32", "batch": None},
    ],
)
def test_int8_file_of_other_ends_answers_like_its_model(
    folder, data, tmp_path, options
):
    path = folder / "net.keras"
    out = tmp_path / "out.tflite"
    export_job.run(path, out, format="int8", data=data, calibration=20, options=options)
    bounds = {"max_abs_difference": 0.1, "agreement": 0.8}
    found = verify_job.run(out, model_path=path, data=data, bounds=bounds).report
    assert found.holds, found.failures


@pytest.mark.parametrize("name", ["four", "grey", "wide"])
def test_export_without_data_takes_any_fixed_image(folder, tmp_path, name):
    out = tmp_path / "out.tflite"
    export_job.run(folder / f"{name}.keras", out)
    (taken,) = export.LiteRTModel(out).inputs
    shapes = {"four": (8, 8, 4), "grey": (8, 8, 1), "wide": (8, 12, 3)}
    assert taken.shape[1:] == shapes[name]


@pytest.mark.parametrize(
    ("model", "out", "given", "message"),
    [
        ("open", "a.tflite", {}, "(None, None, None, 3)"),
        ("four", "a.tflite", {"format": "int8", "data": True}, "images of 4 channels"),
        ("net", "a.tflite", {"format": "int8"}, "'int8' needs images"),
        ("net", "a.tflite", {"format": "int3"}, "'int3' is unknown: float32, "),
        ("net", "a.tflite", {"labels": ["a"]}, "1 labels were given for 3 classes"),
        ("five", "a.tflite", {"data": True}, "3 labels were given for 5 classes"),
        ("net", "a.tflite", {"texts": {"author": "me"}}, "author would be lost"),
        ("net", "a.tflite", {"seed": -1}, "seed -1 is not"),
        ("net", "a.tflite", {"calibration": 0}, "calibration 0 is not"),
        ("net", "a.keras", {}, "name a .tflite file"),
        ("net", "a.tflite", {"format": "onnx"}, "name a .onnx file"),
        ("net", "a.onnx", {"format": "onnx", "data": True}, "takes no data"),
        (
            "net",
            "a.onnx",
            {"format": "onnx", "options": {"io": "uint8"}},
            "takes no data",
        ),
        ("net", "a", {"format": "saved_model", "labels": ["a"]}, "takes no data"),
        ("net", "no/a", {"format": "saved_model"}, "there is no folder"),
        ("net", "no/a.tflite", {}, "there is no folder"),
        ("net", ".", {}, "name a .tflite file"),
        ("missing", "a.tflite", {}, "missing.keras cannot be read"),
    ],
)
def test_export_refuses_and_keeps_what_is_there(
    folder, data, tmp_path, model, out, given, message
):
    (tmp_path / "a.tflite").write_bytes(b"of before")
    if given.pop("data", False):
        given = {**given, "data": data}
    with pytest.raises(KerasnetsError) as error:
        export_job.run(folder / f"{model}.keras", tmp_path / out, **given)
    assert message in str(error.value)
    assert names(tmp_path) == ["a.tflite"]
    assert (tmp_path / "a.tflite").read_bytes() == b"of before"


@pytest.mark.parametrize(
    ("model", "labels", "message"),
    [
        ("five", None, "3 labels were given for 5 classes"),
        ("net", ["a", "b"], "2 labels were given for 3 classes"),
        ("net", ["a", "b", "c\nd"], "'c\\nd' is not one line of text"),
        ("net", ["a", "b", "\udce9"], "is not text in UTF-8"),
    ],
)
def test_labels_are_checked_before_an_image_is_decoded(
    folder, data, tmp_path, monkeypatch, model, labels, message
):
    monkeypatch.setattr(
        export_job, "prepared_images", lambda *_, **__: pytest.fail("decoded")
    )
    with pytest.raises(KerasnetsError) as error:
        export_job.run(
            folder / f"{model}.keras",
            tmp_path / "a.tflite",
            format="int8",
            data=data,
            labels=labels,
        )
    assert message in str(error.value)
