"""Layers that a network takes from one that was trained before."""

import numpy as np
import pytest

from kerasnets import applications
from kerasnets.errors import KerasnetsError
from kerasnets.graph import leaf_layers
from kerasnets.training import initialise, paper_recipe

SMALL = {"input_shape": (32, 32, 3), "classes": 4, "dense_units": 8}


def test_vgg_d_begins_with_what_the_paper_takes_of_a():
    """Simonyan and Zisserman 2014, section 3.1: the first four convolutions of A and
    its dense layers."""
    trained, deep = (applications.build(n, **SMALL) for n in ("vgg11", "vgg16"))
    before = {name: x.get_weights() for name, x in leaf_layers(deep).items()}
    taken = initialise(deep, trained, paper_recipe("vgg").initialise)
    expected = ["stage1_conv1", "stage2_conv1", "stage3_conv1", "stage3_conv2"]
    assert list(taken) == [*expected, "fc1", "fc2", "logits"]
    for name, layer in leaf_layers(deep).items():
        source = leaf_layers(trained)[name].get_weights() if name in taken else None
        for weights, other in zip(
            layer.get_weights(), source or before[name], strict=True
        ):
            np.testing.assert_array_equal(weights, other)


def test_without_names_all_that_fit_are_taken():
    trained, other = (applications.build(n, **SMALL) for n in ("vgg11", "vgg13"))
    taken = initialise(other, trained)
    assert "stage5_conv2" in taken
    assert "stage1_conv2" not in taken  # the shallow one has none
    wider = applications.build("vgg13", **{**SMALL, "dense_units": 16})
    # fc1 has another width there, and with it all behind it
    assert set(taken) - set(initialise(wider, trained)) == {"fc1", "fc2", "logits"}


def test_networks_that_share_nothing_are_refused():
    lenet = applications.build("lenet5", classes=4)
    vgg = applications.build("vgg11", **SMALL)
    with pytest.raises(KerasnetsError, match="has no layer of the names and shapes of"):
        initialise(lenet, vgg, ["stage*"])
