"""The zoo whatever keras.json says: channels first, double precision."""

import keras
import numpy as np
import pytest
from support.tiny_zoo import TINY, graph, images, of_each_function

from kerasnets import applications


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    assert keras.config.image_data_format() == "channels_first"
    keras.config.set_image_data_format("channels_last")


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


@pytest.mark.parametrize("name", [names[0] for names in of_each_function().values()])
def test_networks_have_their_channels_last(name, channels_first):
    assert "channels_first" not in graph(TINY[name])


def test_other_forms_have_their_channels_last(channels_first):
    encoder = TINY["resnet18"](include_top=False)
    segmenter = applications.unet_with_encoder(encoder, classes=3)
    assert segmenter.output_shape == (None, 32, 32, 3)
    dense = applications.to_fully_convolutional(TINY["vgg16bn"]())
    for model in (segmenter, dense):
        assert "channels_first" not in str(model.get_config())


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "mobilenet"])
def test_networks_answer_in_single_precision(name, float64):
    model = TINY[name]()
    probabilities = model.predict(images(model).astype("float64"), verbose=0)
    assert probabilities.dtype == "float32"
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
