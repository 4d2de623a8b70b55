import gzip

import numpy as np
import pytest

from kerasnets.data import open_source
from kerasnets.errors import KerasnetsError


def test_like_keras_mnist(tmp_path):
    x = np.arange(5 * 4, dtype="uint8").reshape(5, 2, 2)
    y = np.array([[0], [2], [1]])  # as a column, like CIFAR-10's
    path = tmp_path / "set.npz"
    np.savez(path, x_train=x[:3], y_train=y, x_test=x[3:], y_test=np.array([1, 0]))
    examples = open_source(f"npz:{path}").load()
    assert examples.class_names == ("0", "1", "2")
    assert examples.labels.tolist() == [0, 2, 1, 1, 0]
    assert examples.parts == ("train",) * 3 + ("test",) * 2
    assert examples.ids == ("train/0", "train/1", "train/2", "test/0", "test/1")
    np.testing.assert_array_equal(list(examples.contents()), x)


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_without_a_test_part(tmp_path, channels):
    path = tmp_path / "set.npz"
    x = np.zeros((2, 4, 5, *channels), "uint8")
    np.savez_compressed(path, x_train=x, y_train=np.array([0, 1], "uint8"))
    assert open_source(f"npz:{path}").load().parts == ("", "")


def test_fingerprint_is_of_the_content(tmp_path):
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for path in paths:
        path.write_bytes(b"same")
    first, second = (open_source(f"npz:{path}").fingerprint for path in paths)
    assert first == second
    paths[1].write_bytes(b"other")
    assert open_source(f"npz:{paths[1]}").fingerprint != first


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros(1)}, "holds images: x_train and y_train are needed"),
        ({"x_train": np.zeros((2, 4, 4))}, "x_train and y_train are needed"),
        (
            {"x_train": np.zeros((2, 4, 4)), "y_train": np.arange(2)},
            r"x_train is float64 \(2, 4, 4\); uint8",
        ),
        (
            {"x_train": np.zeros((2, 4, 4, 2), "uint8"), "y_train": np.arange(2)},
            r"uint8 \(2, 4, 4, 2\); uint8",
        ),
        (
            {"x_train": np.zeros((0, 4, 4), "uint8"), "y_train": np.zeros(0, int)},
            r"x_train is uint8 \(0, 4, 4\)",
        ),
        (
            {"x_train": np.zeros((2, 4, 4), "uint8"), "y_train": np.arange(3)},
            "y_train must hold a whole number .* each of the 2 images",
        ),
        (
            {"x_train": np.zeros((2, 4, 4), "uint8"), "y_train": np.array([0, -1])},
            "y_train must hold",
        ),
        (
            {
                "x_train": np.zeros((2, 4, 4), "uint8"),
                "y_train": np.array([0, 0.5]),
            },
            "y_train must hold",
        ),
        (
            {
                "x_train": np.zeros((1, 4, 4), "uint8"),
                "y_train": np.zeros(1, int),
                "x_test": np.zeros((1, 4, 4), "uint8"),
            },
            "y_test must hold",
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, arrays, message):
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    with pytest.raises(KerasnetsError, match=message):
        open_source(f"npz:{path}").load()


def test_pickles_and_broken_files_are_refused(tmp_path):
    path = tmp_path / "set.npz"
    with pytest.raises(KerasnetsError, match="there is no such file"):
        open_source(f"npz:{path}")
    path.write_text("text")
    with pytest.raises(KerasnetsError, match="not an npz file"):
        open_source(f"npz:{path}").load()
    np.savez(path, x_train=np.array([None]), y_train=np.array([0]))
    with pytest.raises(KerasnetsError, match="allow_pickle=False"):
        open_source(f"npz:{path}").load()
    np.savez(path, x_train=np.zeros((9, 40, 40), "uint8"), y_train=np.arange(9))
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(KerasnetsError, match="not a readable npz file"):
        open_source(f"npz:{path}").load()


def test_real_mnist(real_data, tmp_path):
    def idx(name):
        content = gzip.decompress((real_data / "mnist" / name).read_bytes())
        return np.frombuffer(content, "uint8")

    np.savez(
        tmp_path / "mnist.npz",
        x_train=idx("train-images-idx3-ubyte.gz")[16:].reshape(-1, 28, 28),
        y_train=idx("train-labels-idx1-ubyte.gz")[8:],
        x_test=idx("t10k-images-idx3-ubyte.gz")[16:].reshape(-1, 28, 28),
        y_test=idx("t10k-labels-idx1-ubyte.gz")[8:],
    )
    examples = open_source(f"npz:{tmp_path}/mnist.npz").load()
    test = np.array(examples.parts) == "test"
    # digits 0 to 9 in LeCun's files
    assert np.bincount(examples.labels[~test]).tolist() == [
        *(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    ]
    assert np.bincount(examples.labels[test]).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
