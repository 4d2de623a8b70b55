"""The networks of a recipe: checked, and made to answer with logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets.applications import without_auxiliary
from kerasnets.compression.settings import Settings
from kerasnets.data import Feed, PreparedData, batches
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.saving import load_model
from kerasnets.training import Recipe, Training
from kerasnets.training.logits import last_layer


@dataclass(frozen=True)
class Networks:
    """What a recipe trains, and what teaches.

    Attributes:
        model: Answers with logits.
        teacher: Likewise; or None.
        sigmoid: Whether the model in the file ends in a sigmoid.
    """

    model: keras.Model
    teacher: keras.Model | None
    sigmoid: bool

    def feed(self, data: PreparedData, recipe: Recipe, seed: int) -> Feed:
        """Give the training images of a step, preprocessed for the model."""
        own = self.model.input_shape[1]
        return batches(
            data.train,
            size=own if self.teacher is None else data.resolution,
            batch_size=recipe.batch_size,
            seed=seed,
            augment=recipe.augment,
            preprocessing=pixels_of(self.model),
        )

    def as_given(self, result: keras.Model) -> keras.Model:
        """Give what a recipe made of the model the sigmoid that this had, in place."""
        if self.sigmoid:
            _end(result).activation = keras.activations.sigmoid
        return result


def load_networks(
    path: Path, teacher_path: Path | None, steps: Sequence[Settings], classes: int
) -> Networks:
    """Load the classifiers of a recipe.

    Args:
        path: File of the model that the steps begin with.
        teacher_path: File of the teacher, if there is one.
        steps: All steps of the recipe. Where they end in quantisation-aware training, a
            model of one logit for two classes gets one for each.
        classes: Number of classes of the data.

    Raises:
        KerasnetsError: A file cannot be read, or holds no such classifier.
    """
    auxiliary = {step.kind for step in steps} == {"channels"}
    model, teacher = load_model(path), None
    sigmoid = answer_with_logits(model, classes, auxiliary=auxiliary)
    if steps[-1].kind == "qat" and model.output_shape == (None, 1):
        model, sigmoid = with_two_logits(model), False
    if teacher_path is not None:
        teacher = load_model(teacher_path)
        answer_with_logits(teacher, classes, "teacher", auxiliary=auxiliary)
    return Networks(model, teacher, sigmoid)


def answer_with_logits(
    model: keras.Model, classes: int, role: str = "model", *, auxiliary: bool = False
) -> bool:
    """Take the sigmoid from the end of a classifier, if it has one, in place.

    Args:
        model: From square images to a logit for each class, or to one logit or one
            sigmoid for two classes.
        classes: Number of classes of the data.
        role: What errors call it.
        auxiliary: Whether it may have auxiliary outputs besides.

    Returns:
        Whether it had one.

    Raises:
        KerasnetsError: It is no such classifier.
    """
    if not auxiliary and len(model.outputs) > 1:
        raise KerasnetsError(
            f"{model.name!r} has {len(model.outputs)} outputs; one is accepted: leave "
            "auxiliary classifiers out (applications.without_auxiliary)"
        )
    main = without_auxiliary(model)
    single = classes == 2 and main.output_shape == (None, 1)
    last = _end(main)
    is_sigmoid = getattr(last, "activation", None) is keras.activations.sigmoid
    if single and is_sigmoid:
        last.activation = keras.activations.linear
    check_logits(main, role, classes=1 if single else classes)
    _, height, width, _ = model.input_shape
    if height is None or height != width:
        raise KerasnetsError(
            f"model {model.name!r} takes images of {height} x {width}; a fixed square "
            "is accepted"
        )
    return single and is_sigmoid


def with_two_logits(model: keras.Model) -> keras.Model:
    """Give a network of one logit z for two classes two that differ by z.

    Their softmax is the sigmoid of z; the other layers are shared.
    """
    head = keras.layers.Dense(2, name="two_logits")
    two = keras.Model(model.input, head(model.outputs[0]), name=model.name)
    # no zero, which a later step would have to keep, and no two of one size, which
    # pruning could only take together
    head.set_weights([np.array([[-0.25, 0.75]]), np.zeros(2)])
    return two


def check_learned(
    settings: Settings, accuracies: Sequence[float], labels: np.ndarray
) -> None:
    """Refuse a step after which a network that knew its classes guesses."""
    chance = np.bincount(labels).max() / len(labels)
    before, after = (
        Training(0.0, accuracy, chance, len(labels))
        for accuracy in (accuracies[0], accuracies[-1])
    )
    if after.at_chance and not before.at_chance:
        raise KerasnetsError(
            f"{settings.kind} left {after.accuracy:.1%} of {before.accuracy:.1%} right "
            "on the validation images, as by chance: take a smaller learning rate "
            f"than {settings.recipe.learning_rate:g}, or ask for less"
        )


def _end(model: keras.Model) -> Any:
    """The layer that makes the main output."""
    return last_layer(model.outputs[0])
