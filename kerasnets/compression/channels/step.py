"""The step that removes channels and trains what is left, in Keras alone."""

import functools

import keras

from kerasnets import transfer
from kerasnets.compression.channels.prune import prune_channels
from kerasnets.compression.job import Job
from kerasnets.compression.networks import check_learned, load_networks
from kerasnets.compression.settings import ChannelSettings
from kerasnets.data import load_prepared
from kerasnets.evaluation import evaluate
from kerasnets.graph import all_layers
from kerasnets.progress import Progress
from kerasnets.saving import import_plugins, save_model
from kerasnets.training import Devices, seed_everything, train


def remove_channels(job: Job, devices: Devices, progress: Progress) -> list[float]:
    """Do the first step of a recipe, not in a child process.

    The first of all processes writes ``job.narrowed_path``.

    Returns:
        The accuracy on the validation images before and after.
    """
    settings = job.steps[0]
    assert isinstance(settings, ChannelSettings)
    seed_everything(job.seed)
    import_plugins(job.plugins)
    data = load_prepared(job.data)
    networks = load_networks(
        job.model_path, job.teacher_path, job.steps, len(data.class_names)
    )
    small = narrowed(networks.model, settings)
    accuracies = [evaluate(networks.model, data.validation).accuracy]
    learn = train
    if networks.teacher is not None:
        learn = functools.partial(transfer.distill, networks.teacher)
    learn(
        small,
        networks.feed(data, settings.recipe, job.seed),
        settings.recipe,
        checkpoint=job.checkpoint(0),
        devices=devices,
        progress=job.progress_of(0, progress),
    )
    accuracies.append(evaluate(small, data.validation).accuracy)
    check_learned(settings, accuracies, data.validation.labels)
    if devices.is_first:
        save_model(networks.as_given(small), job.narrowed_path)
    return accuracies


def narrowed(model: keras.Model, settings: ChannelSettings) -> keras.Model:
    """Give the model without the channels that matter least."""
    scaled = any(
        isinstance(layer, keras.layers.BatchNormalization) and layer.scale
        for layer in all_layers(model)
    )
    return prune_channels(
        model,
        madds=settings.madds,
        criterion="batch_norm" if scaled else "l1",
        multiple=settings.multiple,
    )
