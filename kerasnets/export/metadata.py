"""What a LiteRT file says about itself: TFLite Metadata, read and written.

The metadata is a flatbuffer of its own (identifier ``M001``) in a buffer of the model
named ``TFLITE_METADATA``; the labels are a text file in a zip archive behind the model.
MediaPipe Tasks and Android's code generators read it. Slots and values below are those
of MediaPipe's ``metadata_schema.fbs``, schema version 1.5.0.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import number_types
from flatbuffers.table import Table

from kerasnets.errors import KerasnetsError
from kerasnets.export.archive import read_file, with_files
from kerasnets.export.flatbuffer import pack, read_bytes, unpack

_BUFFER_NAME = b"TFLITE_METADATA"
_LABEL_FILE = "labels.txt"
# The oldest schema that has every field written here.
_MIN_PARSER_VERSION = "1.0.0"

# Slots of the tables. Every table that has a name has it in slot 0 and its description
# in slot 1; a table around a union has the union's type in slot 0, its value in slot 1.
_NAME, _DESCRIPTION, _UNION_TYPE, _UNION = 0, 1, 0, 1
_VERSION, _GRAPHS, _AUTHOR, _LICENCE, _PARSER = 2, 3, 4, 5, 7  # ModelMetadata
_INPUTS, _OUTPUTS = 2, 3  # SubGraphMetadata
_CONTENT, _PROCESS_UNITS, _FILES = 3, 4, 6  # TensorMetadata
_FILE_TYPE = 2  # AssociatedFile
_MEAN, _STD = 0, 1  # NormalizationOptions
_COLOUR_SPACE = 0  # ImageProperties

# Values of its enumerations.
_NORMALISATION, _IMAGE_PROPERTIES, _TENSOR_AXIS_LABELS, _RGB = 1, 2, 2, 1


class Metadata(NamedTuple):
    """What a classifier's file says about its input and output."""

    labels: tuple[str, ...]
    mean: float
    std: float


def add_metadata(
    buffer: bytes,
    *,
    name: str,
    labels: Sequence[str],
    description: str = "",
    author: str = "",
    licence: str = "",
    version: str = "",
) -> bytes:
    """Add name, licence, input normalisation and labels to a LiteRT file.

    The normalisation says mean 0 and deviation 1, because the file takes raw pixels.
    Equal arguments give equal bytes.

    Args:
        buffer: A file from ``convert``.
        name: The model's name.
        labels: Class names, in the order of the probabilities.
        description: What the model does.
        author: Who made it.
        licence: Under which licence.
        version: Which version of the model it is.

    Returns:
        The file with its metadata; a LiteRT interpreter loads it as before.

    Raises:
        KerasnetsError: The number of labels differs from that of classes, a label is
            empty or breaks over lines, or the file has metadata already.
    """
    model = unpack(read_bytes(buffer))
    if any(entry.name == _BUFFER_NAME for entry in model.metadata or ()):
        raise KerasnetsError("the LiteRT file has metadata already")
    graph = model.subgraphs[0]
    _check_labels(labels, classes=int(graph.tensors[graph.outputs[0]].shape[-1]))
    _, height, width, _ = graph.tensors[graph.inputs[0]].shape
    texts = {
        _NAME: name,
        _DESCRIPTION: description,
        _VERSION: version,
        _AUTHOR: author,
        _LICENCE: licence,
        _PARSER: _MIN_PARSER_VERSION,
    }
    metadata = _write_metadata(texts, f"RGB image, {width} x {height} pixels, 0 to 255")
    model.metadata = [
        *(model.metadata or ()),
        schema.MetadataT(name=_BUFFER_NAME, buffer=len(model.buffers)),
    ]
    model.buffers.append(schema.BufferT(data=metadata))
    return with_files(
        pack(model), {_LABEL_FILE: "".join(f"{label}\n" for label in labels)}
    )


def _check_labels(labels: Sequence[str], classes: int) -> None:
    """Raise unless there is one label, of one line, for each class."""
    if len(labels) != classes:
        raise KerasnetsError(f"{len(labels)} labels were given for {classes} classes")
    for label in labels:
        if label.splitlines() != [label]:
            raise KerasnetsError(f"the label {label!r} is not one line of text")


def _write_metadata(texts: Mapping[int, str], image: str) -> bytes:
    """Return the flatbuffer ModelMetadata, parts before what holds them."""
    builder = flatbuffers.Builder()

    def text(value: str) -> int:
        return builder.CreateString(value)

    normalisation = _table(
        builder, {_MEAN: _floats(builder, 0.0), _STD: _floats(builder, 1.0)}
    )
    unit = _table(builder, {_UNION: normalisation}, (_UNION_TYPE, _NORMALISATION))
    rgb = _table(builder, {}, (_COLOUR_SPACE, _RGB))
    content = _table(builder, {_UNION: rgb}, (_UNION_TYPE, _IMAGE_PROPERTIES))
    pixels = {
        _NAME: text("image"),
        _DESCRIPTION: text(image),
        _CONTENT: content,
        _PROCESS_UNITS: _tables(builder, unit),
    }
    pixels = _table(builder, pixels)
    labels = {_NAME: text(_LABEL_FILE), _DESCRIPTION: text("Class names, one a line")}
    labels = _table(builder, labels, (_FILE_TYPE, _TENSOR_AXIS_LABELS))
    answer = {
        _NAME: text("probabilities"),
        _DESCRIPTION: text("Probability of each class"),
        _FILES: _tables(builder, labels),
    }
    answer = _table(builder, answer)
    graph = {_INPUTS: _tables(builder, pixels), _OUTPUTS: _tables(builder, answer)}
    graph = _table(builder, graph)
    fields = {slot: text(value) for slot, value in texts.items() if value}
    fields[_GRAPHS] = _tables(builder, graph)
    builder.Finish(_table(builder, fields), b"M001")
    return bytes(builder.Output())


def _table(
    builder: flatbuffers.Builder,
    offsets: Mapping[int, int],
    enumeration: tuple[int, int] | None = None,
) -> int:
    """Write a table: slots that point elsewhere and, if any, one (slot, value) byte."""
    slots = [*offsets, *(enumeration or ())[:1]]
    builder.StartObject(max(slots) + 1)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    if enumeration:
        builder.PrependUint8Slot(*enumeration, 0)
    return builder.EndObject()


def _tables(builder: flatbuffers.Builder, table: int) -> int:
    """Write a vector of one table."""
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


def _floats(builder: flatbuffers.Builder, value: float) -> int:
    """Write a vector of one float."""
    builder.StartVector(4, 1, 4)
    builder.PrependFloat32(value)
    return builder.EndVector()


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
            f"{name} lacks the metadata of an image classifier (normalisation, labels)"
        ) from error


def _parse(buffer: bytes) -> Metadata:
    """Follow the tables down to the labels; any exception means they are not there."""
    model = unpack(buffer)
    (entry,) = (x for x in model.metadata if x.name == _BUFFER_NAME)
    root = _View.root(bytes(model.buffers[entry.buffer].data))
    (graph,) = root.tables(_GRAPHS)
    (pixels,), (answer,) = graph.tables(_INPUTS), graph.tables(_OUTPUTS)
    (normalisation,) = (
        unit.table(_UNION)
        for unit in pixels.tables(_PROCESS_UNITS)
        if unit.byte(_UNION_TYPE) == _NORMALISATION
    )
    (label_file,) = (
        file.text(_NAME)
        for file in answer.tables(_FILES)
        if file.byte(_FILE_TYPE) == _TENSOR_AXIS_LABELS
    )
    labels = read_file(buffer, label_file).splitlines()
    return Metadata(
        tuple(labels), normalisation.first_float(_MEAN), normalisation.first_float(_STD)
    )


class _View(NamedTuple):
    """A table of a flatbuffer, read by slot."""

    table_: Table

    @classmethod
    def root(cls, data: bytes) -> "_View":
        return cls(Table(data, Table(data, 0).Indirect(0)))

    def _field(self, slot: int) -> int:
        """Return where a field lies, counted from the table."""
        offset = self.table_.Offset(4 + 2 * slot)
        if not offset:
            raise LookupError(f"slot {slot} is empty")
        return offset

    def table(self, slot: int) -> "_View":
        at = self.table_.Indirect(self.table_.Pos + self._field(slot))
        return _View(Table(self.table_.Bytes, at))

    def tables(self, slot: int) -> list["_View"]:
        field = self._field(slot)
        start, length = self.table_.Vector(field), self.table_.VectorLen(field)
        at = (self.table_.Indirect(start + 4 * index) for index in range(length))
        return [_View(Table(self.table_.Bytes, position)) for position in at]

    def text(self, slot: int) -> str:
        return self.table_.String(self.table_.Pos + self._field(slot)).decode()

    def byte(self, slot: int) -> int:
        return self.table_.Get(
            number_types.Uint8Flags, self.table_.Pos + self._field(slot)
        )

    def first_float(self, slot: int) -> float:
        start = self.table_.Vector(self._field(slot))
        return self.table_.Get(number_types.Float32Flags, start)
