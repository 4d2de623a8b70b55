import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds
from sklearn.datasets import load_digits

from kerasnets.data import open_source, prepare, read_image
from kerasnets.data.sources import download
from kerasnets.data.sources.source import count_kinds
from kerasnets.data.sources.tfds import find_builder, load_builder, prepare_builder
from kerasnets.errors import KerasnetsError


class Tiny(tfds.core.GeneratorBasedBuilder):
    """Two classes, two named parts, one that has no labels and one of another name."""

    name = "tiny"
    pkg_dir_path = None
    VERSION = tfds.core.Version("1.2.3")
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=["no", "yes"]),
        }
    )

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=self.features, homepage="https://example.org"
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        return {
            "train": self._generate_examples(12),
            "validation": self._generate_examples(4),
            "test": self._generate_examples(4, labelled=False),
            "extra": self._generate_examples(5),
        }

    def _generate_examples(self, count, labelled=True):
        for i in range(count):
            image = np.full((6, 8, 3), i, "uint8")
            yield i, {"image": image, "label": i % 2 if labelled else -1}


class Texts(Tiny):
    """Nothing to see."""

    name = "texts"
    features = tfds.features.FeaturesDict({"text": tfds.features.Text()})


class Unreachable(Tiny):
    """Its server cannot be reached."""

    name = "unreachable"

    def _split_generators(self, dl_manager):
        del dl_manager
        raise ConnectionError("cannot connect\nmany more lines")


def prepared(builder):
    prepare_builder(builder)
    return builder


def test_splits_labels_and_encoded_images(tmp_path, capfd):
    examples = load_builder(prepared(Tiny(data_dir=tmp_path)))
    assert examples.class_names == ("no", "yes")
    assert examples.licence == "see https://example.org"
    assert examples.parts == ("train",) * 12 + ("validation",) * 4
    assert np.bincount(examples.labels).tolist() == [8, 8]
    # those of the test split, as in competitions
    assert count_kinds(examples.left_out) == {"image without a label": 4}
    contents = list(examples.contents())
    assert all(content.startswith(b"\x89PNG") for content in contents)
    # TFDS stores them in an order of its own; the label tells the parity
    values = [int(read_image(content, 4)[0, 0, 0]) for content in contents]
    assert sorted(values) == sorted([*range(12), *range(4)])
    assert [value % 2 for value in values] == examples.labels.tolist()
    assert capfd.readouterr().out == ""


def test_a_prepared_set_is_read_again_the_same(tmp_path):
    prepare_builder(Tiny(data_dir=tmp_path))
    first, again = (load_builder(Tiny(data_dir=tmp_path)) for _ in range(2))
    assert list(first.contents()) == list(again.contents())
    assert first.ids == again.ids
    assert first.ids[:2] == ("train/0", "train/1")


def test_by_name_with_the_version_as_fingerprint(tmp_path, monkeypatch):
    builder = prepared(Tiny(data_dir=tmp_path / "tfds"))
    monkeypatch.setattr(tfds, "builder", lambda _, **__: builder)
    source = open_source("tfds:tiny")
    assert source.fingerprint == "tiny/1.2.3"
    data = prepare(source, tmp_path / "run", resolution=8, seed=0)
    assert len(data.train.ids) + len(data.test.ids) == 12
    assert len(data.validation.ids) == 4


def test_unknown_name_is_one_line():
    with pytest.raises(KerasnetsError, match="tfds:no_such_set is unknown") as error:
        find_builder("no_such_set")
    assert "\n" not in str(error.value)


def test_other_kinds_of_sets_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds, "builder", lambda _, **__: Texts(data_dir=tmp_path))
    with pytest.raises(KerasnetsError, match="tfds:texts has the features text"):
        open_source("tfds:texts")


def test_class_name_of_two_lines_is_found_before_anything_is_prepared(
    tmp_path, monkeypatch
):
    class Names(Unreachable):
        """Its first class cannot be called so."""

        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(),
                "label": tfds.features.ClassLabel(names=["a\nb", "c"]),
            }
        )

    monkeypatch.setattr(tfds, "builder", lambda _, **__: Names(data_dir=tmp_path))
    with pytest.raises(KerasnetsError, match="is not one line of text"):
        open_source("tfds:names")


def test_failing_download_is_one_line(tmp_path, monkeypatch):
    builder = Unreachable(data_dir=tmp_path)
    monkeypatch.setattr(tfds, "builder", lambda _, **__: builder)
    with pytest.raises(KerasnetsError, match=r"connect; .*TFDS_DATA_DIR") as error:
        download("tfds:unreachable")
    assert "\n" not in str(error.value)


def test_nothing_is_fetched_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds, "builder", lambda _, **__: Tiny(data_dir=tmp_path))
    with pytest.raises(
        KerasnetsError, match=r"^tfds:tiny is not in .*tiny/1\.2\.3: give --download"
    ):
        open_source("tfds:tiny")
    assert not list(tmp_path.iterdir())
    download("tfds:tiny")
    assert len(open_source("tfds:tiny").load().ids) == 16


def test_files_of_an_unknown_set_are_read_without_network(tmp_path, monkeypatch):
    def refused(*_):
        raise AssertionError("a network is asked")

    prepare_builder(Tiny(data_dir=tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    name = Tiny.name
    monkeypatch.setattr(tfds.core.registered, "_DATASET_REGISTRY", {})
    assert open_source(f"tfds:{name}").fingerprint == "tiny/1.2.3"


def test_only_sets_of_tfds_are_fetched(tmp_path):
    download("digits")
    download(f"folder:{tmp_path}/none")


def test_digits_are_those_of_scikit_learn():
    source = open_source("digits")
    assert source.fingerprint == "digits/1.0.0"
    examples = source.load()
    assert len(examples.ids) == len(set(examples.ids)) == 1797
    assert "CC BY 4.0" in examples.licence
    theirs = load_digits()
    assert np.bincount(examples.labels).tolist() == np.bincount(theirs.target).tolist()
    images = [read_image(content, 8) for content in examples.contents()]

    def keyed(pixels, labels):
        return sorted(
            (p.tobytes(), int(n)) for p, n in zip(pixels, labels, strict=True)
        )

    # 0 to 16 there, 0 to 255 here
    scaled = (theirs.images * 255 / 16 + 0.5).astype("uint8")
    ours = keyed([image[:, :, 2] for image in images], examples.labels)
    assert ours == keyed(scaled, theirs.target)
