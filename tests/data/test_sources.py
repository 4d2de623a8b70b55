import gzip
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasnets.data import open_source
from kerasnets.errors import KerasnetsError


@pytest.mark.parametrize("spec", ["", "cifar", "tfds:", "folder:", "npz", "zip:a.zip"])
def test_unknown_source_names_the_accepted_forms(spec):
    with pytest.raises(
        KerasnetsError, match="digits, tfds:NAME, folder:PATH or npz:FILE"
    ):
        open_source(spec)


class TestFolder:
    def test_one_folder_a_class(self, tmp_path, save_images):
        save_images(tmp_path / "dog", 2)
        save_images(tmp_path / "cat", 3)
        examples = open_source(f"folder:{tmp_path}").load()
        assert examples.class_names == ("cat", "dog")
        assert examples.ids == (
            *("cat/000.png", "cat/001.png", "cat/002.png"),
            *("dog/000.png", "dog/001.png"),
        )
        assert examples.labels.tolist() == [0, 0, 0, 1, 1]
        assert examples.labels.dtype == np.int64
        assert set(examples.parts) == {""}
        assert next(examples.contents()) == tmp_path / "cat/000.png"

    @pytest.mark.parametrize("validation", ["validation", "val", "Valid"])
    def test_official_parts(self, tmp_path, save_images, validation):
        for part in ("train", "test", validation):
            save_images(tmp_path / part / "a", 1)
            save_images(tmp_path / part / "b", 1)
        examples = open_source(f"folder:{tmp_path}").load()
        assert examples.class_names == ("a", "b")
        assert dict(zip(examples.ids, examples.parts, strict=True)) == {
            f"{folder}/{name}/000.png": part
            for folder, part in (
                ("train", "train"),
                ("test", "test"),
                (validation, "validation"),
            )
            for name in ("a", "b")
        }

    def test_a_class_may_be_called_train(self, tmp_path, save_images):
        for name in ("train", "plane"):
            save_images(tmp_path / name, 1)
        examples = open_source(f"folder:{tmp_path}").load()
        assert examples.class_names == ("plane", "train")

    def test_other_files_hidden_ones_and_links_out_are_left_out(
        self, tmp_path, save_images
    ):
        root = tmp_path / "set"
        inside = save_images(root / "a", 1)[0]
        save_images(root / "b", 1)
        outside = save_images(tmp_path / "elsewhere", 1)[0]
        (root / "a/notes.txt").write_text("no image")
        (root / "README.md").write_text("no class")
        shutil.copy(inside, root / "a/.hidden.png")
        save_images(root / "a/.ipynb_checkpoints", 1)
        save_images(root / ".git", 1)
        (root / "a/out.png").symlink_to(outside)
        (root / "b/in.png").symlink_to(inside)
        examples = open_source(f"folder:{root}").load()
        assert examples.ids == ("a/000.png", "b/000.png", "b/in.png")

    def test_names_need_not_be_utf8(self, tmp_path, save_images):
        for name in ("a", "b"):
            file = save_images(tmp_path / name, 1)[0]
            os.rename(file, os.fsencode(tmp_path / name) + b"/\xff.png")  # noqa: PTH104
        source = open_source(f"folder:{tmp_path}")
        assert os.fsencode(source.load().ids[0]) == b"a/\xff.png"

    def test_fingerprint_sees_changes_and_nothing_else(self, tmp_path, save_images):
        file = save_images(tmp_path / "a", 2)[0]
        save_images(tmp_path / "b", 2)

        def fingerprint():
            return open_source(f"folder:{tmp_path}").fingerprint

        first = fingerprint()
        (tmp_path / "a/notes.txt").write_text("no image")
        assert fingerprint() == first
        os.utime(file, ns=(1, 1))
        touched = fingerprint()
        file.rename(file.with_name("other.png"))
        assert len({first, touched, fingerprint()}) == 3

    def test_what_cannot_be_used_is_named(self, tmp_path, save_images):
        spec = f"folder:{tmp_path}/set"

        def complaint():
            with pytest.raises(KerasnetsError) as error:
                open_source(spec)
            assert "\n" not in str(error.value)
            assert spec in str(error.value)
            return str(error.value)

        assert "no such folder" in complaint()
        (tmp_path / "set").mkdir()
        assert "0 classes" in complaint()
        save_images(tmp_path / "set/a", 1)
        assert "1 classes" in complaint()
        (tmp_path / "set/b").mkdir()
        (tmp_path / "set/b/scan.tif").write_text("")
        assert "no image in b; .bmp, .gif, .jpeg, .jpg, .png, .webp" in complaint()

    def test_two_folders_for_one_part_are_refused(self, tmp_path, save_images):
        for part in ("train", "val", "valid"):
            save_images(tmp_path / part / "a", 1)
        with pytest.raises(KerasnetsError, match="val and valid both hold"):
            open_source(f"folder:{tmp_path}")


class TestNpz:
    def test_like_keras_mnist(self, tmp_path):
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
    def test_without_a_test_part(self, tmp_path, channels):
        path = tmp_path / "set.npz"
        x = np.zeros((2, 4, 5, *channels), "uint8")
        np.savez_compressed(path, x_train=x, y_train=np.array([0, 1], "uint8"))
        assert open_source(f"npz:{path}").load().parts == ("", "")

    def test_fingerprint_is_of_the_content(self, tmp_path):
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
    def test_what_cannot_be_used_is_named(self, tmp_path, arrays, message):
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        with pytest.raises(KerasnetsError, match=message):
            open_source(f"npz:{path}").load()

    def test_pickles_and_broken_files_are_refused(self, tmp_path):
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


def test_real_flowers(real_data):
    examples = open_source(f"folder:{real_data}/flowers_folder/flowers").load()
    names = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert examples.class_names == names
    parts = np.array(examples.parts)
    assert np.bincount(examples.labels[parts == "train"]).tolist() == [400] * 5
    assert np.bincount(examples.labels[parts == "validation"]).tolist() == [100] * 5
    with Image.open(next(examples.contents())) as image:
        assert image.format == "JPEG"


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
