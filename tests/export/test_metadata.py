import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kerasnets.errors import KerasnetsError
from kerasnets.export import add_metadata, convert, read_labels

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
    ],
)
def test_labels_that_do_not_fit_are_refused(small, labels, message):
    with pytest.raises(KerasnetsError, match=message):
        add_metadata(convert(small), name="small", labels=labels)


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
