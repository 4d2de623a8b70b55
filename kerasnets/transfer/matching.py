"""Maps inside a student held against maps inside its teacher: hints and attention."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
from keras import layers, ops

from kerasnets.errors import KerasnetsError
from kerasnets.graph import calls_of

Kind = Literal["maps", "attention"]


@dataclass(frozen=True)
class Match:
    """A layer of a student that learns what a layer of its teacher gives.

    Of "maps" the loss is half the mean square of what they differ by (Romero et al.
    2015, equation 3, by the number of elements); where their shapes differ a
    convolution that learns, the paper's regressor, brings the student's to the
    teacher's. Of "attention" it is half the squared distance of the attention maps: of
    each place the mean square over the channels, brought to a length of 1 (Zagoruyko
    and Komodakis 2017, section 3.1).

    Attributes:
        teacher: Name of the layer of the teacher, the hint.
        student: Name of the layer of the student, the guided one.
        kind: "maps" or "attention".
        weight: Of this loss beside those of the logits, above 0.

    Raises:
        KerasnetsError: The kind is unknown, or the weight is not above 0.
    """

    teacher: str
    student: str
    kind: Kind = "maps"
    weight: float = 1.0

    def __post_init__(self):
        if self.kind not in get_args(Kind):
            raise KerasnetsError(
                f"a match of {self.kind!r}: {' and '.join(get_args(Kind))} are accepted"
            )
        if not self.weight > 0:
            raise KerasnetsError(
                f"a match of weight {self.weight}: above 0 is accepted"
            )

    @classmethod
    def of(cls, text: str, weight: float = 1.0) -> "Match":
        """The match that a person writes as TEACHER_LAYER=STUDENT_LAYER.

        Args:
            text: With "attention:" before it for that kind.
            weight: As above.

        Raises:
            KerasnetsError: It is none.
        """
        kind, colon, layers = text.rpartition(":")
        teacher, equals, student = layers.partition("=")
        if not (equals and teacher and student):
            raise KerasnetsError(
                f"{text!r} matches no layers: [attention:]TEACHER_LAYER=STUDENT_LAYER "
                "is accepted"
            )
        given: dict[str, Any] = {"kind": kind} if colon else {}
        return cls(teacher, student, weight=weight, **given)


def hint_outputs(teacher: keras.Model, matches: Sequence[Match]) -> list[Any]:
    """What a student is to give for each match: outputs of layers of its teacher.

    Raises:
        KerasnetsError: There is no such layer, or it gives no maps or codes.
    """
    outputs = [_output_of(teacher, "teacher", match.teacher) for match in matches]
    return [
        _attention(output) if match.kind == "attention" else output
        for match, output in zip(matches, outputs, strict=True)
    ]


def guided_outputs(
    student: keras.Model, matches: Sequence[Match], teacher: keras.Model
) -> list[Any]:
    """What a student gives for each match, of the shapes of ``hint_outputs``.

    Raises:
        KerasnetsError: There is no such layer, or its maps cannot be brought to the
            shape of the teacher's.
    """
    outputs = []
    for number, match in enumerate(matches, start=1):
        own = _output_of(student, "student", match.student)
        wanted = tuple(_output_of(teacher, "teacher", match.teacher).shape[1:])
        if match.kind == "attention":
            _check_places(match, tuple(own.shape[1:]), wanted)
            outputs.append(_attention(own))
        else:
            outputs.append(_regressed(match, own, wanted, number))
    return outputs


def match_weights(
    matches: Sequence[Match], outputs: Sequence[Any]
) -> tuple[float, ...]:
    """What ``losses.hint_distance`` of each match is multiplied by."""
    return tuple(
        match.weight / (math.prod(output.shape[1:]) if match.kind == "maps" else 1)
        for match, output in zip(matches, outputs, strict=True)
    )


def _output_of(model: keras.Model, who: str, name: str) -> Any:
    """What a layer gives, where it is called once."""
    named = [layer for layer in model.layers if layer.name == name]
    if not named:
        raise KerasnetsError(
            f"the {who} {model.name!r} has no layer {name!r}; its layers are "
            f"{', '.join(layer.name for layer in model.layers)}"
        )
    outputs = [x for call in calls_of(model, named[0]) for x in call.outputs]
    if len(outputs) != 1:
        raise KerasnetsError(
            f"the layer {name!r} of the {who} is called several times, or for several "
            "outputs: one that is called once is accepted"
        )
    (output,) = outputs
    if len(output.shape) not in (2, 4):
        raise KerasnetsError(
            f"the layer {name!r} of the {who} gives no maps (height, width, channels) "
            "and no codes (channels)"
        )
    if None in output.shape[1:]:
        raise KerasnetsError(
            f"the layer {name!r} of the {who} gives maps of {_text(output.shape[1:])}: "
            "a size that is known is accepted"
        )
    return output


def _check_places(match: Match, own: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise where attention maps cannot be held against each other."""
    if len(own) != 3 or own[:2] != wanted[:2]:
        raise KerasnetsError(
            f"{match.student!r} of the student gives {_text(own)}, {match.teacher!r} "
            f"of the teacher {_text(wanted)}: attention wants maps of the same height "
            "and width"
        )


def _regressed(match: Match, own: Any, wanted: tuple[int, ...], number: int) -> Any:
    """The student's, brought to another shape by a layer that learns."""
    shape = tuple(own.shape[1:])
    if shape == wanted:
        return own
    how: dict[str, Any] = {
        "name": f"regressor{number}",
        "kernel_initializer": keras.initializers.GlorotUniform(seed=number),
    }
    if len(shape) == len(wanted) == 1:
        return layers.Dense(wanted[0], **how)(own)
    # as many places as the maps have more than the teacher's, and one
    sides = [1 + a - b for a, b in zip(shape[:2], wanted[:2], strict=False)]
    if len(shape) != len(wanted) or min(sides) < 1:
        raise KerasnetsError(
            f"{match.student!r} of the student gives {_text(shape)}, {match.teacher!r} "
            f"of the teacher {_text(wanted)}: maps at least as high and wide as the "
            "teacher's are accepted, or codes for codes"
        )
    # smaller than a dense layer by far (Romero et al. 2015, section 2.2)
    return layers.Conv2D(wanted[-1], sides, **how)(own)


def _attention(maps: Any) -> Any:
    """Where maps are active: (batch, height x width), of length 1."""
    squares: Any = ops.mean(ops.square(ops.cast(maps, "float32")), axis=-1)
    flat = ops.reshape(squares, (-1, math.prod(maps.shape[1:3])))
    return ops.normalize(flat, axis=-1, epsilon=1e-12)


def _text(shape: Sequence[int | None]) -> str:
    return " x ".join("?" if side is None else str(side) for side in shape)
