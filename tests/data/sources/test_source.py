import pytest

from kerasnets.data import check_class_names, open_source
from kerasnets.errors import KerasnetsError


@pytest.mark.parametrize("spec", ["", "cifar", "tfds:", "folder:", "npz", "zip:a.zip"])
def test_unknown_source_names_the_accepted_forms(spec):
    forms = "digits, tfds:NAME, folder:PATH, csv:FILE, npz:FILE, idx:PATH or cifar:PATH"
    with pytest.raises(KerasnetsError, match=forms):
        open_source(spec)


@pytest.mark.parametrize("name", ["", "two\nlines", "a\r", "a\u2028b", "\udce9"])
def test_class_names_are_lines_of_text(name):
    check_class_names(["a b", "日本", "ø (2)"])
    with pytest.raises(KerasnetsError, match="rename the class"):
        check_class_names(["a", name])


def test_every_class_has_one_name():
    check_class_names(["a", "b"], 2)
    with pytest.raises(KerasnetsError, match="2 labels were given for 3 classes"):
        check_class_names(["a", "b"], 3)
