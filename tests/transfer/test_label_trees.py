"""Targets of a tree of classes, by hand."""

import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.transfer import tree_targets

NAMES = ("cat", "dog", "car", "bus")


def test_targets_by_hand():
    tree = (("dog", "cat"), ("car", "bus"))
    targets = tree_targets(tree, NAMES, 0.2)
    # 0.8 + 0.8 * 0.2 / 2 + 0.04 / 4; 0.08 + 0.01; 0.01
    np.testing.assert_allclose(targets[0], [0.89, 0.09, 0.01, 0.01])
    np.testing.assert_allclose(targets[3], [0.01, 0.01, 0.09, 0.89])
    np.testing.assert_allclose(targets.sum(axis=1), 1)


def test_a_flat_tree_smooths_labels():
    """(Szegedy et al. 2015, section 7)."""
    smooth = tree_targets(NAMES, NAMES, 0.1)
    np.testing.assert_allclose(smooth, 0.9 * np.eye(4) + 0.1 / 4)
    np.testing.assert_array_equal(tree_targets(NAMES, NAMES, 0.0), np.eye(4))


def test_what_is_deeper_is_more_alike():
    tree = ((("cat", "dog"), "car"), "bus")
    cat = tree_targets(tree, NAMES, 0.3)[0]
    assert cat[0] > cat[1] > cat[2] > cat[3] > 0
    np.testing.assert_allclose(cat.sum(), 1)


@pytest.mark.parametrize(
    ("tree", "share", "message"),
    [
        ((("cat", "dog"), "car"), 0.1, "the tree has the classes cat, dog, car: each"),
        ((*NAMES, "cat"), 0.1, "each of cat, dog, car, bus is accepted, once"),
        (NAMES, 1.0, "share 1.0: 0 to below 1"),
        (NAMES, -0.1, "share -0.1: 0 to below 1"),
    ],
)
def test_trees_of_other_classes_are_refused(tree, share, message):
    with pytest.raises(KerasnetsError, match=message):
        tree_targets(tree, NAMES, share)
