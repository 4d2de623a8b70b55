"""What the child process does: the steps of a recipe, one after the other.

Importing this module turns the process to tf_keras; only ``worker`` imports it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tf_keras

from kerasnets import __version__
from kerasnets.compression.bridge import from_tf_keras, to_tf_keras
from kerasnets.compression.loop import train
from kerasnets.compression.settings import Settings, from_json
from kerasnets.compression.steps import last_step
from kerasnets.data import Feed, PreparedData, batches, load_prepared
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.export.conversion.litert import convert_aware
from kerasnets.export.metadata.tflite import add_metadata
from kerasnets.files import sha256, write_bytes
from kerasnets.pixels import pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.progress import Progress
from kerasnets.saving import import_plugins, load_model, save_model
from kerasnets.training import Checkpoint, Training, seed_everything
from kerasnets.transfer import with_input_adapter


def compress_here(
    *,
    model_path: str,
    out_path: str,
    data: str,
    steps: list[dict],
    teacher_path: str | None,
    seed: int,
    plugins: list[str],
    checkpoint_seconds: float,
    progress: Progress,
) -> list[float]:
    """``compress`` in this process; arguments as JSON has them.

    Returns:
        The accuracy on the validation images before the first step and after each.
    """
    seed_everything(seed)
    import_plugins(plugins)
    prepared = load_prepared(Path(data))
    model, sigmoid = _load(model_path, prepared)
    teacher = None
    if teacher_path is not None:
        teacher = with_input_adapter(
            _load(teacher_path, prepared)[0],
            prepared.resolution,
            pixels_of(model),
        )
    recipe = [from_json(step) for step in steps]
    if recipe[-1].kind == "qat" and model.output_shape == (None, 1):
        raise KerasnetsError(
            f"{model_path!r} gives one logit for two classes, and the int8 file of qat "
            "one for each: a network with two outputs is accepted"
        )
    check(model, recipe)
    identity = {
        "seed": seed,
        "plugins": plugins,
        "files": [
            sha256(Path(path))
            for path in (model_path, teacher_path, Path(data) / "splits.json")
            if path is not None
        ],
    }
    checkpoints = [
        Checkpoint(
            Path(out_path).with_suffix(f".step{number}.checkpoint.npz"),
            {**identity, "steps": steps[:number]},
            checkpoint_seconds,
        )
        for number in range(1, len(steps) + 1)
    ]
    aware = None
    accuracies = [evaluate(model, prepared.validation).accuracy]
    for index, checkpoint in enumerate(checkpoints):
        _seed(seed)
        model, aware = do_step(
            model,
            teacher,
            _images(model, teacher, prepared, recipe[index], seed),
            recipe[: index + 1],
            checkpoint,
            _within(recipe, index, progress),
        )
        accuracies.append(evaluate(model, prepared.validation).accuracy)
        _check_learned(recipe[index], accuracies, prepared.validation.labels)
    if recipe[-1].kind == "qat":
        file = add_metadata(
            convert_aware(aware, like=model),
            name=model.name,
            labels=prepared.class_names,
            author=f"kerasnets {__version__}",
            licence=f"data: {prepared.licence}",
        )
        write_bytes(Path(out_path).with_suffix(".tflite"), file)
    if sigmoid is not None:
        _set_activation(model, sigmoid, keras.activations.sigmoid)
    save_model(model, Path(out_path))
    for checkpoint in checkpoints:
        checkpoint.remove()
    return accuracies


def check(model: keras.Model, recipe: Sequence[Settings]) -> None:
    """Refuse what the steps cannot do, before the first trains.

    Raises:
        KerasnetsError: with what would be accepted.
    """
    net = to_tf_keras(model)
    for index in range(len(recipe)):
        last_step(model, net, recipe[: index + 1]).check()


def do_step(
    model: keras.Model,
    teacher: keras.Model | None,
    images: Feed,
    recipe: Sequence[Settings],
    checkpoint: Checkpoint,
    progress: Progress,
) -> tuple[keras.Model, tf_keras.Model]:
    """Do the last step of ``recipe`` after the others; what it trained is given too."""
    settings, step = recipe[-1], last_step(model, to_tf_keras(model), recipe)
    wrapped, end_epoch = step.wrap(settings.recipe.epochs * images.steps_per_epoch)
    train(wrapped, teacher, images, settings.recipe, checkpoint, progress, end_epoch)
    bare = step.unwrap(wrapped)
    # A negative weight times its mask is -0.0: as +0.0 all zeros compress alike.
    bare.set_weights([weight + 0.0 for weight in bare.get_weights()])
    result = from_tf_keras(bare, like=model)
    step.check_result(result)
    return result, wrapped


def _check_learned(
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


def _images(
    model: keras.Model,
    teacher: keras.Model | None,
    prepared: PreparedData,
    settings: Settings,
    seed: int,
) -> Feed:
    """The training batches of a step."""
    return batches(
        prepared.train,
        size=_size(model) if teacher is None else prepared.resolution,
        batch_size=settings.recipe.batch_size,
        seed=seed,
        augment=settings.recipe.augment,
        preprocessing=pixels_of(model),
    )


def _within(recipe: Sequence[Settings], index: int, progress: Progress) -> Progress:
    """Progress of one step as a part of the whole recipe's."""
    before = sum(step.recipe.epochs for step in recipe[:index])
    epochs = sum(step.recipe.epochs for step in recipe)
    prefix = f"{recipe[index].kind}: " if len(recipe) > 1 else ""

    def report(done: int, total: int, note: str = "") -> None:
        del total
        progress(before + done, epochs, prefix + note)

    return report


def _seed(seed: int) -> None:
    """Make a step repeat bit for bit, dropout after a restart included."""
    keras.utils.set_random_seed(seed)
    tf_keras.utils.set_random_seed(seed)
    # generators with a state that the checkpoint can hold
    tf_keras.backend.experimental.enable_tf_random_generator()


def _load(path: str, prepared: PreparedData) -> tuple[keras.Model, str | None]:
    """Load a classifier of the prepared images' classes, which gives logits.

    One sigmoid at the end is left out; the name of its layer is given too.
    """
    model = load_model(Path(path))
    last, sigmoid = model.layers[-1], None
    one_for_two = len(prepared.class_names) == 2 and model.output_shape == (None, 1)
    if one_for_two and getattr(last, "activation", None) is keras.activations.sigmoid:
        sigmoid = last.name
        _set_activation(model, sigmoid, keras.activations.linear)
    classes = 1 if one_for_two else len(prepared.class_names)
    check_logits(model, repr(path), classes=classes)
    _size(model)
    return model, sigmoid


def _set_activation(model: keras.Model, name: str, activation: Any) -> None:
    layer: Any = model.get_layer(name)
    layer.activation = activation


def _size(model: keras.Model) -> int:
    """Side of the square images that the model takes."""
    _, height, width, _ = model.input_shape
    if height is None or height != width:
        raise KerasnetsError(
            f"model {model.name!r} takes images of {height} x {width}; a fixed square "
            "is accepted"
        )
    return height
