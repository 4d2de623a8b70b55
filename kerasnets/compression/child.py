"""What the child process does: the steps of a recipe, one after the other.

Importing this module turns the process to tf_keras; only ``worker`` imports it.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import tf_keras

from kerasnets import __version__
from kerasnets.compression.bridge import from_tf_keras, to_tf_keras
from kerasnets.compression.loop import train
from kerasnets.compression.settings import Settings, from_json
from kerasnets.compression.steps import last_step
from kerasnets.data import Feed, PreparedData, batches, load_prepared
from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion import convert_aware
from kerasnets.export.metadata import add_metadata
from kerasnets.files import sha256, write_bytes
from kerasnets.pixels import pixels_of
from kerasnets.probabilities import check_logits
from kerasnets.progress import Progress
from kerasnets.saving import import_plugins, load_model, save_model
from kerasnets.training import Checkpoint, seed_everything


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
) -> None:
    """``compress`` in this process; arguments as JSON has them."""
    seed_everything(seed)
    import_plugins(plugins)
    prepared = load_prepared(Path(data))
    model = _load(model_path, prepared)
    teacher = None if teacher_path is None else _load(teacher_path, prepared)
    recipe = [from_json(step) for step in steps]
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
    if recipe[-1].kind == "qat":
        file = add_metadata(
            convert_aware(aware, like=model),
            name=model.name,
            labels=prepared.class_names,
            author=f"kerasnets {__version__}",
            licence=f"data: {prepared.licence}",
        )
        write_bytes(Path(out_path).with_suffix(".tflite"), file)
    save_model(model, Path(out_path))
    for checkpoint in checkpoints:
        checkpoint.remove()


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
    wrapped, end_epoch = step.wrap(settings.epochs * images.steps_per_epoch)
    train(wrapped, teacher, images, settings, checkpoint, progress, end_epoch)
    bare = step.unwrap(wrapped)
    # A negative weight times its mask is -0.0: as +0.0 all zeros compress alike.
    bare.set_weights([weight + 0.0 for weight in bare.get_weights()])
    result = from_tf_keras(bare, like=model)
    step.check_result(result)
    return result, wrapped


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
        batch_size=settings.batch_size,
        seed=seed,
        augment=settings.augment,
        preprocessing=pixels_of(model),
    )


def _within(recipe: Sequence[Settings], index: int, progress: Progress) -> Progress:
    """Progress of one step as a part of the whole recipe's."""
    before = sum(step.epochs for step in recipe[:index])
    epochs = sum(step.epochs for step in recipe)
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


def _load(path: str, prepared: PreparedData) -> keras.Model:
    """Load a classifier of the prepared images' classes."""
    model = load_model(Path(path))
    check_logits(model, repr(path), classes=len(prepared.class_names))
    _size(model)
    return model


def _size(model: keras.Model) -> int:
    """Side of the square images that the model takes."""
    _, height, width, _ = model.input_shape
    if height is None or height != width:
        raise KerasnetsError(
            f"model {model.name!r} takes images of {height} x {width}; a fixed square "
            "is accepted"
        )
    return height
