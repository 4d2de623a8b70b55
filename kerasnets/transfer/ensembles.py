"""Several networks that teach as one."""

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
        preprocessing of the first.

    Raises:
        KerasnetsError: There is no member, one gives no logits, they differ in their
            classes, or an argument is unknown.
    """
    if not members:
        raise KerasnetsError("an ensemble has one member at least: none was given")
    if mean not in get_args(Mean):
        raise KerasnetsError(f"mean {mean!r}: {', '.join(get_args(Mean))} are accepted")
    if not temperature > 0:
        raise KerasnetsError(f"temperature {temperature}: above 0 is accepted")
    members = [without_auxiliary(member) for member in members]
    for number, member in enumerate(members, start=1):
        check_logits(member, f"member {number}")
    classes = [max(2, member.output_shape[-1]) for member in members]
    if len(set(classes)) > 1:
        raise KerasnetsError(
            f"the members know {', '.join(map(str, classes))} classes: they must be "
            "the same"
        )
    size = max(member.input_shape[1] for member in members)
    given = pixels_of(members[0])
    image = keras.Input((size, size, members[0].input_shape[-1]), name="image")
    x = carry(image, given)
    answers = []
    for number, member in enumerate(members, start=1):
        adapted = with_input_adapter(member, size, given)
        # members of one name may be one network trained twice
        named = keras.Model(adapted.input, adapted.output, name=f"member{number}")
        answers.append(ops.cast(class_logits(named(x)), "float32"))
    together: Any = ops.stack(answers) / temperature
    if mean == "arithmetic":
        logs = ops.logsumexp(ops.log_softmax(together, axis=-1), axis=0)
        logits = temperature * logs  # but for a number that is the same for all
    else:
        logits = temperature * ops.mean(together, axis=0)
    return keras.Model(image, logits, name="ensemble")
