"""From a trained Keras model to the bytes of a LiteRT file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion.formats import (
    FORMATS,
    SPARSE,
    Samples,
    make,
    signature_names,
)
from kerasnets.export.conversion.inference import (
    inference_model,
    with_builtin_response_norm,
)
from kerasnets.export.conversion.layer_names import plain_layer_names
from kerasnets.export.conversion.tensor_names import (
    canonical,
    layers_of_tensors,
    original_names,
)
from kerasnets.export.conversion.wrapper import (
    Ends,
    Graph,
    generic_graph,
    image_graph,
    wrapped_graph,
    wrapper_of,
)
from kerasnets.export.runtime.smoke_run import check_runs
from kerasnets.pixels import Preprocessing, pixels_of

# examples of each input
Examples = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]
_IO = ("uint8", "float32")
_ENDS = Ends()


def convert(
    model: keras.Model,
    *,
    format: str | None = None,
    calibration: Examples | None = None,
    task: str = "classifier",
    batch: int | None = 1,
    io: str = "uint8",
    softmax: bool = True,
    preprocessing: bool = True,
    pixels: Preprocessing | None = None,
    output: str | None = None,
    resize_from: tuple[int, int] | None = None,
    sparse: bool = False,
) -> bytes:
    """Convert a model to a file that is known to load and run.

    For a classifier or a segmenter, normalisation goes in before the network and
    softmax behind it. Batch norm is folded into the kernels; augmentation, dropout,
    auxiliary classifiers and the teacher of a distiller are left out; a model of mixed
    precision is converted in float32. Only built-in operators are allowed: the file
    runs without the Flex delegate. Equal weights and calibration give equal bytes,
    whatever the layers are called and whatever the process did before.

    Args:
        model: A functional Keras model, a Sequential or a ``Distiller``. It is not
            changed. A classifier takes ``(h, w, channels)`` images and returns
            ``(classes,)`` or a map ``(h, w, classes)``: logits, or probabilities where
            it ends in a softmax or a sigmoid; a segmenter returns such a map.
        format: A name in ``FORMATS``. Default: "int8" with calibration, else "float32".
        calibration: For format "int8", examples whose activations set the ranges; a
            hundred or so are enough. Of a classifier or segmenter, ``(n, h, w,
            channels)`` uint8 pixels of the size that the file takes, from which this
            makes what a file without preprocessing gets (or give that, in float32);
            else an array for each input, in order or by name.
        batch: Examples the file takes at once, None for any number.
        io: What an int8 file takes and returns, "uint8" or "float32".
        task: "classifier", "segmenter", or "generic" for any inputs and outputs.
        softmax: Whether logits become probabilities.
        preprocessing: Whether the file takes pixels from 0 to 255 and does inside what
            the model wants done to them.
        pixels: What that is; ``Ends`` has the defaults of this and what follows.
        output: What the model answers with, "probabilities" or "logits".
        resize_from: Height and width of images that the file resizes.
        sparse: Whether zeros of float kernels are left out of the file. It pays above
            half of zeros.

    Returns:
        The file. Its one signature, ``serving_default``, goes from ``image`` to
        ``probabilities`` (``logits`` without softmax); of task "generic", from the
        model's inputs to its outputs: names given to inputs and to last layers, or
        keys, are kept; those that Keras made up are ``input`` and ``output``,
        numbered from 0 where there are several. Pixels of an int8 file with uint8 ends
        have scale 1 and zero point 0, probabilities scale 1/256 and zero point 0.

    Raises:
        KerasnetsError: An argument or the calibration does not fit the model, what it
            wants done to pixels or what it answers with cannot be known, an operator is
            not built in (all are named, with their layers), or the file does not run in
            LiteRT.
    """
    format = format or ("float32" if calibration is None else "int8")
    ends = Ends(task, softmax, preprocessing, pixels, output, resize_from)
    _check_arguments(format, calibration, batch, io, sparse)
    model = inference_model(model)
    graph = _graph_of(model, ends)
    samples = None
    if calibration is not None:
        samples = _samples(_in_order(calibration, graph), graph, model, ends)
    buffer = make(
        graph, format=format, batch=batch, io=io, sparse=sparse, samples=samples
    )
    return _finished(buffer, graph, batch)


def convert_aware(
    aware: Any, *, like: keras.Model, pixels: Preprocessing | None = None
) -> bytes:
    """Convert a quantise-aware network to a full-integer file for raw pixels.

    The ranges are those that its fake quantisation learned; the preprocessing before
    it, whose ranges are known, gets fake quantisation here. The graph around the
    network is that of ``convert``.

    Args:
        aware: A quantise-aware tf_keras model, or any callable with ``variables``, from
            preprocessed images to what ``like`` returns.
        like: The Keras model that it was made from, which says size, preprocessing and
            whether a softmax follows.
        pixels: What ``like`` wants done to pixels. Default: as in ``Ends``.

    Returns:
        The file, as ``convert`` with calibration makes it: uint8 pixels of scale 1 and
        zero point 0 to uint8 probabilities of scale 1/256.

    Raises:
        KerasnetsError: ``like`` is no classifier or segmenter, an operator is not built
            in, or the file does not run in LiteRT.
    """
    import tensorflow as tf

    wrapper = wrapper_of(inference_model(like), Ends(pixels=pixels))

    def rounded(x: Any, low: float, high: float) -> Any:
        # as the quantiser would: zero is a value that can be had
        return tf.quantization.fake_quant_with_min_max_args(
            x, min(0.0, float(low)), max(0.0, float(high))
        )

    def call(image: Any) -> list[Any]:
        return [wrapper(image, lambda x: aware(x, training=False), rounded)]

    graph = wrapped_graph(wrapper, call, aware.variables)
    return _finished(make(graph, format="int8", batch=1, io="uint8"), graph, 1)


def _finished(buffer: bytes, graph: Graph, batch: int | None) -> bytes:
    """Return the file in its plain form, having run it once."""
    buffer = canonical(buffer, signature_names(graph))
    check_runs(buffer, batch)
    return buffer


def convert_with_names(
    model: keras.Model, ends: Ends = _ENDS
) -> tuple[bytes, dict[str, str]]:
    """Convert a model to float32, and say which Keras layer each tensor comes from.

    Args:
        model: As for ``convert``.
        ends: What goes around it.

    Returns:
        The file, and the path of a layer, ``nested_model/layer``, by the name that its
        output and its weights have in it. Where layers are fused into one operator, it
        is the one with a kernel; tensors that no layer makes are left out.
    """
    model = inference_model(model)
    graph = _graph_of(model, ends)
    buffer = make(graph, format="float32", batch=1)
    names = original_names(buffer, signature_names(graph))
    with plain_layer_names(model) as before:
        layers = layers_of_tensors(names, model)
    return _finished(buffer, graph, 1), {
        tensor: "/".join(before.get(name, name) for name in path.split("/"))
        for tensor, path in layers.items()
    }


def _graph_of(model: keras.Model, ends: Ends) -> Graph:
    """Return the graph of a model for inference and what is around it."""
    network = with_builtin_response_norm(model)
    if ends.task == "generic":
        return generic_graph(network)
    return image_graph(network, wrapper_of(model, ends))


def _check_arguments(
    format: str,
    calibration: Examples | None,
    batch: int | None,
    io: str,
    sparse: bool,
) -> None:
    """Raise unless the arguments are known and fit each other."""
    for name, value, accepted in (
        ("format", format, FORMATS),
        ("io", io, _IO),
    ):
        if value not in accepted:
            raise KerasnetsError(
                f"{name} is {value!r}; {', '.join(accepted)} are accepted"
            )
    if batch is not None and batch < 1:
        raise KerasnetsError(f"batch is {batch}; 1 or more, or None, is accepted")
    if (format == "int8") != (calibration is not None):
        raise KerasnetsError(
            f"format {format!r} {'needs' if format == 'int8' else 'takes no'}"
            " calibration examples; 'int8' is the format of theirs"
        )
    if sparse and format not in SPARSE:
        raise KerasnetsError(
            f"format {format!r} has no sparse form; {', '.join(SPARSE)} have"
        )


def _samples(
    arrays: list[np.ndarray], graph: Graph, model: keras.Model, ends: Ends
) -> Samples:
    """Return what gives the calibration examples, one at a time.

    Two pixels of the first image are made black and white: with them the input's range
    is that of 0 to 255 whatever the images show, hence scale 1 and zero point 0 where
    the file takes pixels. Whole black and white images would widen the ranges of all
    later layers too.
    """
    _check_calibration(arrays, graph)
    are_pixels = graph.image and arrays[0].dtype == np.uint8
    normalise = None
    if are_pixels and not graph.pixels:
        normalise = pixels_of(model, ends.pixels)

    def give() -> Iterator[list[np.ndarray]]:
        for index in range(len(arrays[0])):
            sample = [
                array[index : index + 1].astype(dtype)
                for array, (_, dtype) in zip(arrays, graph.inputs.values(), strict=True)
            ]
            if are_pixels and index == 0:
                (image,) = sample
                image[0, 0, 0], image[0, -1, -1] = 0, 255
            if normalise is not None:
                sample = [np.asarray(normalise(sample[0]))]
            yield sample

    return give


def _in_order(calibration: Examples, graph: Graph) -> list[np.ndarray]:
    """Return the calibration examples of each input, in the order of the inputs."""
    if isinstance(calibration, np.ndarray):
        calibration = [calibration]
    if isinstance(calibration, Mapping):
        if {*calibration} != {*graph.inputs}:
            raise KerasnetsError(
                f"the calibration has examples of {', '.join(calibration)}; the inputs"
                f" are {', '.join(graph.inputs)}"
            )
        calibration = [calibration[name] for name in graph.inputs]
    if len(calibration) != len(graph.inputs):
        raise KerasnetsError(
            f"the calibration has {len(calibration)} arrays; one for each input is"
            f" accepted: {', '.join(graph.inputs)}"
        )
    return [np.asarray(array) for array in calibration]


def _check_calibration(arrays: list[np.ndarray], graph: Graph) -> None:
    """Raise unless there are as many examples of each input, of its shape and dtype."""
    count = len(arrays[0])
    for array, (name, (shape, dtype)) in zip(arrays, graph.inputs.items(), strict=True):
        accepted = (
            ("uint8",)
            if graph.pixels
            else ("uint8", dtype)
            if graph.image
            else (dtype,)
        )
        if array.shape != (count, *shape) or not count or array.dtype not in accepted:
            raise KerasnetsError(
                f"the calibration examples of {name!r} have shape {array.shape} and"
                f" dtype {array.dtype}; (n, {', '.join(map(str, shape))}) of"
                f" {' or '.join(accepted)}, n of 1 or more and the same for all inputs,"
                " fits the model"
            )
