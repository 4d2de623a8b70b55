import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export import Bounds, Classifier, convert, verify

from .conftest import build_small


@pytest.fixture(scope="module")
def labels(float_file, images) -> np.ndarray:
    """The file's own answers, the first 50 of 200 made wrong: accuracy 0.75."""
    answers = Classifier(float_file).predict(images).argmax(axis=1)
    answers[:50] = (answers[:50] + 1) % 10
    return answers


def test_a_float_file_is_verified(float_file, small, images, labels):
    verification = verify(float_file, small, images, labels)
    assert verification.accuracy == 0.75
    assert verification.agreement == 1
    assert 0 <= verification.max_abs_difference <= 1e-5
    assert verification.examples == 200


def test_an_int8_file_is_verified_by_agreement(int8_file, small, images, labels):
    verification = verify(int8_file, small, images, labels)
    assert 0.95 <= verification.agreement <= 1
    assert verification.max_abs_difference > 1e-5
    with pytest.raises(KerasnetsError, match="does not answer like its model"):
        verify(int8_file, small, images, labels, bounds=Bounds(1e-5, 0.95))


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
    assert verification.accuracy == 0.75
    assert calls == [(n, 200, "verify") for n in (90, 180, 200)]


@pytest.mark.parametrize("file", ["float_file", "int8_file"])
def test_a_file_of_other_weights_is_refused(file, images, labels, request):
    path, other = request.getfixturevalue(file), build_small(seed=5)
    with pytest.raises(KerasnetsError, match="does not answer like its model") as error:
        verify(path, other, images, labels)
    message = str(error.value)
    assert "\n" not in message
    file_answers = Classifier(path).predict(images)
    logits = np.asarray(other(images.astype(np.float32) / 127.5 - 1), np.float64)
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    worst = np.abs(file_answers - truth).max(axis=1).argmax()
    assert f"at image {worst} " in message


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
    assert verification.agreement == 1


def test_images_labels_and_model_must_fit(float_file, small, images):
    with pytest.raises(KerasnetsError, match="200 images and 3 labels"):
        verify(float_file, small, images, np.zeros(3, int))
    with pytest.raises(KerasnetsError, match="0 images"):
        verify(float_file, small, images[:0], np.zeros(0, int))
    other = keras.Model(small.inputs, small.layers[-2].output)
    with pytest.raises(KerasnetsError, match="10 classes"):
        verify(float_file, other, images, np.zeros(200, int))
