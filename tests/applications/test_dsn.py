"""DSN against the paper and the authors' files for Caffe."""

import keras
import numpy as np
import pytest

from kerasnets.applications.auxiliary import has_auxiliary, without_auxiliary
from kerasnets.applications.dsn import DSN
from kerasnets.applications.nin import NINCIFAR10
from kerasnets.errors import KerasnetsError
from kerasnets.losses import MulticlassSquaredHinge

COMPANIONS = ("auxiliary1", "auxiliary2", "auxiliary3")


def images(count: int, side: int = 8) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.normal(0, 3, (count, side, side, 3)).astype("float32")


# dense on maps of 32, 16 and 8 pixels a side with 192 channels, and their biases
def test_companions_see_the_convolutions_before_their_relu():
    model = DSN(auxiliary=True)
    sources, params = [], []
    for name in COMPANIONS:
        flatten = model.get_layer(f"{name}_flatten")
        sources.append(flatten.input._keras_history.operation.name)
        logits = model.get_layer(f"{name}_logits")
        assert logits.input is flatten.output
        assert logits.activation is keras.activations.linear
        params.append(logits.count_params())
    assert sources == ["conv1_conv", "conv2_conv", "conv3_conv"]
    assert params == [1_966_090, 491_530, 122_890]
    for name in sources:
        layer = model.get_layer(name)
        assert layer.activation is keras.activations.linear
        after = {node.operation.name for node in layer._outbound_nodes}
        assert f"{name.removesuffix('_conv')}_relu" in after


def test_the_trunk_is_network_in_network_without_its_last_relu():
    theirs = NINCIFAR10((8, 8, 3), classifier_activation=None)
    ours = DSN((8, 8, 3), classifier_activation=None)
    ours.set_weights(theirs.get_weights())
    expected = keras.Model(theirs.input, theirs.get_layer("logits").output)(images(4))
    expected = np.asarray(expected).mean(axis=(1, 2))
    assert expected.min() < 0 < expected.max()
    assert np.abs(expected[0] - expected[1]).max() > 1e-4
    np.testing.assert_allclose(ours(images(4)), expected, rtol=1e-4, atol=1e-6)
    places = [
        [layer.name for layer in model.layers if layer.name != "logits_relu"]
        for model in (ours, theirs)
    ]
    assert places[0] == places[1]


def test_companions_vanish_and_leave_the_trunk():
    model = DSN((8, 8, 3), auxiliary=True)
    assert [output.shape for output in model.outputs] == [(None, 10)] * 4
    assert has_auxiliary(model)
    main = without_auxiliary(model)
    assert main.count_params() == 966_986
    plain = DSN((8, 8, 3))
    assert not has_auxiliary(plain)
    assert [layer.name for layer in main.layers] == [x.name for x in plain.layers]
    np.testing.assert_array_equal(main(images(2)), model(images(2))[0])


def test_squared_hinges_teach_all_four_outputs():
    keras.utils.set_random_seed(0)
    model = DSN((8, 8, 3), dropout=0, auxiliary=True, classifier_activation=None)
    model.compile(
        keras.optimizers.Adam(3e-4),
        [MulticlassSquaredHinge() for _ in model.outputs],
    )
    x, y = images(4), [np.arange(4)] * 4

    def losses():
        hinge = MulticlassSquaredHinge()
        return np.array([hinge(t, z) for t, z in zip(y, model(x), strict=True)])

    first = losses()
    # untrained logits are small: about 1 a class
    np.testing.assert_allclose(first[0], 10, rtol=0.05)
    for _ in range(8):
        model.train_on_batch(x, y)
    assert (losses() < first).all()


def test_dropout_follows_both_poolings():
    found = {
        layer.name: (layer.rate, layer.input._keras_history.operation.name)
        for layer in DSN(dropout=0.4).layers
        if isinstance(layer, keras.layers.Dropout)
    }
    assert found == {"dropout1": (0.4, "pool1"), "dropout2": (0.4, "pool2")}
    layers = DSN(dropout=0).layers
    assert not [x for x in layers if isinstance(x, keras.layers.Dropout)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"auxiliary": True, "include_top": False}, "without top"),
        ({"auxiliary": True, "input_shape": (None, 32, 3)}, r"not \(None, 32\)"),
        ({"dropout": -1}, "dropout -1 is not a rate"),
        ({"input_shape": (3, 3, 3)}, "a side needs 4"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        DSN(**arguments)
