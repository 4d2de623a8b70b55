"""The tables of TFLite Metadata: their slots, and how to write and read them.

Slots and values are those of MediaPipe's ``metadata_schema.fbs``, schema version 1.5.0,
and of its ``image_segmenter_metadata_schema.fbs``, version 1.0.0.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

# Every table that has a name has it in slot 0 and its description in slot 1; a table
# around a union has the union's type in slot 0, its value in slot 1.
NAME, DESCRIPTION, UNION_TYPE, UNION = 0, 1, 0, 1
VERSION, GRAPHS, AUTHOR, LICENCE, PARSER = 2, 3, 4, 5, 7  # ModelMetadata
INPUTS, OUTPUTS, CUSTOM = 2, 3, 9  # SubGraphMetadata
CONTENT, PROCESS_UNITS, FILES = 3, 4, 6  # TensorMetadata
RANGE = 2  # Content
FILE_TYPE = 2  # AssociatedFile
MEAN, STD = 0, 1  # NormalizationOptions
COLOUR_SPACE = 0  # ImageProperties
CUSTOM_DATA = 1  # CustomMetadata
ACTIVATION, SEGMENTER_PARSER = 0, 1  # ImageSegmenterOptions

# Values of enumerations.
NORMALISATION, IMAGE_PROPERTIES, TENSOR_AXIS_LABELS = 1, 2, 2
RGB, GREY = 1, 2
NO_ACTIVATION, SOFTMAX = 0, 2

LABEL_FILE = "labels.txt"
# Of a number of channels, what they are called, and their colour space.
COLOURS = {1: ("Grey", GREY), 3: ("RGB", RGB)}
_SEGMENTER, _SEGMENTER_PARSER = "SEGMENTER_METADATA", "1.0.0"


def write_metadata(
    texts: Mapping[int, str],
    image: Sequence[int],
    mean: Sequence[float],
    std: Sequence[float],
    kind: str,
    *,
    softmax: bool,
) -> bytes:
    """Return the flatbuffer ModelMetadata, parts before what holds them."""
    builder = flatbuffers.Builder()
    pixels = _write_pixels(builder, image, mean, std)
    answer = _write_answer(builder, kind, softmax=softmax)
    graph = {
        INPUTS: _tables(builder, pixels),
        OUTPUTS: _tables(builder, answer),
    }
    if kind == "segmenter":
        activation = NO_ACTIVATION if softmax else SOFTMAX
        options = _segmenter_options(activation, _SEGMENTER_PARSER)
        custom = {
            NAME: builder.CreateString(_SEGMENTER),
            CUSTOM_DATA: builder.CreateByteVector(options),
        }
        graph[CUSTOM] = _tables(builder, _table(builder, custom))
    graph = _table(builder, graph)
    fields = {
        slot: builder.CreateString(value) for slot, value in texts.items() if value
    }
    fields[GRAPHS] = _tables(builder, graph)
    builder.Finish(_table(builder, fields), b"M001")
    return bytes(builder.Output())


def _write_pixels(
    builder: flatbuffers.Builder,
    image: Sequence[int],
    mean: Sequence[float],
    std: Sequence[float],
) -> int:
    """Write the TensorMetadata of the image."""
    _, height, width, channels = image
    colour, space = COLOURS[channels]
    raw = (*mean, *std) == (0.0, 1.0)
    scaled = "" if raw else ", less the mean, divided by the deviation"
    normalisation = _table(
        builder,
        {
            MEAN: _floats(builder, mean),
            STD: _floats(builder, std),
        },
    )
    unit = _table(builder, {UNION: normalisation}, (UNION_TYPE, NORMALISATION))
    properties = _table(builder, {}, (COLOUR_SPACE, space))
    content = _table(builder, {UNION: properties}, (UNION_TYPE, IMAGE_PROPERTIES))
    text = f"{colour} image, {width} x {height} pixels, 0 to 255{scaled}"
    fields = {
        NAME: builder.CreateString("image"),
        DESCRIPTION: builder.CreateString(text),
        CONTENT: content,
        PROCESS_UNITS: _tables(builder, unit),
    }
    return _table(builder, fields)


def _write_answer(builder: flatbuffers.Builder, kind: str, *, softmax: bool) -> int:
    """Write the TensorMetadata of the probabilities, of an image or of its pixels."""
    files = {
        NAME: builder.CreateString(LABEL_FILE),
        DESCRIPTION: builder.CreateString("Class names, one a line"),
    }
    files = _table(builder, files, (FILE_TYPE, TENSOR_AXIS_LABELS))
    what = "Probability" if softmax else "Logit"
    where = "" if kind == "classifier" else " at each pixel"
    fields = {
        NAME: builder.CreateString("probabilities" if softmax else "logits"),
        DESCRIPTION: builder.CreateString(f"{what} of each class{where}"),
    }
    if kind == "segmenter":
        # a grey image a class, over the second and third axis
        grey = _table(builder, {}, (COLOUR_SPACE, GREY))
        content = {UNION: grey, RANGE: _axes(builder, 1, 2)}
        fields[CONTENT] = _table(builder, content, (UNION_TYPE, IMAGE_PROPERTIES))
    fields[FILES] = _tables(builder, files)
    return _table(builder, fields)


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


def _tables(builder: flatbuffers.Builder, offset: int) -> int:
    """Write a vector of one table."""
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    """Write a vector of floats."""
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()


def _axes(builder: flatbuffers.Builder, first: int, last: int) -> int:
    """Write a ValueRange: from one axis of a tensor to another."""
    builder.StartObject(2)
    builder.PrependInt32Slot(0, first, 0)
    builder.PrependInt32Slot(1, last, 0)
    return builder.EndObject()


def _segmenter_options(activation: int, parser: str) -> bytes:
    """Return the flatbuffer that tells MediaPipe what to do with a map of numbers."""
    builder = flatbuffers.Builder()
    version = builder.CreateString(parser)
    options = _table(builder, {SEGMENTER_PARSER: version}, (ACTIVATION, activation))
    builder.Finish(options, b"V001")
    return bytes(builder.Output())


class View(NamedTuple):
    """A table of a flatbuffer, read by slot."""

    table_: Table

    @classmethod
    def root(cls, data: bytes) -> "View":
        """The table that the flatbuffer starts at."""
        return cls(Table(data, Table(data, 0).Indirect(0)))

    def _field(self, slot: int) -> int:
        """Return where a field lies, counted from the table."""
        offset = self.table_.Offset(4 + 2 * slot)
        if not offset:
            raise LookupError(f"slot {slot} is empty")
        return offset

    def table(self, slot: int) -> "View":
        """The table that a slot points to."""
        at = self.table_.Indirect(self.table_.Pos + self._field(slot))
        return View(Table(self.table_.Bytes, at))

    def tables(self, slot: int) -> list["View"]:
        """The tables of a vector."""
        field = self._field(slot)
        start, length = self.table_.Vector(field), self.table_.VectorLen(field)
        at = (self.table_.Indirect(start + 4 * index) for index in range(length))
        return [View(Table(self.table_.Bytes, position)) for position in at]

    def text(self, slot: int) -> str:
        """The string of a slot."""
        return self.table_.String(self.table_.Pos + self._field(slot)).decode()

    def byte(self, slot: int) -> int:
        """The byte of a slot."""
        return self.table_.Get(
            number_types.Uint8Flags, self.table_.Pos + self._field(slot)
        )

    def floats(self, slot: int) -> tuple[float, ...]:
        """The floats of a vector."""
        field = self._field(slot)
        start, length = self.table_.Vector(field), self.table_.VectorLen(field)
        return tuple(
            self.table_.Get(number_types.Float32Flags, start + 4 * index)
            for index in range(length)
        )
