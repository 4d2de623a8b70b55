import subprocess
import sys

import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export import Classifier

from .conftest import LABELS


def test_it_knows_its_labels_and_its_size(float_file, int8_file):
    for path in float_file, str(int8_file):
        classifier = Classifier(path)
        assert classifier.labels == LABELS
        assert classifier.input_size == (16, 16)
    assert not Classifier(float_file).quantised
    assert Classifier(int8_file).quantised


def test_answers_do_not_depend_on_the_batch_or_the_threads(float_file, images):
    answers = Classifier(float_file).predict(images[:8])
    assert answers.shape == (8, 10)
    assert answers.dtype == np.float32
    one_by_one = Classifier(float_file, threads=2)
    for image, answer in zip(images, answers, strict=False):
        np.testing.assert_allclose(one_by_one.predict(image[None])[0], answer, 1e-5)
    assert Classifier(float_file).predict(images[:0]).shape == (0, 10)


def test_int8_answers_are_multiples_of_a_256th(int8_file, images):
    answers = Classifier(int8_file).predict(images[:20])
    assert answers.dtype == np.float32
    np.testing.assert_array_equal(answers * 256, np.round(answers * 256))


def test_it_imports_no_tensorflow(int8_file):
    code = (
        "import sys, numpy; from kerasnets.export import Classifier;"
        "c = Classifier(sys.argv[1]);"
        "c.predict(numpy.zeros((1, 16, 16, 3), numpy.uint8));"
        "print([x for x in ('tensorflow', 'keras') if x in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(int8_file)]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 16, 16, 3), np.float32),
        np.zeros((1, 16, 8, 3), np.uint8),
        np.zeros((16, 16, 3), np.uint8),
    ],
)
def test_images_of_another_kind_are_refused(float_file, images):
    with pytest.raises(KerasnetsError, match=r"\(n, 16, 16, 3\) of uint8"):
        Classifier(float_file).predict(images)


def refused(path) -> str:
    """Return the one line with which a path is refused."""
    with pytest.raises(KerasnetsError) as error:
        Classifier(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_what_is_no_file_is_refused(tmp_path):
    assert "No such file" in refused(tmp_path / "missing.tflite")
    assert "directory" in refused(tmp_path)
    for content in b"", b"hello", b"PK\x03\x04" + bytes(100):
        path = tmp_path / "text.tflite"
        path.write_bytes(content)
        assert "not a LiteRT file" in refused(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_refused(int8_file, tmp_path, share):
    buffer = int8_file.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(buffer[: int(share * len(buffer))])
    refused(path)


def test_any_changed_byte_of_the_model_is_noticed(int8_file, tmp_path):
    buffer = int8_file.read_bytes()
    end = buffer.rindex(b"PK\x03\x04", 0, buffer.index(b"labels.txt", len(buffer) // 2))
    path = tmp_path / "changed.tflite"
    for place in np.random.default_rng(0).integers(8, end, 50):
        changed = bytearray(buffer)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        assert "checksum" in refused(path)


def test_a_model_of_another_kind_is_refused(tmp_path):
    import tensorflow as tf

    double = tf.function(
        lambda x: 2.0 * x, input_signature=[tf.TensorSpec((1, 4), tf.float32)]
    )
    module = tf.Module()
    module.double = double
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [double.get_concrete_function()], module
    )
    path = tmp_path / "double.tflite"
    path.write_bytes(converter.convert())
    assert "is not an image classifier" in refused(path)


def test_threads_are_checked(float_file):
    with pytest.raises(KerasnetsError, match="threads is 0"):
        Classifier(float_file, threads=0)
