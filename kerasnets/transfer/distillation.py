"""Knowledge distillation: a student learns a teacher's soft answers."""

import keras
from keras import layers

from kerasnets.applications import without_auxiliary
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.probabilities import check_logits


def distiller(
    teacher: keras.Model,
    student: keras.Model,
    *,
    temperature: float,
    soft_weight: float,
) -> keras.distillation.Distiller:
    """A model that trains ``student`` on the teacher's soft targets and the labels.

    The loss is ``(1 - w) CE(labels, s) + w T^2 KL(softmax(t / T), softmax(s / T))``
    for logits ``s`` and ``t``; the factor T^2 keeps the two parts in proportion when T
    changes (Hinton et al. 2015, section 2). Training it moves the student's weights
    only; auxiliary classifiers are left out. It takes images of the larger size of the
    two networks, preprocessed for the student; each network gets them at its own size,
    and the teacher in its own preprocessing.

    Args:
        teacher: from images to logits (batch, classes).
        student: from images to logits (batch, classes).
        temperature: T, above 0; the paper's range is 1 to 20.
        soft_weight: w, from 0 (labels only) to 1 (soft targets only).

    Raises:
        KerasnetsError: a network ends in a softmax, or the classes differ.
    """
    teacher, student = without_auxiliary(teacher), without_auxiliary(student)
    for role, model in (("teacher", teacher), ("student", student)):
        check_logits(model, role)
    if teacher.output_shape != student.output_shape:
        raise KerasnetsError(
            f"the teacher knows {teacher.output_shape[-1]} classes, the student "
            f"{student.output_shape[-1]}: they must be the same"
        )
    size = max(_side(teacher), _side(student))
    given = pixels_of(student)
    return keras.distillation.Distiller(
        teacher=fed_with(teacher, size, given),
        student=fed_with(student, size, given),
        # as an object: Keras 3.15 takes its own default, the name "kl_divergence", for
        # a function of logits and leaves out both softmax and T^2
        distillation_losses=keras.distillation.LogitsDistillation(
            temperature,
            keras.losses.KLDivergence(),  # pyright: ignore[reportArgumentType]
        ),
        student_loss_weight=1.0 - soft_weight,
    )


def fed_with(model: keras.Model, size: int, given: Preprocessing) -> keras.Model:
    """The model behind what brings other images to its own size and preprocessing.

    The weights are shared. The model itself where the images fit.

    Args:
        model: a network of fixed input size.
        size: side of the images.
        given: how they are preprocessed.
    """
    height, width, channels = model.input_shape[1:]
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


def _side(model: keras.Model) -> int:
    return max(model.input_shape[1:3])
