"""Whole files beside their models: what is told of them, and when bounds fail."""

import json
import math

import keras
import numpy as np
import pytest
from support.weights import randomise

from kerasnets.errors import KerasnetsError
from kerasnets.export import Classifier, add_metadata
from kerasnets.export.conversion.litert import convert
from kerasnets.export.runtime.predictors import open_predictor
from kerasnets.export.verification.bounds import FLOAT_BOUNDS, Bounds, failures
from kerasnets.export.verification.comparison import OutputComparison
from kerasnets.export.verification.io_matching import IOMatching
from kerasnets.export.verification.report import report, verify
from kerasnets.export.verification.sqnr import LayerSqnr, Sqnr
from kerasnets.pixels import RAW, UNIT, carry

from .conftest import LABELS, build_small, make_images


@pytest.fixture
def write(tmp_path):
    """Write a converted file as it is, without metadata."""

    def write(content: bytes):
        path = tmp_path / "file.tflite"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture(scope="module")
def labels(small, images):
    """The model's own answers, the first 50 of 200 made wrong: accuracy 0.75."""
    logits = small(images.astype(np.float32) / 127.5 - 1, training=False)
    answers = np.asarray(logits).argmax(axis=1)
    answers[:50] = (answers[:50] + 1) % 10
    return answers


def test_a_float_file_holds(float_file, small, images, labels):
    found = report(float_file, small, images, labels)
    (output,) = found.outputs
    assert (output.name, output.agreement, output.accuracy) == (
        "probabilities",
        1,
        0.75,
    )
    assert 0 < output.mean_abs_difference < output.max_abs_difference < 1e-5
    assert output.correlation == pytest.approx(1)
    assert found.threads >= 2
    assert found.threads_difference < 1e-6
    assert (found.examples, found.sqnr, found.failures) == (200, None, ())
    assert found.holds


def test_an_int8_file_names_its_worst_layers(int8_file, small, images, labels):
    found = report(int8_file, small, images, labels)
    assert found.holds
    assert found.sqnr is not None
    assert found.sqnr.aligned
    # eight bits of an even range have 50 dB; what adds up on the way stays above 20
    assert all(20 < layer.sqnr_db < 60 for layer in found.sqnr.layers)
    assert [layer.operator for layer in found.sqnr.layers] == [
        "SUB",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "ADD",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]
    worst = found.worst_layers(2)
    assert worst[0].sqnr_db < worst[1].sqnr_db
    assert worst[0] == min(found.sqnr.layers, key=lambda layer: layer.sqnr_db)
    strict = Bounds(1, 0.9, tie=0.1, sqnr_db=worst[0].sqnr_db + 1)
    (failure,) = report(int8_file, small, images, bounds=strict).failures
    assert failure.startswith(f"{worst[0].layer}: the signal-to-noise ratio is")


def test_a_layer_that_quantises_badly_is_named(write):
    """Channel 0 of "spread" is a thousand times the others, "after" takes that back.

    All channels of "spread" share steps of the size that channel 0 needs. Its energy
    hides that there; what is left of the others is seen behind it.
    """
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1, name="spread")(carry(inputs, UNIT))
    x = keras.layers.Conv2D(4, 1, name="after")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = randomise(
        keras.Model(inputs, keras.layers.Dense(3, name="head")(x)), seed=3, head=3
    )
    spread, after = (model.get_layer(name).weights[0] for name in ("spread", "after"))
    factors = np.array([1000, 1, 1, 1])
    spread.assign(spread.numpy() * factors)
    after.assign(after.numpy() / factors[:, None])
    images = make_images(20, 8)
    found = report(
        write(convert(model, calibration=images)), model, images, bounds=Bounds(2, 0)
    )
    assert found.sqnr is not None
    ratios = {layer.layer: layer.sqnr_db for layer in found.sqnr.layers}
    assert ratios["spread"] > 30
    assert ratios["after"] < 10
    assert "spread" not in [layer.layer for layer in found.worst_layers(3)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"format": "float16"},
        {"format": "int8_weights"},
        {"batch": None},
        {"batch": 3},
        {"softmax": False},
        {"resize_from": (20, 24)},
    ],
    ids=str,
)
def test_files_of_every_form_hold(arguments, small, images, write):
    if "resize_from" in arguments:
        images = make_images(20, 24)[:, :20]
    found = report(write(convert(small, **arguments)), small, images[:20])
    assert found.holds, found.failures
    assert found.outputs[0].correlation > 0.999
    assert found.outputs[0].accuracy is None


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_int8_files_hold_with_either_end(io, small, images, write):
    buffer = convert(small, calibration=images[:50], io=io)
    found = report(write(buffer), small, images[:50], sqnr=False)
    assert found.holds, found.failures
    assert found.inspection is not None
    assert found.inspection.format == "int8"
    assert found.sqnr is None


def test_normalisation_outside_the_file(small, images, write):
    bare = convert(small, preprocessing=False)
    path = write(bare)
    assert report(path, small, images[:9], file_pixels=UNIT).holds
    # the input is called "image": pixels, as far as anyone can see
    assert not report(path, small, images[:9]).holds
    path = write(add_metadata(bare, name="small", labels=LABELS, mean=127.5, std=127.5))
    assert report(path, small, images[:9]).holds
    assert not report(path, small, images[:9], file_pixels=RAW).holds


def segmenter() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu")
    x = x(carry(inputs, UNIT))
    return randomise(keras.Model(inputs, keras.layers.Conv2D(4, 1)(x)), seed=1, head=3)


def test_a_segmenter_is_judged_by_pixels(write):
    model, images = segmenter(), make_images(6, 8)
    path = write(convert(model, task="segmenter", calibration=images))
    logits = model(images.astype(np.float32) / 127.5 - 1, training=False)
    labels = np.asarray(logits).argmax(axis=-1)
    labels[:, :4] = (labels[:, :4] + 1) % 4
    labels[:, 0] = 255
    found = report(path, model, images, labels)
    assert found.holds
    assert found.outputs[0].agreement > 0.9
    # three rows wrong, four right, one left out
    assert found.outputs[0].accuracy == pytest.approx(4 / 7, abs=0.05)


def several_ends() -> keras.Model:
    a, b = keras.Input((4,), name="a"), keras.Input((6,), name="b")
    x = keras.layers.Concatenate()([a, b])
    outputs = [keras.layers.Dense(n, name=f"out{n}")(x) for n in (5, 2, 3)]
    return randomise(keras.Model([a, b], outputs), seed=2, head=3)


def test_a_model_of_several_ends(write):
    model, random = several_ends(), np.random.default_rng(0)
    arrays = [random.normal(size=(10, n)).astype(np.float32) for n in (4, 6)]
    found = report(write(convert(model, task="generic")), model, arrays)
    assert found.holds
    assert {output.name for output in found.outputs} == {"out5", "out2", "out3"}
    assert all(output.agreement is None for output in found.outputs)
    int8 = write(convert(model, task="generic", calibration=arrays, io="float32"))
    found = report(int8, model, arrays)
    assert found.sqnr is not None
    assert found.sqnr.aligned
    assert min(output.correlation for output in found.outputs) > 0.99


# tf2onnx before NumPy 2, mended by Keras
@pytest.mark.filterwarnings("ignore:In the future `np:FutureWarning")
@pytest.mark.parametrize("kind", ["tf_saved_model", "onnx", "litert"])
def test_keras_exports_are_verified_the_same_way(kind, small, images, tmp_path):
    """They take what the model takes, and return its logits."""
    suffix = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite"}[kind]
    path = tmp_path / f"exported{suffix}"
    small.export(str(path), format=kind, verbose=False)
    found = report(path, small, images[:20], np.zeros(20, int))
    assert found.holds, found.failures
    assert found.outputs[0].agreement == 1
    assert found.outputs[0].largest > 1
    assert (found.inspection is None) == (kind != "litert")
    assert found.size > 2000
    assert (found.threads_difference is None) == (kind == "tf_saved_model")
    assert not report(path, build_small(seed=5), images[:20]).holds


def test_several_threads_must_answer_like_one(
    float_file, int8_file, small, images, monkeypatch
):
    def unlike(path, threads=1, **options):
        return open_predictor(path if threads == 1 else int8_file, threads, **options)

    monkeypatch.setattr("kerasnets.export.verification.report.open_predictor", unlike)
    (failure,) = report(float_file, small, images[:20], threads=3).failures
    assert failure.startswith("3 threads answer otherwise than one")


def test_of_large_images_the_model_sees_few_at_once(tmp_path, monkeypatch):
    image = keras.Input((192, 192, 3))
    x = keras.layers.GlobalAveragePooling2D()(carry(image, UNIT))
    model = keras.Model(image, keras.layers.Dense(2)(x))
    path = tmp_path / "large.tflite"
    path.write_bytes(convert(model))
    matching = IOMatching(path, open_predictor(path), model)
    seen, call = [], matching._call

    def counted(images):
        seen.append(len(images))
        return call(images)

    monkeypatch.setitem(matching.__dict__, "_call", counted)
    images = np.random.default_rng(0).integers(0, 256, (40, 192, 192, 3))
    (answers,) = matching.own_answers([images.astype("uint8")])
    np.testing.assert_allclose(answers, model(UNIT(images)), atol=1e-5)
    # as many pixels as 256 images of 64x64 have
    assert seen == [28, 12]


@pytest.mark.parametrize("file", ["float_file", "int8_file"])
def test_a_file_of_other_weights_fails(file, images, request):
    path, other = request.getfixturevalue(file), build_small(seed=5)
    found = report(path, other, images[:50], sqnr=False)
    assert not found.holds
    assert any("the best class agrees on" in line for line in found.failures)
    assert all("\n" not in line for line in found.failures)


def test_nan_fails_whatever_the_bounds(write, images):
    broken = build_small()
    broken.layers[-1].weights[1].assign(np.full(10, math.nan))
    path = write(convert(broken))
    found = report(path, build_small(), images[:5], bounds=Bounds(math.inf, 0))
    assert any("differs by nan" in line for line in found.failures)
    text = json.dumps(found.as_json(), allow_nan=False)
    assert json.loads(text)["outputs"][0]["max_abs_difference"] == "nan"


def test_each_bound_has_its_line():
    output = OutputComparison("y", 0.3, 0.1, 7, 2.0, 0.9, 0.8, 0.85, 0.6)
    sqnr = Sqnr((LayerSqnr("stem", "conv", "CONV_2D", 12.0),), 1, True, "")

    def told(bounds):
        return list(failures([output], 1e-4, 4, sqnr, bounds))

    lenient = Bounds(0.2, 0.85, 0, 0.9, 0.6, 12.0, threads_difference=1e-4)
    assert told(lenient) == []
    strict = Bounds(0.1, 0.9, 0, 0.95, 0.7, 12.5, threads_difference=5e-5)
    assert told(strict) == [
        "y: a value differs by 0.3 at example 7 (accepted: 0.2)",
        "y: the best class agrees on 85.00% (accepted: 90.00%)",
        "y: the accuracy is 60.00% (accepted: 70.00%)",
        "y: the correlation is 0.9000 (accepted: 0.95)",
        "4 threads answer otherwise than one, by 0.0001 (accepted: 5e-05)",
        "stem: the signal-to-noise ratio is 12.0 dB (accepted: 12.5 dB)",
    ]
    assert told(FLOAT_BOUNDS)[-1].startswith("4 threads answer otherwise")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a LiteRT file"),
        (b"hello, this is text", "not a LiteRT file"),
        (b"\x1c\x00\x00\x00TFL3", "the LiteRT file is damaged or cut short"),
        (b"\x1c\x00\x00\x00TFL9" + bytes(100), "not a LiteRT file"),
    ],
)
def test_what_is_no_file_is_refused(content, reason, write, small, images):
    path = write(content)
    with pytest.raises(KerasnetsError, match=reason) as error:
        report(path, small, images)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_file_cut_short_is_refused(share, write, float_file, small, images):
    content = float_file.read_bytes()
    path = write(content[: int(share * len(content))])
    with pytest.raises(KerasnetsError) as error:
        report(path, small, images)
    assert "\n" not in str(error.value)


def test_missing_files_and_empty_folders_are_refused(tmp_path, small, images):
    with pytest.raises(KerasnetsError, match="No such file"):
        report(tmp_path / "none.tflite", small, images)
    with pytest.raises(KerasnetsError, match="is not a SavedModel"):
        report(tmp_path, small, images)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no graph")
    with pytest.raises(KerasnetsError, match="cannot be loaded by onnxruntime"):
        report(bad, small, images)


def test_examples_labels_and_model_must_fit(float_file, small, images):
    with pytest.raises(KerasnetsError, match=r"\(16, 16, 3\) are accepted"):
        report(float_file, small, make_images(2, 12))
    with pytest.raises(KerasnetsError, match="1 or more"):
        report(float_file, small, images[:0])
    with pytest.raises(KerasnetsError, match=r"labels of shape \(3,\)"):
        report(float_file, small, images[:2], np.zeros(3, int))
    with pytest.raises(KerasnetsError, match=r"go from 0 to 10, .* has 10 classes"):
        report(float_file, small, images[:2], np.array([0, 10]))
    other = keras.Model(small.inputs, keras.layers.Dense(7)(small.layers[-2].output))
    with pytest.raises(KerasnetsError, match=r"outputs of shape \(10,\)"):
        report(float_file, other, images)
    with pytest.raises(KerasnetsError, match="inputs of shape"):
        report(float_file, several_ends(), images)


def test_verify_gives_the_report_or_raises(int8_file, small, images, labels):
    found = verify(int8_file, small, images, labels, sqnr=False)
    (output,) = found.outputs
    assert output.accuracy is not None
    assert 0.95 <= output.accepted <= 1
    assert output.max_abs_difference > 1e-5
    with pytest.raises(KerasnetsError, match="does not answer like its model"):
        verify(int8_file, small, images, labels, bounds=Bounds(1e-5, 0.95), sqnr=False)


def test_the_batch_size_changes_nothing_but_the_calls(
    float_file, small, images, labels, tmp_path
):
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r", allow_pickle=False)
    calls = []
    verification = verify(
        float_file,
        small,
        mapped,
        labels,
        batch_size=90,
        progress=lambda done, total, note="": calls.append((done, total, note)),
    )
    assert verification.outputs[0].accuracy == 0.75
    assert calls == [(n, 200, "verify") for n in (90, 180, 200)]


@pytest.mark.parametrize("file", ["float_file", "int8_file"])
def test_a_file_of_other_weights_is_refused(file, images, labels, request):
    path, other = request.getfixturevalue(file), build_small(seed=5)
    with pytest.raises(KerasnetsError, match="does not answer like its model") as error:
        verify(path, other, images, labels, sqnr=False)
    message = str(error.value)
    assert "\n" not in message
    if file == "int8_file":  # whose values may differ
        assert "the best class agrees on" in message
        return
    file_answers = Classifier(path).predict(images)
    logits = np.asarray(other(images.astype(np.float32) / 127.5 - 1), np.float64)
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    worst = np.abs(file_answers - truth).max(axis=1).argmax()
    assert f"at example {worst} " in message


def test_a_model_that_answers_nan_is_refused(float_file, images, labels):
    broken = build_small()
    broken.layers[-1].weights[1].assign(np.full(10, np.nan))
    with pytest.raises(KerasnetsError, match="nan"):
        verify(float_file, broken, images, labels)


def test_ties_are_not_disagreements(save, images):
    model = build_small()
    kernel, bias = model.layers[-1].weights
    kernel.assign(np.repeat(kernel.numpy()[:, :1], 10, axis=1))
    bias.assign(np.array([1, 1 - 1e-6, *np.zeros(8)]))
    verification = verify(save(convert(model)), model, images, np.zeros(200, int))
    assert verification.outputs[0].agreement == 1
