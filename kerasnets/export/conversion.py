"""From a trained Keras classifier to the bytes of a LiteRT file."""

import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasnets.applications import preprocessing, without_auxiliary
from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import in_plain_form
from kerasnets.export.float32 import to_float32
from kerasnets.pretrained import UNIT, Preprocessing


def convert(model: keras.Model, *, calibration: np.ndarray | None = None) -> bytes:
    """Convert a classifier, of images or of their pixels, to a file for raw pixels.

    Normalisation goes in before the network and softmax behind it; batch norm is folded
    into the kernels. Only built-in operators are allowed: the file runs without the
    Flex delegate. Equal weights and calibration images give equal bytes, whatever the
    layers are called and whatever the process did before.

    Args:
        model: A functional Keras model from ``(h, w, 3)`` float images, preprocessed as
            ``applications.preprocessing(model)`` says or else in [-1, 1], to logits
            ``(classes,)``, or a map of them ``(h, w, classes)`` from a U-Net. It is
            not changed; one of mixed precision is converted in float32, auxiliary
            classifiers are left out.
        calibration: None for a float32 file. For a full-integer one, ``(n, h, w, 3)``
            uint8 training images whose activations set the quantisation ranges; a
            hundred or so are enough.

    Returns:
        The file. Its one signature, ``serving_default``, goes from ``image``,
        ``(1, h, w, 3)`` pixels from 0 to 255, to ``probabilities``, ``(1, classes)``
        or ``(1, h, w, classes)``.
        Both are float32 without calibration and uint8 with it: pixels then have scale 1
        and zero point 0, probabilities scale 1/256 and zero point 0.

    Raises:
        KerasnetsError: The model is no such classifier, an operator is not built in, or
            the calibration images do not fit the model.
    """
    convention = preprocessing(model, default=UNIT)
    model = without_auxiliary(model)
    size = _check_classifier(model)
    if calibration is not None:
        _check_calibration(calibration, size)
    module = _phone_graph(to_float32(model), size, convention)
    return in_plain_form(_run_converter(module, calibration))


def _check_classifier(model: keras.Model) -> tuple[int, int]:
    """Return the input's height and width; raise unless images go to logits."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise KerasnetsError(
            f"{model.name!r} has {len(model.inputs)} inputs and {len(model.outputs)}"
            " outputs; a classifier to convert has one of each"
        )
    shape = model.inputs[0].shape
    if len(shape) != 4 or None in shape[1:] or shape[3] != 3:
        raise KerasnetsError(
            f"{model.name!r} has input shape {shape}; a classifier to convert has"
            " (None, height, width, 3) with fixed height and width"
        )
    if len(model.outputs[0].shape) not in (2, 4):
        raise KerasnetsError(
            f"{model.name!r} has output shape {model.outputs[0].shape}; a classifier to"
            " convert has (None, classes) or (None, height, width, classes)"
        )
    last = model.layers[-1]
    if (
        isinstance(last, keras.layers.Softmax)
        or getattr(last, "activation", None) is keras.activations.softmax
    ):
        raise KerasnetsError(
            f"{model.name!r} ends in softmax; a classifier to convert returns logits"
            " (classifier_activation=None), the file has a softmax of its own"
        )
    return shape[1], shape[2]


def _check_calibration(images: np.ndarray, size: tuple[int, int]) -> None:
    """Raise unless there are images of the model's size."""
    if images.dtype != np.uint8 or images.shape[1:] != (*size, 3) or not len(images):
        raise KerasnetsError(
            f"the calibration images have shape {images.shape} and dtype"
            f" {images.dtype}; (n, {size[0]}, {size[1]}, 3) of uint8, n of 1 or more,"
            " fits the model"
        )


def _phone_graph(
    model: keras.Model, size: tuple[int, int], convention: Preprocessing
) -> Any:
    """Trace pixels -> preprocessing -> model -> probabilities, at batch 1."""
    import tensorflow as tf

    mean, scale = convention.mean, [1 / std for std in convention.std]
    if len({*mean}) == len({*scale}) == 1:
        mean, scale = mean[0], scale[0]
    pixels = tf.TensorSpec((1, *size, 3), tf.float32, name="image")

    @tf.function(input_signature=[pixels])
    def classify(image: Any) -> dict[str, Any]:
        if convention.channels == "BGR":
            # not tf.reverse: int8 files with it answered nothing like the model
            image = tf.gather(image, [2, 1, 0], axis=-1)
        # Subtract first: the factor then folds into the kernel of a convolution that
        # follows, which leaves one operator of the two in x / 127.5 - 1.
        logits = model((image - mean) * scale, training=False)
        return {"probabilities": tf.nn.softmax(logits)}

    module = tf.Module()
    module.classify = classify
    # The converter freezes the variables that it finds here.
    module.variables_to_freeze = [weight.value for weight in model.weights]
    return module


def _run_converter(module: Any, calibration: np.ndarray | None) -> bytes:
    """Convert the traced graph with built-in operators only."""
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    function = module.classify.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        converter.representative_dataset = lambda: _samples(calibration)
    with warnings.catch_warnings():
        # It asks for the input's mean and deviation, an option of TensorFlow 1; the
        # ranges come from the calibration images.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        try:
            return converter.convert()
        except ConverterError as error:
            raise KerasnetsError(_explain(error)) from error


def _samples(images: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Yield the calibration images, one at a time.

    Two pixels of the first are made black and white: with them the input's range is
    exactly 0 to 255 whatever the images show, hence scale 1 and zero point 0. Whole
    black and white images would widen the ranges of all later layers too.
    """
    for index, image in enumerate(images):
        sample = image[None].astype(np.float32)
        if index == 0:
            sample[0, 0, 0], sample[0, -1, -1] = 0, 255
        yield [sample]


def _explain(error: Any) -> str:
    """Say in one line which operators, made by which layers, LiteRT does not have."""
    culprits = {
        f"{entry.operator.name.removeprefix('tf.')} at {_place(entry)}"
        for entry in error.errors
        if entry.operator.name
    }
    if not culprits:
        return f"the converter failed: {str(error).splitlines()[0]}"
    return "the model needs operators that LiteRT does not have built in: " + ", ".join(
        sorted(culprits)
    )


def _place(entry: Any) -> str:
    """Return the path of a failed operator in the graph: model/layer/.../operator."""
    names = (call.name for call in entry.location.call if call.name)
    return next(names, "unknown place").split("@")[0]
