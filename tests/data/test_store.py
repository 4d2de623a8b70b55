import json
import shutil
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kerasnets.data import (
    check_source,
    load_prepared,
    open_source,
    prepare,
    read_image,
)
from kerasnets.data.store import choose_store
from kerasnets.errors import KerasnetsError

FILES = {
    "splits.json",
    *(f"{part}_images.npy" for part in ("train", "validation", "test")),
    *(f"{part}_labels.npy" for part in ("train", "validation", "test")),
}


@pytest.fixture
def images(tmp_path, save_images):
    """Ten cats and twenty dogs."""
    save_images(tmp_path / "set/cat", 10)
    save_images(tmp_path / "set/dog", 20, first=100)
    return tmp_path / "set"


def never(done, total, note=""):
    """A progress that says that nothing is to be decoded."""
    raise AssertionError((done, total, note))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_image_is_in_one_split_as_its_file_says(images, tmp_path):
    told = []
    data = prepare(
        open_source(f"folder:{images}"),
        tmp_path / "run/data",
        resolution=8,
        seed=3,
        progress=lambda done, total, _="": told.append((done, total)),
    )
    assert told == [(i, 30) for i in range(1, 31)]
    assert (data.source, data.resolution) == (f"folder:{images}", 8)
    assert data.class_names == ("cat", "dog")
    assert data.skipped == ()
    splits = (data.train, data.validation, data.test)
    # 70, 10 and 20 % of 10 and of 20
    assert [np.bincount(s.labels).tolist() for s in splits] == [[7, 14], [1, 2], [2, 4]]
    seen = [name for split in splits for name in split.ids]
    assert sorted(seen) == sorted(
        str(p.relative_to(images)) for p in images.glob("*/*.png")
    )
    for split in splits:
        assert isinstance(split.images, np.memmap)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
        for pixels, label, name in zip(
            split.images, split.labels, split.ids, strict=True
        ):
            np.testing.assert_array_equal(pixels, read_image(images / name, 8))
            assert data.class_names[label] == name.split("/")[0]


def test_same_seed_gives_the_same_files_and_leaves_no_others(images, tmp_path):
    source = open_source(f"folder:{images}")
    for run, seed in (("a", 0), ("b", 0), ("c", 1)):
        prepare(source, tmp_path / run, resolution=8, seed=seed)
    first = contents(tmp_path / "a")
    assert set(first) == FILES
    assert first == contents(tmp_path / "b")
    assert first != contents(tmp_path / "c")
    # over an older one
    prepare(source, tmp_path / "c", resolution=8, seed=0)
    assert first == contents(tmp_path / "c")


@pytest.mark.parametrize(
    ("changes", "decoded"),
    [({}, 0), ({"seed": 1}, 30), ({"resolution": 6}, 30), ({"broken": True}, 30)],
    ids=str,
)
def test_images_are_decoded_once(images, tmp_path, changes, decoded):
    source, folder = open_source(f"folder:{images}"), tmp_path / "run"
    prepare(source, folder, resolution=8, seed=0, reuse=True)
    if changes.pop("broken", False):
        (folder / "test_labels.npy").unlink()
    told = []
    data = prepare(
        source,
        folder,
        reuse=True,
        **{"resolution": 8, "seed": 0, **changes},
        progress=lambda done, total, note="": told.append(done),
    )
    assert len(told) == decoded
    assert len(data.test.labels) == 6


def test_bad_images_left_out_once_are_told_again(images, tmp_path):
    (images / "cat" / "empty.png").touch()
    source, folder = open_source(f"folder:{images}"), tmp_path / "run"
    prepare(source, folder, resolution=8, seed=0, reuse=True, skip_bad_images=True)
    with pytest.raises(KerasnetsError, match=r"empty\.png"):
        prepare(source, folder, resolution=8, seed=0, reuse=True)


def test_record(images, tmp_path):
    source = open_source(f"folder:{images}")
    prepare(source, tmp_path / "run", resolution=8, seed=5)
    record = json.loads((tmp_path / "run/splits.json").read_text())
    assert record["fingerprint"] == source.fingerprint
    assert (record["seed"], record["licence"]) == (5, "not stated")


def test_bad_images_are_named_or_skipped(images, tmp_path):
    for name in ("dog/104.png", "dog/105.png"):
        (images / name).write_bytes((images / name).read_bytes()[:150])
    source = open_source(f"folder:{images}")
    with pytest.raises(
        KerasnetsError,
        match=r"dog/104\.png: .*truncated.* and 1 more like it; .*--skip-bad-images",
    ):
        prepare(source, tmp_path / "run", resolution=8, seed=0)
    assert contents(tmp_path / "run") == {}
    (images / "cat/003.png").write_text("text")
    (images / "cat/notes.txt").write_text("text")
    (images / "dog/105.png").unlink()
    source = open_source(f"folder:{images}")
    data = prepare(source, tmp_path / "run", resolution=8, seed=0, skip_bad_images=True)
    assert data.left_out == {".txt file": 1, "bad image": 2}
    assert [name for name, _ in data.skipped] == ["cat/003.png", "dog/104.png"]
    assert "not an image" in data.skipped[0][1]
    assert "truncated" in data.skipped[1][1]
    left = [np.bincount(s.labels) for s in (data.train, data.validation, data.test)]
    assert np.sum(left, axis=0).tolist() == [9, 18]


def test_class_without_enough_good_images(images, tmp_path):
    for i in range(8):
        (images / f"cat/{i:03}.png").write_text("text")
    with pytest.raises(KerasnetsError, match="'cat' has 2 images"):
        prepare(
            open_source(f"folder:{images}"),
            tmp_path / "run",
            resolution=8,
            seed=0,
            skip_bad_images=True,
        )


def test_small_class_is_found_before_anything_is_decoded(tmp_path, save_images):
    save_images(tmp_path / "set/a", 9)
    save_images(tmp_path / "set/b", 2, first=100)
    with pytest.raises(KerasnetsError, match="'b' has 2 images"):
        prepare(
            open_source(f"folder:{tmp_path}/set"),
            tmp_path / "run",
            resolution=8,
            seed=0,
            progress=never,
        )


def test_what_is_no_image_is_found_before_anything_is_decoded(images, tmp_path):
    (images / "cat/003.png").write_text("text")
    (images / "dog/119.jpg").symlink_to(images / "dog/gone.jpg")
    source = open_source(f"folder:{images}")
    with pytest.raises(
        KerasnetsError,
        match=r"cat/003\.png: not an image.* and 1 more like it; .*--skip-bad-images",
    ):
        prepare(source, tmp_path / "run", resolution=8, seed=0, progress=never)
    with pytest.raises(KerasnetsError, match=r"cat/003\.png"):
        check_source(source)
    data = prepare(source, tmp_path / "run", resolution=8, seed=0, skip_bad_images=True)
    assert [name for name, _ in data.skipped] == ["cat/003.png", "dog/119.jpg"]
    assert data.skipped[1][1] == f"{images}/dog/119.jpg: a link to no file"


@pytest.mark.parametrize("unread", [10, 11])
def test_class_of_which_most_pictures_are_not_read(images, tmp_path, unread):
    for i in range(unread):
        (images / f"cat/scan{i}.tif").write_bytes(b"II*\0" + bytes(60))
    source, folder = open_source(f"folder:{images}"), tmp_path / "run"
    if unread > 10:
        with pytest.raises(
            KerasnetsError,
            match=r"of the 21 pictures of class 'cat' 11 .*: 11 TIFF; .*--skip-bad",
        ):
            prepare(source, folder, resolution=8, seed=0, progress=never)
        data = prepare(source, folder, resolution=8, seed=0, skip_bad_images=True)
        with pytest.raises(KerasnetsError, match="11 are not read"):
            prepare(source, folder, resolution=8, seed=0, reuse=True)
    else:
        data = prepare(source, folder, resolution=8, seed=0)
    assert data.left_out == {"TIFF": unread}
    assert data.skipped == ()
    assert load_prepared(folder).left_out == {"TIFF": unread}


def test_picture_that_lies_in_two_classes_is_named(images, tmp_path):
    shutil.copy(images / "cat/007.png", images / "dog/again.png")
    source = open_source(f"folder:{images}")
    with pytest.raises(
        KerasnetsError,
        match=r"cat/007\.png is the same picture as .*dog/again\.png, .* another class",
    ):
        prepare(source, tmp_path / "run", resolution=8, seed=0, progress=never)
    data = prepare(source, tmp_path / "run", resolution=8, seed=0, skip_bad_images=True)
    assert [name for name, _ in data.skipped] == ["cat/007.png", "dog/again.png"]
    assert data.left_out == {"picture that lies in two classes": 2}


def test_one_class_is_too_few(tmp_path):
    x, y = np.zeros((9, 4, 4), "uint8"), np.zeros(9, int)
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y)
    with pytest.raises(KerasnetsError, match=r"set\.npz has one class"):
        prepare(open_source(f"npz:{tmp_path}/set.npz"), tmp_path, resolution=8, seed=0)


@pytest.mark.parametrize("seed", range(3))
def test_copies_under_other_names_stay_in_one_split(images, tmp_path, seed):
    for i in range(0, 10, 2):
        pixels = Image.open(images / f"cat/{i:03}.png")
        pixels.save(images / f"cat/copy{i}.bmp")  # other bytes, the same pixels
    data = prepare(
        open_source(f"folder:{images}"), tmp_path / "run", resolution=8, seed=seed
    )
    where = {
        name: part
        for part in ("train", "validation", "test")
        for name in getattr(data, part).ids
    }
    assert all(
        where[f"cat/{i:03}.png"] == where[f"cat/copy{i}.bmp"] for i in range(0, 10, 2)
    )


def test_full_disk_is_told_in_figures(images, tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(free=1_000_000))
    # 30 images of 200x200x3 bytes, twice while they are sorted into splits
    with pytest.raises(KerasnetsError, match=r"has 1 MB free, .* need 7 MB"):
        prepare(
            open_source(f"folder:{images}"), tmp_path / "run", resolution=200, seed=0
        )


def test_what_was_not_finished_is_not_loaded(images, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(KerasnetsError, match="holds no prepared images"):
        load_prepared(folder)
    source = open_source(f"folder:{images}")
    prepare(source, folder, resolution=8, seed=0)
    (images / "cat/000.png").write_text("text")
    with pytest.raises(KerasnetsError, match="not an image"):
        prepare(source, folder, resolution=8, seed=0)
    with pytest.raises(KerasnetsError, match="holds no prepared images"):
        load_prepared(folder)


def test_files_that_do_not_belong_together_are_not_loaded(images, tmp_path):
    folder = tmp_path / "run"
    prepare(open_source(f"folder:{images}"), folder, resolution=8, seed=0)
    shutil.copy(folder / "test_labels.npy", folder / "train_labels.npy")
    with pytest.raises(KerasnetsError, match="files of train differ in length"):
        load_prepared(folder)


def test_grey_arrays(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8), "uint8")
    path = tmp_path / "set.npz"
    np.savez(path, x_train=x, y_train=np.arange(40) % 2)
    data = prepare(open_source(f"npz:{path}"), tmp_path / "run", resolution=8, seed=0)
    index = int(data.test.ids[0].removeprefix("train/"))
    for channel in range(3):
        np.testing.assert_array_equal(data.test.images[0, :, :, channel], x[index])


def test_real_jpeg_files(real_data, tmp_path):
    source = open_source(f"folder:{real_data}/flowers_folder/flowers")
    data = prepare(source, tmp_path, resolution=32, seed=0)
    # 400 and 100 a class; a fifth and a tenth of the 400 become test and validation
    assert np.bincount(data.train.labels).tolist() == [320] * 5
    assert np.bincount(data.validation.labels).tolist() == [100] * 5
    assert np.bincount(data.test.labels).tolist() == [80] * 5
    assert all(name.startswith("val/") for name in data.validation.ids)
    assert all(name.startswith("train/") for name in data.test.ids)


def test_decoded_where_that_takes_a_quarter_of_the_free_disk(tmp_path, monkeypatch):
    def chosen(store, free, *, of_parts=False):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
        return choose_store(store, 10, 16, tmp_path, of_parts=of_parts)

    # 16 x 16 x 3 bytes each, twice while they are split
    needed = 2 * 10 * 768
    assert chosen("auto", 4 * needed) == "decoded"
    assert chosen("auto", 4 * needed - 1) == "encoded"
    assert chosen("auto", 4 * needed, of_parts=True) == "encoded"
    assert chosen("decoded", 0) == "decoded"
    assert chosen("encoded", 4 * needed) == "encoded"
