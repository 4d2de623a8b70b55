import numpy as np
import pytest
from PIL import Image

from kerasnets.data import open_source, prepare
from kerasnets.errors import KerasnetsError


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for i in range(12):
        pixels = random.integers(0, 256, (8, 8, 3), dtype="uint8")
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return tmp_path


def write(folder, *lines):
    (folder / "set.csv").write_text("\n".join(lines), "utf-8")
    return f"csv:{folder / 'set.csv'}"


def test_lines_are_images(folder):
    spec = write(
        folder,
        "label,path,by whom",
        "b,1.png,",
        '"a, too",0.png,me',
        f"b,{folder / '2.png'},",
    )
    examples = open_source(spec).load()
    assert examples.class_names == ("a, too", "b")
    assert examples.labels.tolist() == [1, 0, 1]
    assert examples.ids == ("1.png", "0.png", str(folder / "2.png"))
    assert examples.parts == ("", "", "")
    assert [path.name for path in examples.contents()] == ["1.png", "0.png", "2.png"]


def test_split_and_classes_that_are_numbers(folder):
    # as spreadsheets write it: a mark of the byte order, and other ends of lines
    (folder / "set.csv").write_bytes(
        "path,label,split\r\n0.png,10,train\r\n1.png,9,VAL\r\n2.png,9,test\r\n".encode(
            "utf-8-sig"
        )
    )
    examples = open_source(f"csv:{folder / 'set.csv'}").load()
    assert examples.class_names == ("9", "10")
    assert examples.labels.tolist() == [1, 0, 0]
    assert examples.parts == ("train", "validation", "test")


def test_another_label_is_another_set(folder):
    first = open_source(write(folder, "path,label", "0.png,a", "1.png,b"))
    second = open_source(write(folder, "path,label", "0.png,b", "1.png,a"))
    assert first.fingerprint != second.fingerprint


def test_is_prepared(folder, tmp_path):
    lines = [f"{i}.png,{'ab'[i % 2]}" for i in range(12)]
    source = open_source(write(folder, "path,label", *lines))
    data = prepare(source, tmp_path / "out", resolution=8, seed=0)
    assert sum(len(part.ids) for part in (data.train, data.validation, data.test)) == 12


def test_what_is_listed_and_no_image_is_bad(folder, tmp_path):
    (folder / "notes.txt").write_text("none")
    lines = [f"{i}.png,{'ab'[i % 2]}" for i in range(12)]
    spec = write(folder, "path,label", *lines, "notes.txt,a", "gone.png,b")
    source = open_source(spec)
    with pytest.raises(KerasnetsError, match=r"notes\.txt: .*and 1 more like it"):
        prepare(source, tmp_path / "out", resolution=8, seed=0)
    data = prepare(source, tmp_path / "out", resolution=8, seed=0, skip_bad_images=True)
    assert len(data.skipped) == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"names the columns \(none\)"),
        (["file,label", "0.png,a"], "names the columns file, label; path and label"),
        (["path,label", "0.png"], "line 2: no label"),
        (["path,label", "0.png,a", ",b"], "line 3: no path"),
        (["path,label", "0.png,a", "0.png,b"], r"line 3: 0\.png is in line 2 too"),
        (["path,label,split", "0.png,a,dev"], "line 2: the split 'dev'; train, valid"),
        (["path,label", "0.png,a", "1.png,a"], "1 classes with images"),
        (["path,label", "0.png,a", "gone.png,b"], r"1 classes.*gone\.png: No such"),
        (["path,label", '"0.png\n1.png",a'], "0 classes"),
        (["path,label", '0.png,"a\nb"', "1.png,c"], "not one line of text"),
    ],
)
def test_what_cannot_be_used_is_named(folder, lines, message):
    with pytest.raises(KerasnetsError, match=message):
        open_source(write(folder, *lines))


def test_no_table(folder):
    with pytest.raises(KerasnetsError, match="there is no such file"):
        open_source(f"csv:{folder / 'set.csv'}")
    (folder / "set.csv").write_bytes(b"path,label\n\xff,a\n")
    with pytest.raises(KerasnetsError, match=r"cannot be read: .*utf-8"):
        open_source(f"csv:{folder / 'set.csv'}")
