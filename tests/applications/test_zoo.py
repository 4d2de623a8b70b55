"""Every network of the zoo: its name, and the interface that all share."""

import gc

import keras
import numpy as np
import pytest
from support import tiny_zoo
from support.tiers import slowly
from support.tiny_zoo import TINY, images

from kerasnets import applications
from kerasnets.analysis import shapes_only
from kerasnets.errors import KerasnetsError

names = tiny_zoo.one_a_function()
one_a_function = pytest.mark.parametrize(
    "name", slowly(names, {*names} - {*tiny_zoo.LONG})
)


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
    if name == "mlp1200":  # it has no maps of any size
        with pytest.raises(KerasnetsError, match="sees its whole image at once"):
            build(input_shape=(None, None, channels), include_top=False)
        return
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
