"""What the exporter assumes of a model, and that verify finds out where it is wrong.

The networks are right on all images by construction, if they get the pixels they want.
"""

import keras
import numpy as np
import pytest
from support.litert import run

from kerasnets.errors import KerasnetsError
from kerasnets.export import LiteRTModel, convert, report, verify
from kerasnets.export.conversion import wrapper
from kerasnets.export.conversion.keras_export import pixel_model
from kerasnets.export.verification import io_matching
from kerasnets.pixels import CAFFE, RAW, TORCH, UNIT, Preprocessing, carry
from kerasnets.saving import load_model, save_model

layers = keras.layers
_01 = Preprocessing((0.0,) * 3, (255.0,) * 3)


def brightness_images() -> tuple[np.ndarray, np.ndarray]:
    """Dark, grey and bright images, 30 of each, in turns."""
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    levels = random.uniform(20, 65, 90) + 85 * labels
    noise = random.normal(0, 10, (90, 8, 8, 3))
    images = np.clip(levels[:, None, None, None] + noise, 0, 255)
    return images.round().astype(np.uint8), labels


def colour_images() -> tuple[np.ndarray, np.ndarray]:
    """Red, green and blue images, 30 of each, in turns."""
    random = np.random.default_rng(1)
    labels = np.arange(90) % 3
    images = random.uniform(40, 120, (90, 8, 8, 3))
    images[np.arange(90), ..., labels] += 60
    return images.round().astype(np.uint8), labels


def brightness(wanted: Preprocessing, *front, sharpness=60.0) -> keras.Sequential:
    """Logits of dark (mean below 85), grey and bright (from 170), of an RGB convention.

    Args:
        wanted: What becomes of pixels before the dense layer.
        front: Layers that do it, if the model does.
        sharpness: Of the logits.
    """
    head = layers.Dense(3, name="head")
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), *front, layers.GlobalAveragePooling2D(), head]
    )
    # 0, s (v - 85), s (v - 85) + s (v - 170) of the mean v = x std + mean
    mean, std = np.mean(wanted.mean), np.array(wanted.std)
    slope = np.array([0, 1, 2]) * sharpness / 255
    bias = slope * mean - np.array([0, 85, 255]) * sharpness / 255
    head.set_weights([np.outer(std, slope) / 3, bias])
    return model


def colour(name: str) -> keras.Model:
    """Logits of red, green and blue, of an image as Caffe has it: BGR without mean."""
    image = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(carry(image, CAFFE))
    head = layers.Dense(3, name="head")
    model = keras.Model(image, head(x), name=name)
    head.set_weights([np.eye(3)[::-1] / 10, np.array(CAFFE.mean[::-1]) / 10])
    return model


def rescaling() -> keras.Sequential:
    return brightness(_01, layers.Rescaling(1 / 255))


def judged(tmp_path, buffer: bytes, model, images, labels, **options):
    path = tmp_path / "file.tflite"
    path.write_bytes(buffer)
    return report(path, model, images, labels, sqnr=False, **options)


def bare_accuracy(buffer: bytes, images, labels) -> float:
    """Of the file alone: plain pixels to the interpreter."""
    answers = [run(buffer, image[None])[0] for image in images]
    return float(np.mean(np.concatenate(answers).argmax(axis=-1) == labels))


@pytest.mark.parametrize("calibrated", [False, True])
def test_a_model_that_scales_its_pixels_is_right_in_a_file(tmp_path, calibrated):
    images, labels = brightness_images()
    buffer = convert(rescaling(), calibration=images[:30] if calibrated else None)
    assert bare_accuracy(buffer, images, labels) == 1
    found = judged(tmp_path, buffer, rescaling(), images, labels)
    assert found.holds, found.failures
    (output,) = found.outputs
    assert (output.accuracy, output.model_accuracy) == (1, 1)
    assert output.accuracy_difference == 0
    assert found.pixels == "pixels 0 to 255, taken as they are"


@pytest.mark.parametrize("calibrated", [False, True])
def test_a_renamed_model_keeps_its_pixels(tmp_path, calibrated):
    save_model(colour("flowers"), tmp_path / "flowers.keras")
    model = load_model(tmp_path / "flowers.keras")
    images, labels = colour_images()
    buffer = convert(model, calibration=images[:30] if calibrated else None)
    assert bare_accuracy(buffer, images, labels) == 1
    found = judged(tmp_path, buffer, model, images, labels)
    assert found.holds, found.failures
    assert (found.outputs[0].accuracy, found.outputs[0].model_accuracy) == (1, 1)
    assert "BGR" in found.pixels


@pytest.mark.parametrize("wanted", [UNIT, TORCH, _01], ids=str)
def test_pixels_that_cannot_be_known_must_be_said(tmp_path, wanted):
    model, (images, labels) = brightness(wanted), brightness_images()
    for call in (
        lambda: convert(model),
        lambda: convert(model, calibration=images),
        lambda: convert(model, calibration=images, preprocessing=False),
        lambda: judged(tmp_path, convert(model, pixels=wanted), model, images, labels),
    ):
        with pytest.raises(KerasnetsError, match=r"--pixels, or pixels= in Python"):
            call()
    buffer = convert(model, pixels=wanted)
    found = judged(tmp_path, buffer, model, images, labels, pixels=wanted)
    assert found.holds, found.failures
    assert found.outputs[0].accuracy == (
        1 if wanted != TORCH else pytest.approx(1, abs=0.1)
    )
    wrong = convert(model, pixels=RAW)
    assert not judged(tmp_path, wrong, model, images, labels, pixels=wanted).holds


@pytest.mark.parametrize(
    ("wanted", "front", "scale"),
    [
        (_01, [layers.Rescaling(1 / 255)], 1.0),
        (UNIT, [], 1 / 127.5),
        (_01, [], 1 / 255),
    ],
)
def test_without_preprocessing_ranges_are_those_that_the_model_wants(
    wanted, front, scale
):
    """A file of uint8 whose steps are those of the model's own input."""
    images, labels = brightness_images()
    model = brightness(wanted, *front)
    stated = None if front else wanted
    buffer = convert(model, calibration=images[:30], preprocessing=False, pixels=stated)
    (info,) = LiteRTModel(buffer).inputs
    assert info.scale == pytest.approx(scale, rel=1e-3)
    # bytes as they are: steps of the model's own input
    answers = LiteRTModel(buffer).predict([images])[0]
    assert np.mean(answers.argmax(axis=-1) == labels) == 1


SOFTMAX_BEHIND = {
    "reshape": lambda x: layers.Reshape((3,))(layers.Softmax()(x)),
    "flatten": lambda x: layers.Flatten()(layers.Softmax()(x)),
    "average": lambda x: layers.Average()([layers.Softmax()(x), layers.Softmax()(x)]),
    "convex": lambda x: 0.25 * layers.Softmax()(x) + 0.75 * layers.Softmax()(x),
    # no layer tells, the answers do
    "own": lambda x: keras.ops.exp(x) / keras.ops.sum(keras.ops.exp(x), -1, True),
}


def soft(behind) -> keras.Model:
    """The brightness network with probabilities that are not all 0 or 1."""
    logits = brightness(_01, layers.Rescaling(1 / 255), sharpness=8.0)
    return keras.Model(logits.inputs[0], behind(logits.outputs[0]))


@pytest.mark.parametrize("name", SOFTMAX_BEHIND)
def test_no_second_softmax(tmp_path, name):
    model, (images, labels) = soft(SOFTMAX_BEHIND[name]), brightness_images()
    found = judged(tmp_path, convert(model), model, images, labels)
    assert found.holds, found.failures
    file_answers = LiteRTModel(tmp_path / "file.tflite").predict([images])[0]
    own = np.asarray(model(images.astype("float32")))
    np.testing.assert_allclose(file_answers, own, atol=1e-5)
    assert own.max() > 0.88


def test_no_second_softmax_behind_upsampling():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(3, 1, name="scores")(carry(image, UNIT))
    model = keras.Model(image, layers.UpSampling2D(2)(layers.Softmax()(x)))
    model.get_layer("scores").set_weights([3 * np.eye(3)[None, None], np.zeros(3)])
    images = colour_images()[0][:, :4, :4]
    answers = run(convert(model, task="segmenter"), images[:1])[0]
    np.testing.assert_allclose(answers, model(UNIT(images[:1])), atol=1e-5)


@pytest.mark.parametrize("calibrated", [False, True])
def test_verify_sees_a_second_softmax(tmp_path, calibrated, monkeypatch):
    monkeypatch.setattr(wrapper, "gives_probabilities", lambda *_, **options: False)
    model, (images, labels) = soft(layers.Softmax()), brightness_images()
    buffer = convert(model, calibration=images[:30] if calibrated else None)
    found = judged(tmp_path, buffer, model, images, labels)
    assert found.outputs[0].accuracy == 1
    assert any("softmax of the model's probabilities" in x for x in found.failures)
    with pytest.raises(KerasnetsError, match="does not answer like its model"):
        verify(tmp_path / "file.tflite", model, images, labels, sqnr=False)


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("make", [rescaling, lambda: colour("mine")])
def test_verify_sees_a_wrong_normalisation(tmp_path, make, calibrated, monkeypatch):
    model = make()
    images, labels = brightness_images() if make is rescaling else colour_images()
    monkeypatch.setattr(wrapper, "pixels_of", lambda *arguments: UNIT)
    buffer = convert(model, calibration=images[:30] if calibrated else None)
    found = judged(tmp_path, buffer, model, images, labels)
    (output,) = found.outputs
    assert output.model_accuracy == 1
    assert output.accuracy_difference == pytest.approx(output.accuracy - 1)
    assert output.accuracy < 0.7
    assert any("the best class agrees on" in line for line in found.failures)


def test_verify_sees_pixels_that_all_have_wrong(tmp_path, monkeypatch):
    """Exporter and verify believe the same: the labels tell."""
    for module in (wrapper, io_matching):
        monkeypatch.setattr(module, "pixels_of", lambda *arguments: UNIT)
    images, labels = brightness_images()
    found = judged(tmp_path, convert(rescaling()), rescaling(), images, labels)
    assert found.outputs[0].agreement == 1
    assert any(
        "the model is right on" in line
        and "of 64 images with pixels 0 to 255, normalised inside" in line
        and "on 100.00% with pixels 0 to 255, taken as they are" in line
        for line in found.failures
    )


@pytest.mark.parametrize("wanted", [RAW, _01, TORCH], ids=str)
def test_chance_is_no_sign_of_wrong_pixels(tmp_path, wanted):
    model, images = brightness(wanted), brightness_images()[0]
    labels = np.random.default_rng(3).integers(0, 3, len(images))
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, model(carry(image, wanted)))
    found = judged(tmp_path, convert(model), model, images, labels)
    assert found.holds, found.failures


def test_what_neither_graph_nor_answers_tell_must_be_said():
    model = soft(lambda x: keras.ops.exp(layers.Softmax()(x)) / 10)
    with pytest.raises(KerasnetsError, match=r"--output probabilities\|logits"):
        convert(model)
    image = brightness_images()[0][:1]
    own = np.asarray(model(image.astype("float32")))
    as_it_is = run(convert(model, output="probabilities"), image)[0]
    np.testing.assert_allclose(as_it_is, own, atol=1e-6)
    through = run(convert(model, output="logits"), image)[0]
    np.testing.assert_allclose(
        through, np.exp(own) / np.exp(own).sum(axis=-1, keepdims=True), atol=1e-6
    )
    with pytest.raises(KerasnetsError, match="output is 'odds'"):
        convert(model, output="odds")


def test_the_same_around_saved_models_and_onnx():
    images, labels = brightness_images()
    answers = pixel_model(rescaling())(images.astype("float32"))["probabilities"]
    assert np.mean(np.asarray(answers).argmax(axis=-1) == labels) == 1
