"""SavedModel and ONNX, by Keras's own export: the same graph for other runtimes."""

import importlib.util
import shutil
import warnings
from pathlib import Path

import keras

from kerasnets.errors import KerasnetsError
from kerasnets.export.inference import inference_model
from kerasnets.export.wrapper import TASKS, end_names, wrapper_of
from kerasnets.files import replacing
from kerasnets.pretrained import Preprocessing

_ONNX_LIBRARIES = ("tf2onnx", "onnx")


def export_saved_model(
    model: keras.Model,
    folder: Path | str,
    *,
    task: str = "classifier",
    softmax: bool = True,
    preprocessing: bool | Preprocessing = True,
    resize_from: tuple[int, int] | None = None,
) -> None:
    """Write the graph that ``convert`` makes as a TensorFlow SavedModel.

    It takes float32 pixels, any number of images at once, and computes in float32;
    ``tf.saved_model.load(folder).serve(image)`` runs it.

    Args:
        model: As for ``convert``, like all that follows.
        folder: Where it is written, whole or not at all; a SavedModel there before is
            replaced.
        task: "classifier", "segmenter" or "generic".
        softmax: Whether logits become probabilities.
        preprocessing: Whether it takes pixels from 0 to 255, or what is done to them.
        resize_from: Height and width of the images that it takes.

    Raises:
        KerasnetsError: An argument does not fit the model, or something else than a
            SavedModel is in the place of the folder.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / "saved_model.pb").is_file():
        raise KerasnetsError(f"{folder} exists and is no SavedModel: not replaced")
    pixels = pixel_model(
        model,
        task=task,
        softmax=softmax,
        preprocessing=preprocessing,
        resize_from=resize_from,
    )
    partial, former = (
        folder.with_name(f"{folder.name}.{state}") for state in ("partial", "former")
    )
    shutil.rmtree(partial, ignore_errors=True)
    try:
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
    *,
    task: str = "classifier",
    softmax: bool = True,
    preprocessing: bool | Preprocessing = True,
    resize_from: tuple[int, int] | None = None,
) -> None:
    """Write the graph that ``convert`` makes as an ONNX file.

    It takes float32 pixels, any number of images at once, and computes in float32.

    Args:
        model: As for ``convert``, like all that follows.
        path: Where it is written, whole or not at all.
        task: "classifier", "segmenter" or "generic".
        softmax: Whether logits become probabilities.
        preprocessing: Whether it takes pixels from 0 to 255, or what is done to them.
        resize_from: Height and width of the images that it takes.

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
    pixels = pixel_model(
        model,
        task=task,
        softmax=softmax,
        preprocessing=preprocessing,
        resize_from=resize_from,
    )
    pixels(pixels.input)  # Keras refuses a model that was never called
    with (
        replacing(path, path.with_name(f"{path.name}.partial")) as partial,
        warnings.catch_warnings(),
    ):
        # Keras gives NumPy 2 the names of NumPy 1 that tf2onnx looks for
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        pixels.export(str(partial), format="onnx", verbose=False)


def pixel_model(
    model: keras.Model,
    *,
    task: str = "classifier",
    softmax: bool = True,
    preprocessing: bool | Preprocessing = True,
    resize_from: tuple[int, int] | None = None,
) -> keras.Model:
    """Return the graph that ``convert`` makes as a Keras model; the weights are shared.

    Raises:
        KerasnetsError: An argument does not fit the model.
    """
    if task not in TASKS:
        raise KerasnetsError(f"task is {task!r}; {', '.join(TASKS)} are accepted")
    model = inference_model(model)
    if task == "generic":
        answers = dict(zip(end_names(model, "output"), model.outputs, strict=True))
        return keras.Model(model.input, answers, name=model.name)
    wrapper = wrapper_of(
        model,
        task=task,
        softmax=softmax,
        preprocessing=preprocessing,
        resize_from=resize_from,
    )
    image = keras.Input(wrapper.image, name="image")
    answer = wrapper(image, lambda x: model(x, training=False))
    return keras.Model(image, {wrapper.answer: answer}, name=model.name)
