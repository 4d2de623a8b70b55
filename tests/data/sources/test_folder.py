import os
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasnets.data import open_source
from kerasnets.data.sources.source import count_kinds
from kerasnets.errors import KerasnetsError


def test_one_folder_a_class(tmp_path, save_images):
    save_images(tmp_path / "dog", 2, first=3)
    save_images(tmp_path / "cat", 3)
    examples = open_source(f"folder:{tmp_path}").load()
    assert examples.class_names == ("cat", "dog")
    assert examples.ids == (
        *("cat/000.png", "cat/001.png", "cat/002.png"),
        *("dog/003.png", "dog/004.png"),
    )
    assert examples.labels.tolist() == [0, 0, 0, 1, 1]
    assert examples.labels.dtype == np.int64
    assert set(examples.parts) == {""}
    assert next(examples.contents()) == tmp_path / "cat/000.png"


@pytest.mark.parametrize("validation", ["validation", "val", "Valid"])
def test_official_parts(tmp_path, save_images, validation):
    for part in ("train", "test", validation):
        save_images(tmp_path / part / "0", 1, first=0)
        save_images(tmp_path / part / "1", 1, first=1)
    examples = open_source(f"folder:{tmp_path}").load()
    assert examples.class_names == ("0", "1")
    assert dict(zip(examples.ids, examples.parts, strict=True)) == {
        f"{folder}/{name}/00{name}.png": part
        for folder, part in (
            ("train", "train"),
            ("test", "test"),
            (validation, "validation"),
        )
        for name in ("0", "1")
    }


def test_a_class_may_be_called_train(tmp_path, save_images):
    for name in ("train", "plane"):
        save_images(tmp_path / name, 1)
    examples = open_source(f"folder:{tmp_path}").load()
    assert examples.class_names == ("plane", "train")


def test_content_decides_and_not_the_name(tmp_path, save_images):
    for name in ("photo.jfif", "IMG_1", "page.HTML", "x.txt"):
        save_images(tmp_path / "a", 1)[0].rename(tmp_path / "a" / name)
    save_images(tmp_path / "b", 1, first=1)
    examples = open_source(f"folder:{tmp_path}").load()
    assert examples.ids == (
        *("a/IMG_1", "a/page.HTML", "a/photo.jfif", "a/x.txt", "b/001.png"),
    )
    assert examples.left_out == ()


def test_what_is_left_out_is_counted_by_kind(tmp_path, save_images):
    root = tmp_path / "set"
    save_images(root / "a", 1)
    save_images(root / "b", 1, first=1)
    save_images(root, 1, first=9)
    (root / "README.md").write_text("no class")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._000.png"):
        (root / "a" / name).write_bytes(b"\0\0")
    for name in ("000.xmp", "000.json", "notes.txt", "note2.TXT", "Makefile"):
        (root / "a" / name).write_text("no image")
    # an iPhone's Live Photo, and a film that is told by its name only
    (root / "b/IMG_1.MOV").write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  ")
    (root / "b/film.mpg").write_bytes(b"\0\0\x01\xba")
    (root / "b/scan.tif").write_bytes(b"MM\0*" + bytes(60))
    save_images(root / "a/.ipynb_checkpoints", 1)
    save_images(root / ".git", 1)
    save_images(root / "__MACOSX", 1)
    os.mkfifo(root / "b/pipe.jpg")
    examples = open_source(f"folder:{root}").load()
    assert examples.ids == ("a/000.png", "b/001.png")
    assert count_kinds(examples.left_out) == {
        **{".md file": 1, ".txt file": 2, ".xmp file": 1, ".json file": 1},
        **{"file of no suffix": 1, "hidden or system file": 7, "TIFF": 1},
        **{"video": 2, "image outside the class folders": 1, "special file": 1},
    }
    assert not any(each.fault for each in examples.left_out)


def test_folders_beside_the_parts_are_counted(tmp_path, save_images):
    for i in range(2):
        save_images(tmp_path / f"train/{i}", 1, first=i)
    save_images(tmp_path / "extra/0", 3, first=10)
    left_out = open_source(f"folder:{tmp_path}").load().left_out
    assert count_kinds(left_out) == {"folder beside train, validation and test": 1}


def test_bad_images(tmp_path, save_images):
    root = tmp_path / "set"
    save_images(root / "a", 1)
    save_images(root / "b", 1, first=1)
    (root / "a/empty.jpg").touch()
    (root / "a/page.jpeg").write_text("<!doctype html>")
    (root / "b/film.png").write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  ")
    (root / "b/gone").symlink_to(root / "nowhere")
    (root / "c").symlink_to(tmp_path / "unmounted")
    examples = open_source(f"folder:{root}").load()
    assert examples.ids == ("a/000.png", "b/001.png")
    assert {each.id: each.fault.split(";")[0] for each in examples.left_out} == {
        "a/empty.jpg": f"{root}/a/empty.jpg: not an image",
        "a/page.jpeg": f"{root}/a/page.jpeg: not an image",
        "b/film.png": f"{root}/b/film.png: video file",
        "b/gone": f"{root}/b/gone: a link to no file",
        "c": f"{root}/c: a link to no file",
    }
    assert count_kinds(examples.left_out) == {"bad image": 5}


def test_links_are_read_wherever_they_lead(tmp_path, save_images):
    root, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    inside = save_images(root / "a", 1)[0]
    outside = save_images(elsewhere, 3, first=10)
    (root / "a/in.png").symlink_to(inside)
    (root / "a/out.png").symlink_to(outside[0])
    (root / "b").symlink_to(elsewhere)
    outside[0].rename(tmp_path / "moved.png")
    (root / "a/out.png").unlink()
    (root / "a/out.png").symlink_to(tmp_path / "moved.png")
    save_images(tmp_path / "more", 1, first=20)
    (root / "b/more").symlink_to(tmp_path / "more")
    (root / "b/up").symlink_to(elsewhere)
    examples = open_source(f"folder:{root}").load()
    assert examples.ids == (
        *("a/000.png", "a/in.png", "a/out.png"),
        *("b/011.png", "b/012.png", "b/more/020.png"),
    )
    assert count_kinds(examples.left_out) == {"link in a circle": 1}


@pytest.mark.parametrize("is_installed", [True, False])
def test_heic_of_a_phone(tmp_path, save_images, monkeypatch, is_installed):
    monkeypatch.setattr("kerasnets.data.formats._has_heif", lambda: is_installed)
    save_images(tmp_path / "a", 1)
    save_images(tmp_path / "b", 1, first=1)
    heic = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf"
    (tmp_path / "a/IMG_1.HEIC").write_bytes(heic + bytes(99))
    examples = open_source(f"folder:{tmp_path}").load()
    assert ("a/IMG_1.HEIC" in examples.ids) == is_installed
    assert count_kinds(examples.left_out) == (
        {} if is_installed else {"HEIC (needs pip install 'kerasnets[heic]')": 1}
    )


def test_only_the_heads_of_files_are_read(tmp_path, save_images):
    for i, name in enumerate("ab"):
        file = save_images(tmp_path / name, 1, first=i)[0]
        # a sound head, and then nothing: 100 GB that would not fit into memory
        os.truncate(file, (1 + i) * 10**11)
    examples = open_source(f"folder:{tmp_path}").load()
    assert examples.ids == ("a/000.png", "b/001.png")


def test_the_same_picture_in_two_classes(tmp_path, save_images):
    for name in ("a", "b"):
        save_images(tmp_path / name, 3)
    save_images(tmp_path / "b", 2, first=5)
    shutil.copy(tmp_path / "b/005.png", tmp_path / "b/twice.png")
    # others of the same size and end
    for name in ("a", "b"):
        content = b"\x89PNG\r\n\x1a\n" + name.encode() + bytes(9000)
        (tmp_path / name / "head.png").write_bytes(content)
    examples = open_source(f"folder:{tmp_path}").load()
    assert examples.class_names == ("a", "b")
    assert examples.ids == (
        *("a/head.png", "b/005.png", "b/006.png", "b/head.png", "b/twice.png"),
    )
    same = [examples.groups.index(group) for group in examples.groups]
    assert same == [0, 1, 2, 3, 1]
    assert [(each.id, each.fault) for each in examples.left_out][::5] == [
        (
            f"{one}/00{i}.png",
            f"{tmp_path}/{one}/00{i}.png is the same picture as {tmp_path}/{other}/"
            f"00{i}.png, which is of another class",
        )
        for one, other, i in (("a", "b", 0), ("b", "a", 2))
    ]


def test_tilde_is_the_home_folder(tmp_path, save_images, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for i, name in enumerate("ab"):
        save_images(tmp_path / "set" / name, 1, first=i)
    source = open_source("folder:~/set")
    assert source.spec == "folder:~/set"
    assert source.load().class_names == ("a", "b")
    x = np.zeros((2, 4, 4), "uint8")
    np.savez(tmp_path / "set.npz", x_train=x, y_train=np.arange(2))
    assert len(open_source("npz:~/set.npz").load().ids) == 2
    with pytest.raises(KerasnetsError, match=r"~nobody-here/x: .* no such home"):
        open_source("folder:~nobody-here/x")


@pytest.mark.parametrize("name", [b"two\nlines", b"caf\xe9", b"a\xe2\x80\xa8b"])
def test_class_name_that_no_label_file_can_carry(tmp_path, save_images, name):
    save_images(tmp_path / "a", 1)
    save_images(tmp_path / "b", 1, first=1)
    os.rename(tmp_path / "b", os.fsencode(tmp_path) + b"/" + name)  # noqa: PTH104
    with pytest.raises(KerasnetsError, match="rename the class") as error:
        open_source(f"folder:{tmp_path}")
    assert str(error.value).isprintable()


def test_names_need_not_be_utf8(tmp_path, save_images):
    for i, name in enumerate("ab"):
        file = save_images(tmp_path / name, 1, first=i)[0]
        os.rename(file, os.fsencode(tmp_path / name) + b"/\xff.png")  # noqa: PTH104
    source = open_source(f"folder:{tmp_path}")
    assert os.fsencode(source.load().ids[0]) == b"a/\xff.png"


def test_fingerprint_sees_changes_and_nothing_else(tmp_path, save_images):
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


def test_what_cannot_be_used_is_named(tmp_path, save_images):
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
    assert "no image in b but 1 bad image; JPEG, PNG, BMP, GIF" in complaint()


def test_two_folders_for_one_part_are_refused(tmp_path, save_images):
    for part in ("train", "val", "valid"):
        save_images(tmp_path / part / "a", 1)
    with pytest.raises(KerasnetsError, match="val and valid both hold"):
        open_source(f"folder:{tmp_path}")


def test_real_flowers(real_data):
    examples = open_source(f"folder:{real_data}/flowers_folder/flowers").load()
    names = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert examples.class_names == names
    parts = np.array(examples.parts)
    assert np.bincount(examples.labels[parts == "train"]).tolist() == [400] * 5
    assert np.bincount(examples.labels[parts == "validation"]).tolist() == [100] * 5
    with Image.open(next(examples.contents())) as image:
        assert image.format == "JPEG"
