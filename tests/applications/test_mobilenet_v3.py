"""MobileNet v3 against keras.applications and the paper's tables."""

import keras
import numpy as np
import pytest

from kerasnets import pretrained
from kerasnets.analysis import count_madds, count_params
from kerasnets.applications.mobilenet_v3 import MobileNetV3Large, MobileNetV3Small
from kerasnets.errors import KerasnetsError

# the networks of TF-slim's README; parameters as keras.applications counts them,
# millions of multiply-adds by hand from its graph
RELEASED = [
    (MobileNetV3Large, 1.0, False, 5_507_432, 216.59),
    (MobileNetV3Large, 0.75, False, 4_012_616, 154.561),
    (MobileNetV3Large, 1.0, True, 3_948_688, 209.137),
    (MobileNetV3Large, 0.75, True, 3_069_400, 148.803),
    (MobileNetV3Small, 1.0, False, 2_554_968, 56.5104),
    (MobileNetV3Small, 0.75, False, 2_051_552, 43.3993),
    (MobileNetV3Small, 1.0, True, 2_056_848, 52.2884),
    (MobileNetV3Small, 0.75, True, 1_742_192, 40.0729),
]


def assert_same_answers(ours, theirs, twin):
    """Both answer alike with the weights of theirs, random ones."""
    random = np.random.default_rng(1)
    for variable in theirs.variables:
        shape = variable.shape
        if "kernel" in variable.path:
            # depthwise kernels, (rows, columns, channels, 1), see one channel each
            inputs = np.prod(shape[:2] if shape[-1] == 1 else shape[:-1])
            variable.assign(random.normal(0, np.sqrt(1.7 / inputs), shape))
        elif "variance" in variable.path or "gamma" in variable.path:
            variable.assign(random.uniform(0.5, 1.5, shape))
        elif "seed" not in variable.path:
            variable.assign(random.normal(0, 0.1, shape))
    pretrained.from_keras(ours, theirs, twin)
    x = random.uniform(-1, 1, (2, *ours.input_shape[1:])).astype("float32")
    x[1] *= 0.2
    expected, answers = (np.asarray(model(x)) for model in (theirs, ours))
    scale = np.abs(expected).max()
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * scale
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize(
    ("build", "alpha", "minimalistic", "params", "madds"), RELEASED
)
def test_released_networks_cost_and_answer_alike(
    build, alpha, minimalistic, params, madds
):
    options = {
        "alpha": alpha,
        "minimalistic": minimalistic,
        "classifier_activation": None,
    }
    ours = build(**options)
    assert count_params(ours) == params
    assert f"{count_madds(ours) / 1e6:.6g}" == f"{madds:.6g}"
    assert_same_answers(ours, twin_of(build, (224, 224, 3), options), twin(build))


# odd and oblong maps, where it shows on which side zeros are added; alpha above 1
# widens the hidden layer too
@pytest.mark.parametrize(
    ("build", "alpha", "minimalistic", "shape"),
    [
        (MobileNetV3Large, 1.25, False, (75, 90, 3)),
        (MobileNetV3Small, 0.25, True, (33, 47, 1)),
    ],
)
def test_odd_maps_answer_alike(build, alpha, minimalistic, shape):
    options = {
        "alpha": alpha,
        "minimalistic": minimalistic,
        "classes": 20,
        "classifier_activation": None,
    }
    ours = build(shape, **options)
    assert_same_answers(ours, twin_of(build, shape, options), twin(build))


def twin(build):
    return build.network.keras


def twin_of(build, shape, options):
    """The network in keras.applications, without its rescaling of pixels."""
    return getattr(keras.applications, twin(build).builder)(
        shape, weights=None, include_preprocessing=False, **options
    )


@pytest.mark.parametrize("minimalistic", [False, True])
def test_imagenet_weights_want_images_scaled_outside(monkeypatch, minimalistic):
    asked = {}

    def released(*, weights, **arguments):
        asked.update(arguments, weights=weights)
        return build(weights=None, **arguments)

    build = keras.applications.MobileNetV3Small
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", released)
    model = MobileNetV3Small(
        (64, 64, 3), minimalistic=minimalistic, weights="imagenet", include_top=False
    )
    assert asked == {
        "weights": "imagenet",
        "include_top": False,
        "alpha": 1.0,
        "minimalistic": minimalistic,
        "include_preprocessing": False,
        "input_shape": (224, 224, 3),
    }
    assert model.preprocessing.mean == model.preprocessing.std == (127.5,) * 3


# Tables 1 and 2: for each block exp size, SE, kernel, output
LARGE = [
    [(16, False, 3, (112, 112, 16))],
    [(64, False, 3, (56, 56, 24)), (72, False, 3, (56, 56, 24))],
    [
        (72, True, 5, (28, 28, 40)),
        (120, True, 5, (28, 28, 40)),
        (120, True, 5, (28, 28, 40)),
    ],
    [
        (240, False, 3, (14, 14, 80)),
        (200, False, 3, (14, 14, 80)),
        (184, False, 3, (14, 14, 80)),
        (184, False, 3, (14, 14, 80)),
    ],
    [(480, True, 3, (14, 14, 112)), (672, True, 3, (14, 14, 112))],
    [
        (672, True, 5, (7, 7, 160)),
        (960, True, 5, (7, 7, 160)),
        (960, True, 5, (7, 7, 160)),
    ],
]
SMALL = [
    [(16, True, 3, (56, 56, 16))],
    [(72, False, 3, (28, 28, 24)), (88, False, 3, (28, 28, 24))],
    [
        (96, True, 5, (14, 14, 40)),
        (240, True, 5, (14, 14, 40)),
        (240, True, 5, (14, 14, 40)),
    ],
    [(120, True, 5, (14, 14, 48)), (144, True, 5, (14, 14, 48))],
    [
        (288, True, 5, (7, 7, 96)),
        (576, True, 5, (7, 7, 96)),
        (576, True, 5, (7, 7, 96)),
    ],
]


@pytest.mark.parametrize(
    ("build", "table", "hard_from", "head", "hidden"),
    [(MobileNetV3Large, LARGE, 4, 960, 1280), (MobileNetV3Small, SMALL, 3, 576, 1024)],
)
def test_blocks_are_those_of_the_table(build, table, hard_from, head, hidden):
    model = build()
    layers = {layer.name: layer for layer in model.layers}
    assert not any("project_relu" in name or "project_hard" in name for name in layers)
    before = (112, 112, 16)
    for stage, rows in enumerate(table, start=1):
        for block, (expanded, excite, kernel, output) in enumerate(rows, start=1):
            name = f"stage{stage}_block{block}"
            depthwise = layers[f"{name}_depthwise_conv"]
            assert depthwise.kernel_size == (kernel, kernel), name
            assert depthwise.output.shape[-1] == expanded, name
            assert layers[f"{name}_project_conv"].output.shape[1:] == output, name
            assert (f"{name}_excite" in layers) == excite, name
            hard = f"{name}_depthwise_hard_swish" in layers
            assert hard == (stage >= hard_from), name
            assert (f"{name}_add" in layers) == (output == before), name
            before = output
    assert layers["head_hard_swish"].output.shape == (None, 7, 7, head)
    assert layers["fc1_hard_swish"].output.shape == (None, hidden)


def test_minimalistic_does_without():
    for build in (MobileNetV3Large, MobileNetV3Small):
        for layer in build((32, 32, 3), minimalistic=True).layers:
            assert not isinstance(layer, keras.layers.Multiply)
            assert "hard" not in layer.name
            assert max(getattr(layer, "kernel_size", (0,))) <= 3


# 11 blocks, the last at 0.22: 0.02 a block
def test_dropout_and_stochastic_depth_change_the_graph():
    model = MobileNetV3Small((32, 32, 3), dropout=0.5, stochastic_depth=0.22)
    assert model.get_layer("dropout").rate == 0.5
    assert round(model.get_layer("stage2_block2_drop").rate, 6) == 0.06
    assert round(model.get_layer("stage5_block3_drop").rate, 6) == 0.22
    default = MobileNetV3Small((32, 32, 3))
    assert default.get_layer("dropout").rate == 0.2
    assert not any("_drop" in layer.name for layer in default.layers)
    without = MobileNetV3Small((32, 32, 3), dropout=0)
    assert "dropout" not in [layer.name for layer in without.layers]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -0.5}, "alpha -0.5"),
        ({"rho": 0}, "rho 0"),
        ({"rho": 0.1}, "too small: a side needs 32"),
        ({"rho": 0.5, "input_tensor": keras.Input((64, 64, 3))}, "rho 0.5"),
        ({"stochastic_depth": -0.1}, "stochastic_depth -0.1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        MobileNetV3Small(**arguments)
