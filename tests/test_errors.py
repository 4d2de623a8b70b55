"""Of what libraries say, one line with the reason."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasnets
from kerasnets.errors import KerasnetsError, reason


def error_of(call):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return caught.value


def test_lines_that_keras_wraps_around_the_reason_go():
    def call(inputs):
        raise ValueError("the reason, \n  which has two lines")

    class Failing(layers.Layer):
        pass

    Failing.call = lambda self, inputs: call(inputs)
    image = np.ones((1, 2), "float32")
    error = error_of(lambda: Failing()(image))
    assert "Exception encountered when calling" in str(error)
    assert "Arguments received by" in str(error)
    assert reason(error) == "the reason, which has two lines"
    # Keras says something of its own around it
    inside = error_of(lambda: Failing()(keras.Input((2,))))
    assert "Could not automatically infer the output shape" in str(inside)
    assert reason(inside).endswith("the reason, which has two lines")


def test_the_innermost_of_several_reasons_is_given():
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": "net",
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "Dense",
                    "config": {"units": 2, "shape_of_things": 3},
                    "registered_name": None,
                }
            ],
        },
        "registered_name": None,
    }
    error = error_of(lambda: keras.saving.deserialize_keras_object(config))
    assert str(error).count("Exception encountered: ") >= 1
    found = reason(error)
    assert "shape_of_things" in found
    assert "Exception encountered" not in found
    assert "config=" not in found.split("shape_of_things", 1)[0]


def test_weights_that_do_not_fit_say_which(tmp_path):
    path = tmp_path / "net.weights.h5"
    keras.Sequential([keras.Input((3,)), layers.Dense(2)]).save_weights(path)
    other = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    error = error_of(lambda: other.load_weights(path))
    found = reason(error)
    assert "(3, 4)" in found
    assert "(3, 2)" in found
    assert "could not be loaded" not in found


def test_an_error_that_says_nothing_is_named():
    assert reason(RuntimeError()) == "RuntimeError"
    assert reason(ValueError("plain")) == "plain"
    assert len(reason(ValueError("long " * 1000))) == 300


def test_the_error_is_at_hand():
    assert kerasnets.KerasnetsError is KerasnetsError
