"""The steps of a recipe that are TF-MOT's, one after the other, in this process.

Importing this module turns the process to tf_keras; only ``worker`` imports it.
"""

from collections.abc import Sequence
from dataclasses import replace

import keras
import tf_keras

from kerasnets import __version__
from kerasnets.compression.bridge import from_tf_keras, to_tf_keras
from kerasnets.compression.job import Job
from kerasnets.compression.kernels import sparsity
from kerasnets.compression.loop import train
from kerasnets.compression.networks import Networks, check_learned, load_networks
from kerasnets.compression.settings import Settings
from kerasnets.compression.steps import STEPS, last_step
from kerasnets.data import PreparedData, load_prepared
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.export.conversion.litert import convert_aware
from kerasnets.export.metadata.tflite import add_metadata
from kerasnets.files import write_bytes
from kerasnets.pixels import pixels_of
from kerasnets.progress import Progress
from kerasnets.saving import import_plugins, save_model
from kerasnets.training import seed_everything
from kerasnets.transfer import with_input_adapter

_BY_CHANCE = 0.01  # share of zeros that nobody meant


def run(job: Job, progress: Progress) -> list[float]:
    """Do the steps, write the model and, after quantise-aware training, the int8 file.

    Returns:
        The accuracy on the validation images before the first of these steps and after
        each.
    """
    seed_everything(job.seed)
    import_plugins(job.plugins)
    data = load_prepared(job.data)
    networks = _load(job, data)
    model, aware = networks.model, None
    check(model, job.steps)
    accuracies = [evaluate(model, data.validation).accuracy]
    for index, settings in enumerate(job.steps):
        if settings.kind not in STEPS:
            continue  # done before, without TF-MOT
        now = replace(networks, model=model)
        model, aware = _do_step(job, index, now, data, progress)
        accuracies.append(evaluate(model, data.validation).accuracy)
        check_learned(settings, accuracies, data.validation.labels)
    if job.steps[-1].kind == "qat":
        _write_int8(job, model, aware, data)
    save_model(networks.as_given(model), job.out_path)
    return accuracies


def check(model: keras.Model, steps: Sequence[Settings]) -> None:
    """Refuse what the steps cannot do, before the first trains.

    Raises:
        KerasnetsError: With what would be accepted.
    """
    kinds, zeros = [step.kind for step in steps], sparsity(model)
    if zeros > _BY_CHANCE and "prune" not in kinds:
        raise KerasnetsError(
            f"{model.name!r} has sparsity {zeros:.2f}, and {' and '.join(kinds)} would "
            "lose it: begin the recipe with prune, whose zeros later steps keep"
        )
    net = to_tf_keras(model)
    for number, settings in enumerate(steps, 1):
        if settings.kind in STEPS:
            last_step(model, net, steps[:number]).check()


def _load(job: Job, data: PreparedData) -> Networks:
    """The networks; the teacher takes the images of the feed."""
    path = job.narrowed_path if job.removes_channels else job.model_path
    networks = load_networks(path, job.teacher_path, job.steps, len(data.class_names))
    if networks.teacher is None:
        return networks
    teacher = with_input_adapter(
        networks.teacher, data.resolution, pixels_of(networks.model)
    )
    return replace(networks, teacher=teacher)


def _do_step(
    job: Job, index: int, networks: Networks, data: PreparedData, progress: Progress
) -> tuple[keras.Model, tf_keras.Model]:
    """Do one step; what it trained in tf_keras is given too."""
    _seed(job.seed)
    model, recipe = networks.model, job.steps[index].recipe
    feed = networks.feed(data, recipe, job.seed)
    step = last_step(model, to_tf_keras(model), job.steps[: index + 1])
    wrapped, end_epoch = step.wrap(recipe.epochs * feed.steps_per_epoch)
    train(
        wrapped,
        networks.teacher,
        feed,
        recipe,
        job.checkpoint(index),
        job.progress_of(index, progress),
        end_epoch,
    )
    bare = step.unwrap(wrapped)
    # A negative weight times its mask is -0.0: as +0.0 all zeros compress alike.
    bare.set_weights([weight + 0.0 for weight in bare.get_weights()])
    result = from_tf_keras(bare, like=model)
    step.check_result(result)
    return result, wrapped


def _seed(seed: int) -> None:
    """Make a step repeat bit for bit, dropout after a restart included."""
    keras.utils.set_random_seed(seed)
    tf_keras.utils.set_random_seed(seed)
    # generators with a state that the checkpoint can hold
    tf_keras.backend.experimental.enable_tf_random_generator()


def _write_int8(
    job: Job, model: keras.Model, aware: tf_keras.Model | None, data: PreparedData
) -> None:
    """Write the int8 file of a quantise-aware network beside the model."""
    file = add_metadata(
        convert_aware(aware, like=model),
        name=model.name,
        labels=data.class_names,
        author=f"kerasnets {__version__}",
        licence=f"data: {data.licence}",
    )
    write_bytes(job.out_path.with_suffix(".tflite"), file)
