"""Number formats, ends of the graph and other shapes of models."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from support.litert import run
from support.weights import randomise

from kerasnets.errors import KerasnetsError
from kerasnets.export import file_sparsity
from kerasnets.export.conversion import litert
from kerasnets.export.conversion.inference import inference_model
from kerasnets.export.conversion.litert import (
    convert,
    convert_aware,
    convert_with_names,
)
from kerasnets.layers import LocalResponseNorm
from kerasnets.pixels import TORCH, UNIT, Pixels, carry
from kerasnets.probabilities import gives_probabilities

from .conftest import build_small, make_images
from .test_conversion import expected, head, operators

layers = keras.layers
BODY = ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED"]


@pytest.fixture(scope="module")
def wide() -> keras.Model:
    """Kernels large enough for every format: 2 x 3x3x3x64, 64x64, 64x10."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(64, 3, activation="relu")(carry(inputs, UNIT))
    x = layers.DepthwiseConv2D(3, activation="relu")(x)
    x = layers.Conv2D(64, 1, activation="relu")(x)
    x = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return randomise(keras.Model(inputs, x), seed=0, head=3)


# most bytes beside the float32 file, least and largest difference of a probability:
# a format that changes nothing is none
@pytest.mark.parametrize(
    ("format", "size", "least", "most"),
    [
        ("float16", 0.65, 1e-5, 5e-3),
        ("dynamic", 0.55, 1e-5, 0.05),
        ("int8", 0.6, 1e-4, 0.1),
        ("int8_weights", 0.5, 1e-4, 0.1),
        ("int4_weights", 0.45, 1e-3, 0.5),
    ],
)
def test_a_format_is_small_and_answers_like_the_model(
    wide, images, format, size, least, most
):
    calibration = images[:30] if format == "int8" else None
    buffer = convert(wide, format=format, calibration=calibration)
    # 3x3x3x64 + 64, 3x3x64 + 64, 64x64 + 64, 64x10 + 10 weights of 4 bytes
    weights = 4 * (1728 + 64 + 576 + 64 + 4096 + 64 + 640 + 10)
    assert len(buffer) < size * weights
    answers = np.concatenate([run(buffer, image[None])[0] for image in images[:40]])
    assert least < np.abs(answers - expected(wide, images[:40])).max() < most


@pytest.mark.parametrize("format", ["int8_weights", "int4_weights"])
def test_large_files_keep_their_weights(format):
    # above 256 KiB the quantiser writes them behind the flatbuffer
    inputs = keras.Input((4, 4, 3))
    x = layers.Dense(4)(layers.Dense(12_000)(layers.Flatten()(carry(inputs, UNIT))))
    model = keras.Model(inputs, x)
    images = make_images(3, 4)
    answers = [run(convert(model, format=format), image[None])[0] for image in images]
    truth = expected(model, images)
    np.testing.assert_allclose(np.concatenate(answers), truth, atol=0.1)


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_an_int8_file_takes_and_gives_what_is_asked(small, images, io):
    buffer = convert(small, calibration=images[:10], io=io)
    interpreter = Interpreter(model_content=buffer)
    ends = interpreter.get_input_details() + interpreter.get_output_details()
    assert {end["dtype"] for end in ends} == {np.dtype(io).type}
    assert [name for name in operators(buffer) if name in BODY] == BODY


# where each of a few thousand weights is half as long, all else counts more
@pytest.mark.parametrize(("format", "size"), [("float32", 0.5), ("float16", 0.6)])
def test_a_sparse_file_is_small_and_answers_alike(wide, images, format, size):
    model = keras.models.clone_model(wide)
    random = np.random.default_rng(0)
    values = [w * (random.random(w.shape) < 0.2) for w in wide.get_weights()]
    model.set_weights(values)
    dense, sparse = (convert(model, format=format, sparse=x) for x in (False, True))
    assert len(sparse) <= size * len(dense)
    assert file_sparsity(sparse) == file_sparsity(dense) > 0.75
    np.testing.assert_array_equal(
        run(sparse, images[:1].astype("float32")),
        run(dense, images[:1].astype("float32")),
    )


@pytest.mark.parametrize("calibrated", [False, True])
def test_any_number_of_images_at_once(small, images, calibrated):
    calibration = images[:20] if calibrated else None
    one, any_number = (
        convert(small, calibration=calibration, batch=batch) for batch in (1, None)
    )
    alone = np.concatenate([run(one, image[None])[0] for image in images[:5]])
    np.testing.assert_allclose(
        run(any_number, images[:5])[0], alone, atol=1 / 256 if calibrated else 1e-6
    )


@pytest.mark.parametrize("calibrated", [False, True])
def test_resizing_is_inside(small, calibrated):
    photos = make_images(30, 24)
    buffer = convert(
        small, resize_from=(24, 24), calibration=photos if calibrated else None
    )
    assert "RESIZE_BILINEAR" in operators(buffer)
    fitted = keras.ops.image.resize(photos[:5].astype("float32"), (16, 16))
    np.testing.assert_allclose(
        np.concatenate([run(buffer, photo[None])[0] for photo in photos[:5]]),
        expected(small, np.asarray(fitted)),
        atol=0.1 if calibrated else 1e-5,
    )


def ended(model: keras.Model, *more: keras.layers.Layer) -> keras.Model:
    return keras.Model(model.input, keras.Sequential(more)(model.output))


def test_a_second_softmax_is_not_added(small):
    probable = ended(small, layers.Activation("softmax"), layers.Identity())
    assert operators(convert(probable)) == ["SUB", *BODY, "SOFTMAX"]
    assert gives_probabilities(ended(small, layers.Softmax()))
    sigmoid = ended(small, layers.Dense(1, activation="sigmoid"))
    assert gives_probabilities(sigmoid)
    assert not gives_probabilities(small)


def test_logits_and_unprocessed_images_where_asked(small, images):
    buffer = convert(small, softmax=False, preprocessing=False)
    assert operators(buffer) == BODY
    signature = Interpreter(model_content=buffer).get_signature_list()
    assert signature["serving_default"]["outputs"] == ["logits"]
    x = np.asarray(UNIT(images[:1]))
    np.testing.assert_allclose(
        run(buffer, x)[0], small(x, training=False), rtol=1e-5, atol=1e-5
    )


def test_preprocessing_may_be_given(small, images):
    pixels = images[:1].astype("float32")
    logits = small(TORCH(pixels), training=False)
    answers = run(convert(small, pixels=TORCH, softmax=False), pixels)[0]
    np.testing.assert_allclose(answers, logits, rtol=1e-4, atol=1e-5)


def test_augmentation_is_not_in_the_file(small):
    augmented = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)]),
            layers.RandomZoom(0.2),
            layers.RandomTranslation(0.1, 0.1),
            layers.RandomContrast(0.2, value_range=(-1, 1)),
            layers.GaussianNoise(0.1),
            small,
        ]
    )
    assert operators(convert(augmented)) == ["SUB", *BODY, "SOFTMAX"]
    augmented.compile()  # random state is no weight of the file
    assert len(augmented.variables) > len(augmented.weights)


def test_of_a_distiller_the_student_is_converted(small):
    teacher = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            Pixels((127.5,) * 3, (127.5,) * 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    both = keras.distillation.Distiller(
        teacher, small, keras.distillation.LogitsDistillation(2.0)
    )
    assert inference_model(both) is small


def test_local_response_norm_stays_in_float(images):
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3)(carry(x, UNIT))
    x = LocalResponseNorm(depth=3, alpha=0.5)(x)
    x = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
    model = randomise(keras.Model(inputs, x), seed=0, head=3)
    float_file, buffer = convert(model), convert(model, calibration=images[:40])
    names = operators(buffer)
    at = names.index("LOCAL_RESPONSE_NORMALIZATION")
    assert names[at - 1 : at + 2 : 2] == ["DEQUANTIZE", "QUANTIZE"]
    pixels = images[:1].astype("float32")
    truth = expected(model, pixels)
    np.testing.assert_allclose(run(float_file, pixels)[0], truth, atol=1e-5)
    np.testing.assert_allclose(run(buffer, pixels)[0], truth, atol=0.05)


def several(image: str = "zebra image") -> tuple[keras.Model, list[np.ndarray]]:
    """An image, numbers and words to boxes and a share."""
    zebra, ant = keras.Input((8, 8, 1), name=image), keras.Input((4,))
    words = keras.Input((5,), dtype="int32", name="words")
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(zebra))
    told = layers.GlobalAveragePooling1D()(layers.Embedding(50, 6)(words))
    x = layers.Concatenate()([x, layers.Dense(8)(ant), told])
    outputs = [layers.Dense(3, name="boxes")(x), layers.Dense(2, "sigmoid")(x)]
    random = np.random.default_rng(0)
    arrays = [
        random.normal(size=(20, 8, 8, 1)).astype("float32"),
        random.normal(size=(20, 4)).astype("float32"),
        random.integers(0, 50, (20, 5)).astype("int32"),
    ]
    return randomise(keras.Model([zebra, ant, words], outputs), seed=0, head=3), arrays


@pytest.mark.parametrize("calibrated", [False, True])
def test_several_inputs_and_outputs_keep_order_and_names(calibrated):
    model, arrays = several()
    names = ["zebra image", "input_1", "words"]
    by_name = dict(zip(reversed(names), reversed(arrays), strict=True))
    buffer = convert(
        model, task="generic", batch=None, calibration=by_name if calibrated else None
    )
    again, _ = several()
    assert buffer == convert(
        again, task="generic", batch=None, calibration=arrays if calibrated else None
    )
    interpreter = Interpreter(model_content=buffer)
    assert [d["name"] for d in interpreter.get_input_details()] == names
    outputs = [d["name"] for d in interpreter.get_output_details()]
    assert outputs == ["boxes", "output_1"]
    for ours, theirs in zip(
        run(buffer, *arrays), model(arrays, training=False), strict=True
    ):
        bound = 0.05 * np.abs(theirs).max() if calibrated else 1e-5
        np.testing.assert_allclose(ours, theirs, atol=bound)


def test_layers_are_known_by_their_tensors(small):
    wrapped = keras.Sequential([keras.Input((16, 16, 3)), build_small(prefix="z")])
    file, names = convert_with_names(wrapped)
    assert file == convert(wrapped)
    # without the subtraction of 127.5, operator 0
    assert {k: v for k, v in names.items() if "/" not in k} == {
        "conv_2d_1": "z_net/z_stem",
        "depthwise_conv_2d_2": "z_net/z_depthwise",
        "conv_2d_3": "z_net/z_pointwise",
        "add_4": "z_net/z_add",
        "mean_5": "z_net/z_pool",
        "fully_connected_6": "z_net/z_head",
    }
    assert names["conv_2d_3/kernel"] == "z_net/z_pointwise"


def aware(model: keras.Model):
    """The model of one dense layer with fake quantisation in it, over [-1, 1]."""
    import tensorflow as tf

    rounded = tf.quantization.fake_quant_with_min_max_args

    class Aware(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(model.weights[0].numpy())

        def __call__(self, x, training):
            assert not training
            x = tf.reduce_mean(rounded(x, -1, 1), axis=(1, 2))
            kernel = rounded(self.kernel, -2, 2, narrow_range=True)
            return rounded(tf.matmul(rounded(x, -1, 1), kernel), -4, 4)

    return Aware()


def test_a_quantise_aware_network_sets_the_ranges(images):
    model = head(layers.Dense(4, use_bias=False))
    kernel = np.random.default_rng(0).uniform(-2, 2, (3, 4))
    model.set_weights([kernel.astype("float32")])
    network = aware(model)
    buffer = convert_aware(network, like=model)
    assert set(operators(buffer)) - {"RESHAPE"} == {
        *("QUANTIZE", "SUB", "MUL", "MEAN", "FULLY_CONNECTED", "SOFTMAX")
    }
    interpreter = Interpreter(model_content=buffer)
    ends = interpreter.get_input_details() + interpreter.get_output_details()
    assert [end["quantization"] for end in ends] == [(1.0, 0), (1 / 256, 0)]
    assert {end["dtype"] for end in ends} == {np.uint8}
    logits = np.asarray(network(np.asarray(UNIT(images)), training=False))
    answers = np.concatenate([run(buffer, image[None])[0] for image in images])
    truth = keras.ops.softmax(logits)
    np.testing.assert_allclose(answers, truth, atol=0.03)
    scales = [d["quantization"][0] for d in interpreter.get_tensor_details()]
    assert any(np.isclose(scale, 8 / 255) for scale in scales)  # the logits' own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "int16"}, "'int16'; float32, float16, dynamic, int8"),
        ({"format": "int8"}, "needs calibration"),
        ({"format": "float16", "calibration": np.zeros(1)}, "takes no calibration"),
        ({"task": "detector"}, "classifier, segmenter, generic"),
        ({"task": "segmenter"}, r"output shape \(None, 10\)"),
        ({"io": "int8"}, "uint8, float32"),
        ({"batch": 0}, "batch is 0"),
        ({"sparse": True, "format": "dynamic"}, "no sparse form"),
        ({"task": "generic", "calibration": [np.zeros(1)] * 2}, "2 arrays"),
        ({"task": "generic", "calibration": {"x": np.zeros(1)}}, "inputs are input"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(small, arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        convert(small, **arguments)


def test_a_file_that_does_not_run_is_not_returned(small, monkeypatch):
    monkeypatch.setattr(litert, "canonical", lambda buffer, names: buffer[:99])
    with pytest.raises(KerasnetsError, match="does not run"):
        convert(small)
