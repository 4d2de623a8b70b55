"""SimpNet against the layers of the authors' release in Caffe."""

import keras
import pytest

from kerasnets.applications.simpnet import (
    SimpNet1M,
    SimpNet5_4M,
    SimpNet8_9M,
    SimpNet300K,
    SimpNet300KCIFAR100,
    SimpNet300KMNIST,
    SimpNet600K,
    SimpNetMNIST,
)
from kerasnets.errors import KerasnetsError
from kerasnets.layers import SAFPooling2D

# of the prototxts: the drop rate after each convolution, or after the pooling that
# follows the fifth, tenth and last; 0 is no layer
RATES = [
    (SimpNet300K, [0] * 13),
    (SimpNet300KCIFAR100, [0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0.2, 0, 0, 0.2]),
    (SimpNet300KMNIST, [0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0.2, 0, 0, 0.2]),
    (SimpNet600K, [0.1] * 9 + [0.2] * 4),
    (SimpNet1M, [0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0.2, 0, 0, 0.2]),
    (SimpNet5_4M, [0.2] * 9 + [0.3] * 4),
    (SimpNet8_9M, [0.2] * 13),
    (SimpNetMNIST, [0.2] * 13),
]
POOLED = (4, 9, 12)


def rates(model):
    """After each convolution, or after the pooling that follows it."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            found.append(0)
        elif isinstance(layer, keras.layers.Dropout | SAFPooling2D):
            found[-1] = layer.rate
    return found


def kinds(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


@pytest.mark.parametrize(("build", "expected"), RATES)
def test_drop_rates_are_those_of_the_release(build, expected):
    assert rates(build()) == expected


@pytest.mark.parametrize(("build", "expected"), RATES[1:4:2])
def test_each_kind_of_dropout_can_be_set(build, expected):
    def with_rates(**asked):
        return [
            asked.get("saf" if i in POOLED else "dropout", rate)
            for i, rate in enumerate(expected)
        ]

    for asked in ({"saf": 0}, {"saf": 0.4}, {"dropout": 0}, {"dropout": 0.4}):
        assert rates(build(**asked)) == with_rates(**asked)


# convolution, BN, ReLU, dropout; where it is pooled: BN, ReLU, pooling with dropout
def test_layers_are_those_of_the_release():
    usual = ["Conv2D", "BatchNormalization", "ReLU"]
    expected = [*usual, "Dropout"] * 4 + [*usual, "SAFPooling2D"]
    expected += expected
    expected += [*usual, "Dropout"] * 2
    expected += [*usual, "GlobalMaxPooling2D", "Dropout", "Dense"]
    assert kinds(SimpNet600K(classifier_activation=None)) == ["Pixels", *expected]


def test_the_ablation_pools_without_dropout():
    with_saf, without = SimpNet300KCIFAR100(), SimpNet300KCIFAR100(saf=0)
    assert kinds(without) == [
        kind.replace("SAFPooling2D", "MaxPooling2D")
        for kind in kinds(with_saf)
        if kind != "Dropout"
    ]
    assert kinds(without) == kinds(SimpNet300K(classes=100))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (SimpNet300K, [32] * 5 + [16] * 5 + [8] * 3),
        (SimpNet300KMNIST, [28] * 5 + [14] * 5 + [7] * 3),
    ],
)
@pytest.mark.parametrize("saf", [0, 0.1])
def test_maps_have_the_sizes_of_the_release(build, expected, saf):
    layers = build(saf=saf).layers
    convolutions = [x for x in layers if isinstance(x, keras.layers.Conv2D)]
    assert [x.output.shape[1] for x in convolutions] == expected
    assert all(x.kernel_size == (3, 3) and x.use_bias for x in convolutions)


@pytest.mark.parametrize(
    ("build", "expected"), [(SimpNet600K, []), (SimpNetMNIST, [3, 4, 5])]
)
def test_kernels_start_as_in_the_release(build, expected):
    convolutions = [x for x in build().layers if isinstance(x, keras.layers.Conv2D)]
    normal = [
        (i, x.kernel_initializer.stddev)
        for i, x in enumerate(convolutions, start=1)
        if isinstance(x.kernel_initializer, keras.initializers.RandomNormal)
    ]
    assert normal == [(i, 0.01) for i in expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"saf": 1}, "saf 1 is not a rate"),
        ({"dropout": -0.1}, "dropout -0.1 is not a rate"),
        ({"classes": 0}, "classes 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        SimpNet300K(**arguments)
