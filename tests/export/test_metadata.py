import io
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kerasnets.errors import KerasnetsError
from kerasnets.export import add_metadata, convert, read_labels, without_metadata
from kerasnets.export.metadata.tflite import read_metadata
from kerasnets.pixels import UNIT

from .conftest import LABELS


def test_labels_come_back_from_bytes_and_from_a_path(small, tmp_path):
    labels = ("Zürich", "東京", "two words", "a,b", " x", *LABELS[5:])
    buffer = add_metadata(convert(small), name="cities", labels=labels)
    assert read_labels(buffer) == labels
    path = tmp_path / "cities.tflite"
    path.write_bytes(buffer)
    assert read_labels(path) == labels
    assert read_labels(str(path)) == labels


def test_the_file_is_a_zip_archive_that_any_tool_opens(small, tmp_path):
    path = tmp_path / "small.tflite"
    path.write_bytes(add_metadata(convert(small), name="small", labels=LABELS))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        (label_file, _) = archive.infolist()
        assert archive.read(label_file).decode() == "".join(f"{x}\n" for x in LABELS)
    assert label_file.date_time == (1980, 1, 1, 0, 0, 0)
    assert label_file.compress_type == zipfile.ZIP_STORED


def test_the_interpreter_answers_as_before(small, images):
    plain = convert(small)
    answers = []
    for buffer in plain, add_metadata(plain, name="small", labels=LABELS):
        interpreter = Interpreter(model_content=buffer)
        classify = interpreter.get_signature_runner("serving_default")
        pixels = images[:1].astype(np.float32)
        answers.append(classify(image=pixels)["probabilities"])
    np.testing.assert_array_equal(*answers)


def test_metadata_that_was_taken_out_gives_place_to_other(small, images):
    plain = convert(small)
    described = add_metadata(plain, name="one", labels=LABELS)
    bare = without_metadata(described)
    assert read_labels(add_metadata(bare, name="two", labels=LABELS[::-1])) == tuple(
        LABELS[::-1]
    )
    labels = b"class 0\nclass 1\n"
    assert labels in described
    assert labels not in bare
    answers = []
    for buffer in plain, bare, without_metadata(plain):
        interpreter = Interpreter(model_content=buffer)
        classify = interpreter.get_signature_runner("serving_default")
        answers.append(classify(image=images[:1].astype("float32"))["probabilities"])
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_equal_arguments_give_equal_bytes(small):
    plain = convert(small)
    first, second = (
        add_metadata(plain, name="a", labels=LABELS, author="b", licence="MIT")
        for _ in range(2)
    )
    assert first == second
    assert first != add_metadata(plain, name="a", labels=LABELS, author="c")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:9], "9 labels were given for 10 classes"),
        ((*LABELS[:9], "two\nlines"), "not one line"),
        ((*LABELS[:9], ""), "not one line"),
        ((*LABELS[:9], "bad\udcff"), "not text in UTF-8"),
    ],
)
def test_labels_that_do_not_fit_are_refused(small, labels, message):
    with pytest.raises(KerasnetsError, match=message):
        add_metadata(convert(small), name="small", labels=labels)


@pytest.fixture(scope="module")
def map_file():
    """A file that answers with a map of three classes."""
    inputs = keras.Input((8, 8, 3))
    return convert(keras.Model(inputs, keras.layers.Conv2D(3, 1)(inputs)), pixels=UNIT)


def test_a_segmenter_is_told_by_its_map(map_file, small):
    labels = ("sky", "sea", "land")
    told, found = (
        add_metadata(map_file, name="map", labels=labels, kind=kind)
        for kind in ("segmenter", None)
    )
    assert told == found
    assert read_labels(found) == labels
    assert b"SEGMENTER_METADATA" in found
    plain = add_metadata(convert(small), name="small", labels=LABELS, kind="classifier")
    assert b"SEGMENTER_METADATA" not in plain


@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_a_kind_that_the_file_is_not_is_refused(kind, map_file):
    with pytest.raises(KerasnetsError, match=rf"kind '{kind}'.*\[1, 8, 8, 3\]"):
        add_metadata(map_file, name="map", labels="abc", kind=kind)


@pytest.mark.parametrize(
    ("mean", "std", "read"),
    [
        (0, 1, (0.0, 1.0)),
        (127.5, 127.5, (127.5, 127.5)),
        ((1, 2, 3), 4, ((1.0, 2.0, 3.0), (4.0, 4.0, 4.0))),
        (0.5, (4, 5, 6), ((0.5, 0.5, 0.5), (4.0, 5.0, 6.0))),
    ],
)
def test_normalisation_is_one_number_or_one_a_channel(mean, std, read, map_file):
    buffer = add_metadata(map_file, name="map", labels="abc", mean=mean, std=std)
    metadata = read_metadata(buffer)
    assert (metadata.mean, metadata.std) == read
    assert (b"0 to 255, less the mean" in buffer) == (read != (0, 1))


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"mean": (1.0, 2.0)}, r"mean \(1.0, 2.0\) does not fit 3 channels"),
        ({"std": (1, 2, 0)}, "std .* above 0"),
        ({"std": -1.0}, "std -1.0 does not fit"),
        ({"mean": ()}, "mean .* does not fit"),
    ],
)
def test_normalisation_that_does_not_fit_is_refused(scale, message, map_file):
    with pytest.raises(KerasnetsError, match=message):
        add_metadata(map_file, name="map", labels="abc", **scale)


def test_a_file_with_another_input_is_refused():
    inputs = keras.Input((8,))
    file = convert(keras.Model(inputs, keras.layers.Dense(2)(inputs)), task="generic")
    with pytest.raises(KerasnetsError, match=r"one image .* and one answer"):
        add_metadata(file, name="vector", labels="ab")


def test_metadata_is_added_once(small):
    buffer = add_metadata(convert(small), name="small", labels=LABELS)
    with pytest.raises(KerasnetsError, match="already"):
        add_metadata(buffer, name="small", labels=LABELS)


def test_a_file_without_labels_says_so(small, tmp_path):
    path = tmp_path / "plain.tflite"
    path.write_bytes(convert(small))
    with pytest.raises(KerasnetsError, match=r"plain\.tflite lacks the metadata"):
        read_labels(path)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("labels.txt", "a\nb\n")
    with pytest.raises(KerasnetsError, match="not a LiteRT file"):
        read_labels(stream.getvalue())


def test_reading_labels_imports_no_tensorflow(float_file):
    code = (
        "import sys; from kerasnets.export import read_labels;"
        "print(len(read_labels(sys.argv[1])), 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(float_file)]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    assert output.stdout.split() == ["10", "False"]
