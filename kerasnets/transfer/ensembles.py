"""Several answers that teach as one: those of several networks, or to ten crops."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
from keras import ops

from kerasnets.applications import without_auxiliary
from kerasnets.errors import KerasnetsError
from kerasnets.losses import class_logits
from kerasnets.pixels import carry, pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.transfer.distillation import with_input_adapter

Mean = Literal["arithmetic", "geometric"]


def ensemble(
    members: Sequence[keras.Model],
    *,
    mean: Mean = "arithmetic",
    temperature: float = 1.0,
) -> keras.Model:
    """Return one network that answers with the mean of what its members answer.

    Its logits are such that their softmax at the temperature is the arithmetic mean of
    the members' softmaxes at it, or the geometric mean, made to sum up to 1 (Hinton et
    al. 2015, section 1). A student that learns from them takes the same temperature;
    to the geometric mean all temperatures are the same.

    Args:
        members: From images to logits (batch, classes), of any families; they share
            their weights with the result. Auxiliary classifiers are left out.
        mean: "arithmetic" or "geometric".
        temperature: Above 0.

    Returns:
        A network that takes images of the largest side of its members, in the
        preprocessing of the first, of colours if one takes them.

    Raises:
        KerasnetsError: There is no member, one gives no logits, they differ in their
            classes, or an argument is unknown.
    """
    if not members:
        raise KerasnetsError("an ensemble has one member at least: none was given")
    _check_mean(mean, temperature)
    members = [without_auxiliary(member) for member in members]
    for number, member in enumerate(members, start=1):
        check_logits(member, f"member {number}")
    classes = [max(2, member.output_shape[-1]) for member in members]
    if len(set(classes)) > 1:
        raise KerasnetsError(
            f"the members know {', '.join(map(str, classes))} classes: they must be "
            "the same"
        )
    channels = sorted({member.input_shape[-1] for member in members})
    if len(channels) > 1 and channels != [1, 3]:
        raise KerasnetsError(
            f"the members take images of {', '.join(map(str, channels))} channels: as "
            "many are accepted, or 1 and 3"
        )
    size = max(member.input_shape[1] for member in members)
    # those of grey images are shown colours in grey
    widest = max(members, key=lambda member: member.input_shape[-1])
    given = pixels_of(widest)
    image = keras.Input((size, size, widest.input_shape[-1]), name="image")
    x = carry(image, given)
    answers = []
    for number, member in enumerate(members, start=1):
        adapted = with_input_adapter(member, size, given)
        # members of one name may be one network trained twice
        named = keras.Model(adapted.input, adapted.output, name=f"member{number}")
        answers.append(class_logits(named(x)))
    logits = _together(ops.stack(answers), mean, temperature)
    return keras.Model(image, logits, name="ensemble")


def ten_crop(
    model: keras.Model,
    side: int,
    *,
    mean: Mean = "arithmetic",
    temperature: float = 1.0,
) -> keras.Model:
    """Return a network that answers with the mean for ten parts of an image.

    Those of its corners and of its middle, and their mirror images (Krizhevsky et al.
    2012, section 4.1); the mean is that of ``ensemble``.

    Args:
        model: From images to logits (batch, classes); it shares its weights with the
            result. Auxiliary classifiers are left out.
        side: Of the images that the result takes; the parts are as large as those that
            the model takes.
        mean: As of ``ensemble``.
        temperature: As of ``ensemble``.

    Raises:
        KerasnetsError: The model gives no logits, its images are no smaller squares, or
            an argument is unknown.
    """
    _check_mean(mean, temperature)
    model = without_auxiliary(model)
    check_logits(model, "model")
    height, width, channels = model.input_shape[1:]
    if height != width or not height < side:
        raise KerasnetsError(
            f"parts of {height} x {width} pixels of images of {side} x {side}: square "
            "ones are accepted, smaller than the images"
        )
    image = keras.Input((side, side, channels), name="image")
    x = carry(image, pixels_of(model))
    last, middle = side - height, (side - height) // 2
    parts = [
        x[:, top : top + height, left : left + width]
        for top, left in (
            *((0, 0), (0, last), (last, 0), (last, last)),
            (middle, middle),
        )
    ]
    parts += [ops.flip(part, axis=2) for part in parts]
    answers: Any = class_logits(model(ops.concatenate(parts)))
    answers = ops.reshape(answers, (len(parts), -1, answers.shape[-1]))
    logits = _together(answers, mean, temperature)
    return keras.Model(image, logits, name="ten_crop")


def _check_mean(mean: str, temperature: float) -> None:
    if mean not in get_args(Mean):
        raise KerasnetsError(f"mean {mean!r}: {', '.join(get_args(Mean))} are accepted")
    if not temperature > 0:
        raise KerasnetsError(f"temperature {temperature}: above 0 is accepted")


def _together(answers: Any, mean: Mean, temperature: float) -> Any:
    """The logits of a mean, of logits (answers, batch, classes)."""
    logits: Any = ops.cast(answers, "float32")
    if mean == "geometric":
        return ops.mean(logits, axis=0)
    logs = ops.log_softmax(logits / temperature, axis=-1)
    # but for a number that is the same for all classes
    return temperature * ops.logsumexp(logs, axis=0)
