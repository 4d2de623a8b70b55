import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from keras import layers

from kerasnets.compression import (
    KerasInside,
    check_equal,
    from_tf_keras,
    register_twin,
    to_tf_keras,
)
from kerasnets.errors import KerasnetsError
from kerasnets.layers import ChannelPad


@pytest.fixture(autouse=True)
def _fresh_session():
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()
    # the bridge never turns TensorFlow to tf_keras
    assert tf.keras.__version__ == keras.__version__


def randomised(model):
    """The model with batch-norm statistics and biases as training leaves them."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif len(variable.shape) == 1:
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


def outputs(model, inputs):
    return [np.asarray(y) for y in keras.tree.flatten(model(inputs, training=False))]


def assert_crosses(model, inputs):
    """There and back: the same outputs; another weight in the twin arrives."""
    twin = to_tf_keras(randomised(model))
    back = from_tf_keras(twin, like=model)
    expected = outputs(model, inputs)
    for crossed in (twin, back):
        for ours, theirs in zip(expected, outputs(crossed, inputs), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-6)
    assert back is not model
    assert twin.count_params() == model.count_params()
    return twin


@pytest.mark.parametrize(
    ("builder", "side", "options"),
    [
        ("MobileNet", 32, {"alpha": 0.25}),
        ("ResNet50", 64, {}),
        ("DenseNet121", 64, {}),
        ("InceptionV3", 75, {}),
    ],
)
def test_keras_applications_cross(builder, side, options):
    model = getattr(keras.applications, builder)(
        weights=None,
        input_shape=(side, side, 3),
        classes=10,
        classifier_activation=None,
        **options,
    )
    images = np.random.default_rng(2).uniform(-1, 1, (3, side, side, 3))
    assert_crosses(model, images.astype("float32"))


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
    twin = assert_crosses(model, inputs)
    names = [layer.name for layer in twin.layers]
    assert names.count("shared") == names.count("inner/conv") == 1
    assert "outer/inner_like/depthwise" in names
    assert set(twin(inputs)) == {"both", "sum"}


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
    twin = assert_crosses(model, inputs)
    before = twin.get_layer(f"{frozen.name}/bn").get_weights()
    twin(inputs, training=True)
    after = twin.get_layer(f"{frozen.name}/bn").get_weights()
    np.testing.assert_array_equal(before, after)


def test_unknown_layer_is_named_with_the_way_out():
    class Twice(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    image = keras.Input((3,))
    model = keras.Model(image, Twice(name="double")(image), name="doubled")
    with pytest.raises(KerasnetsError, match=r"'double' \(Twice\).*register_twin"):
        to_tf_keras(model)

    register_twin(
        Twice, lambda layer: tf_keras.layers.Rescaling(2.0, trainable=layer.trainable)
    )
    np.testing.assert_array_equal(to_tf_keras(model)(np.ones((1, 3))), [[2, 2, 2]])

    register_twin(Twice, lambda _: tf_keras.layers.Rescaling(2.1))
    with pytest.raises(KerasnetsError, match="'doubled' and its tf_keras twin differ"):
        to_tf_keras(model)


def test_operation_that_is_no_layer_is_named():
    image = keras.Input((3,))
    model = keras.Model(image, keras.ops.exp(layers.Dense(2)(image)))
    with pytest.raises(KerasnetsError, match=r"\(Exp\).*not a layer"):
        to_tf_keras(model)


def test_models_that_cannot_cross_are_refused():
    class Subclass(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(KerasnetsError, match="not a functional model"):
        to_tf_keras(Subclass())
    image = keras.Input((3,))
    half = layers.Dense(2, dtype="mixed_float16", name="half")(image)
    with pytest.raises(KerasnetsError, match="'half' computes in float16"):
        to_tf_keras(keras.Model(image, half))


def test_a_twin_of_another_model_is_refused():
    image = keras.Input((3,))
    one = keras.Model(image, layers.Dense(2, name="one")(image))
    other = keras.Model(image, layers.Dense(2, name="other")(image))
    with pytest.raises(KerasnetsError, match="no layer 'other'"):
        from_tf_keras(to_tf_keras(one), like=other)
    renamed = keras.models.clone_model(one)
    renamed.layers[-1].kernel.assign_add(np.full((3, 2), 1e-4))
    with pytest.raises(KerasnetsError, match="differ"):
        check_equal(renamed, to_tf_keras(one))


def test_weights_of_the_twin_arrive_and_like_stays():
    image = keras.Input((3,))
    like = keras.Model(image, layers.Dense(2, name="dense")(image))
    kernel, _ = like.get_weights()
    twin = to_tf_keras(like)
    twin.set_weights([np.full((3, 2), 5.0), np.full(2, 7.0)])
    back = from_tf_keras(twin, like=like)
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

    register_twin(Counting, KerasInside)
    image = keras.Input((2,))
    model = keras.Model(image, Counting(name="counting")(image))
    model.get_layer("counting").scale.assign([2.0, 3.0])
    twin = to_tf_keras(model)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(twin(tf.constant([[1.0, 10.0]]), training=True))
    (gradient,) = tape.gradient(loss, twin.trainable_variables)
    np.testing.assert_array_equal(gradient, [1, 10])
    scale, count = twin.get_layer("counting").get_weights()
    assert count == 1
    np.testing.assert_array_equal(scale, [2, 3])
    assert model.get_layer("counting").count.numpy() == 0
    back = from_tf_keras(twin, like=model)
    assert back.get_layer("counting").count.numpy() == 1
