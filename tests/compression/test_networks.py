"""Networks as recipes train them: what they answer with, and what is given back."""

import keras
import numpy as np
import pytest
from support.tiny_files import network

from kerasnets.compression import ChannelSettings, PruneSettings, QATSettings
from kerasnets.compression.networks import (
    answer_with_logits,
    load_networks,
    with_two_logits,
)
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import UNIT, with_pixels
from kerasnets.saving import load_model

IMAGES = np.random.default_rng(0).uniform(-1, 1, (20, 8, 8, 3)).astype("float32")


def answers(model):
    return np.asarray(model(IMAGES, training=False))


def ending_in_sigmoid(how):
    """A network of one sigmoid, and the logits behind that."""
    net = network(classes=1, norm=False)
    logits = answers(net)
    if how == "dense":
        net.get_layer("logits").activation = keras.activations.sigmoid
        return keras.Model(net.input, net.output), logits
    sigmoid = keras.layers.Activation("sigmoid")
    if how == "stated":
        own = keras.Sequential([keras.Input((8, 8, 3)), *net.layers[2:], sigmoid])
        return with_pixels(own, UNIT), logits
    model = keras.Model(net.input, sigmoid(net.output))
    if how == "nested":
        image = keras.Input((8, 8, 3))
        return keras.Model(image, model(image)), logits
    return model, logits


@pytest.mark.parametrize("how", ["dense", "activation", "nested", "stated"])
@pytest.mark.parametrize("steps", [[ChannelSettings()], [PruneSettings()]])
def test_sigmoid_is_left_out_and_given_back(tmp_path, how, steps):
    model, logits = ending_in_sigmoid(how)
    np.testing.assert_allclose(answers(model), 1 / (1 + np.exp(-logits)), atol=1e-6)
    model.save(tmp_path / "model.keras")
    networks = load_networks(tmp_path / "model.keras", None, steps, 2)
    assert networks.sigmoid
    np.testing.assert_allclose(answers(networks.model), logits, rtol=1e-5)
    networks.as_given(networks.model).save(tmp_path / "result.keras")
    again = load_model(tmp_path / "result.keras")
    np.testing.assert_allclose(answers(again), answers(model), atol=1e-6)


@pytest.mark.parametrize("how", ["dense", "nested"])
def test_two_logits_say_what_one_said(tmp_path, how):
    model, logits = ending_in_sigmoid(how)
    model.save(tmp_path / "model.keras")
    steps = [PruneSettings(), QATSettings()]
    networks = load_networks(tmp_path / "model.keras", None, steps, 2)
    assert not networks.sigmoid
    two = answers(networks.model)
    np.testing.assert_allclose(two[:, 1:] - two[:, :1], logits, rtol=1e-5)
    right = np.asarray(keras.ops.softmax(two))[:, 1:]
    np.testing.assert_allclose(right, 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert networks.as_given(networks.model) is networks.model


def test_two_logits_share_the_other_weights():
    net = network(classes=1)
    two = with_two_logits(net)
    assert two.name == net.name
    assert two.get_layer("first") is net.get_layer("first")


@pytest.mark.parametrize(
    ("net", "classes", "text"),
    [
        (lambda: network(classes=5), 3, "the data have 3 classes"),
        (lambda: network(classes=1), 3, "(None, 1); the data have 3 classes"),
        (lambda: network(softmax=True), 3, "gives probabilities; logits"),
        (lambda: network((8, 12, 3)), 3, "takes images of 8 x 12; a fixed square"),
    ],
)
def test_other_classifiers_are_refused(net, classes, text):
    with pytest.raises(KerasnetsError) as error:
        answer_with_logits(net(), classes)
    assert text in str(error.value)


def test_auxiliary_outputs_pass_where_channels_alone_go():
    net = network()
    image, pooled = net.input, net.get_layer("pool").output
    auxiliary = keras.layers.Dense(3, name="auxiliary_logits")(pooled)
    two = keras.Model(image, [net.output, auxiliary])
    assert not answer_with_logits(two, 3, auxiliary=True)
    with pytest.raises(KerasnetsError, match="has 2 outputs; one is accepted"):
        answer_with_logits(two, 3)
