"""Knowledge distillation: a student learns a teacher's soft answers."""

import keras
from keras import layers

from kerasnets.applications import without_auxiliary
from kerasnets.data import Feed
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.progress import Progress, silent
from kerasnets.training import (
    Checkpoint,
    Devices,
    Recipe,
    Training,
    native_kernels,
    train,
)


def distill(
    teacher: keras.Model,
    student: keras.Model,
    feed: Feed,
    recipe: Recipe,
    *,
    checkpoint: Checkpoint | None = None,
    devices: Devices | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a student on a teacher's soft targets and the labels, in place.

    The loss is ``(1 - w) CE(labels, s) + w T^2 KL(softmax(t / T), softmax(s / T))`` for
    logits ``s`` and ``t``, with the recipe's ``soft_weight`` w and ``temperature`` T
    (Hinton et al. 2015, section 2). Auxiliary classifiers are left out.

    Args:
        teacher: From images to logits (batch, classes); it stays as it is.
        student: From images to logits (batch, classes).
        feed: Training images and labels, preprocessed for the student; usually of the
            larger size of the two networks. Each network gets them at its own size, and
            the teacher in its own preprocessing.
        recipe: How the student is trained.
        checkpoint: As in ``train``.
        devices: As in ``train``.
        progress: As in ``train``.

    Returns:
        Loss and accuracy of the student in the last epoch.

    Raises:
        KerasnetsError: A network ends in a softmax, or the classes differ.
        DivergedError: The loss is not finite at the end of an epoch.
    """
    teacher, student = without_auxiliary(teacher), without_auxiliary(student)
    for role, model in (("teacher", teacher), ("student", student)):
        check_logits(model, role)
    if _classes(teacher) != _classes(student):
        raise KerasnetsError(
            f"the teacher knows {_classes(teacher)} classes, the student "
            f"{_classes(student)}: they must be the same"
        )
    images, _ = next(iter(feed.dataset(0, 1)))
    size = images.shape[1]
    given = pixels_of(student)
    # on each device a teacher
    teacher = (devices or Devices()).mirrored(teacher)
    ready = with_input_adapter(teacher, size, given)
    with native_kernels(teacher):
        return train(
            with_input_adapter(student, size, given),
            feed,
            recipe,
            teach=lambda images: {"soft": ready(images, training=False)},
            checkpoint=checkpoint,
            devices=devices,
            progress=progress,
        )


def with_input_adapter(
    model: keras.Model, size: int, given: Preprocessing
) -> keras.Model:
    """Return the model behind what brings other images to its size and preprocessing.

    The weights are shared. The model itself where the images fit.

    Args:
        model: A network of fixed input size.
        size: Side of the images.
        given: How they are preprocessed.
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


def _classes(model: keras.Model) -> int:
    """Of which it tells images; a single logit stands for two."""
    return max(2, model.output_shape[-1])
