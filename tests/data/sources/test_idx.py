import gzip
import struct

import numpy as np
import pytest

from kerasnets.data import open_source
from kerasnets.errors import KerasnetsError


def idx(values: np.ndarray, kind: int = 8) -> bytes:
    """As the format's page describes it: highest byte first."""
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, kind, values.ndim]) + shape + values.tobytes()


@pytest.fixture
def images():
    return np.arange(5 * 2 * 3, dtype="uint8").reshape(5, 2, 3)


@pytest.fixture
def folder(tmp_path, images):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images[:3]))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(
        idx(np.array([0, 2, 1], "uint8"))
    )
    return tmp_path


def test_train_alone(folder, images):
    examples = open_source(f"idx:{folder}").load()
    assert examples.class_names == ("0", "1", "2")
    assert examples.labels.tolist() == [0, 2, 1]
    assert examples.parts == ("", "", "")
    np.testing.assert_array_equal(list(examples.contents()), images[:3])


@pytest.mark.parametrize("dash", ["-", "."])
def test_gzipped_test_part(folder, images, dash):
    alone = open_source(f"idx:{folder}").fingerprint
    for name, values in (
        (f"t10k-images{dash}idx3-ubyte.gz", images[3:]),
        (f"t10k-labels{dash}idx1-ubyte.gz", np.array([1, 1], "uint8")),
    ):
        (folder / name).write_bytes(gzip.compress(idx(values)))
    source = open_source(f"idx:{folder}")
    assert source.fingerprint != alone
    examples = source.load()
    assert examples.parts == ("train",) * 3 + ("test",) * 2
    assert examples.labels.tolist() == [0, 2, 1, 1, 1]
    np.testing.assert_array_equal(list(examples.contents()), images)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"\0\0", "is no idx file of bytes"),
        ("train-images-idx3-ubyte", b"PNG and more", "is no idx file of bytes"),
        (
            "train-images-idx3-ubyte",
            idx(np.zeros((3, 2, 3), "float32"), kind=0x0D),
            "is no idx file of bytes",
        ),
        (
            "train-images-idx3-ubyte",
            idx(np.zeros((3, 2, 3), "uint8"))[:-1],
            "says that it has 18 values, and has 17",
        ),
        (
            "train-images-idx3-ubyte",
            idx(np.zeros((3, 2, 3), "uint8")) + b"\0",
            "says that it has 18 values, and has more",
        ),
        (
            "train-images-idx3-ubyte",
            b"\0\0\x08\x03" + b"\xff" * 12,
            "values, more than it can hold",
        ),
        (
            "train-images-idx3-ubyte",
            gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12, mtime=0),
            "values, more than it can hold",
        ),
        (
            "train-images-idx3-ubyte",
            gzip.compress(idx(np.zeros((3, 2, 3), "uint8")), mtime=0)[:-9],
            "train-images-idx3-ubyte cannot be read",
        ),
        (
            "train-images-idx3-ubyte",
            idx(np.zeros((3, 2), "uint8")),
            r"train-images-idx3-ubyte is uint8 \(3, 2\)",
        ),
        (
            "train-labels-idx1-ubyte",
            idx(np.zeros(2, "uint8")),
            "train-labels-idx1-ubyte must hold a whole number",
        ),
    ],
    ids=[
        "short",
        "another format",
        "floats",
        "a byte less",
        "a byte more",
        "huge",
        "huge zipped",
        "zipped and cut",
        "flat",
        "fewer labels",
    ],
)
def test_damaged_files_are_named(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(KerasnetsError, match=message):
        open_source(f"idx:{folder}").load()


def test_missing_files_are_named(folder, images):
    with pytest.raises(KerasnetsError, match="there is no such folder"):
        open_source(f"idx:{folder}/none")
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(images))
    with pytest.raises(KerasnetsError, match="t10k-labels-idx1-ubyte is missing"):
        open_source(f"idx:{folder}")
    (folder / "train-images-idx3-ubyte").unlink()
    with pytest.raises(KerasnetsError, match="train-images-idx3-ubyte is missing"):
        open_source(f"idx:{folder}")


@pytest.mark.parametrize(
    ("name", "train"),
    # of the digits as many as LeCun's files have; of each of the clothes alike
    [
        ("mnist", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("fashion_mnist", [6000] * 10),
    ],
)
def test_real_sets(real_data, name, train):
    examples = open_source(f"idx:{real_data / name}").load()
    of_test = np.array(examples.parts) == "test"
    assert np.bincount(examples.labels[~of_test]).tolist() == train
    assert (~of_test).sum() == 60_000
    assert of_test.sum() == 10_000
    assert next(examples.contents()).shape == (28, 28)
