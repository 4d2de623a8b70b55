import keras
import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.training import to_float32


def build(policy: str) -> keras.Model:
    """A nested model, an operation outside any layer and a head in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layers = keras.layers
        inner_in = keras.Input((8, 8, 4))
        x = layers.SeparableConv2D(4, 3, padding="same", name="inner_conv")(inner_in)
        inner = keras.Model(inner_in, layers.ReLU(6.0)(x), name="inner")
        inputs = keras.Input((8, 8, 3))
        x = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
        x = inner(layers.BatchNormalization(name="bn")(x)) * 2 + x
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dense(5, dtype="float32", name="head")(x)
        return keras.Model(inputs, x, name="outer")
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_rebuilt_model_equals_a_model_made_in_float32(policy):
    trained = build(policy)
    rebuilt = to_float32(trained)
    made = build("float32")
    made.set_weights(trained.get_weights())
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(rebuilt(images), made(images))
    assert np.abs(rebuilt(images) - trained(images)).max() > 0  # it was half precision


def test_the_rebuilt_model_keeps_names_weights_and_the_global_policy():
    trained = build("mixed_float16")
    rebuilt = to_float32(trained)
    assert [x.name for x in rebuilt.layers] == [x.name for x in trained.layers]
    assert rebuilt.name == "outer"
    inner = rebuilt.get_layer("inner")
    assert [x.name for x in inner.layers] == [
        x.name for x in trained.get_layer("inner").layers
    ]
    policies = {x.dtype_policy.name for x in (*rebuilt.layers, *inner.layers)}
    assert policies == {"float32"}
    for ours, theirs in zip(rebuilt.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert keras.config.dtype_policy().name == "float32"
    assert trained.get_layer("stem").compute_dtype == "float16"


def test_a_float32_model_comes_back_itself():
    model = build("float32")
    assert to_float32(model) is model
    sequential = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert to_float32(sequential) is sequential


def test_a_subclassed_model_is_refused():
    class Net(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(KerasnetsError, match="subclassed"):
        to_float32(Net())
