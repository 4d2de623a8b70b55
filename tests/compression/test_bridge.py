import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from keras import layers, ops
from support.weights import randomise

from kerasnets.compression import (
    KerasInside,
    check_equal,
    from_tf_keras,
    register_counterpart,
    to_tf_keras,
)
from kerasnets.compression.bridge import names_in_tf_keras
from kerasnets.errors import KerasnetsError
from kerasnets.layers import ChannelPad, StochasticDepth
from kerasnets.pixels import CAFFE, carry, pixels_of


@pytest.fixture(autouse=True)
def _fresh_session():
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()
    # the bridge never turns TensorFlow to tf_keras
    assert tf.keras.__version__ == keras.__version__


def outputs(model, inputs):
    return [np.asarray(y) for y in keras.tree.flatten(model(inputs, training=False))]


def assert_crosses(model, inputs):
    """There and back: the same outputs; another weight in the net arrives."""
    net = to_tf_keras(randomise(model, gain=None, seed=1))
    back = from_tf_keras(net, like=model)
    expected = outputs(model, inputs)
    for crossed in (net, back):
        for ours, theirs in zip(expected, outputs(crossed, inputs), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-6)
    assert back is not model
    assert net.count_params() == model.count_params()
    return net


def test_shared_layer_nested_model_several_inputs_and_outputs():
    inner_in = keras.Input((8, 8, 4), name="inner_in")
    inner_out = layers.Conv2D(4, 3, padding="same", name="conv")(inner_in)
    inner = keras.Model(inner_in, layers.ReLU(name="relu")(inner_out), name="inner")
    shared = layers.Conv2D(4, 1, activation="hard_sigmoid", name="shared")
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3))
    a, b = inner(shared(left)), inner(shared(right))
    both = layers.Concatenate(axis=-1)([a, layers.Add()([a, b])])
    nested_twice = keras.Sequential(
        [keras.Input((8, 8, 8)), inner_like()], name="outer"
    )
    model = keras.Model(
        [left, right], {"both": nested_twice(both), "sum": layers.Subtract()([a, b])}
    )
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(2, 8, 8, 3)).astype("float32") for _ in range(2)]
    net = assert_crosses(model, inputs)
    names = [layer.name for layer in net.layers]
    assert names.count("shared") == names.count("inner/conv") == 1
    assert "outer/inner_like/depthwise" in names
    assert set(net(inputs)) == {"both", "sum"}


def test_sequential_models_in_each_other():
    late = keras.Sequential(  # built when it is called
        [layers.Conv2D(4, 3, name="a"), layers.BatchNormalization()], name="late"
    )
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), late, layers.ReLU(), layers.Flatten()], name="outer"
    )
    model.add(layers.Dense(2))
    net = assert_crosses(model, np.ones((2, 8, 8, 3), "float32"))
    assert "late/a" in [layer.name for layer in net.layers]


def inner_like():
    image = keras.Input((8, 8, 8))
    x = layers.DepthwiseConv2D(3, strides=2, name="depthwise")(image)
    return keras.Model(image, layers.LayerNormalization()(x), name="inner_like")


def test_keyword_inputs_and_a_fixed_mode_cross():
    image = keras.Input((4, 4, 3))
    frozen_in = keras.Input((4, 4, 3))
    frozen = keras.Model(frozen_in, layers.BatchNormalization(name="bn")(frozen_in))
    x = frozen(image, training=False)  # as for fine-tuning
    query = layers.Reshape((16, 3))(x)
    x = layers.Attention(name="attention")(inputs=[query, query])
    model = keras.Model(image, layers.Dropout(0.5, seed=3)(x))
    inputs = np.random.default_rng(0).normal(size=(5, 4, 4, 3)).astype("float32")
    net = assert_crosses(model, inputs)
    before = net.get_layer(f"{frozen.name}/bn").get_weights()
    net(inputs, training=True)
    after = net.get_layer(f"{frozen.name}/bn").get_weights()
    np.testing.assert_array_equal(before, after)


def test_unknown_layer_is_named_with_the_way_out():
    class Twice(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    image = keras.Input((3,))
    model = keras.Model(image, Twice(name="double")(image), name="doubled")
    with pytest.raises(
        KerasnetsError, match=r"'double' \(Twice\).*register_counterpart"
    ):
        to_tf_keras(model)

    register_counterpart(
        Twice, lambda layer: tf_keras.layers.Rescaling(2.0, trainable=layer.trainable)
    )
    np.testing.assert_array_equal(to_tf_keras(model)(np.ones((1, 3))), [[2, 2, 2]])

    register_counterpart(Twice, lambda _: tf_keras.layers.Rescaling(2.1))
    with pytest.raises(
        KerasnetsError, match="'doubled' and its tf_keras counterpart differ"
    ):
        to_tf_keras(model)


def test_operations_of_the_graph_cross():
    image = keras.Input((8, 8, 3))
    weights = np.arange(9, dtype="float32")
    x = 1.0 / (layers.Dense(3)(image) + 3.0)
    x = ops.concatenate([x, x[:, ::-1], image], axis=-1)  # tensors in a list
    x = ops.where(x > 0.2, x, ops.zeros_like(x))
    x = ops.mean(x, axis=(1, 2))
    y = ops.multiply(x2=x, x1=weights)  # by name, the constant first
    parts: Any = ops.split(ops.stack([x, y], axis=1), 2, axis=1)
    first, last = parts
    model = keras.Model(image, [ops.add(weights, x), last[:, 0], ops.exp(first)])
    inputs = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype("float32")
    net = assert_crosses(model, inputs)
    copy = tf_keras.Model.from_config(tf_keras_config(net))  # as TF-MOT copies it
    copy.set_weights(net.get_weights())
    for one, other in zip(outputs(net, inputs), outputs(copy, inputs), strict=True):
        np.testing.assert_array_equal(one, other)


def tf_keras_config(net):
    net.use_legacy_config = True
    return net.get_config()


def test_a_model_shared_at_several_places_and_depths():
    inner_in = keras.Input((4,))
    y = layers.Dense(4, name="dense")(inner_in) + 1.0
    inner = keras.Model(inner_in, {"plain": y, "exp": ops.tanh(y)}, name="inner")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    twice = inner(inner(left)["exp"])["plain"] * right
    middle = keras.Model([left, right], twice, name="middle")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = middle({"right": a, "left": inner(inputs=b)["exp"]})
    model = keras.Model({"a": a, "b": b}, {"x": x, "y": [inner(x)["plain"], a - b]})
    rng = np.random.default_rng(0)
    inputs = {key: rng.normal(size=(2, 4)).astype("float32") for key in ("a", "b")}
    net = assert_crosses(model, inputs)
    assert len(net.trainable_variables) == 2
    assert set(net(inputs)) == {"x", "y"}


def test_names_that_tensorflow_does_not_take():
    image = keras.Input((3,), name="my image")
    x = layers.Dense(3, name="block 1")(image)
    x = layers.Dense(3, name="block_1")(x)
    x = layers.Dense(3, name="\u5c42[1]")(x)
    x = layers.Dense(3, name="\u5c64[1]")(x)
    model = keras.Model(image, layers.ReLU(name="_\u00fc")(x), name="_my model!")
    net = assert_crosses(model, np.ones((2, 3), "float32"))
    assert [x.name for x in net.layers] == [
        "my_image",
        *("block_1", "block_1/2"),
        *("x_1_", "x_1_/2"),
        "x_",
    ]
    assert net.name == "xmy_model_"
    assert names_in_tf_keras(model)["\u5c64[1]"] == "x_1_/2"
    back = from_tf_keras(net, like=model)
    assert [x.name for x in back.layers] == [x.name for x in model.layers]
    assert back.name == model.name


def test_a_number_for_a_name_that_came_twice_is_free():
    inner_image = keras.Input((3,))
    inner = keras.Model(
        inner_image, layers.Dense(3, name="2")(inner_image), name="block_1"
    )
    image = keras.Input((3,), name="image")
    x = inner(layers.Dense(3, name="block 1")(image))
    model = keras.Model(image, layers.Dense(3, name="block.1")(x))
    again = keras.Model(image, layers.Dense(3, name="block(1")(model(image)))
    net = assert_crosses(again, np.ones((2, 3), "float32"))
    assert len({layer.name for layer in net.layers}) == len(net.layers) == 5


def test_what_a_network_wants_done_to_pixels_comes_back():
    image = keras.Input((4, 4, 3), name="image")
    x = layers.Conv2D(2, 3, name="conv")(carry(image, CAFFE))
    inner = keras.Model(image, x, name="inner")
    outer_image = keras.Input((4, 4, 3), name="outer_image")
    outer = keras.Model(outer_image, layers.ReLU(name="relu")(inner(outer_image)))
    for model, names in (
        (inner, ["image", "conv"]),
        (outer, ["outer_image", "inner/conv", "relu"]),
    ):
        net = assert_crosses(model, np.ones((1, 4, 4, 3), "float32"))
        assert [layer.name for layer in net.layers] == names
        back = from_tf_keras(net, like=model)
        assert pixels_of(back) == pixels_of(model) == CAFFE.fitted(4)


def test_layers_that_give_what_they_take_do_not_cross():
    image = keras.Input((4, 4, 3), name="image")
    x = layers.Identity(name="nothing")(image)
    x = layers.Conv2D(2, 3, name="conv")(inputs=x)
    model = keras.Model(image, layers.Identity(name="end")(x), name="net")
    net = assert_crosses(model, np.ones((1, 4, 4, 3), "float32"))
    assert [layer.name for layer in net.layers] == ["image", "conv"]
    back = from_tf_keras(net, like=model)
    assert [layer.name for layer in back.layers] == [x.name for x in model.layers]


def test_sides_left_open_and_a_fixed_batch():
    image = keras.Input((None, None, 3))
    assert_crosses(  # 32 x 32 is too small
        keras.Model(image, layers.Conv2D(2, 40)(image)), np.ones((1, 50, 60, 3), "f4")
    )
    image = keras.Input(batch_shape=(1, 4, 4, 3))
    flat = ops.reshape(layers.Conv2D(2, 3)(image), (1, -1))
    assert_crosses(keras.Model(image, flat), np.ones((1, 4, 4, 3), "float32"))


def test_layers_that_are_in_training_by_default_follow_the_model():
    image = keras.Input((64,))
    model = keras.Model(image, StochasticDepth(0.999999)(image))
    ones = np.ones((2, 64), "float32")
    net = to_tf_keras(model)
    np.testing.assert_array_equal(net(ones), ones)
    np.testing.assert_array_equal(net(ones, training=True), 0 * ones)


def test_functions_need_no_registration():
    def cube(x):
        return x**3

    image = keras.Input((3,))
    model = keras.Model(image, layers.Dense(2, activation=cube)(image))
    assert_crosses(model, np.ones((1, 3), "float32"))


def test_models_that_cannot_cross_are_refused():
    class Subclass(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(KerasnetsError, match="not a functional model"):
        to_tf_keras(Subclass())
    image = keras.Input((3,))
    for model, message in (
        (keras.Sequential([layers.Dense(2)], name="new"), "'new'.*a built Sequential"),
        (keras.Model(image, Subclass(name="in")(image)), r"'in' \(Subclass\) is not"),
        (_of(layers.Dense(2, dtype="mixed_float16", name="half")), "'half'.*float16"),
        (_of(layers.ReLU(dtype="mixed_bfloat16", name="half")), "'half'.*bfloat16"),
        (_of(layers.Dense(2, dtype="float64", name="double")), "'double'.*float64"),
        (_of(layers.Dense(2, dtype="int8_from_float32", name="q")), "'q'.*int8.*quant"),
        (_of(layers.StringLookup(vocabulary=["a"]), "string"), "is a string tensor"),
        (_of(keras.Function(image, layers.Dense(2, name="d")(image))), "keeps no wei"),
    ):
        with pytest.raises(KerasnetsError, match=message):
            to_tf_keras(model)


def _of(operation, dtype="float32"):
    image = keras.Input((3,), dtype=dtype)
    return keras.Model(image, operation(image))


def test_what_cannot_be_made_again_is_named():
    def nothing(weights):
        return 0 * ops.sum(weights)

    model = _of(layers.Dense(2, kernel_regularizer=nothing, name="own"))
    net = to_tf_keras(model)
    with pytest.raises(KerasnetsError, match=r"'own' \(Dense\).*get_config"):
        from_tf_keras(net, like=model)
    model = _of(layers.Dense(2, name="dense"))
    model.compile(loss=nothing)
    with pytest.raises(KerasnetsError, match="give one that is not compiled"):
        from_tf_keras(to_tf_keras(model), like=model)


ISOLATED = """
import os, keras, numpy as np, tensorflow as tf

def state():
    return (
        tf.keras.__version__, keras.config.floatx(), keras.config.epsilon(),
        keras.config.dtype_policy().name, keras.config.image_data_format(),
        dict(os.environ),
    )

image = keras.Input((4, 4, 3))
x = keras.layers.RMSNormalization()(keras.layers.Conv2D(2, 3)(image) * 2.0)
model = keras.Model(image, x)
refused = keras.Model(image, keras.layers.Lambda(lambda x: x)(image))
keras.config.set_dtype_policy("mixed_float16")
keras.config.set_image_data_format("channels_first")
before = state()
from kerasnets.compression import from_tf_keras, to_tf_keras

from_tf_keras(to_tf_keras(model), like=model)
for call in (to_tf_keras, lambda m: from_tf_keras(to_tf_keras(model), like=m)):
    try:
        call(refused)
    except ValueError:
        pass
    else:
        raise SystemExit("not refused")
assert state() == before, (before, state())
"""


@pytest.mark.slow
def test_the_process_stays_as_it_was():
    done = subprocess.run(
        [sys.executable, "-c", ISOLATED], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr


def test_the_net_of_another_model_is_refused():
    image = keras.Input((3,))
    one = keras.Model(image, layers.Dense(2, name="one")(image))
    other = keras.Model(image, layers.Dense(2, name="other")(image))
    with pytest.raises(KerasnetsError, match="no layer 'other'"):
        from_tf_keras(to_tf_keras(one), like=other)
    renamed = keras.models.clone_model(one)
    renamed.layers[-1].kernel.assign_add(np.full((3, 2), 1e-4))
    with pytest.raises(KerasnetsError, match="differ"):
        check_equal(renamed, to_tf_keras(one))


def test_weights_of_the_net_arrive_and_like_stays():
    image = keras.Input((3,))
    like = keras.Model(image, layers.Dense(2, name="dense")(image))
    kernel, _ = like.get_weights()
    net = to_tf_keras(like)
    net.set_weights([np.full((3, 2), 5.0), np.full(2, 7.0)])
    back = from_tf_keras(net, like=like)
    np.testing.assert_array_equal(back(np.ones((1, 3))), [[22, 22]])
    np.testing.assert_array_equal(like.get_weights()[0], kernel)


def test_channel_pad_crosses_as_zeros_behind_the_channels():
    image = keras.Input((2, 2, 3))
    model = keras.Model(image, ChannelPad(2, name="pad")(image))
    padded = to_tf_keras(model)(np.ones((1, 2, 2, 3), "float32"))
    np.testing.assert_array_equal(padded[0, 1, 1], [1, 1, 1, 0, 0])


def test_keras_inside_trains_its_own_weights_and_keeps_state():
    @keras.saving.register_keras_serializable("test")
    class Counting(layers.Layer):
        def build(self, input_shape):
            self.count = self.add_weight(
                shape=(), initializer="zeros", trainable=False, name="count"
            )
            self.scale = self.add_weight(
                shape=input_shape[-1:], initializer="ones", name="scale"
            )

        def call(self, inputs, training=None):
            if training:
                self.count.assign_add(1.0)
            return inputs * self.scale

    register_counterpart(Counting, KerasInside)
    image = keras.Input((2,))
    model = keras.Model(image, Counting(name="counting")(image))
    model.get_layer("counting").scale.assign([2.0, 3.0])
    net = to_tf_keras(model)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(net(tf.constant([[1.0, 10.0]]), training=True))
    (gradient,) = tape.gradient(loss, net.trainable_variables)
    np.testing.assert_array_equal(gradient, [1, 10])
    scale, count = net.get_layer("counting").get_weights()
    assert count == 1
    np.testing.assert_array_equal(scale, [2, 3])
    assert model.get_layer("counting").count.numpy() == 0
    back = from_tf_keras(net, like=model)
    assert back.get_layer("counting").count.numpy() == 1
