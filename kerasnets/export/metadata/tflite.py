"""What a LiteRT file says about itself: TFLite Metadata, read and written.

The metadata is a flatbuffer of its own (identifier ``M001``) in a buffer of the model
named ``TFLITE_METADATA``; the labels are a text file in a zip archive behind the model.
MediaPipe Tasks and Android's code generators read it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ai_edge_litert import schema_py_generated as schema

from kerasnets.data import check_class_names
from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import pack, read_bytes, unpack
from kerasnets.export.metadata import schema as slots
from kerasnets.export.metadata.archive import read_file, with_files

_BUFFER_NAME = b"TFLITE_METADATA"
# Of a kind of file, the oldest schema that has every field written here.
_PARSERS = {"classifier": "1.0.0", "segmenter": "1.5.0"}
# Of a kind of file, the number of axes of what it answers.
_KINDS = {"classifier": 2, "segmenter": 4}


class Metadata(NamedTuple):
    """What a file says about its input and output.

    Attributes:
        labels: Class names, in the order of the probabilities.
        mean: What is subtracted from pixels of 0 to 255: one number for all channels,
            or one a channel.
        std: What they are divided by then, likewise.
    """

    labels: tuple[str, ...]
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]


def add_metadata(
    buffer: bytes,
    *,
    name: str,
    labels: Sequence[str],
    kind: str | None = None,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
    description: str = "",
    author: str = "",
    licence: str = "",
    version: str = "",
) -> bytes:
    """Add name, licence, input normalisation and labels to a LiteRT file.

    MediaPipe's ImageClassifier and ImageSegmenter then take the file; of a segmenter
    whose signature calls its answer ``logits``, MediaPipe computes the probabilities.
    Equal arguments give equal bytes.

    Args:
        buffer: A file from ``convert``, of an image to ``(1, classes)`` or to a map
            ``(1, height, width, classes)``.
        name: The model's name.
        labels: Class names, in the order of the probabilities.
        kind: "classifier" or "segmenter"; None tells by the shape of the answer.
        mean: What an app subtracts from pixels of 0 to 255, one number or one a
            channel. 0 where the file takes raw pixels, as it does unless it was
            converted with ``preprocessing=False``.
        std: What it divides them by then, likewise; 1 for raw pixels.
        description: What the model does.
        author: Who made it.
        licence: Under which licence.
        version: Which version of the model it is.

    Returns:
        The file with its metadata; a LiteRT interpreter loads it as before.

    Raises:
        KerasnetsError: The file is of neither kind, the number of labels differs from
            that of classes, a label is empty or breaks over lines, mean or std fit no
            channels, or the file has metadata already.
    """
    model = unpack(read_bytes(buffer))
    if any(entry.name == _BUFFER_NAME for entry in model.metadata or ()):
        raise KerasnetsError("the LiteRT file has metadata already")
    graph = model.subgraphs[0]
    image, answer = ([int(x) for x in shape] for shape in _shapes(graph))
    kind = _kind(kind, answer)
    check_class_names(labels, answer[-1])
    texts = {
        slots.NAME: name,
        slots.DESCRIPTION: description,
        slots.VERSION: version,
        slots.AUTHOR: author,
        slots.LICENCE: licence,
        slots.PARSER: _PARSERS[kind],
    }
    metadata = slots.write_metadata(
        texts,
        image,
        *_normalisation(mean, std, image[-1]),
        kind,
        softmax=_answer_name(model) != b"logits",
    )
    model.metadata = [
        *(model.metadata or ()),
        schema.MetadataT(name=_BUFFER_NAME, buffer=len(model.buffers)),
    ]
    model.buffers.append(schema.BufferT(data=metadata))
    return with_files(
        pack(model), {slots.LABEL_FILE: "".join(f"{label}\n" for label in labels)}
    )


def without_metadata(buffer: bytes) -> bytes:
    """Take what ``add_metadata`` added out of a LiteRT file, so that other can be."""
    model = unpack(read_bytes(buffer))
    for entry in model.metadata or ():
        if entry.name == _BUFFER_NAME:
            model.buffers[entry.buffer].data = None
    model.metadata = [e for e in model.metadata or () if e.name != _BUFFER_NAME]
    return pack(model)


def _shapes(graph: Any) -> tuple[Sequence[int], Sequence[int]]:
    """Return the shapes of image and answer; raise unless there is one of each."""
    shapes = [
        [] if graph.tensors[index].shape is None else graph.tensors[index].shape
        for index in (*graph.inputs, *graph.outputs)
    ]
    if (
        [len(graph.inputs), len(graph.outputs)] != [1, 1]
        or len(shapes[0]) != 4
        or shapes[0][3] not in slots.COLOURS
    ):
        raise KerasnetsError(
            "the LiteRT file has tensors of shapes "
            f"{[list(map(int, shape)) for shape in shapes]}; one image (1, height, "
            "width, 1 or 3) and one answer are accepted"
        )
    return shapes[0], shapes[1]


def _answer_name(model: Any) -> bytes:
    """Return what the file's signature calls its answer."""
    outputs = [
        output for entry in model.signatureDefs or () for output in entry.outputs
    ]
    return outputs[0].name if outputs else b""


def _kind(kind: str | None, answer: Sequence[int]) -> str:
    """Return what kind of file it is; raise where that is not so."""
    found = next((k for k, axes in _KINDS.items() if axes == len(answer)), None)
    if found is None or kind not in (None, found):
        raise KerasnetsError(
            f"kind {kind!r} of a file that answers with shape {list(answer)}: "
            "'classifier' (1, classes), 'segmenter' (1, height, width, classes) or "
            "None is accepted"
        )
    return found


def _normalisation(
    mean: float | Sequence[float], std: float | Sequence[float], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation, equally many: MediaPipe takes nothing else."""
    means = _per_channel("mean", mean, channels)
    stds = _per_channel("std", std, channels)
    count = max(len(means), len(stds))
    return means * (count // len(means)), stds * (count // len(stds))


def _per_channel(
    name: str, value: float | Sequence[float], channels: int
) -> tuple[float, ...]:
    """Return one number, or one a channel."""
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(values) not in (1, channels) or (name == "std" and min(values) <= 0):
        raise KerasnetsError(
            f"{name} {value} does not fit {channels} channels: one number or "
            f"{channels}{', above 0' if name == 'std' else ''}"
        )
    return tuple(map(float, values))


def read_labels(source: bytes | Path | str) -> tuple[str, ...]:
    """Return the class names that a LiteRT file carries.

    Args:
        source: The file's bytes or its path.

    Raises:
        KerasnetsError: The file cannot be read, is damaged or has no labels.
    """
    return read_metadata(source).labels


def read_metadata(source: bytes | Path | str) -> Metadata:
    """Return what a LiteRT file says about its input and its output.

    Args:
        source: The file's bytes or its path.

    Raises:
        KerasnetsError: The file cannot be read, is damaged or lacks normalisation or
            labels.
    """
    name = "the LiteRT file" if isinstance(source, bytes) else str(source)
    buffer = read_bytes(source)
    try:
        return _parse(buffer)
    # whatever a missing field or a wrong offset leads to
    except Exception as error:
        raise KerasnetsError(
            f"{name} lacks the metadata of images and classes (normalisation, labels)"
        ) from error


def _parse(buffer: bytes) -> Metadata:
    """Follow the tables down to the labels; any exception means they are not there."""
    model = unpack(buffer)
    (entry,) = (x for x in model.metadata if x.name == _BUFFER_NAME)
    root = slots.View.root(bytes(model.buffers[entry.buffer].data))
    (graph,) = root.tables(slots.GRAPHS)
    (pixels,), (answer,) = graph.tables(slots.INPUTS), graph.tables(slots.OUTPUTS)
    (normalisation,) = (
        unit.table(slots.UNION)
        for unit in pixels.tables(slots.PROCESS_UNITS)
        if unit.byte(slots.UNION_TYPE) == slots.NORMALISATION
    )
    (label_file,) = (
        file.text(slots.NAME)
        for file in answer.tables(slots.FILES)
        if file.byte(slots.FILE_TYPE) == slots.TENSOR_AXIS_LABELS
    )
    labels = read_file(buffer, label_file).splitlines()
    mean, std = (normalisation.floats(slot) for slot in (slots.MEAN, slots.STD))
    return Metadata(
        tuple(labels),
        mean[0] if len(mean) == 1 else mean,
        std[0] if len(std) == 1 else std,
    )
