"""Magnitude pruning with TF-MOT: what the child process does.

Importing this module turns the process to tf_keras; only ``worker`` imports it.
"""

import hashlib
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from kerasnets.applications import preprocessing
from kerasnets.compression.bridge import from_tf_keras, to_tf_keras
from kerasnets.compression.kernels import kernels, sparsity, weights_to_keep
from kerasnets.compression.loss import cross_entropy, distillation_loss
from kerasnets.compression.pruning import PruneSettings
from kerasnets.data import Augment, Batches, PreparedData, batches, load_prepared
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import UNIT
from kerasnets.progress import Progress
from kerasnets.saving import load_model, save_model
from kerasnets.training import Checkpoint, seed_everything

# The kernels that TF-MOT prunes. It leaves depthwise ones dense: few weights, and the
# accuracy hangs on them.
_PRUNED = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Dense"), "kernel"),
    **dict.fromkeys(("Conv2DTranspose", "Conv3DTranspose"), "kernel"),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), "pointwise_kernel"),
}


def prune_here(
    *,
    model_path: str,
    out_path: str,
    data: str,
    settings: dict,
    teacher_path: str | None,
    seed: int,
    checkpoint_seconds: float,
    progress: Progress,
) -> None:
    """``kerasnets.compression.prune`` in this process; arguments as JSON has them."""
    _seed(seed)
    augment = settings["augment"] and Augment(**settings["augment"])
    chosen = PruneSettings(**{**settings, "augment": augment})
    prepared = load_prepared(Path(data))
    model = _load(model_path, prepared)
    teacher = None if teacher_path is None else _load(teacher_path, prepared)
    images = batches(
        prepared.train,
        size=_size(model) if teacher is None else prepared.resolution,
        batch_size=chosen.batch_size,
        seed=seed,
        augment=augment,
        preprocessing=preprocessing(model, default=UNIT),
    )
    steps = chosen.epochs * images.steps_per_epoch
    pruned = with_masks(to_tf_keras(model), model, chosen, steps)
    identity = {
        "settings": settings,
        "seed": seed,
        "files": [
            _sha256(path)
            for path in (model_path, teacher_path, Path(data) / "splits.json")
            if path is not None
        ],
    }
    checkpoint = Checkpoint(
        Path(out_path).with_suffix(".checkpoint.npz"), identity, checkpoint_seconds
    )
    train(pruned, teacher, images, chosen, checkpoint, progress)
    save_model(without_masks(pruned, model, chosen.sparsity), Path(out_path))
    checkpoint.remove()


def with_masks(
    twin: tf_keras.Model, model: keras.Model, settings: PruneSettings, steps: int
) -> tf_keras.Model:
    """Wrap the layers to prune so that ``model`` as a whole gets the sparsity.

    Kernels that stay dense count too: the others get the more zeros.
    """
    sizes = {
        layer.name: math.prod(getattr(layer, _PRUNED[type(layer).__name__]).shape)
        for layer in twin.layers
        if type(layer).__name__ in _PRUNED
    }
    total = sum(kernel.size for kernel in kernels(model))
    keep = weights_to_keep(list(sizes.values()), total, settings.sparsity)
    final = {
        name: 1 - kept / size
        for (name, size), kept in zip(sizes.items(), keep, strict=True)
    }
    updates = settings.update_steps(steps)

    def wrap(layer):
        if layer.name not in final:
            return layer
        schedule: Any = tfmot.sparsity.keras.PolynomialDecay(
            initial_sparsity=min(settings.initial_sparsity, final[layer.name]),
            final_sparsity=final[layer.name],
            begin_step=updates[0],
            end_step=updates[-1],
            frequency=updates.step,
        )
        return tfmot.sparsity.keras.prune_low_magnitude(
            layer, pruning_schedule=schedule
        )

    return tf_keras.models.clone_model(twin, clone_function=wrap)


def train(
    pruned: tf_keras.Model,
    teacher: keras.Model | None,
    images: Batches,
    settings: PruneSettings,
    checkpoint: Checkpoint,
    progress: Progress,
) -> None:
    """Train from the last checkpoint to the end; the zeros end as exact zeros."""
    epochs, steps = settings.epochs, images.steps_per_epoch
    cosine: Any = tf_keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, epochs * steps
    )
    optimizer = tf_keras.optimizers.Adam(cosine)
    optimizer.build(pruned.trainable_variables)
    masks = tfmot.sparsity.keras.UpdatePruningStep()
    masks.set_model(pruned)
    masks.on_train_begin()
    state = _state(pruned, optimizer)
    done = checkpoint.restore(state)
    progress(done, epochs, "continued" if done else "started")
    step = train_step(pruned, optimizer, teacher, settings)
    data = iter(images.dataset(done, epochs))
    for epoch in range(done, epochs):
        results = [step(*batch) for batch in itertools.islice(data, steps)]
        loss, accuracy = np.mean(results, axis=0)
        if not np.isfinite(loss):
            raise KerasnetsError(
                f"the loss is {loss} in epoch {epoch + 1} of {epochs}: take a smaller "
                "learning_rate"
            )
        masks.on_epoch_end(batch=-1)
        checkpoint.save(epoch + 1, state)
        progress(epoch + 1, epochs, f"loss {loss:.3f} accuracy {accuracy:.3f}")


def train_step(
    pruned: tf_keras.Model,
    optimizer: tf_keras.optimizers.Optimizer,
    teacher: keras.Model | None,
    settings: PruneSettings,
) -> Callable:
    """A compiled step: images, labels -> loss, share of right answers."""

    def for_teacher(images):
        given, own = (preprocessing(net, default=UNIT) for net in (pruned, teacher))
        return given.converted(images, own)

    def loss_of(images, labels, logits):
        if teacher is None:
            return cross_entropy(labels, logits)
        return distillation_loss(
            labels,
            logits,
            teacher(_resized(for_teacher(images), teacher), training=False),
            temperature=settings.temperature,
            soft_weight=settings.soft_weight,
        )

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = pruned(_resized(images, pruned), training=True)
            loss = loss_of(images, labels, logits)
        variables = pruned.trainable_variables
        optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        right = tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels
        return loss, tf.reduce_mean(tf.cast(right, tf.float32))

    return step


def without_masks(
    pruned: tf_keras.Model, model: keras.Model, asked: float
) -> keras.Model:
    """The pruned weights in a Keras model like ``model``."""
    twin = tfmot.sparsity.keras.strip_pruning(pruned)
    # A negative weight times its mask is -0.0: as +0.0 all zeros compress alike.
    twin.set_weights([weight + 0.0 for weight in twin.get_weights()])
    result = from_tf_keras(twin, like=model)
    if (reached := sparsity(result)) < asked:
        raise KerasnetsError(
            f"pruning reached sparsity {reached:.4f}, {asked} was asked for: weights "
            "of equal size are kept or pruned together"
        )
    return result


def _seed(seed: int) -> None:
    """Make the run repeat bit for bit, dropout after a restart included."""
    seed_everything(seed)
    tf_keras.utils.set_random_seed(seed)
    # generators with a state that the checkpoint can hold
    tf_keras.backend.experimental.enable_tf_random_generator()


def _state(pruned: tf_keras.Model, optimizer) -> list:
    """All that training changes: weights, masks and steps, slots, random state."""
    random_layers = [x for x in pruned.layers if hasattr(x, "_random_generator")]
    generators = [layer._random_generator._generator.state for layer in random_layers]
    return [*pruned.variables, *optimizer.variables, *generators]


def _load(path: str, prepared: PreparedData) -> keras.Model:
    """Load a classifier of the prepared images' classes."""
    model = load_model(Path(path))
    classes = len(prepared.class_names)
    if model.output_shape != (None, classes):
        raise KerasnetsError(
            f"{path!r} gives outputs {model.output_shape}; the data have {classes} "
            f"classes, (None, {classes}) is accepted"
        )
    activation = getattr(model.layers[-1], "activation", None)
    if isinstance(model.layers[-1], keras.layers.Softmax) or (
        activation not in (None, keras.activations.linear)
    ):
        raise KerasnetsError(
            f"{path!r} ends in {model.layers[-1].name!r}, which does not give logits: "
            "build it with classifier_activation=None"
        )
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


def _resized(images, model):
    """The images at the size that the model takes."""
    size = tuple(model.input_shape[1:3])
    if size == tuple(images.shape[1:3]):
        return images
    return tf.image.resize(images, size, antialias=True)


def _sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
