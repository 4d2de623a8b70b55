"""LeNet-5 against the counts of the paper's section II.B."""

import numpy as np

from kerasnets.applications import LeNet1Original, LeNet4, LeNet5, LeNet5Original
from kerasnets.applications.lenet import C3_TABLE, H3_TABLE, class_codes


def test_layers_have_the_papers_parameters():
    model = LeNet5Original()
    counted = {layer.name: layer.count_params() for layer in model.layers}
    assert {name: n for name, n in counted.items() if n} == {
        "c1": 156,
        "s2": 12,
        "c3": 1_516,
        "s4": 32,
        "c5": 48_120,
        "f6": 10_164,
    }


def test_maps_have_the_papers_sizes():
    model = LeNet5Original()
    sizes = {
        name: model.get_layer(name).output.shape[1:]
        for name in ("c1", "s2", "c3", "s4", "c5", "f6", "rbf")
    }
    assert sizes == {
        "c1": (28, 28, 6),
        "s2": (14, 14, 6),
        "c3": (10, 10, 16),
        "s4": (5, 5, 16),
        "c5": (1, 1, 120),
        "f6": (84,),
        "rbf": (10,),
    }


def test_c3_has_sixty_links_in_the_papers_groups():
    assert sum(map(len, C3_TABLE)) == 60
    assert [len(sources) for sources in C3_TABLE] == [3] * 6 + [4] * 9 + [6]
    # every map of S2 feeds ten maps of C3
    assert np.bincount(np.concatenate(C3_TABLE)).tolist() == [10] * 6


def test_lenet_1_has_the_counts_of_1990():
    # LeCun et al. 1990, Table 1: 2,578 free parameters
    model = LeNet1Original()
    counted = {layer.name: layer.count_params() for layer in model.layers}
    assert {name: n for name, n in counted.items() if n} == {
        "c1": 104,
        "s2": 8,
        "c3": 512,
        "s4": 24,
        "logits": 1_930,
    }
    maps = ("c1", "s2", "c3", "s4")
    sizes = [model.get_layer(name).output.shape[1:] for name in maps]
    assert sizes == [(24, 24, 4), (12, 12, 4), (8, 8, 12), (4, 4, 12)]


def test_h3_of_lenet_1_has_twenty_links_that_keep_to_their_half():
    assert sum(map(len, H3_TABLE)) == 20
    assert {source for sources in H3_TABLE[:6] for source in sources} == {0, 1}
    assert {source for sources in H3_TABLE[6:] for source in sources} == {2, 3}


def test_lenet_4_has_the_counts_of_its_layers():
    counted = {layer.name: layer.count_params() for layer in LeNet4().layers}
    assert {name: n for name, n in counted.items() if n} == {
        "c1": 104,
        "c3": 1_616,
        "c5": 48_120,
        "logits": 1_210,
    }


def test_codes_are_ten_different_bitmaps():
    codes = class_codes(10)
    assert codes.shape == (10, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    assert len(np.unique(codes, axis=0)) == 10
    # a one is a stem on a foot: its last drawn row is nearly full
    assert codes[1].reshape(12, 7)[9].tolist() == [-1, 1, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(class_codes(26), class_codes(26))


def test_output_is_largest_at_the_class_whose_code_f6_shows():
    model = LeNet5Original(classifier_activation=None)
    f6 = model.get_layer("f6")
    for digit in range(10):
        # arctanh of the code over the amplitude: F6 then shows the code itself
        f6.kernel.assign(np.zeros((120, 84)))
        f6.bias.assign(np.arctanh(class_codes(10)[digit] / 1.7159) * 1.5)
        logits = model.predict(np.zeros((1, 32, 32, 1)), verbose=0)[0]
        assert logits.argmax() == digit
        np.testing.assert_allclose(logits[digit], 0, atol=1e-6)


def test_modern_form_takes_other_sizes_and_channels():
    assert LeNet5((64, 48, 3)).output_shape == (None, 10)
