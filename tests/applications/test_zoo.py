"""Every network of the zoo: figures of the papers, the shared interface, training."""

import csv
import gc
import inspect
from fractions import Fraction
from pathlib import Path

import keras
import numpy as np
import pytest
from support.tiny_zoo import DRAWN, TINY, images

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params, shapes_only
from kerasnets.applications import without_auxiliary
from kerasnets.errors import KerasnetsError


def figures():
    """The rows of figures.csv: from the papers' tables by hand and other libraries.

    Parameters count batch-norm statistics; multiply-adds are in millions, without
    auxiliary classifiers.
    """
    with Path(__file__).with_name("figures.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            pairs = (pair.split("=") for pair in row["arguments"].split())
            arguments = {name: in_python(value) for name, value in pairs}
            counts = int(row["params"]), int(row["trainable"]), row["madds"]
            label = "-".join([row["network"], *row["arguments"].split()])
            yield pytest.param(row["network"], arguments, *counts, id=label)


def in_python(text: str):
    """10, 0.5, 192/224, 572x572x3, True or a word."""
    if text == "True":
        return True
    if "x" in text and text[0].isdigit():
        return tuple(map(int, text.split("x")))
    if text.isdigit():
        return int(text)
    return float(Fraction(text)) if text[0].isdigit() else text


FIGURES = list(figures())
tiny = pytest.mark.parametrize("name", TINY)


def test_every_network_has_a_row_and_every_family_is_computed():
    assert {row.values[0] for row in FIGURES} == set(applications.BUILDERS)
    families = {b.network.family for b in applications.BUILDERS.values()}
    assert {applications.get(name).network.family for name in TINY} == families


@pytest.mark.parametrize(("name", "arguments", "params", "trainable", "madds"), FIGURES)
def test_parameters_and_multiply_adds_are_those_of_the_paper(
    name, arguments, params, trainable, madds
):
    model = shapes_only(lambda: applications.build(name, **arguments))
    assert count_params(model) == params
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == trainable
    counted = count_madds(without_auxiliary(model))
    assert f"{counted / 1e6:.6g}" == f"{float(madds):.6g}"
    if not arguments:
        network = applications.get(name).network
        assert (network.params, network.madds) == (params, counted)


@pytest.mark.parametrize("name", applications.BUILDERS)
def test_name_is_said_once(name):
    builder = applications.BUILDERS[name]
    said = builder.network.name
    assert getattr(applications, said) is builder
    assert (builder.__name__, name) == (said, said.lower())
    assert said in (builder.__doc__ or "")


@pytest.mark.parametrize("name", applications.BUILDERS)
def test_signature_is_that_of_keras_applications_and_every_argument_is_explained(name):
    builder = applications.BUILDERS[name]
    parameters = inspect.signature(builder).parameters
    shared = ["include_top", "weights", "input_tensor", "pooling", "classes"]
    shared += ["classifier_activation", "name"]
    assert next(iter(parameters)) == "input_shape"
    assert [parameter for parameter in parameters if parameter in shared] == shared
    for parameter in parameters:
        assert f"    {parameter}: " in builder.__doc__


@pytest.mark.parametrize("spelling", ["ResNet20", "resnet-20", "RESNET_20"])
def test_spelling_of_a_name_does_not_matter(spelling):
    assert applications.get(spelling) is applications.ResNet20


def test_unknown_network_names_the_close_ones():
    with pytest.raises(KerasnetsError, match=r"'resnet21' is unknown.*resnet20"):
        applications.build("resnet21")


@tiny
def test_every_weight_gets_a_finite_gradient(name):
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = TINY[name](classifier_activation=None)

    @tf.function
    def gradients(x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                y, model(x, training=True)
            )
        return tape.gradient(losses, [v.value for v in model.trainable_variables])

    found = gradients(images(model, 8), labels(model, 8))
    for variable, gradient in zip(model.trainable_variables, found, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


@tiny
def test_saved_and_loaded_answers_the_same(name, tmp_path):
    model = TINY[name]()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = images(model)
    np.testing.assert_array_equal(model(x, training=False), loaded(x, training=False))
    assert applications.preprocessing(loaded) == applications.preprocessing(model)


@tiny
def test_mixed_precision_ends_in_float32(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = TINY[name]()
    finally:
        keras.config.set_dtype_policy(before)
    assert model.layers[1].compute_dtype == "float16"
    assert model(images(model)).dtype == "float32"


# steps of Adam: without batch norm a large one kills the ReLUs
RATES = {"vgg11lrn": 1e-4, "googlenet": 1e-4}
RATES |= {"alexnet": 1e-3, "preluneta": 3e-4}


class StopWhenRight(keras.callbacks.Callback):
    """Ends the training when every image is answered right."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["accuracy"] == 1


# the others learn digits in phone/test_every_family.py; first weights may be unlucky on
# one CPU and not on another
@pytest.mark.parametrize("name", DRAWN)
def test_learns_a_handful_of_images(name):
    assert any(learns(name, seed) for seed in range(3))


def learns(name, seed: int) -> bool:
    """Whether three images are answered right within 300 steps."""
    keras.utils.set_random_seed(seed)
    model = TINY[name]()
    x, y = applications.preprocessing(model)(pictures(model, 3)), labels(model, 3)
    model.compile(
        keras.optimizers.Adam(RATES.get(name, 0.003)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(x, y, epochs=300, verbose=0, callbacks=[StopWhenRight()])
    return history.history["accuracy"][-1] == 1


def labels(model, count):
    """0, 1, 2, ..., or maps of 0, maps of 1, ... where each pixel has a class."""
    maps = model.output_shape[1:-1]
    numbers = np.arange(count).reshape(count, *[1] * len(maps))
    return np.broadcast_to(numbers, (count, *maps))


def pictures(model, count):
    """Waves of different colours, (count, height, width, channels), 0 to 255."""
    random = np.random.default_rng(0)
    height, width, channels = model.input_shape[1:]
    rows, columns = np.mgrid[:height, :width] / 8
    shape = (count, channels, 1, 1)
    down, across, phase = random.normal(0, 2, (3, *shape))
    waves = 128 + 60 * np.sin(down * rows + across * columns + phase)
    return np.moveaxis(waves + random.normal(0, 40, shape), 1, -1).clip(0, 255)


@tiny
def test_predictions_are_probabilities(name):
    model = TINY[name]()
    probabilities = np.asarray(model(images(model), training=False))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)


@tiny
def test_every_argument_changes_the_graph(name):
    build = TINY[name]
    model = build()
    height, width, channels = model.input_shape[1:]
    assert build(classes=7).output_shape == (*model.output_shape[:-1], 7)
    logits = build(classifier_activation=None)
    assert logits.output_shape == model.output_shape
    assert "predictions" not in [layer.name for layer in logits.layers]
    assert build(name="other").name == "other"
    odd = 13 if len(model.output_shape) == 2 else 12  # U-Net halves its maps
    for shape in ((height + odd, width + 32, 4), (height + 16, width, 1)):
        assert build(input_shape=shape).input_shape == (None, *shape)
    maps = build(include_top=False)
    assert len(maps.output_shape) == 4
    assert "logits" not in [layer.name for layer in maps.layers]
    for pooling in ("avg", "max"):
        pooled = build(include_top=False, pooling=pooling)
        assert pooled.output_shape == (None, maps.output_shape[-1])
        assert pooled.layers[-1].name == f"{pooling}_pool"
    anywhere = build(input_shape=(None, None, channels), include_top=False)
    assert anywhere.output_shape == (None, None, None, maps.output_shape[-1])


@tiny
def test_input_may_be_a_tensor(name):
    arguments = {**TINY[name].keywords}
    height, width, channels = TINY[name]().input_shape[1:]
    arguments.pop("input_shape", None)
    tensor = keras.Input((height, width, channels), name="mine")
    model = TINY[name].func(input_tensor=tensor * 2.0, **arguments)
    assert model.input.name == "mine"
    assert model.output_shape[-1] == 10


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


def test_dense_layers_need_a_fixed_size():
    with pytest.raises(KerasnetsError, match="no fixed length for dense layers"):
        applications.AlexNetOWT((None, None, 3))


def test_garbage_is_collected_again_after_building_and_after_an_error():
    applications.LeNet5()
    assert gc.isenabled()
    with pytest.raises(KerasnetsError):
        applications.LeNet5(classes=0)
    assert gc.isenabled()
    gc.disable()
    try:
        applications.LeNet5()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_input_tensor_and_another_shape_contradict():
    with pytest.raises(KerasnetsError, match="contradicts"):
        applications.ResNet20((64, 64, 3), input_tensor=keras.Input((32, 32, 3)))
