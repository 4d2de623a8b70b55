"""Judging models and files: which images, by which protocol, what is refused."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from kerasnets.data import open_source, prepare
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.jobs import evaluate as job
from kerasnets.saving import load_model


@pytest.fixture
def prepared(data, tmp_path):
    return prepare(open_source(data), tmp_path / "data", resolution=8, seed=0)


def test_whole_images_are_what_the_plain_evaluation_sees(
    folder, data, float_file, prepared
):
    model = load_model(folder / "net.keras")
    expected = evaluate(model, prepared.test)
    found = job.run(
        [str(folder / "net.keras"), str(float_file)],
        data=data,
        protocols=["whole", "ten-crop"],
    )
    assert [(Path(row.name).name, row.protocol) for row in found.rows] == [
        *(("net.keras", "whole"), ("net.keras", "ten-crop")),
        *(("float.tflite", "whole"), ("float.tflite", "ten-crop")),
    ]
    of_model, _, of_file, _ = (row.judgement for row in found.rows)
    assert of_model.top(1) / 24 == expected.accuracy
    np.testing.assert_allclose(of_file.probabilities, of_model.probabilities, atol=1e-4)
    assert found.ids == prepared.test.ids
    assert (found.split, found.kept_by) == ("test", None)


def test_models_together(folder, data):
    models = [str(folder / f"{name}.keras") for name in ("net", "softmax", "bare")]
    alone = job.run(models, data=data).rows
    (row,) = job.run(models, data=data, ensemble=True).rows
    assert row.name == " + ".join(models)
    mean = np.mean([each.judgement.probabilities for each in alone], axis=0)
    np.testing.assert_allclose(row.judgement.probabilities, mean, atol=1e-7)


def test_parts_of_the_set(folder, data, prepared):
    model = [str(folder / "net.keras")]
    found = job.run(model, data=data, split="validation")
    assert found.ids == prepared.validation.ids
    some = job.run(model, data=data, images=6)
    assert np.bincount(some.rows[0].judgement.labels).tolist() == [2, 2, 2]


def test_images_that_a_run_kept_apart(folder, data, prepared, tmp_path):
    """A model of a run is judged by the run's own test images, whatever the seed."""
    own = tmp_path / "net.keras"
    own.write_bytes((folder / "net.keras").read_bytes())
    found = job.run([str(own)], data=data, seed=5)
    assert found.kept_by == tmp_path
    assert found.ids == prepared.test.ids
    # labels go with them
    labels = dict(zip(prepared.test.ids, prepared.test.labels.tolist(), strict=True))
    assert found.rows[0].judgement.labels.tolist() == [labels[i] for i in found.ids]
    elsewhere = job.run([str(folder / "net.keras")], data=data, seed=5)
    assert elsewhere.kept_by is None
    assert elsewhere.ids != found.ids
    # a run on other data says nothing about these
    record = json.loads((tmp_path / "data" / "splits.json").read_text())
    record["source"] = "folder:elsewhere"
    (tmp_path / "data" / "splits.json").write_text(json.dumps(record))
    assert job.run([str(own)], data=data, seed=5).kept_by is None
    record["source"] = data
    record["ids"]["test"][0] = "train/999"
    (tmp_path / "data" / "splits.json").write_text(json.dumps(record))
    with pytest.raises(KerasnetsError, match="made from other images: train/999"):
        job.run([str(own)], data=data, seed=5)


def test_figures_and_pictures_are_written(folder, data, tmp_path):
    out = tmp_path / "deep" / "out"
    found = job.run([str(folder / "net.keras")], data=data, out=out)
    record = json.loads((out / "evaluation.json").read_text())
    assert record == json.loads(json.dumps(found.as_json()))
    assert sum(sum(row) for row in record["rows"][0]["confusion"]) == 24
    for name in ("confusion-1.svg", "reliability-1.svg"):
        assert ElementTree.parse(out / name).getroot().tag.endswith("svg")
    wrong = 24 - found.rows[0].judgement.top(1)
    assert (out / "worst-1.png").is_file() == (wrong > 0)
    if wrong:
        with Image.open(out / "worst-1.png") as sheet:
            assert sheet.format == "PNG"


@pytest.mark.parametrize(
    ("models", "given", "message"),
    [
        (["five.keras"], {}, "five.keras tells 5 classes apart, the data have 3"),
        (["missing.keras"], {}, "missing.keras cannot be read"),
        (["wide.keras"], {}, "square images and one row of classes are accepted"),
        (["two_outputs.keras"], {"protocols": ["all"]}, "protocol 'all' is unknown"),
        (["net.keras"], {"scales": [7]}, "whole with the scales 7: none is accepted"),
        (["net.keras"], {"seed": -1}, "seed -1 is not a whole number of 0 or more"),
        (["net.keras"], {"images": 0}, "images 0 is not"),
        (["net.keras"], {"split": "all"}, "split 'all': train, validation, test"),
        (["float.tflite"], {"protocols": ["dense"]}, "it cannot slide over larger"),
    ],
)
def test_what_cannot_be_judged(folder, data, float_file, models, given, message):
    assert float_file.is_file()
    with pytest.raises(KerasnetsError) as error:
        job.run([str(folder / name) for name in models], data=data, **given)
    assert message in str(error.value)


def test_labels_of_a_file_are_those_of_the_data(folder, float_file, tmp_path):
    with np.load(folder / "colours.npz") as arrays:
        images, labels = arrays["x_train"], arrays["y_train"]
    for i, label in enumerate(labels.tolist()):
        path = tmp_path / "set" / "abc"[label] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i]).save(path)
    with pytest.raises(
        KerasnetsError, match="calls a class '0' that the data call 'a'"
    ):
        job.run([str(float_file)], data=f"folder:{tmp_path / 'set'}")
