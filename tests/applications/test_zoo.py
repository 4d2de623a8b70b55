"""Every network of the zoo: figures of the papers, the shared interface, training."""

import inspect

import keras
import numpy as np
import pytest

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params
from kerasnets.errors import KerasnetsError

# name: parameters, trainable ones, millions of multiply-adds to the digits printed;
# from the papers' tables by hand, keras.applications and pytorchcv
FIGURES = {
    "lenet5": (61_706, 61_706, "0.41652"),
    "lenet5_original": (60_000, 60_000, "0.32652"),
    "resnet20": (271_098, 269_722, "40.551"),
    "resnet32": (466_426, 464_154, "68.8626"),
    "resnet44": (661_754, 658_586, "97.1741"),
    "resnet56": (857_082, 853_018, "125.486"),
    "resnet110": (1_736_058, 1_727_962, "252.888"),
    "resnet1202": (19_510_906, 19_421_274, "2829.24"),
    "plain20": (271_098, 269_722, "40.551"),
    "plain32": (466_426, 464_154, "68.8626"),
    "plain44": (661_754, 658_586, "97.1741"),
    "plain56": (857_082, 853_018, "125.486"),
    "plain110": (1_736_058, 1_727_962, "252.888"),
    "plain1202": (19_510_906, 19_421_274, "2829.24"),
    "mobilenet": (4_253_864, 4_231_976, "568.74"),
    "shallow_mobilenet": (2_899_624, 2_887_976, "307.323"),
    "conv_mobilenet": (29_306_056, 29_294_088, "4867.29"),
}
# one small variant of each family, for tests that compute
TINY = {
    "lenet5": {},
    "lenet5_original": {},
    "resnet20": {},
    "plain20": {},
    "mobilenet": {"input_shape": (32, 32, 3), "alpha": 0.25, "classes": 10},
    "shallow_mobilenet": {"input_shape": (32, 32, 3), "alpha": 0.25, "classes": 10},
    "conv_mobilenet": {"input_shape": (32, 32, 3), "alpha": 0.125, "classes": 10},
}
tiny = pytest.mark.parametrize("name", TINY)


def images(model, count=2):
    random = np.random.default_rng(0)
    return random.normal(size=(count, *model.input_shape[1:])).astype("float32")


def test_every_network_is_tested():
    assert set(FIGURES) == set(applications.BUILDERS)


@pytest.mark.parametrize("name", FIGURES)
def test_parameters_and_multiply_adds_are_those_of_the_paper(name):
    model = applications.build(name)
    params, trainable, madds = FIGURES[name]
    assert count_params(model) == params
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == trainable
    assert f"{count_madds(model) / 1e6:.6g}" == f"{float(madds):.6g}"
    network = applications.get(name).network
    assert (network.params, network.madds) == (params, count_madds(model))


@pytest.mark.parametrize("spelling", ["ResNet20", "resnet-20", "RESNET_20"])
def test_spelling_of_a_name_does_not_matter(spelling):
    assert applications.get(spelling) is applications.ResNet20


def test_unknown_network_names_the_close_ones():
    with pytest.raises(KerasnetsError, match=r"'resnet21' is unknown.*resnet20"):
        applications.build("resnet21")


def test_signature_and_docstring_are_those_of_the_network():
    signature = inspect.signature(applications.ResNet20)
    assert list(signature.parameters)[:3] == ["input_shape", "include_top", "weights"]
    assert "ResNet20" in (applications.ResNet20.__doc__ or "")


@tiny
def test_every_weight_gets_a_finite_gradient(name):
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = applications.build(name, **TINY[name], classifier_activation=None)
    x = tf.constant(images(model, 8))
    labels = tf.range(8)
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels, model(x, training=True)
        )
    gradients = tape.gradient(losses, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


@tiny
def test_saved_and_loaded_answers_the_same(name, tmp_path):
    model = applications.build(name, **TINY[name])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = images(model)
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0)
    )


@tiny
def test_mixed_precision_ends_in_float32(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = applications.build(name, **TINY[name])
    finally:
        keras.config.set_dtype_policy(before)
    assert model.layers[1].compute_dtype == "float16"
    assert model(images(model)).dtype == "float32"


@tiny
def test_learns_a_handful_of_images(name):
    keras.utils.set_random_seed(0)
    model = applications.build(name, **TINY[name])
    x, y = images(model, 16), np.arange(16) % 10
    # LeNet's weights start small and its squashing saturates: it likes larger steps
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=16, epochs=60, verbose=0)
    # as in training: the batch's own statistics
    answers = np.asarray(model(x, training=True)).argmax(axis=1)
    assert (answers == y).mean() >= 0.9


@tiny
def test_predictions_are_probabilities(name):
    model = applications.build(name, **TINY[name])
    np.testing.assert_allclose(
        model.predict(images(model), verbose=0).sum(axis=1), 1, rtol=1e-5
    )


@tiny
def test_every_argument_changes_the_graph(name):
    build, arguments = applications.get(name), dict(TINY[name])
    model = build(**arguments)
    height, width, channels = model.input_shape[1:]
    assert build(**{**arguments, "classes": 7}).output_shape == (None, 7)
    assert build(**arguments, classifier_activation=None).layers[-1].name == "logits"
    assert build(**arguments, name="other").name == "other"
    larger = {**arguments, "input_shape": (height + 16, width + 32, 4)}
    assert build(**larger).input_shape == (None, height + 16, width + 32, 4)
    maps = build(**arguments, include_top=False).output_shape
    assert len(maps) == 4
    for pooling in ("avg", "max"):
        pooled = build(**arguments, include_top=False, pooling=pooling)
        assert pooled.output_shape == (None, maps[-1])
        assert pooled.layers[-1].name == f"{pooling}_pool"
    arguments.pop("input_shape", None)
    tensor = keras.Input((height, width, channels), name="mine")
    doubled = build(input_tensor=tensor * 2.0, **arguments)
    assert doubled.input.name == "mine"
    assert doubled.output_shape == model.output_shape


@tiny
def test_weights_file_is_loaded_or_refused(name, tmp_path):
    model = applications.build(name, **TINY[name])
    path = tmp_path / "own.weights.h5"
    model.save_weights(path)
    again = applications.build(name, **TINY[name], weights=str(path))
    for ours, theirs in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    if name != "lenet5_original":  # its output layer has no weights
        with pytest.raises(KerasnetsError, match="does not fit"):
            applications.build(name, **{**TINY[name], "classes": 3}, weights=str(path))
    with pytest.raises(KerasnetsError, match="does not fit"):
        applications.ConvMobileNet((64, 64, 3), weights=str(path))
    with pytest.raises(KerasnetsError, match=r"weights 'imagenet'"):
        applications.build(name, **TINY[name], weights="imagenet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (2, 2, 3)}, "a side needs 4"),
        ({"input_shape": (32, 32)}, "is not .height, width, channels."),
        ({"classes": 0}, "classes 0"),
        ({"include_top": False, "pooling": "sum"}, "pooling 'sum'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        applications.ResNet20(**arguments)


def test_input_tensor_and_another_shape_contradict():
    with pytest.raises(KerasnetsError, match="contradicts"):
        applications.ResNet20((64, 64, 3), input_tensor=keras.Input((32, 32, 3)))
