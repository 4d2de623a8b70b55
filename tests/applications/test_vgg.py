"""VGG against Table 1 of the paper."""

import keras
import pytest

from kerasnets.applications import vgg
from kerasnets.applications.vgg import VGG11, VGG16, VGG16BN, VGG16C, VGG19
from kerasnets.errors import KerasnetsError

SMALL = {"input_shape": (32, 32, 3), "dense_units": 8, "classes": 10}

# the columns of Table 1: kernel sizes of each stage
COLUMNS = {
    "VGG11": "3 3 33 33 33",
    "VGG11LRN": "3 3 33 33 33",
    "VGG13": "33 33 33 33 33",
    "VGG16C": "33 33 331 331 331",
    "VGG16": "33 33 333 333 333",
    "VGG19": "33 33 3333 3333 3333",
    "VGG16BN": "33 33 333 333 333",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_stages_are_those_of_table_1(name):
    model = getattr(vgg, name)(**SMALL)
    sizes, filters = [], []
    for i in range(1, 6):
        stage = [
            layer
            for layer in model.layers
            if layer.name.startswith(f"stage{i}_")
            and isinstance(layer, keras.layers.Conv2D)
        ]
        sizes.append("".join(str(layer.kernel_size[0]) for layer in stage))
        filters.append({layer.filters for layer in stage})
    assert " ".join(sizes) == COLUMNS[name]
    assert filters == [{64}, {128}, {256}, {512}, {512}]


def test_stages_halve_the_map():
    model = VGG19((224, 224, 3), include_top=False)
    maps = [model.get_layer(f"stage{i}_pool").output.shape[1:] for i in range(1, 6)]
    assert maps == [
        (112, 112, 64),
        (56, 56, 128),
        (28, 28, 256),
        (14, 14, 512),
        (7, 7, 512),
    ]


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("VGG11", ["conv1", "pool"]),
        ("VGG11LRN", ["conv1", "norm", "pool"]),
        ("VGG13", ["conv1", "conv2", "pool"]),
        (
            "VGG16BN",
            [
                *("conv1", "conv1_bn", "conv1_relu"),
                *("conv2", "conv2_bn", "conv2_relu", "pool"),
            ],
        ),
    ],
)
def test_order_in_the_first_stage(name, stage):
    layers = getattr(vgg, name)(**SMALL).layers
    names = [layer.name.partition("_") for layer in layers]
    assert [part for first, _, part in names if first == "stage1"] == stage
    for layer in layers:
        if isinstance(layer, keras.layers.Conv2D):
            inside = (
                keras.activations.linear if "BN" in name else keras.activations.relu
            )
            assert layer.activation is inside


def test_the_head_drops_what_both_dense_layers_give():
    layers = VGG16(**SMALL).layers[-7:]
    assert [layer.name for layer in layers] == [
        *("flatten", "fc1", "fc1_dropout"),
        *("fc2", "fc2_dropout", "logits", "predictions"),
    ]
    assert layers[1].activation is layers[3].activation is keras.activations.relu


def test_torch_names_count_all_modules():
    # indices of the convolutions in torchvision's vgg16 and vgg16_bn, as printed
    last = {"VGG11": 18, "VGG13": 22, "VGG16": 28, "VGG19": 34, "VGG16BN": 40}
    for name, index in last.items():
        network = getattr(vgg, name).network
        layer = f"stage5_conv{len(network.stages[-1])}"
        assert network.torch.layer(layer) == f"features.{index}"
    assert VGG16BN.network.torch.layer("stage2_conv1_bn") == "features.8"


def test_dense_units_and_dropout_change_the_graph():
    model = VGG11(**SMALL, dropout=0.25)
    assert model.get_layer("fc1").units == model.get_layer("fc2").units == 8
    assert model.get_layer("fc2_dropout").rate == 0.25
    names = [layer.name for layer in VGG11(**SMALL, dropout=0).layers]
    assert not any("dropout" in name for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": -0.1}, r"dropout -0.1 is not a rate"),
        ({"dense_units": 1.5}, "dense_units 1.5"),
        ({"input_shape": (31, 32, 3)}, "a side needs 32"),
        ({"input_shape": (None, None, 3)}, "no fixed length"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        VGG16C(**arguments)
