"""SavedModel and ONNX: the graph of the LiteRT file in other runtimes."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
from support.litert import run as run_litert
from support.weights import randomise

from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion.keras_export import export_onnx, export_saved_model
from kerasnets.export.conversion.litert import convert, convert_with_names
from kerasnets.export.conversion.wrapper import Ends
from kerasnets.pixels import CAFFE, UNIT, carry

from .conftest import build_small, make_images
from .test_conversion import expected
from .test_formats import several


def run_saved_model(path: Path, *arrays: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # owns the variables
    answers = loaded.serve(arrays[0] if len(arrays) == 1 else list(arrays))
    return {name: answer.numpy() for name, answer in answers.items()}


def run_onnx(path: Path, *arrays: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path))
    names = [one.name for one in session.get_inputs()]
    answers = session.run(None, dict(zip(names, arrays, strict=True)))
    return dict(zip([one.name for one in session.get_outputs()], answers, strict=True))


both = pytest.mark.parametrize(
    ("export", "run"),
    [(export_saved_model, run_saved_model), (export_onnx, run_onnx)],
)


@both
def test_it_answers_like_the_model_and_replaces_the_former(
    small, tmp_path, export, run
):
    export(build_small(seed=1), tmp_path / "net")
    export(small, tmp_path / "net")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    images = make_images(6, 16).astype("float32")
    answers = run(tmp_path / "net", images)
    assert list(answers) == ["probabilities"]
    np.testing.assert_allclose(
        answers["probabilities"], expected(small, images), atol=1e-5
    )


@both
def test_preprocessing_and_resizing_are_inside(tmp_path, export, run):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        trained = build_small()
    finally:
        keras.config.set_dtype_policy("float32")
    ends = Ends(pixels=CAFFE, resize_from=(24, 24), softmax=False)
    export(trained, tmp_path / "net", ends)
    photos = make_images(4, 24).astype("float32")
    small = build_small()
    fitted = CAFFE(keras.ops.image.resize(photos, (16, 16)))
    (answers,) = run(tmp_path / "net", photos).values()
    np.testing.assert_allclose(answers, small(fitted, training=False), rtol=1e-4)


@both
def test_several_inputs_and_outputs(tmp_path, export, run):
    model, arrays = several("zebra")  # Keras's SavedModel takes no blank in a name
    export(model, tmp_path / "net", Ends(task="generic"))
    answers = run(tmp_path / "net", *arrays)
    for name, truth in zip(["boxes", "output_1"], model(arrays), strict=True):
        np.testing.assert_allclose(answers[name], truth, atol=1e-5)


def test_what_is_no_saved_model_is_not_replaced(small, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(KerasnetsError, match="no SavedModel"):
        export_saved_model(small, tmp_path / "letters")
    assert (tmp_path / "letters" / "a.txt").read_text() == "dear"


def test_what_onnx_needs_is_said(small, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(KerasnetsError, match=r"tf2onnx and onnx.*kerasnets\[onnx\]"):
        export_onnx(small, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def oddly_named() -> keras.Model:
    """A small classifier whose names Keras accepts and TensorFlow's scopes do not."""
    inputs = keras.Input((8, 8, 3), name="my photo")
    inner_in = keras.Input((8, 8, 3))
    inner_out = keras.layers.Conv2D(4, 3, name="_hidden (1)")(inner_in)
    inner = keras.Model(inner_in, inner_out, name="[inner]")
    x = keras.layers.ReLU(name="größer")(inner(carry(inputs, UNIT)))
    x = keras.layers.GlobalAveragePooling2D(name="a b")(x)
    x = keras.layers.Dense(3, name="слой")(x)
    return randomise(keras.Model(inputs, x, name="мой net"), seed=0, head=3)


@both
def test_odd_names_stay_outside(tmp_path, export, run):
    model, images = oddly_named(), make_images(6, 8).astype("float32")
    before = [layer.name for layer in model.layers]
    export(model, tmp_path / "net")
    (answers,) = run(tmp_path / "net", images).values()
    np.testing.assert_allclose(answers, expected(model, images), atol=1e-5)
    assert [layer.name for layer in model.layers] == before
    export(model, tmp_path / "net", Ends(task="generic"))
    given = np.asarray(UNIT(images))
    (answers,) = run(tmp_path / "net", given).values()
    np.testing.assert_allclose(answers, model(given), rtol=1e-4, atol=1e-5)


def test_odd_names_are_in_reports_alone():
    model, images = oddly_named(), make_images(6, 8)
    file, names = convert_with_names(model)
    assert {"[inner]/_hidden (1)", "слой"} <= {*names.values()}
    answers = np.concatenate([run_litert(file, image[None])[0] for image in images])
    np.testing.assert_allclose(answers, expected(model, images), atol=1e-5)
    for name in ("hidden", "inner", "слой", "мой", "photo"):
        assert name.encode() not in file
    convert(model, calibration=images)
