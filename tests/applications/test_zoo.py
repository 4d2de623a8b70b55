"""Every network of the zoo: figures of the papers, the shared interface, training."""

import gc
import subprocess
import sys

import keras
import numpy as np
import pytest
from support.tiny_zoo import DRAWN, TINY, images, of_each_function

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params, shapes_only
from kerasnets.applications import figures, without_auxiliary
from kerasnets.errors import KerasnetsError

# networks of a thousand layers and more
DEEP = ("1001", "1202")
tiny = pytest.mark.parametrize("name", TINY)
# what all builders share is one function: a network of each builder's is enough
one_a_function = pytest.mark.parametrize(
    "name", [names[0] for names in of_each_function().values()]
)


def rows():
    """The rows of figures.csv, which were taken from papers and other libraries."""
    for row in figures.table():
        said = [f"{name}={value}" for name, value in row.arguments.items()]
        slow = pytest.mark.slow if any(d in row.network for d in DEEP) else ()
        yield pytest.param(row, id="-".join([row.network, *said]), marks=slow)


def test_every_network_has_a_row_and_every_family_is_computed():
    names = {builder.network.name for builder in applications.BUILDERS.values()}
    assert {row.network for row in figures.table()} == names
    assert {row.network for row in figures.table() if not row.arguments} == names
    families = {b.network.family for b in applications.BUILDERS.values()}
    assert {applications.get(name).network.family for name in TINY} == families


@pytest.mark.parametrize("row", [*rows()])
def test_built_network_costs_what_the_table_says(row):
    model = shapes_only(lambda: applications.build(row.network, **row.arguments))
    assert count_params(model) == row.params
    trainable = sum(np.prod(v.shape) for v in model.trainable_variables)
    assert trainable == row.trainable
    assert count_madds(without_auxiliary(model)) == row.madds


@pytest.mark.parametrize("name", applications.BUILDERS)
def test_names_elsewhere_are_those_of_known_layers(name):
    network = applications.get(name).network
    elsewhere = {c.library: c.builder for c in (network.keras, network.torch) if c}
    assert elsewhere == network.figures.elsewhere


def test_table_is_read_once_and_only_when_asked():
    code = (
        "from kerasnets import applications\n"
        "from kerasnets.applications import figures\n"
        "applications.LeNet5(weights=None)\n"
        "assert figures.table.cache_info().currsize == 0\n"
        "assert applications.LeNet5.network.params == 61_706\n"
        "assert applications.LeNet4.network.params == 51_050\n"
        "assert figures.table.cache_info().misses == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", applications.BUILDERS)
def test_name_is_said_once(name):
    builder = applications.BUILDERS[name]
    said = builder.network.name
    assert getattr(applications, said) is builder
    assert said in applications.__all__
    assert (builder.__name__, name) == (said, said.lower())
    assert said in (builder.__doc__ or "")


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


@one_a_function
def test_saved_and_loaded_answers_the_same(name, tmp_path):
    model = TINY[name]()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = images(model)
    answers = np.asarray(model(x, training=False))
    np.testing.assert_array_equal(answers, loaded(x, training=False))
    np.testing.assert_allclose(answers.sum(axis=-1), 1, rtol=1e-5)
    assert applications.preprocessing(loaded) == applications.preprocessing(model)


@one_a_function
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


# the others learn digits in jobs/test_every_family.py; first weights may be unlucky on
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


@one_a_function
def test_every_shared_argument_changes_the_graph(name):
    def build(**arguments):
        return shapes_only(lambda: TINY[name](**arguments))

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


@one_a_function
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
