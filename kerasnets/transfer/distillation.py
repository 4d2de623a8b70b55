"""Knowledge distillation: a student learns a teacher's soft answers."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasnets.applications import without_auxiliary
from kerasnets.data import Feed, Split
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import predict_logits
from kerasnets.graph import deep_graphs
from kerasnets.losses import class_logits
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.progress import Progress, silent
from kerasnets.training import (
    Checkpoint,
    Devices,
    EachEpoch,
    Objective,
    Recipe,
    Training,
    native_kernels,
    train,
)
from kerasnets.transfer.matching import (
    Match,
    guided_outputs,
    hint_outputs,
    match_weights,
)


def distill(
    teacher: keras.Model,
    student: keras.Model,
    feed: Feed,
    recipe: Recipe,
    *,
    matches: Sequence[Match] = (),
    checkpoint: Checkpoint | None = None,
    each_epoch: EachEpoch | None = None,
    stop_at_chance: bool = False,
    devices: Devices | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a student on a teacher's soft targets and the labels, in place.

    The loss is ``(1 - w) CE(labels, s) + w T^2 KL(softmax(t / T), softmax(s / T))`` for
    logits ``s`` and ``t``, with the recipe's ``soft_weight`` w and ``temperature`` T
    (Hinton et al. 2015, section 2), and what each match adds. Both networks run once a
    step. Auxiliary classifiers are left out.

    Args:
        teacher: From images to logits (batch, classes); it stays as it is.
        student: From images to logits (batch, classes).
        feed: Training images and labels, preprocessed for the student; usually of the
            larger size of the two networks. Each network gets them at its own size, and
            the teacher in its own preprocessing.
        recipe: How the student is trained.
        matches: Layers of the student that learn what layers of the teacher give.
        checkpoint: As in ``train``.
        each_epoch: As in ``train``.
        stop_at_chance: As in ``train``.
        devices: As in ``train``.
        progress: As in ``train``.

    Returns:
        Loss and accuracy of the student in the last epoch.

    Raises:
        KerasnetsError: A network ends in a softmax, the classes differ, or a match is
            of layers that cannot be held against each other.
        DivergedError: The loss is not finite at the end of an epoch.
    """
    teacher, student = without_auxiliary(teacher), without_auxiliary(student)
    check_logits(student, "student")
    check_teacher(teacher, _classes(student), student.input_shape[-1])
    guided = guided_outputs(student, matches, teacher)
    return _taught(
        _with_outputs(teacher, [teacher.output, *hint_outputs(teacher, matches)]),
        _with_outputs(student, [student.output, *guided]),
        feed,
        Objective(recipe, hint_weights=match_weights(matches, guided)),
        checkpoint=checkpoint,
        each_epoch=each_epoch,
        stop_at_chance=stop_at_chance,
        devices=devices,
        progress=progress,
    )


def learn_hints(
    teacher: keras.Model,
    student: keras.Model,
    feed: Feed,
    recipe: Recipe,
    matches: Sequence[Match],
    *,
    checkpoint: Checkpoint | None = None,
    devices: Devices | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a student up to the layers that its teacher guides, in place.

    The first stage of FitNets (Romero et al. 2015, section 2.3, algorithm 1): a thin
    and deep student that begins so learns where one from random weights does not. No
    label is looked at; ``distill`` goes on from there.

    Args:
        teacher: From images to logits (batch, classes); it stays as it is.
        student: From images to logits; layers behind the guided ones stay as they are.
        feed: As of ``distill``.
        recipe: How it is trained.
        matches: One or more.
        checkpoint: As in ``train``.
        devices: As in ``train``.
        progress: As in ``train``.

    Returns:
        The loss of the last epoch.

    Raises:
        KerasnetsError: As of ``distill``, or there is no match.
        DivergedError: The loss is not finite at the end of an epoch.
    """
    if not matches:
        raise KerasnetsError("hints are learned by one match or more: none was given")
    teacher, student = without_auxiliary(teacher), without_auxiliary(student)
    check_teacher(teacher, _classes(student), student.input_shape[-1])
    guided = guided_outputs(student, matches, teacher)
    return _taught(
        _with_outputs(teacher, hint_outputs(teacher, matches)),
        _with_outputs(student, guided),
        feed,
        Objective(recipe, (), match_weights(matches, guided)),
        checkpoint=checkpoint,
        devices=devices,
        progress=progress,
    )


def _with_outputs(model: keras.Model, outputs: list) -> keras.Model:
    """The model with these outputs; the weights are shared."""
    if len(outputs) == 1 and outputs[0] is model.output:
        return model
    with deep_graphs():
        return keras.Model(model.input, outputs, name=model.name)


def _taught(
    teacher: keras.Model,
    student: keras.Model,
    feed: Feed,
    objective: Objective,
    *,
    devices: Devices | None,
    **how: Any,
) -> Training:
    """Train beside a teacher, whose outputs are logits, if any are asked, and hints."""
    images, _ = next(iter(feed.dataset(0, 1)))
    size = images.shape[1]
    given = pixels_of(student)
    # on each device a teacher
    teacher = (devices or Devices()).mirrored(teacher)
    ready = with_input_adapter(teacher, size, given)
    logits = len(objective.weights)

    def teach(images: Any) -> dict[str, Any]:
        outputs = ready(images, training=False)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        said = {"soft": outputs[0]} if logits else {}
        return {**said, "hints": outputs[logits:]}

    with native_kernels(teacher):
        return train(
            with_input_adapter(student, size, given),
            feed,
            objective.recipe,
            teach=teach,
            objective=objective,
            devices=devices,
            **how,
        )


def check_teacher(teacher: keras.Model, classes: int, channels: int) -> None:
    """Raise unless a teacher gives logits of so many classes, of such images.

    One that takes grey images is shown those of a student of colours in grey; the other
    way round it would see less than it knows.
    """
    check_logits(teacher, "teacher")
    own = teacher.input_shape[-1]
    if own != channels and (own, channels) != (1, 3):
        raise KerasnetsError(
            f"the teacher {teacher.name!r} takes images of {own} channels, the student "
            f"of {channels}: as many are accepted, or a teacher of grey images"
        )
    if _classes(teacher) != classes:
        raise KerasnetsError(
            f"the teacher {teacher.name!r} knows {_classes(teacher)} classes, the "
            f"student {classes}: they must be the same"
        )


def check_matches(
    teacher: keras.Model, student: keras.Model, matches: Sequence[Match]
) -> None:
    """Raise unless a student's layers can be held against its teacher's."""
    guided_outputs(without_auxiliary(student), matches, without_auxiliary(teacher))


def check_knows(teacher: keras.Model, split: Split) -> float:
    """Raise where a teacher knows labelled images by other numbers, or not at all.

    Where its classes come in another order, another number stands for most images of a
    class than that of their label.

    Args:
        teacher: From images to logits.
        split: Some images that it was not trained on.

    Returns:
        The share of the images that it tells right.

    Raises:
        KerasnetsError: It tells no more than chance would, or by other numbers.
    """
    labels = np.asarray(split.labels)
    logits: Any = class_logits(predict_logits(teacher, split))
    answers = np.argmax(logits, axis=-1)
    counts = np.zeros((_classes(teacher),) * 2, int)
    np.add.at(counts, (labels, answers), 1)
    right, common = counts.trace() / len(labels), counts.sum(axis=1).max() / len(labels)
    moved = [
        label
        for label, row in enumerate(counts)
        if row.argmax() != label and 2 * row.max() > row.sum()
    ]
    if right <= common:
        raise KerasnetsError(
            f"the teacher {teacher.name!r} tells {100 * right:.1f} % of "
            f"{len(labels)} validation images, no more than always naming their most "
            f"common class ({100 * common:.1f} %): its classes are others, or come in "
            "another order"
        )
    if len(moved) > 1 and 2 * len(moved) >= len(counts):
        raise KerasnetsError(
            f"the teacher {teacher.name!r} takes most images of the classes "
            f"{', '.join(map(str, moved))} for one other each: its classes come in "
            "another order"
        )
    return float(right)


def with_input_adapter(
    model: keras.Model, size: int, given: Preprocessing
) -> keras.Model:
    """Return the model behind what brings other images to its size and preprocessing.

    The weights are shared. The model itself where the images fit.

    Args:
        model: A network of fixed input size.
        size: Side of the images.
        given: How they are preprocessed; in colour for a network of grey images, too.
    """
    height, width, channels = model.input_shape[1:]
    if channels == 1:
        channels = len(given.mean)
    image = keras.Input((size, size, channels), name="image")
    x = given.converted(image, pixels_of(model))
    if (height, width) != (size, size):
        resize = layers.Resizing(
            height, width, antialias=True, dtype="float32", name="resize"
        )
        x = resize(x, training=False)  # its default, True, is handed on to what follows
    if x is image:
        return model
    return keras.Model(image, model(x), name=f"{model.name}_at_{size}")


def _classes(model: keras.Model) -> int:
    """Of which it tells images; a single logit stands for two."""
    return max(2, model.output_shape[-1])
