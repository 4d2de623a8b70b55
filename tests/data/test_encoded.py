import io
import json

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kerasnets.data import (
    EncodedSplit,
    Examples,
    Source,
    Split,
    Window,
    decode_image,
    load_prepared,
    open_source,
    prepare,
    read_image,
)
from kerasnets.data.images import Header, read_header, stored_window, upright
from kerasnets.errors import KerasnetsError

PARTS = ("train", "validation", "test")


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found


@pytest.fixture
def images(tmp_path):
    """Photographs of many sizes and both kinds, of which each second lies turned."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(8):
            size = (random.integers(20, 60), random.integers(20, 60), 3)
            image = Image.fromarray(random.integers(0, 256, size, "uint8"))
            suffix = "jpg" if i < 6 else "png"
            image.save(tmp_path / "set" / name / f"{i}.{suffix}", exif=exif(i % 8 + 1))
    return tmp_path / "set"


def encode(source, folder, **options):
    return prepare(source, folder, seed=0, store="encoded", **options)


def test_images_are_given_upright_in_their_own_sizes(images, tmp_path):
    data = encode(open_source(f"folder:{images}"), tmp_path / "run")
    assert data.resolution == 0
    assert [len(getattr(data, part).ids) for part in PARTS] == [10, 2, 4]
    for part in PARTS:
        split = getattr(data, part)
        assert isinstance(split, EncodedSplit)
        for i, name in enumerate(split.ids):
            pixels = split.read(i)
            np.testing.assert_array_equal(pixels, decode_image(images / name))
            assert split.sizes[i].tolist() == list(pixels.shape[:2])
            assert split.encoded(i) == (images / name).read_bytes()
            assert data.class_names[split.labels[i]] == name.split("/")[0]
    # the files stay where they are
    assert sum(path.stat().st_size for path in (tmp_path / "run").iterdir()) < 5_000


def test_both_stores_split_alike(images, tmp_path):
    source = open_source(f"folder:{images}")
    one = encode(source, tmp_path / "encoded")
    other = prepare(source, tmp_path / "decoded", resolution=8, seed=0)
    for part in PARTS:
        assert getattr(one, part).ids == getattr(other, part).ids


def test_a_relative_folder_is_found_from_elsewhere(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = encode(open_source("folder:set"), tmp_path / "run").train.read(0)
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(load_prepared(tmp_path / "run").train.read(0), first)


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_arrays_are_packed_without_loss(tmp_path, channels):
    x = np.random.default_rng(0).integers(0, 256, (40, 6, 9, *channels), "uint8")
    np.savez(tmp_path / "set.npz", x_train=x, y_train=np.arange(40) % 2)
    source = open_source(f"npz:{tmp_path}/set.npz")
    data = encode(source, tmp_path / "run")
    for i, name in enumerate(data.test.ids):
        original = x[int(name.removeprefix("train/"))].reshape(6, 9, -1)
        np.testing.assert_array_equal(
            data.test.read(i), np.broadcast_to(original, (6, 9, 3))
        )
    assert set(map(tuple, data.test.sizes)) == {(6, 9)}
    first = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert set(first) == {
        *("splits.json", "all_records.bin"),
        *(f"{part}_{kind}.npy" for part in PARTS for kind in ("index", "labels")),
    }
    # over another one
    prepare(source, tmp_path / "run", resolution=4, seed=0)
    encode(source, tmp_path / "run")
    assert first == {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}


def test_records_of_elsewhere_are_packed_as_they_are(tmp_path):
    def record(i):
        file = io.BytesIO()
        image = Image.fromarray(np.full((5 + i, 7, 3), i, "uint8"))
        image.save(file, "JPEG", exif=exif(6))
        return file.getvalue()

    records = [*(record(i) for i in range(20)), b"text"]
    ids = tuple(f"train/{i}" for i in range(21))
    examples = Examples(
        *(("a", "b"), "none", ids, np.arange(21) % 2, ("",) * 21),
        contents=lambda: iter(records),
    )
    source = Source("records", "1", lambda: examples)
    with pytest.raises(KerasnetsError, match=r"^train/20: not an image"):
        encode(source, tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    data = encode(source, tmp_path / "run", skip_bad_images=True)
    for split in (data.train, data.validation, data.test):
        for i, name in enumerate(split.ids):
            number = int(name.removeprefix("train/"))
            assert split.encoded(i) == records[number]
            assert split.sizes[i].tolist() == [7, 5 + number]
            assert split.read(i).shape == (7, 5 + number, 3)


def test_damage_is_named_where_it_is_found(images, tmp_path):
    half = (images / "cat/0.jpg").read_bytes()[:-300]
    (images / "cat/0.jpg").write_bytes(half)  # a sound header
    (images / "dog/0.jpg").write_bytes(b"\xff\xd8\xff" + bytes(99))  # none
    source = open_source(f"folder:{images}")
    with pytest.raises(KerasnetsError, match=r"dog/0\.jpg: .*--skip-bad-images"):
        encode(source, tmp_path / "run")
    data = encode(source, tmp_path / "run", skip_bad_images=True)
    assert [name for name, _ in data.skipped] == ["dog/0.jpg"]
    (split, place), *_ = [
        (getattr(data, part), getattr(data, part).ids.index("cat/0.jpg"))
        for part in PARTS
        if "cat/0.jpg" in getattr(data, part).ids
    ]
    with pytest.raises(KerasnetsError, match=r"cat/0\.jpg: .*truncated"):
        split.read(place)
    (images / "cat/0.jpg").unlink()
    for read in (split.read, split.encoded):
        with pytest.raises(KerasnetsError, match=r"cat/0\.jpg: "):
            read(place)


def test_prepared_once_for_each_store(images, tmp_path):
    source, told = open_source(f"folder:{images}"), []

    def once(**options):
        data = prepare(
            source,
            tmp_path / "run",
            seed=0,
            reuse=True,
            progress=lambda done, total, note="": told.append(done),
            **options,
        )
        return type(data.test), len(told)

    assert once(store="encoded") == (EncodedSplit, 16)
    assert once(store="encoded") == (EncodedSplit, 16)
    assert once(resolution=8) == (Split, 32)
    assert once(resolution=8) == (Split, 32)
    for options in ({}, {"store": "encoded", "resolution": 8}):
        with pytest.raises(KerasnetsError, match="resolution"):
            once(**options)


def test_index_of_something_else_is_refused(images, tmp_path):
    encode(open_source(f"folder:{images}"), tmp_path / "run")
    np.save(tmp_path / "run/test_index.npy", np.zeros(4))
    with pytest.raises(KerasnetsError, match=r"test_index\.npy is no index"):
        load_prepared(tmp_path / "run")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_window_of_the_stored_picture(orientation):
    stored = np.arange(6 * 9).reshape(6, 9)
    file = io.BytesIO()
    image = Image.fromarray(stored.astype("uint8"))
    image.save(file, "PNG", exif=exif(orientation))
    whole = np.asarray(decode_image(file.getvalue()))[:, :, 0]
    np.testing.assert_array_equal(upright(stored, orientation), whole)
    header = read_header(file.getvalue())
    assert header == Header(6, 9, orientation)
    top, left, height, width, _ = stored_window(Window(1, 2, 4, 3), header)
    np.testing.assert_array_equal(
        upright(stored[top : top + height, left : left + width], orientation),
        whole[1:5, 2:5],
    )


def test_crop_is_resized_like_a_whole_image(images, tmp_path):
    data = encode(open_source(f"folder:{images}"), tmp_path / "run")
    split = data.train
    assert split.index["is_jpeg"].tolist() == [x.endswith("jpg") for x in split.ids]
    for i, name in enumerate(split.ids):
        height, width = split.sizes[i].tolist()
        np.testing.assert_array_equal(
            split.crop(i, Window(0, 0, height, width), 8), read_image(images / name, 8)
        )
        part = Window(2, 5, 10, 10)
        cut = split.read(i)[2:12, 5:15]
        np.testing.assert_array_equal(split.crop(i, part, 10), cut)
        mirrored = part._replace(is_mirrored=True)
        np.testing.assert_array_equal(split.crop(i, mirrored, 10), cut[:, ::-1])
        # of decoded images likewise
        decoded = Split(split.read(i)[None], np.zeros(1, int), ("0",))
        assert decoded.sizes.tolist() == [[height, width]]
        np.testing.assert_array_equal(decoded.crop(0, part, 6), split.crop(i, part, 6))


def test_crop_of_a_large_jpeg_is_decoded_at_a_fraction():
    rows, columns = np.mgrid[:800, :1200] / 5
    smooth = np.stack([rows, columns, rows + columns], axis=2) * 0.6
    file = io.BytesIO()
    Image.fromarray(smooth.astype("uint8")).save(file, "JPEG", quality=95)
    crop = read_image(file.getvalue(), 20, window=Window(100, 200, 600, 800))
    # the middles of twenty cells of 30 and 40 pixels
    expected = smooth[115:700:30, 220:1000:40]
    assert np.abs(crop - expected).max() < 2.5


@pytest.mark.parametrize("late", [b"eXIf", b"iTXt"])
def test_orientation_behind_the_pixels_of_a_png_is_found(late):
    file = io.BytesIO()
    image = Image.fromarray(np.arange(6, dtype="uint8").reshape(2, 3))
    image.save(file, "PNG", exif=exif(6))
    content = file.getvalue()
    start = content.index(b"eXIf") - 4
    length = 12 + int.from_bytes(content[start : start + 4], "big")
    chunk = content[start : start + length]
    if late == b"iTXt":
        file = io.BytesIO()
        info = PngInfo()
        info.add_itxt(
            "XML:com.adobe.xmp", '<x tiff:Orientation="6" xmlns:tiff="adobe"/>'
        )
        image.save(file, "PNG", pnginfo=info)
        found = file.getvalue()
        start_of_text = found.index(b"iTXt") - 4
        size = 12 + int.from_bytes(found[start_of_text : start_of_text + 4], "big")
        chunk = found[start_of_text : start_of_text + size]
    bare = content[:start] + content[start + length :]
    moved = bare[:-12] + chunk + bare[-12:]  # before IEND
    assert read_header(bare) == Header(2, 3, 1)
    assert read_header(moved) == Header(2, 3, 6)
    assert decode_image(moved).size == (2, 3)


def test_labels_may_be_masks(images, tmp_path):
    data = prepare(
        open_source(f"folder:{images}"), tmp_path / "run", resolution=8, seed=0
    )
    masks = np.arange(len(data.test.ids) * 64).reshape(-1, 8, 8)
    np.save(tmp_path / "run/test_labels.npy", masks)
    labels = load_prepared(tmp_path / "run").test.labels
    assert isinstance(labels, np.memmap)
    np.testing.assert_array_equal(labels, masks)
    np.save(tmp_path / "run/test_labels.npy", masks[1:])
    with pytest.raises(KerasnetsError, match="files of test differ in length"):
        load_prepared(tmp_path / "run")


def test_real_photographs(real_data, tmp_path):
    source = open_source(f"folder:{real_data}/flowers_folder/flowers")
    data = encode(source, tmp_path / "run")
    assert len(data.train.ids) == 1600
    record = json.loads((tmp_path / "run/splits.json").read_text())
    assert record["left_out"] == {}
    for i in range(0, 1600, 400):
        assert data.train.read(i).shape[:2] == tuple(data.train.sizes[i])
