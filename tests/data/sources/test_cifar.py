import pickle

import numpy as np
import pytest

from kerasnets.data import open_source
from kerasnets.errors import KerasnetsError

NAMES = [
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
]


def records(labels, extra=b""):
    """A red, a green and a blue plane each, of the label's value and the next two."""
    return b"".join(
        extra
        + bytes([label])
        + b"".join(bytes([label + plane]) * 1024 for plane in range(3))
        for label in labels
    )


@pytest.fixture
def cifar10(tmp_path):
    for i in range(1, 6):
        (tmp_path / f"data_batch_{i}.bin").write_bytes(records([i, 0]))
    (tmp_path / "test_batch.bin").write_bytes(records([9]))
    (tmp_path / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return tmp_path


def test_cifar_10(cifar10):
    examples = open_source(f"cifar:{cifar10}").load()
    assert list(examples.class_names) == NAMES
    assert examples.labels.tolist() == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 9]
    assert examples.parts == ("train",) * 10 + ("test",)
    images = list(examples.contents())
    assert images[0].shape == (32, 32, 3)
    assert (images[4] == [3, 4, 5]).all()
    assert (images[10] == [9, 10, 11]).all()


def test_rows_come_before_columns(cifar10):
    first = bytes([7]) + np.arange(3072).astype("uint8").tobytes()
    (cifar10 / "test_batch.bin").write_bytes(first)
    *_, image = open_source(f"cifar:{cifar10}").load().contents()
    # the green plane begins at value 1024 % 256
    assert image[0, :3, 1].tolist() == [0, 1, 2]
    assert image[:3, 0, 1].tolist() == [0, 32, 64]


def test_cifar_100_by_its_fine_classes_in_the_folder_of_the_archive(tmp_path):
    home = tmp_path / "cifar-100-binary"
    home.mkdir()
    (home / "train.bin").write_bytes(records([4, 2], extra=b"\x13"))
    (home / "test.bin").write_bytes(records([3], extra=b"\x0b"))
    without = open_source(f"cifar:{tmp_path}")
    assert without.load().class_names == ("0", "1", "2", "3", "4")
    (home / "fine_label_names.txt").write_text("a b c d e f".replace(" ", "\n"))
    source = open_source(f"cifar:{tmp_path}")
    assert source.fingerprint != without.fingerprint
    assert source.load().labels.tolist() == [4, 2, 3]
    assert source.load().class_names == tuple("abcdef")
    (home / "fine_label_names.txt").write_text("a\nb")
    with pytest.raises(KerasnetsError, match="there is a label 4, and 2 classes have"):
        open_source(f"cifar:{tmp_path}").load()


def test_what_is_not_there_is_named(cifar10):
    (cifar10 / "data_batch_5.bin").write_bytes(records([1])[:-1])
    with pytest.raises(KerasnetsError, match="has 3,072 bytes, no whole number of"):
        open_source(f"cifar:{cifar10}").load()
    (cifar10 / "data_batch_5.bin").unlink()
    with pytest.raises(KerasnetsError, match=r"data_batch_1\.bin, .* or train\.bin"):
        open_source(f"cifar:{cifar10}")


@pytest.mark.parametrize(
    ("archive", "name"),
    [("cifar-10-batches-py", "data_batch_1"), ("cifar-100-python", "train")],
)
def test_pickles_are_not_opened(tmp_path, archive, name):
    home = tmp_path / archive
    home.mkdir()
    (home / name).write_bytes(pickle.dumps({"data": 1}))
    for folder in (tmp_path, home):
        with pytest.raises(KerasnetsError, match=rf"{name} is a pickle.*binary"):
            open_source(f"cifar:{folder}")
