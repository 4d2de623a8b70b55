"""SavedModel and ONNX, by Keras's own export: the same graph for other runtimes."""

import contextlib
import importlib.util
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras

from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion.inference import inference_model
from kerasnets.export.conversion.layer_names import plain_layer_names
from kerasnets.export.conversion.wrapper import Ends, end_names, wrapper_of
from kerasnets.files import replacing

_ENDS = Ends()
_ONNX_LIBRARIES = ("tf2onnx", "onnx")


def export_saved_model(
    model: keras.Model,
    folder: Path | str,
    ends: Ends = _ENDS,
) -> None:
    """Write the graph that ``convert`` makes as a TensorFlow SavedModel.

    It takes float32 pixels, any number of images at once, and computes in float32;
    ``tf.saved_model.load(folder).serve(image)`` runs it.

    Args:
        model: As for ``convert``, like all that follows.
        folder: Where it is written, whole or not at all; a SavedModel there before is
            replaced.
        ends: What goes around the model.

    Raises:
        KerasnetsError: An argument does not fit the model, or something else than a
            SavedModel is in the place of the folder.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / "saved_model.pb").is_file():
        raise KerasnetsError(f"{folder} exists and is no SavedModel: not replaced")
    partial, former = (
        folder.with_name(f"{folder.name}.{state}") for state in ("partial", "former")
    )
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _ready(model, ends) as pixels:
            pixels.export(partial, format="tf_saved_model", verbose=False)
        if folder.exists():
            shutil.rmtree(former, ignore_errors=True)
            folder.replace(former)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def export_onnx(
    model: keras.Model,
    path: Path | str,
    ends: Ends = _ENDS,
) -> None:
    """Write the graph that ``convert`` makes as an ONNX file.

    It takes float32 pixels, any number of images at once, and computes in float32.

    Args:
        model: As for ``convert``, like all that follows.
        path: Where it is written, whole or not at all.
        ends: What goes around the model.

    Raises:
        KerasnetsError: An argument does not fit the model, or the libraries that write
            ONNX are not installed.
    """
    missing = [name for name in _ONNX_LIBRARIES if not importlib.util.find_spec(name)]
    if missing:
        raise KerasnetsError(
            f"ONNX files need {' and '.join(missing)}, not installed here: pip install"
            " 'kerasnets[onnx]'"
        )
    path = Path(path)
    with (
        _ready(model, ends) as pixels,
        replacing(path, path.with_name(f"{path.name}.partial")) as partial,
        warnings.catch_warnings(),
    ):
        # Keras gives NumPy 2 the names of NumPy 1 that tf2onnx looks for
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        pixels(pixels.input)  # Keras refuses a model that was never called
        pixels.export(str(partial), format="onnx", verbose=False)


@contextlib.contextmanager
def _ready(model: keras.Model, ends: Ends) -> Iterator[keras.Model]:
    """The graph to write, its layers called as every format allows."""
    model = inference_model(model)
    with plain_layer_names(model):
        yield pixel_model(model, ends)


def pixel_model(model: keras.Model, ends: Ends = _ENDS) -> keras.Model:
    """Return the graph that ``convert`` makes as a Keras model; the weights are shared.

    Raises:
        KerasnetsError: An argument does not fit the model.
    """
    model = inference_model(model)
    if ends.task == "generic":
        inputs = [
            keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
            for name, tensor in zip(
                end_names(model, "input"), model.inputs, strict=True
            )
        ]
        image = keras.tree.pack_sequence_as(model.input, inputs)
        answers = keras.tree.flatten(model(image, training=False))
        names = end_names(model, "output")
        return keras.Model(
            image, dict(zip(names, answers, strict=True)), name=model.name
        )
    wrapper = wrapper_of(model, ends)
    image = keras.Input(wrapper.image, name="image")
    answer = wrapper(image, lambda x: model(x, training=False))
    return keras.Model(image, {wrapper.answer: answer}, name=model.name)
